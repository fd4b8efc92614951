"""A state that compares two columns is the state of their comparison, however it is read."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import USABLE
from assay.kernel.costs import Costs
from assay.kernel.errors import TrainError
from assay.learn.strategies import State, strategy_named
from assay.learn.strategies.indicators import sma
from assay.learn.strategies.setups import Above
from assay.learn.strategies.sweeping import candidates
from assay.simulate.sweep import States, decisions, picked
from assay.simulate.sweep_filter import changes
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


def test_the_sweep_trades_what_the_rule_decides() -> None:
    from assay.learn.strategies.sweeping import exits_of
    from assay.simulate.engine import run
    from assay.simulate.sweep import tally_of

    rule, bars = strategy_named("sma_cross"), lively(400)
    values = rule.resolve({"fast": 7, "slow": 31})
    setup, exits = candidates(rule, bars, values, NONE), exits_of([values])
    found = picked(bars, [setup], np.array([0]), NONE, exits, Costs())
    alone = run(bars, decisions(bars, setup, NONE[0], exits, 0), Costs(), equity=1.0)
    np.testing.assert_array_equal(found.values[0], tally_of(alone))
    dense = State(State.above(sma(bars, 7), sma(bars, 31), equal=1e-12).side)
    np.testing.assert_array_equal(States.of(dense.side, lookback=30).rows, setup.rows)


def test_columns_of_two_lengths_are_refused() -> None:
    with pytest.raises(TrainError, match=r"shapes \(3,\) and \(2,\)"):
        State.above(np.zeros(3), np.zeros(2))
