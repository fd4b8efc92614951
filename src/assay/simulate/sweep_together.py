"""Many threshold sets on one structural set, eight sets of exits at a time.

Where a position ends is found once for all threshold sets (`sweep_ends`); eight accounts then go through their trades
(`sweep_trades`) and bars (`sweep_bars`) beside each other. An account that owes anything, and a set of exits for which
some signal is no order, are left to `sweep_lists.replay`: the sums agree to the last bit, whichever way they come.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.simulate import tally as kept
from assay.simulate.inputs import fixed
from assay.simulate.layout import MAX_HOLD, SIGNAL
from assay.simulate.sweep_bars import BAR_SUMS, BEFORE, DONE, STEP, TRADE, add_bars, equities_of
from assay.simulate.sweep_ends import Ends, ends_of, entered_at, follow
from assay.simulate.sweep_inputs import Candidates
from assay.simulate.sweep_lanes import WIDTH
from assay.simulate.sweep_market import Market
from assay.simulate.sweep_replay import HOLD, REWARD_RATIO, STOP_MULTIPLE, TAKE_MULTIPLE
from assay.simulate.sweep_single import carries, conditions_at
from assay.simulate.sweep_trades import (
    BARS,
    BEST,
    COLUMNS,
    COUNTS,
    GAINED,
    GIVEN,
    GROSS,
    HAS,
    LEAST,
    LEFT_FOR,
    LOST,
    LOST_SHARES,
    MEAN,
    PAID,
    PLACE,
    SILENTLY,
    SLIP,
    SPREAD,
    STEPS,
    STREAK_MOST,
    SUMS,
    TURNED,
    WON,
    WON_SHARES,
    WORST,
    list_trades,
    settle,
)
from assay.simulate.tally import TALLY_SIZE, UNCOUNTED, finish

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
    signals: FloatArray

    @classmethod
    def of(cls, setup: Candidates, levels: FloatArray, start: int, closes: FloatArray) -> "Places":
        """Both sides of each candidate, or the only one. O(n)."""
        n = len(closes)
        given = {1.0: setup.long, -1.0: setup.short}
        sides = np.array([s for s, one in given.items() if one is not None])
        rows = fixed(setup.rows, np.int32)
        counts = (rows >= max(start, setup.lookback)) & (rows <= n - 2)
        if setup.allowed is not None:
            counts &= setup.allowed
        held = np.array([one.holds & counts for one in given.values() if one is not None])
        return cls(
            setup,
            sides,
            np.append(np.repeat(rows + 1, len(sides)), _NEVER).astype(np.int32),
            (np.searchsorted(rows, np.arange(n + 1)) * len(sides)).astype(np.int32),
            np.ascontiguousarray(held.T).ravel(),
            entered_at(rows, levels, sides, closes),
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

    into: at most `WIDTH`.   sound: ``(T, WIDTH)`` whether the account always had something, so that its sums hold.
    """
    work, held = np.empty(STEPS * COLUMNS * WIDTH), np.empty(STEPS * 3 * WIDTH, np.int32)
    equities, stands = np.empty(WIDTH * STEP), np.empty((WIDTH, 2), np.int64)
    lengths = np.empty(WIDTH, np.int64)
    counts, sums, bars = np.empty((WIDTH, COUNTS), np.int64), np.empty(SUMS * WIDTH), np.empty(BAR_SUMS * WIDTH)
    full = np.empty(TALLY_SIZE)
    for t in range(len(after)):
        _begin(counts, sums, bars, after[t, 0], equity)
        steps = STEPS
        while steps == STEPS:
            steps = list_trades(opens, silent, entries, after[t], turns[t], ends, holds, counts, work, held)
            settle(work, steps, costs[0], costs[1], sums)
            _count(work, held, steps, closes, stands, lengths, equities, bars)
        for e in range(len(into)):
            sound[t, e] = _collect(counts[e], sums, bars, e, full)
            out[t, into[e]] = full[: out.shape[2]]


@njit(**UNCOUNTED)
def _begin(counts: NDArray[np.int64], sums: FloatArray, bars: FloatArray, first: int, equity: float) -> None:
    """Eight accounts before their first trade."""
    counts[:] = 0
    sums[:] = 0.0
    bars[:] = 0.0
    bars[BEFORE * WIDTH :] = equity
    for e in range(WIDTH):
        counts[e, PLACE] = first
        sums[HAS * WIDTH + e] = equity
        sums[LEAST * WIDTH + e] = sums[WORST * WIDTH + e] = np.inf
        sums[BEST * WIDTH + e] = -np.inf
        bars[5 * WIDTH + e] = bars[6 * WIDTH + e] = bars[7 * WIDTH + e] = 1.0


