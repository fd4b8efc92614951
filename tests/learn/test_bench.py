"""A bench measures what trading each candidate alone gives, bit for bit, however it is asked."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import USABLE
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, TrainError
from assay.learn.rules import RuleModel
from assay.learn.strategies import Range, Structural, all_strategies, strategy
from assay.learn.strategies.batch_evaluator import BatchEvaluator
from assay.simulate.engine import simulate
from assay.simulate.metrics import performance_metrics
from assay.validate._walk_forward import mask_filtered_bars
from assay.validate.search.space import Space
from tests.learn.strategy_bars import lively

RULES = all_strategies()
SMALL = {
    "divergence_capitulation": {"ema_fast": 5, "ema_slow": 30, "take_profit_ema": 20},
    "htf_sweep": {"htf": "4h"},
}
NAMES = (
    "sharpe",
    "sharpe_annual",
    "net_profit",
    "max_drawdown",
    "win_rate",
    "total_trades",
    "skew",
    "exposure",
    "fees",
)


def bench(name, bars, start, space, *, regime="", threads=None, costs=None, **base):
    rule = RULES[name]
    values = rule.resolve(SMALL.get(name, {}) | base)
    ends = {n: each.ends for n, each in space.dimensions.items()}
    return BatchEvaluator(rule, bars, start, values, ends, costs or Costs(), regime, threads)


def alone(found, point):
    """One candidate through the single backtest on all the bars."""
    model = RuleModel(found.rule, {**found.base, **point}, found.bars.instrument.timeframe, found.regime)
    record = simulate(
        found.bars, mask_filtered_bars(model.decisions(found.bars), found.bars), found.costs, start=found.start
    )
    return performance_metrics(record, bars_per_year=found.bars.bars_per_year)


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_points_are_the_single_backtest_bit_for_bit(name, data):
    bars = lively(800, seed=data.draw(st.integers(0, 20), label="seed"), calm=0.008)
    if data.draw(st.booleans(), label="marked"):
        bars = replace(bars, columns={USABLE: (np.random.default_rng(1).random(len(bars)) < 0.7).astype(float)})
    regime = data.draw(st.sampled_from(["", "sideways", "volatile"]), label="regime")
    space = Space.of_strategy(RULES[name])
    found = bench(name, bars, data.draw(st.sampled_from([0, 1, 333, 640]), label="start"), space, regime=regime)
    rng = np.random.default_rng(data.draw(st.integers(0, 99), label="points"))
    points = [space.at(rng.random(len(space.dimensions))) for _ in range(6)]
    points = [p for p in points if space.holds(p)] * 2  # asked twice: kept candidates serve again
    for _ in range(2):
        measured = found.points(points, NAMES)
        for k, point in enumerate(points):
            wanted = alone(found, point)
            for metric in NAMES:
                np.testing.assert_array_equal(measured[metric][k], wanted[metric], err_msg=f"{metric} {point}")


GRIDS = {
    "range_sweep": {"max_holding_periods": (5, 10), "k": (0.5, 1.5), "N": (10, 20), "p": (0.0005, 0.002)},
    "sma_cross": {"slow": (30, 60), "share": (0.5, 1.0), "fast": (5, 40)},
    "liquidity_sweep": {
        "risk_reward_ratio": (1.5, 3.0),
        "pierce_depth": (0.0005, 0.002),
        "key_level_lookback": (50, 100),
    },
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", GRIDS)
def test_a_product_stands_in_declared_order_whatever_the_kinds_of_its_parameters(name, threads):
    grids, bars = GRIDS[name], lively(900, seed=3, calm=0.008)
    space = Space.of({n: list(v) for n, v in grids.items()}, [c.text for c in RULES[name].constraints])
    found = bench(name, bars, 200, space, threads=threads)
    keep, heard = space.grid_mask(), []
    measured = found.product(grids, keep, NAMES, lambda count, part: heard.append(count))
    points = [dict(zip(grids, values, strict=True)) for values in itertools.product(*grids.values())]
    assert len(points) == len(measured["sharpe"]) == len(keep)
    for k, point in enumerate(points):
        if keep[k]:
            wanted = alone(found, point)
            for metric in NAMES:
                np.testing.assert_array_equal(measured[metric][k], wanted[metric], err_msg=f"{metric} {point}")
    assert sum(heard) == keep.sum() and found.seconds > 0


def test_a_structural_set_that_nobody_wants_is_not_computed():
    bars = lively(900, seed=3)
    space = Space.of({"fast": [5, 50], "slow": [20, 60]}, ["fast < slow"])
    found = bench("sma_cross", bars, 200, space)
    measured = found.product({"fast": (5, 50), "slow": (20, 60)}, space.grid_mask(), ("sharpe",), lambda *_: None)
    assert np.isnan(measured["sharpe"]).tolist() == [False, False, True, False]


def test_history_before_the_start_is_looked_back_at_and_never_judged():
    bars = lively(900, seed=3)
    space = Space.of({"fast": [5, 10], "slow": [30, 60]})
    points = [{"fast": 5, "slow": 30}, {"fast": 10, "slow": 60}]
    whole, cut = (bench("sma_cross", b, s, space).points(points) for b, s in ((bars, 400), (bars[100:], 300)))
    for metric in NAMES:
        np.testing.assert_array_equal(whole[metric], cut[metric])
    assert bench("sma_cross", bars, 400, space).judged == 500


def test_a_set_that_looks_further_back_than_the_ends_said_is_right_too():
    """The lookback of an odd rule may be longest inside its range: the bench sees to its history when it is asked."""

    @strategy("odd", {"w": Structural(10, search=Range(1, 100))}, lookback=lambda v, t: 300 if v["w"] == 50 else v["w"])
    def odd(bars, *, w):
        from assay.learn.strategies import State

        far = 300 if w == 50 else w
        side = np.full(len(bars), np.nan)
        side[far:] = np.sign(bars.close[far:] - bars.close[:-far])
        return State(side)

    rule = replace(odd, state=True)
    bars, space = lively(900, seed=3), Space.of({"w": (1, 100)})
    ends = {"w": space.dimensions["w"].ends}
    found = BatchEvaluator(rule, bars, 400, rule.resolve(), ends, Costs())
    for w in (10, 50, 100, 50):
        measured = found.points([{"w": w}], NAMES)
        for metric in NAMES:
            np.testing.assert_array_equal(measured[metric][0], alone(found, {"w": w})[metric], err_msg=f"{w} {metric}")


def test_costs_that_need_the_slow_road_agree_as_well():
    bars = lively(700, seed=3, calm=0.008)
    space = Space.of({"fast": [5, 10], "slow": [30, 60]})
    found = bench("sma_cross", bars, 200, space, costs=Costs(borrow_rate=0.2, impact_coefficient=0.1))
    points = [{"fast": 5, "slow": 30}, {"fast": 10, "slow": 60}]
    measured = found.points(points, NAMES)
    for k, point in enumerate(points):
        for metric in NAMES:
            np.testing.assert_array_equal(measured[metric][k], alone(found, point)[metric])


def test_fewer_bars_than_a_set_looks_back_are_silent():
    bars = lively(60, seed=3)
    found = bench("liquidity_sweep", bars, 0, Space.of({"key_level_lookback": [20, 200]}))
    assert found.points([{"key_level_lookback": 200}])["total_trades"].tolist() == [0.0]


def test_what_a_rule_raises_has_the_candidate_with_it():
    @strategy("thirty", {"w": Structural(10, search=Range(1, 100))}, lookback=1, needs_volume=False)
    def thirty(bars, *, w):
        raise SystemExit(w)

    found = BatchEvaluator(thirty, lively(100), 0, thirty.resolve(), {"w": (1, 100)}, Costs())
    with pytest.raises(TrainError, match=r"thirty failed in line \d+: SystemExit: 30") as caught:
        found.points([{"w": 30}])
    assert caught.value.facts["parameters"] == {"w": 30}


def test_a_metric_that_a_sweep_does_not_give_is_refused():
    found = bench("sma_cross", lively(200), 50, Space.of({"fast": [5, 10]}))
    with pytest.raises(ConfigError, match="ulcer_index"):
        found.points([{"fast": 5}], ("ulcer_index",))
