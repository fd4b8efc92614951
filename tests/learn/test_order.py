"""A rule that compares two columns says what their comparison says, however it is read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import USABLE
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, TrainError
from assay.learn.strategies import Exit, Setups, Side, State, Structural, Threshold, strategy, strategy_named
from assay.learn.strategies.candidates import build_exits, candidates
from assay.learn.strategies.checks import check_strategy
from assay.learn.strategies.indicators import sma
from assay.learn.strategies.setups import Above, Crossing
from assay.simulate import accumulators
from assay.simulate.engine import simulate
from assay.simulate.sweep import States, decisions, sweep_picks, tally_of
from assay.simulate.sweep.sweep_inputs import changes
from tests.learn.strategy_bars import lively

NONE = np.empty((1, 0))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 200), st.sampled_from([0.0, 1e-12, 0.3]), st.integers(0, 210))
def test_turns_are_the_changes_of_the_side(seed, n, equal, first) -> None:
    g = np.random.default_rng(seed)
    upper, lower = (np.round(np.cumsum(g.normal(size=n)), 1) for _ in range(2))  # often equal
    upper[g.random(n) < 0.1] = np.nan
    state = State.above(upper, lower, equal=equal)
    rows, sides = state.turns(first)
    want_rows, want_sides = changes(state.side, first)
    np.testing.assert_array_equal(rows, want_rows)
    np.testing.assert_array_equal(sides, want_sides)


def test_a_first_look_with_as_many_above_as_below_is_not_skipped() -> None:
    upper = np.where(np.arange(64) < 32, -1.0, 1.0)
    rows, sides = State.above(upper, np.zeros(64)).turns(0)
    assert (rows.tolist(), sides.tolist()) == ([0, 32], [-1.0, 1.0])


def test_side_by_hand() -> None:
    upper, lower = np.array([2.0, 1.0, 1.0, np.nan, -3.0]), np.array([1.0, 1.0, 2.0, 1.0, -3.3])
    np.testing.assert_array_equal(State.above(upper, lower).side, [1, np.nan, -1, np.nan, 1])
    np.testing.assert_array_equal(State.above(upper, lower, equal=0.1).side, [1, np.nan, -1, np.nan, np.nan])


def test_a_filter_or_no_shorts_asks_for_the_side_itself() -> None:
    rule, bars = strategy_named("sma_cross"), lively(300)
    values = rule.resolve()
    assert isinstance(rule.setups(bars, values), Above)
    whole = candidates(rule, bars, values, NONE)
    half = np.arange(300) % 50 < 25
    marked = replace(bars, columns={USABLE: half.astype(np.float64)})
    for found in (
        candidates(rule, bars, {**values, "allow_short": False}, NONE),
        candidates(rule, bars, values, NONE, regime=half),
        candidates(rule, marked, values, NONE),
    ):
        assert isinstance(found, States) and isinstance(whole, States)
        assert (found.rows.tolist(), found.side.tolist()) != (whole.rows.tolist(), whole.side.tolist())


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(40, 400), st.integers(0, 60))
def test_without_shorts_the_lower_side_is_flat(seed, n, start) -> None:
    rule, bars = strategy_named("sma_cross"), lively(n, seed=seed)
    values = {**rule.resolve({"fast": 3, "slow": 9}), "allow_short": False}
    found = candidates(rule, bars, values, NONE, start=start)
    wanted = States.of(np.maximum(rule.setups(bars, values).side, 0.0), start=start, lookback=8)
    assert isinstance(found, States)
    np.testing.assert_array_equal(found.rows, wanted.rows)
    np.testing.assert_array_equal(found.side, wanted.side)


def test_the_sweep_trades_what_the_rule_decides() -> None:
    rule, bars = strategy_named("sma_cross"), lively(400)
    values = rule.resolve({"fast": 7, "slow": 31})
    setup, exits = candidates(rule, bars, values, NONE), build_exits([values])
    found = sweep_picks(bars, [setup], np.array([0]), NONE, exits, Costs())
    alone = simulate(bars, decisions(bars, setup, NONE[0], exits, 0), Costs(), equity=1.0)
    np.testing.assert_array_equal(found.values[0], tally_of(alone))
    dense = State(State.above(sma(bars, 7), sma(bars, 31), equal=1e-12).side)
    np.testing.assert_array_equal(States.of(dense.side, lookback=30).rows, setup.rows)


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(TrainError, match=r"shapes \(3,\) and \(2,\)"):
        State.above(np.zeros(3), np.zeros(2))


def crossed(upper, lower):
    """Rises and falls, row by row, as the docstring says."""
    rises, falls = np.zeros(len(upper), np.bool_), np.zeros(len(upper), np.bool_)
    for t in range(1, len(upper)):
        rises[t] = upper[t] > lower[t] and upper[t - 1] <= lower[t - 1]
        falls[t] = upper[t] < lower[t] and upper[t - 1] >= lower[t - 1]
    return rises, falls


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 300), st.integers(0, 1))
def test_crossings_are_those_of_the_definition(seed, n, decimals) -> None:
    g = np.random.default_rng(seed)
    upper, lower = (np.round(np.cumsum(g.normal(size=n)), decimals) for _ in range(2))
    upper[g.random(n) < 0.05] = np.nan
    lower[g.random(n) < 0.05] = np.nan
    found = Setups.crossing(upper, lower)
    rises, falls = crossed(upper, lower)
    assert found.long is not None and found.short is not None
    np.testing.assert_array_equal(found.long.hold, rises)
    np.testing.assert_array_equal(found.short.hold, falls)


@pytest.mark.parametrize("columns", ["beside each other", "backwards", "one number"])
def test_columns_may_lie_apart(columns) -> None:
    table = np.cumsum(np.random.default_rng(5).normal(size=(500, 2)), axis=0)
    upper, lower = {
        "beside each other": (table[:, 0], table[:, 1]),
        "backwards": (table[::-1, 0].copy()[::-1], table[::-1, 1].copy()[::-1]),
        "one number": (table[:, 0], np.broadcast_to(np.float64(0.5), 500)),
    }[columns]
    assert not lower.flags.c_contiguous
    whole = upper.copy(), lower.copy()
    for one, other in (
        (State.above(upper, lower).turns(0), State.above(*whole).turns(0)),
        (Setups.crossing(upper, lower).rows(), Setups.crossing(*whole).rows()),
    ):
        assert len(other[0]) > 1
        np.testing.assert_array_equal(np.array(one), np.array(other))


def means(bars, *, fast, slow):
    """Enters where the faster mean changes its side, with a stop."""
    return Setups.crossing(sma(bars, fast), sma(bars, slow), stop_unit=bars.close)


def marked_means(bars, *, fast, slow):
    """The same by two arrays of marks."""
    marks = crossed(sma(bars, fast), sma(bars, slow))
    return Setups(*(Side(side, stop_unit=bars.close) for side in marks))


def rule_of(function):
    space = {
        "fast": Structural(5),
        "slow": Structural(20),
        "atr_multiplier_sl": Exit(0.02),
        "atr_multiplier_tp": Exit(0.03),
    }
    return strategy("means", space, lookback=lambda v, _: v["slow"], two_sided=True, sizing="fixed")(function)


@pytest.mark.parametrize("short", [True, False])
@pytest.mark.parametrize("marks", ["none", "usable", "regime"])
def test_a_crossing_trades_as_its_marks_do(short, marks) -> None:
    bars, half = lively(600), np.arange(600) % 50 < 25
    if marks == "usable":
        bars = replace(bars, columns={USABLE: half.astype(np.float64)})
    regime = half if marks == "regime" else None
    sums = []
    for function in (means, marked_means):
        rule = rule_of(function)
        values = rule.resolve({"allow_short": short})
        setup = candidates(rule, bars, values, NONE, regime=regime)
        found = sweep_picks(bars, [setup], np.array([0]), NONE, build_exits([values]), Costs())
        sums.append(found.values[0])
        if marks == "none":
            np.testing.assert_array_equal(
                found.values[0], tally_of(simulate(bars, rule.decisions(bars, values), Costs()))
            )
    np.testing.assert_array_equal(*sums)
    assert sums[0][accumulators.TRADES] > 5


def test_a_crossing_keeps_to_its_lookback() -> None:
    rule = rule_of(means)
    assert isinstance(rule.setups(lively(300), rule.resolve()), Crossing)
    assert check_strategy(rule, lively(600)) > 20
    with pytest.raises(ConfigError, match="reads more than its lookback"):
        check_strategy(replace(rule, reads=lambda values, timeframe: values["slow"] - 1), lively(600))


@pytest.mark.parametrize(
    ("upper", "levels", "said"),
    [
        (np.zeros(2), {}, r"shapes \(2,\) and \(3,\)"),
        (np.zeros(3), {"stop_unit": np.zeros(2)}, r"crossing.stop_unit is float64 \(2,\)"),
        (np.zeros(3, np.int64), {}, "crossing.upper is int64"),
        (np.zeros(3), {"stop": 1.0}, "has no level 'stop'"),
    ],
)
def test_a_crossing_of_other_shapes_is_refused(upper, levels, said) -> None:
    rule = rule_of(lambda bars, *, fast, slow: Setups.crossing(upper, np.zeros(3), **levels))
    with pytest.raises(TrainError, match=said):
        rule.setups(lively(3), rule.resolve())


def test_a_crossing_has_no_thresholds() -> None:
    space = {"depth": Threshold(0.1)}
    rule = strategy("deep", space, lookback=1)(lambda bars: Setups.crossing(bars.high, bars.low))
    with pytest.raises(TrainError, match=r"gives columns \[\], its thresholds are \['depth'\]"):
        rule.setups(lively(30), rule.resolve())
