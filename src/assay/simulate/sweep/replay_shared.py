"""Many threshold sets on one structural set, eight sets of exits at a time.

Where a position ends is found once for all threshold sets (`ends`); eight accounts then go through their trades
and bars beside each other (`accounts`). A set of exits for which some signal is no order is left to
`lists`.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.simulate.accumulators import TALLY_SIZE
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.reference import carries, conditions_at
from assay.simulate.sweep.replay_scalar import HOLD, REWARD_RATIO, STOP_MULTIPLE, TAKE_MULTIPLE, Market, Signals
from assay.simulate.sweep.replay_simd import allocate, begin, carry, collect
from assay.simulate.sweep.simd import LANES
from assay.simulate.sweep.simd_trades import PLACE, STEPS, Ends, ends_of, follow, list_trades, signal_at
from assay.simulate.sweep.sweep_inputs import Candidates, Levels

FEWEST = 8  # threshold sets, from which on it pays
MOST = 50_000  # candidates, up to which it does: their ends stay in a near cache
_TABLES = 4_000_000  # entries of the tables that a piece of work holds
_NEVER = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """What the threshold sets of one structural set share."""

    setup: Candidates
    sides: FloatArray
    entries: NDArray[np.int32]
    first_at: NDArray[np.int32]
    listed: BoolArray
    signals: Signals

    @classmethod
    def of(cls, setup: Candidates, levels: tuple[Levels, Levels], start: int, n: int) -> "Places":
        """Both sides of each candidate, or the only one. O(n)."""
        value = {1.0: setup.long, -1.0: setup.short}
        sides = np.array([s for s, one in value.items() if one is not None])
        rows = as_contiguous(setup.rows, np.int32)
        counts = (rows >= max(start, setup.lookback)) & (rows <= n - 2)
        if setup.allowed is not None:
            counts &= setup.allowed
        holding = np.array([one.holds & counts for one in value.values() if one is not None])
        return cls(
            setup,
            sides,
            np.append(np.repeat(rows + 1, len(sides)), _NEVER).astype(np.int32),
            (np.searchsorted(rows, np.arange(n + 1)) * len(sides)).astype(np.int32),
            np.ascontiguousarray(holding.T).ravel(),
            signal_at(rows, sides, *levels),
        )

    def tables(self, thresholds: FloatArray, start: int, n: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """``(T, places + 1)`` next signals, and next signals of the other side, ``(T, 0)`` for one side."""
        size = len(self.entries)
        after = np.empty((len(thresholds), size), np.int32)
        turns = np.full((len(thresholds), size if len(self.sides) > 1 else 0), size - 1, np.int32)
        for t, values in enumerate(thresholds):
            follow(conditions_at(self.setup, values, start, n), self.sides, after[t], turns[t])
        return after, turns


def by_length(exits: FloatArray) -> IntArray:
    """Places of the sets of exits, those beside each other that hold about as long: eight wait for the longest.

    A random walk takes a time in proportion to the product of the distances to leave between two levels.
    """
    take = np.where(np.isnan(exits[:, TAKE_MULTIPLE]), exits[:, REWARD_RATIO], exits[:, TAKE_MULTIPLE])
    return np.lexsort([exits[:, STOP_MULTIPLE] * take, exits[:, HOLD]])


def most_sets(places: Places) -> int:
    """So many threshold sets' tables are held at once."""
    return max(FEWEST, _TABLES // (len(places.entries) * len(places.sides)))


@njit(cache=True, error_model="numpy", nogil=True)
def replay_eight(
    opens: FloatArray,
    closes: FloatArray,
    silent: NDArray[np.bool_],
    entries: NDArray[np.int32],
    after: NDArray[np.int32],
    turns: NDArray[np.int32],
    ends: Ends,
    holds: NDArray[np.int64],
    costs: tuple[float, float],
    equity: float,
    into: IntArray,
    out: FloatArray,
    sound: BoolArray,
) -> None:
    """Every threshold set of the tables with eight sets of exits, into their places `into` of `out` ``(T, E, KEPT)``.

    into: at most `LANES`.   sound: ``(T, WIDTH)`` whether the account always had something, so that its sums hold.
    """
    accounts, scratch = allocate()
    counts, full = accounts[0], np.empty(TALLY_SIZE)
    for t in range(len(after)):
        begin(accounts, equity)
        counts[:, PLACE] = after[t, 0]
        steps = STEPS
        while steps == STEPS:
            steps = list_trades(opens, silent, entries, after[t], turns[t], ends, holds, counts, scratch[0], scratch[1])
            carry(accounts, scratch, steps, closes, costs)
        for e in range(len(into)):
            sound[t, e] = collect(accounts, e, full)
            out[t, into[e]] = full[: out.shape[2]]


def replay_together(
    places: Places,
    market: Market,
    thresholds: FloatArray,
    exits: FloatArray,
    into: IntArray,
    out: FloatArray,
) -> BoolArray:
    """A block of threshold sets with sets of exits, into the columns `into` of `out` ``(T, E, KEPT)``.

    Returns ``(T, len(into))`` which of them hold; the others are still to be replayed.
    """
    n, size = len(market.bars), len(places.entries)
    after, turns = places.tables(thresholds, market.start, n)
    ends = np.empty((LANES, size, 3), np.int32), np.empty((LANES, size, 3))
    sound = np.zeros((len(thresholds), len(into)), np.bool_)
    well, whole = np.empty((len(thresholds), LANES), np.bool_), np.empty(LANES, np.bool_)
    flags = carries(places.setup)
    for at in range(0, len(into), LANES):
        some = into[at : at + LANES]
        eight = np.ascontiguousarray(exits[np.resize(some, LANES)])
        ends_of(
            market.prices, places.entries, places.signals, places.listed, places.first_at, flags, eight,
            market.costs[1], whole, ends,
        )  # fmt: skip
        if not whole.any():
            continue
        for table in ends:
            table[~whole] = table[np.argmax(whole)]
        replay_eight(
            market.prices[0], market.prices[3], market.silent, places.entries, after, turns, ends,
            eight[:, HOLD].astype(np.int64), market.costs, market.equity, some, out, well,
        )  # fmt: skip
        sound[:, at : at + LANES] = (well & whole)[:, : len(some)]
    return sound