@njit(**UNCOUNTED)
def _count(
    work: FloatArray,
    held: NDArray[np.int32],
    steps: int,
    closes: FloatArray,
    stands: NDArray[np.int64],
    lengths: NDArray[np.int64],
    equities: FloatArray,
    bars: FloatArray,
) -> None:
    """Add up the bars of the listed trades."""
    stands[:, TRADE] = 0
    stands[:, DONE] = 0
    most = 1
    while most > 0:
        most = 0
        for e in range(WIDTH):
            lengths[e] = equities_of(work, held, steps, closes, e, stands, equities)
            most = max(most, lengths[e])
        for e in range(WIDTH):
            # an account with fewer stands still: no return changes no sum
            base, count = e * STEP, lengths[e]
            still = equities[base + count - 1] if count > 0 else bars[BEFORE * WIDTH + e]
            for k in range(count, most):
                equities[base + k] = still
        add_bars(equities, most, bars)


@njit(**UNCOUNTED)
def _collect(counts: NDArray[np.int64], sums: FloatArray, bars: FloatArray, e: int, full: FloatArray) -> bool:
    """One account's tally; false where it ever had nothing."""
    full[:] = 0.0
    for q in range(6):
        full[q] = bars[q * WIDTH + e]
    full[kept.PEAK], full[kept.TROUGH] = bars[6 * WIDTH + e], bars[7 * WIDTH + e]
    full[kept.DEEPEST], full[kept.DEPTHS] = bars[8 * WIDTH + e], bars[9 * WIDTH + e]
    full[kept.EPISODES] = bars[10 * WIDTH + e]
    full[kept.BARS_HELD], full[kept.SILENT_FILLS] = counts[BARS], counts[SILENTLY]
    full[kept.EXPOSED] = counts[BARS]
    for reason in range(5):
        left = counts[LEFT_FOR + reason]
        full[kept.EXITS + reason] = left
        full[kept.TRADES] += left
        if reason not in (MAX_HOLD, SIGNAL):  # the others leave within the bar
            full[kept.EXPOSED] += left
    full[kept.GROSS_WINS], full[kept.WINS], full[kept.LOSSES] = (
        sums[GROSS * WIDTH + e],
        sums[WON * WIDTH + e],
        sums[LOST * WIDTH + e],
    )
    full[kept.WON], full[kept.LOST] = sums[GAINED * WIDTH + e], sums[GIVEN * WIDTH + e]
    full[kept.WON_SHARE], full[kept.LOST_SHARE] = sums[WON_SHARES * WIDTH + e], sums[LOST_SHARES * WIDTH + e]
    full[kept.MEAN_GAIN], full[kept.GAIN_SPREAD] = sums[MEAN * WIDTH + e], sums[SPREAD * WIDTH + e]
    full[kept.HIGHEST], full[kept.LOWEST] = sums[BEST * WIDTH + e], sums[WORST * WIDTH + e]
    full[kept.LONGEST_STREAK] = sums[STREAK_MOST * WIDTH + e]
    full[kept.FEES_PAID], full[kept.SLIPPED] = sums[PAID * WIDTH + e], sums[SLIP * WIDTH + e]
    full[kept.TURNED_OVER] = sums[TURNED * WIDTH + e]
    finish(full)
    return full[kept.GROWTH] > 0.0 and full[kept.DEEPEST] > -1.0 and sums[LEAST * WIDTH + e] > 0.0


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
    n, size = len(market.closes), len(places.entries)
    after, turns = places.tables(thresholds, market.start, n)
    ends = np.empty((WIDTH, size, 3), np.int32), np.empty((WIDTH, size, 3))
    sound = np.zeros((len(thresholds), len(into)), np.bool_)
    well, whole = np.empty((len(thresholds), WIDTH), np.bool_), np.empty(WIDTH, np.bool_)
    flags = carries(places.setup)
    for at in range(0, len(into), WIDTH):
        some = into[at : at + WIDTH]
        eight = np.ascontiguousarray(exits[np.resize(some, WIDTH)])
        ends_of(
            market.prices, places.entries, places.signals, places.listed, places.first_at, flags, eight,
            market.costs[1], whole, ends,
        )  # fmt: skip
        if not whole.any():
            continue
        for table in ends:
            table[~whole] = table[np.argmax(whole)]
        replay_eight(
            market.opens, market.padded, market.silent, places.entries, after, turns, ends,
            eight[:, HOLD].astype(np.int64), market.costs, market.equity, some, out, well,
        )  # fmt: skip
        sound[:, at : at + WIDTH] = (well & whole)[:, : len(some)]
    return sound
