"""Positions that are held for thousands of bars, and for any number from one on."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.decisions import Decisions
from assay.simulate.accumulators import GROWTH, LONGEST_STREAK, TRADES
from assay.simulate.engine import simulate
from assay.simulate.sweep import Candidates, Exits, Side, States, decisions, sweep_product, tally_of
from assay.simulate.sweep.replay_simd import STRETCH
from tests.simulate.candles import FREE, candles, flat_candles
from tests.simulate.sweeps import costs, market, same

SEEDS = st.integers(0, 2**32 - 1)
LONG = 3_077
NO_COLUMN = np.empty(0, np.bool_)


def rare(n, g, levels):
    """Candidates some hundred bars apart, with levels that only some of them reach soon."""
    rows = np.flatnonzero(g.random(n) < 0.005).astype(np.int32)
    unit = g.choice([0.002, 0.05, 0.5], len(rows)) * 100 if levels else None
    long = g.random(len(rows)) < 0.5
    sides = (Side(held, np.empty((0, len(rows))), unit) for held in (long, ~long))
    return Candidates(rows, *sides, NO_COLUMN)


@given(SEEDS, st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_long_positions_are_the_single_backtest_bit_for_bit(seed, wild, levels):
    g = np.random.default_rng(seed)
    bars = market(LONG, g, wild=wild)
    setups, paid = [rare(LONG, g, levels)], costs(g)
    rules = Exits.of(reward_ratio=np.array([np.nan, 1.7]), hold=np.array([0.0, 700.0]), share=np.array([1.0, 0.6]))
    found = sweep_product(bars, setups, np.empty((1, 0)), rules, paid)
    same(found, bars, setups, np.empty((1, 0)), rules, paid, 0, 1.0)


@pytest.mark.parametrize("n", [*range(2, 34), 255, 256, 257, 258, 511, 513, 1_024, 1_025, 1_026])
def test_one_position_from_the_first_open_to_the_last_close(n):
    g = np.random.default_rng(n)
    bars, paid = market(n, g), costs(g)
    found = sweep_product(bars, [States(np.zeros(1, np.int32), np.ones(1))], np.empty((1, 0)), Exits.of(), paid)
    record = simulate(bars, Decisions.weights(np.ones(n)), paid)
    np.testing.assert_array_equal(found.values[0, 0, 0], tally_of(record))


def decided_one_by_one(bars, setups, rules, paid):
    """The sums of all combinations, which are those of the single backtest."""
    found = sweep_product(bars, setups, np.empty((1, 0)), rules, paid, threads=1)
    for s, e in np.ndindex(len(setups), len(rules)):
        with np.errstate(all="ignore"):
            record = simulate(bars, decisions(bars, setups[s], np.empty(0), rules, e), paid)
        np.testing.assert_array_equal(found.values[s, 0, e], tally_of(record), err_msg=f"{s} {e}")
    return found


@given(SEEDS, st.booleans())
@settings(max_examples=6, deadline=None)
def test_stretches_of_bars_do_not_show(seed, edges):
    g = np.random.default_rng(seed)
    n = 2 * STRETCH + 300
    bars, setups = market(n, g), []
    for every in (1, 2, 9, 800, 5_000):
        rows = np.flatnonzero(g.random(n) < 1 / every)
        rows = np.union1d(rows, np.arange(1, 3) * STRETCH + g.integers(-2, 3)) if edges else rows
        long = g.random(len(rows)) < 0.5
        unit = None if every == 9 else 0.02 * bars.close[rows]
        sides = (Side(held, np.empty((0, len(rows))), unit) for held in (long, ~long))
        setups.append(Candidates(rows.astype(np.int32), *sides, NO_COLUMN))
    rules = Exits.of(stop_multiple=np.array([1.0, 1.0, 30.0]), hold=np.array([1.0, 0.0, STRETCH + 1.0]))
    decided_one_by_one(bars, setups, rules, costs(g))


def test_a_losing_streak_outlasts_the_stretch_and_the_trades_of_the_accounts_beside_it():
    n = 2 * STRETCH
    bars, setups = flat_candles(*100 * 0.9999 ** np.arange(n)), []
    for every in (2, 700, 3_000):
        rows = np.arange(0, n - 2, every, dtype=np.int32)
        setups.append(Candidates(rows, Side(np.ones(len(rows), np.bool_), np.empty((0, len(rows)))), None, NO_COLUMN))
    found = decided_one_by_one(bars, setups, Exits.of(hold=np.array([1.0, 1.0, 1.0])), FREE).values
    assert (found[..., LONGEST_STREAK] == found[..., TRADES]).all() and found[..., TRADES].min() > 4


@pytest.mark.parametrize("n", [5, 20])
@pytest.mark.parametrize(("bar", "reason"), [((10, 10, 9, 10), "exit_sl"), ((10, 12, 10, 10), "exit_tp")])
def test_a_level_that_is_touched_is_reached(n, bar, reason):
    bars = candles(*[(10, 10, 10, 10)] * 3, bar, *[(10, 10, 10, 10)] * (n - 4))
    side = Side(np.ones(1, np.bool_), np.empty((0, 1)), np.ones(1), None, np.full(1, 2.0))
    setup = Candidates(np.zeros(1, np.int32), side, None, NO_COLUMN)
    found = decided_one_by_one(bars, [setup], Exits.of(share=np.ones(3)), FREE)
    assert found.metrics(bars_per_year=8760, names=[reason])[reason].ravel().tolist() == [1, 1, 1]


def test_who_owes_at_an_open_places_no_order_there():
    # long at 10 for a fee of 0.9, 0.1 is left; the next open of 8 leaves nothing to sell short with, as the row before
    # demands. A short of less than nothing would make a fortune until the close
    bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (8, 1e6, 8, 1e6), (1e6, 1e6, 1e6, 1e6))
    turns = States(np.arange(2, dtype=np.int32), np.array([1.0, -1.0]))
    found = decided_one_by_one(bars, [turns], Exits.of(share=np.ones(3)), replace(FREE, fee=0.9))
    assert (found.values[..., TRADES] == 1).all() and (found.values[..., GROWTH] == 0).all()


@given(SEEDS, st.sampled_from([5e-324, 1e-320, 1e-200, 1.0]))
@settings(max_examples=12, deadline=None)
def test_an_account_that_dwindles_to_nothing_is_the_single_backtest(seed, share):
    g = np.random.default_rng(seed)
    n = 1_500
    bars, paid = market(n, g), replace(FREE, slippage_bps=float(g.choice([2_000.0, 6_000.0])))
    rows = np.arange(n, dtype=np.int32)
    long = g.random(n) < 0.5
    setup = Candidates(rows, *(Side(held, np.empty((0, n)), 0.01 * bars.close) for held in (long, ~long)), NO_COLUMN)
    rules = Exits.of(reward_ratio=2.0, hold=np.array([0.0, 1.0, 2.0]), share=share)
    found = decided_one_by_one(bars, [setup], rules, paid)
    assert share < 1.0 or (found.values[0, 0, :, GROWTH] < 1e-300).any()
