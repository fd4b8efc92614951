"""Entries in one regime only: the label decides, exits are untouched, a state rule is flat elsewhere."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.features.regime import REGIME_NAMES, regime_codes
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError
from assay.kernel.panel import Panel, Window
from assay.learn.rules import RuleModel, RuleTrainer
from assay.learn.strategies import all_strategies, regimes, strategy_named
from assay.simulate.engine import simulate
from tests.learn.strategy_bars import lively

RULES = all_strategies()
LOOK = 513


def decided(name, bars, regime, **params):
    rule = strategy_named(name)
    return RuleModel(rule, rule.resolve(params), bars.instrument.timeframe, regime).decisions(bars)


def labels_by_hand(bars, t):
    """The label of one bar from the bars up to it, as strategies.md writes it."""
    c, h, low = (x[: t + 1] for x in (bars.close, bars.high, bars.low))

    def ema(s):
        q = 1 - 2 / (s + 1)
        weights = q ** np.arange(100)
        return float((weights * c[::-1][:100]).sum() / weights.sum())

    reach = np.maximum(h[1:], c[:-1]) - np.minimum(low[1:], c[:-1])
    share = np.array([reach[k - 14 : k].mean() / c[k] for k in range(t - 499, t + 1)])
    if share[-1] > 2 * np.median(share):
        return "volatile"
    e20, e50 = ema(20), ema(50)
    aligned = sum(map(bool, (e20 > e50, c[-1] > e20, c[-1] > e50)))
    up = int((np.diff(c[-21:]) > 0).sum())
    if aligned >= 2 and c[-1] / e20 - 1 > 0.02 and c[-1] / e50 - 1 > 0.01 and up > 12:
        return "bull"
    if aligned <= 1 and c[-1] / e20 - 1 < -0.02 and c[-1] / e50 - 1 < -0.01 and up < 8:
        return "bear"
    return "sideways"


def test_the_label_is_the_written_one_and_there_is_none_before_row_513():
    bars = lively(1_500, seed=2, calm=0.02)
    within = {name: regimes.within(bars, name) for name in REGIME_NAMES}
    assert not any(found[:LOOK].any() for found in within.values())
    every = np.sum(list(within.values()), axis=0)
    assert (every[LOOK:] == 1).all()
    seen = set()
    for t in range(LOOK, len(bars), 7):
        label = labels_by_hand(bars, t)
        assert within[label][t], (t, label)
        seen.add(label)
    assert seen == set(REGIME_NAMES)


@pytest.mark.parametrize("name", ["range_sweep", "liquidity_sweep", "capitulation_reversal", "volume_breakout"])
@pytest.mark.parametrize("regime", REGIME_NAMES)
def test_entries_stand_only_where_the_label_is_and_nothing_else_changes(name, regime):
    bars = lively(2_000, seed=4, calm=0.01)
    free, held = decided(name, bars, ""), decided(name, bars, regime)
    here = regimes.within(bars, regime)
    assert (held.target[:LOOK] == 0.0).all() and np.isnan(held.stop[:LOOK]).all()
    for what in ("target", "stop", "take", "hold"):
        np.testing.assert_array_equal(getattr(held, what)[here], getattr(free, what)[here])
    elsewhere = ~here
    elsewhere[:LOOK] = False
    assert np.isnan(held.target[elsewhere]).all() and np.isnan(held.stop[elsewhere]).all()
    assert (held.hold[elsewhere] == 0).all()


def test_a_position_that_the_regime_leaves_behind_ends_as_it_would_have():
    bars = lively(3_000, seed=4, calm=0.01)
    free = simulate(bars, decided("range_sweep", bars, ""), Costs())
    held = simulate(bars, decided("range_sweep", bars, "sideways"), Costs())
    here = regimes.within(bars, "sideways")
    entered = np.searchsorted(bars.timestamp, held.trades.entry_time)
    left = np.searchsorted(bars.timestamp, held.trades.exit_time)
    assert len(held.trades) > 5
    assert here[entered - 1].all()  # decided at the close before
    assert any(not here[a:b].all() for a, b in zip(entered, left, strict=True))  # the label moved on, the trade stayed
    same = {(e, x) for e, x in zip(free.trades.entry_time, free.trades.exit_time, strict=True)}
    alike = [(e, x) in same for e, x in zip(held.trades.entry_time, held.trades.exit_time, strict=True)]
    assert np.mean(alike) > 0.5
    starts = dict(zip(free.trades.entry_time.tolist(), free.trades.exit_time.tolist(), strict=True))
    for entry, exit_ in zip(held.trades.entry_time.tolist(), held.trades.exit_time.tolist(), strict=True):
        assert starts.get(entry, exit_) == exit_


def test_a_state_rule_is_flat_elsewhere():
    bars = lively(2_000, seed=4, calm=0.01)
    free, held = decided("sma_cross", bars, ""), decided("sma_cross", bars, "sideways")
    here = regimes.within(bars, "sideways")
    np.testing.assert_array_equal(held.target, np.where(here, free.target, 0.0))
    assert here.any() and not here[LOOK:].all()


@pytest.mark.parametrize("name", RULES)
@given(seed=st.integers(0, 50), row=st.integers(520, 690), regime=st.sampled_from(REGIME_NAMES))
@settings(max_examples=4, deadline=None)
def test_the_future_changes_no_decision_and_513_rows_of_history_are_enough(name, seed, row, regime):
    bars = lively(700, seed=seed, calm=0.01)
    rule = RULES[name]
    small = {"divergence_capitulation": {"ema_fast": 5, "ema_slow": 30, "take_profit_ema": 20},
             "htf_sweep": {"htf": "4h"}}.get(name, {})  # fmt: skip
    model = RuleModel(rule, rule.resolve(small), "1h", regime)
    assert model.lookback == max(LOOK, rule.lookback(model.values, "1h"))
    whole = model.decisions(bars)
    cut = model.decisions(bars[: row + 1])
    for what in ("target", "stop", "take", "hold"):
        np.testing.assert_array_equal(getattr(whole, what)[: row + 1], getattr(cut, what))
    if row >= model.lookback:
        last = model.decisions(bars[row - model.lookback : row + 1])
        for what in ("target", "stop", "take", "hold"):
            np.testing.assert_allclose(getattr(last, what)[-1], getattr(whole, what)[row], rtol=1e-9)


def test_a_model_keeps_its_regime_in_its_file(tmp_path):
    bars = lively(900, seed=4, calm=0.01)
    train = Panel.of(Window.of_bars(bars))
    model = RuleTrainer(RULES["range_sweep"], {}, regime="sideways").fit(train, seed=1, report=NullReport())
    assert model.lookback == LOOK
    model.save(tmp_path)
    again = RuleModel.load(tmp_path)
    assert again.regime == "sideways" and again.lookback == LOOK
    np.testing.assert_array_equal(again.decisions(bars).target, model.decisions(bars).target)
    assert not np.array_equal(
        model.decisions(bars).target, replace(model, regime="").decisions(bars).target, equal_nan=True
    )


@pytest.mark.parametrize("wrong", ["bul", "BULL", "trend", " bull"])
def test_a_regime_that_is_none_is_refused_with_the_nearest(wrong):
    with pytest.raises(ConfigError, match="is unknown") as caught:
        regimes.check_regime(wrong)
    assert caught.value.code == "CONFIG_REGIME"
    assert regimes.check_regime("") == "" and regimes.check_regime("bull") == "bull"


def test_codes_and_names_are_one_list():
    bars = lively(900, seed=4, calm=0.01)
    for place, name in enumerate(REGIME_NAMES):
        np.testing.assert_array_equal(regimes.within(bars, name), regime_codes(bars) == place)
