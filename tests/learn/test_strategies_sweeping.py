"""What a sweep makes of a strategy is what the strategy decides, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.decisions import Costs
from assay.learn.strategies import Exit, Structural, all_strategies
from assay.learn.strategies.candidates import build_exits, candidates, lazy_candidates, threshold_matrix
from assay.learn.strategies.indicators import share_indicators
from assay.learn.strategies.parameters import Range
from assay.simulate.engine import simulate
from assay.simulate.sweep import sweep_product, tally_of
from tests.learn.strategy_bars import lively
from tests.learn.test_strategies_references import LOOSE

RULES = all_strategies()
COSTS = Costs()


def drawn(data, parameter, name):
    """A value from what is searched, numbers from the lower half more often: loose thresholds signal."""
    if parameter.search is None or parameter.book:
        return parameter.default
    if isinstance(parameter.search, Range):
        draw = st.integers if parameter.search.integers else st.floats
        return data.draw(draw(parameter.search.low, parameter.search.high), label=name)
    return data.draw(st.sampled_from(parameter.search), label=name)


def fixed_of(rule, data):
    values = rule.defaults | {n: drawn(data, p, n) for n, p in rule.of_kind(Structural).items()}
    if rule.name == "divergence_capitulation":
        values |= {"ema_fast": 5, "ema_slow": 30, "take_profit_ema": 30}
    if rule.name == "htf_sweep":
        values |= {"htf": "4h"}
    if rule.name == "sma_cross":
        values["fast"] = min(values["fast"], values["slow"] - 1)
    return values


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
@settings(max_examples=6, deadline=None)
def test_a_sweep_is_the_single_backtest_of_each_combination(name, data):
    rule, bars = RULES[name], lively(700, seed=data.draw(st.integers(0, 3), label="seed"))
    base = fixed_of(rule, data)
    if rule.two_sided:
        base["allow_short"] = data.draw(st.booleans(), label="short")
    loose = {n: None if p.default is None else p.default * 0.6 for n, p in rule.thresholds.items()}
    filters = [base, base | loose, base | {n: drawn(data, p, n) for n, p in rule.thresholds.items()}]
    ways = [base | {n: drawn(data, p, n) for n, p in rule.of_kind(Exit).items()} for _ in range(2)]
    for way in ways:
        way["allow_short"] = base.get("allow_short", True)
    matrix, exits = threshold_matrix(rule, filters), build_exits(ways)
    start = data.draw(st.sampled_from([0, rule.lookback(base, "1h")]), label="start")
    with share_indicators():
        found = sweep_product(
            bars, [lazy_candidates(rule, bars, base, matrix)] * 2, matrix, exits, COSTS, start=start, threads=2
        )
    assert np.array_equal(found.values[0], found.values[1], equal_nan=True)
    for t, chosen in enumerate(filters):
        for e, way in enumerate(ways):
            values = chosen | {n: way[n] for n in rule.of_kind(Exit)}
            single = tally_of(simulate(bars, rule.decisions(bars, values), COSTS, start=start))
            np.testing.assert_array_equal(found.values[0, t, e], single)


def test_a_short_list_is_short():
    rule, bars = RULES["range_sweep"], lively(700)
    values = rule.resolve()
    listed = candidates(rule, bars, values, threshold_matrix(rule, [values]))
    signals = np.flatnonzero(rule.entries(bars, values).side)
    assert set(signals) <= set(listed.rows.tolist())
    assert len(listed.rows) <= len(signals) + rule.lookback(values, "1h")


def test_exits_of_parameter_sets():
    rule = RULES["liquidity_sweep"]
    sets = [rule.resolve({"risk_per_trade": 0.01}), rule.resolve({"sizing": "fixed", "share": 0.3})]
    found = build_exits(sets)
    assert found.share.tolist() == [1.0, 0.3]
    assert found.risk[0] == 0.01 and np.isnan(found.risk[1])
    assert found.stop_multiple.tolist() == [1.5, 1.5]
    assert np.isnan(found.take_multiple).all()


@pytest.mark.parametrize("name", LOOSE)
def test_a_sweep_of_a_rule_that_trades(name):
    rule, bars = RULES[name], lively(700, seed=1)
    values = rule.resolve(LOOSE[name][0] | {"max_holding_periods": 5})
    matrix = threshold_matrix(rule, [values])
    for start in (0, rule.lookback(values, "1h")):
        found = sweep_product(
            bars, [candidates(rule, bars, values, matrix)], matrix, build_exits([values]), COSTS, start=start
        )
        record = simulate(bars, rule.decisions(bars, values), COSTS, start=start)
        assert len(record.trades) >= 2
        np.testing.assert_array_equal(found.values[0, 0, 0], tally_of(record))


def test_a_candidate_before_the_lookback_is_no_signal():
    rule, bars = RULES["range_sweep"], lively(700, seed=1)
    values = rule.resolve({"N": 10, "volume_sma_period": 5, "atr_period": 5, "k": 0.1, "p": 1e-6})
    longer = replace(rule, reads=lambda values, timeframe: 300)
    matrix = threshold_matrix(rule, [values])
    counts = [
        sweep_product(bars, [candidates(each, bars, values, matrix)], matrix, build_exits([values]), COSTS).values[
            0, 0, 0
        ]
        for each in (rule, longer)
    ]
    record = simulate(bars, longer.decisions(bars, values), COSTS)
    np.testing.assert_array_equal(counts[1], tally_of(record))
    assert not np.array_equal(counts[0], counts[1])
