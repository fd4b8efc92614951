"""Positions that are held for longer than the sweep looks ahead at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.decisions import Decisions
from assay.simulate.engine import run
from assay.simulate.sweep import Candidates, Exits, Side, States, sweep, tally_of
from assay.simulate.sweep_stay import BLOCK, ROOM, bounds_of
from tests.simulate.sweeps import costs, market, same

SEEDS = st.integers(0, 2**32 - 1)
LONG = 3 * ROOM + 5  # several flushes of what waits


def rare(n, g, levels):
    """Candidates some hundred bars apart, with levels that only some of them reach soon."""
    rows = np.flatnonzero(g.random(n) < 0.005).astype(np.int32)
    unit = g.choice([0.002, 0.05, 0.5], len(rows)) * 100 if levels else None
    long = g.random(len(rows)) < 0.5
    sides = (Side(held, np.empty((0, len(rows))), unit) for held in (long, ~long))
    return Candidates(rows, *sides, np.empty(0, np.bool_))


@given(SEEDS, st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_long_positions_are_the_single_backtest_bit_for_bit(seed, wild, levels):
    g = np.random.default_rng(seed)
    bars = market(LONG, g, wild=wild)
    setups, paid = [rare(LONG, g, levels)], costs(g)
    rules = Exits.of(reward_ratio=np.array([np.nan, 1.7]), hold=np.array([0.0, 700.0]), share=np.array([1.0, 0.6]))
    found = sweep(bars, setups, np.empty((1, 0)), rules, paid)
    same(found, bars, setups, np.empty((1, 0)), rules, paid, 0, 1.0)


@pytest.mark.parametrize("n", [*range(2, 2 * BLOCK + 2), 255, 256, 257, 258, 511, 513, ROOM, ROOM + 1, ROOM + 2])
def test_one_position_from_the_first_open_to_the_last_close(n):
    g = np.random.default_rng(n)
    bars, paid = market(n, g), costs(g)
    found = sweep(bars, [States(np.zeros(1, np.int32), np.ones(1))], np.empty((1, 0)), Exits.of(), paid)
    record = run(bars, Decisions.weights(np.ones(n)), paid)
    np.testing.assert_array_equal(found.values[0, 0, 0], tally_of(record))


def test_bounds_are_those_of_whole_blocks():
    low, high = np.arange(2.5 * BLOCK), np.arange(2.5 * BLOCK) + 100.0
    found = bounds_of(low, high)
    np.testing.assert_array_equal(found, [[0, BLOCK], [100 + BLOCK - 1, 100 + 2 * BLOCK - 1]])
    assert bounds_of(low[: BLOCK - 1], high[: BLOCK - 1]).shape == (2, 0)
