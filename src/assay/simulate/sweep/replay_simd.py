"""Lists of signals, each with a set of exits: eight accounts abreast, all on one stretch of bars, then on the next."""

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.simulate.accumulators import TALLY_SIZE, UNCOUNTED
from assay.simulate.sweep.replay_scalar import (
    AT_CLOSE,
    AT_OPEN,
    HOLD,
    INSIDE,
    Prices,
    Rule,
    Signals,
    as_rule,
    exit_of,
    exit_row,
    first_from,
    order,
)
from assay.simulate.sweep.simd import LANES, anywhere, broadcast, either, fetch, lane_mask, load_lanes, lowest_bit
from assay.simulate.sweep.simd_accounts import allocate, begin, carry, collect
from assay.simulate.sweep.simd_trades import (
    AGAIN,
    BARS,
    COLUMNS,
    ENTRY,
    EXIT,
    FLAT,
    FROM,
    HELD_ON,
    LEFT_FOR,
    MARKED_BY,
    PLACE,
    SHARED,
    SILENTLY,
    STEPS,
    TO,
    fill_up,
)

LISTS = LANES  # most lists that are replayed in one call
STRETCH = 8_192  # bars; their prices stay in the second cache, beside the trades made there
_AHEAD = 8  # signals whose entries are asked for from memory before they are needed


def together(lists: Sequence[Signals]) -> tuple[Signals, ...]:
    """At most `LISTS` of them, as `replay` reads them: always as many, so that it is compiled once."""
    return (*lists, *[lists[0]] * (LISTS - len(lists)))


@njit(cache=True, error_model="numpy", nogil=True)
def replay(
    prices: Prices,
    silent: NDArray[np.bool_],
    lists: tuple[Signals, ...],
    carries: NDArray[np.int64],
    exits: FloatArray,
    pairs: IntArray,
    costs: tuple[float, float],
    equity: float,
    out: FloatArray,
    sound: BoolArray,
) -> None:
    """Each pair of a list and a set of exits, into its row of `out` ``(pairs, KEPT)``.

    prices:  ``(n,)`` open, high, low; and close with at least `2 * WIDTH` more.   silent: ``(n,)`` zero-volume bars, or
             empty: none.
    lists:   `LISTS`, as `together` gives them.
    carries: ``(lists,)`` sums of `STATE` (weights; a side may be 0), `STOPPED`, `TAKEN` (a level must be there, else it
             is dropped).
    pairs:   ``(pairs, 2)`` which list, which exits.   costs: fee and price share a side.
    sound:   ``(pairs,)`` whether the account always had something, so that its sums hold.
    """
    accounts, scratch = allocate()
    listed, ends, full = np.zeros(LANES, np.int64), np.empty(LANES, np.int64), np.empty(TALLY_SIZE)
    for first in range(0, len(pairs), LANES):
        some = pairs[first : first + LANES]
        begin(accounts, equity)
        ends[:] = listed[:] = 0
        for stretch in range(0, len(prices[0]), STRETCH):
            for e in range(len(some)):
                ends[e] = first_from(lists[some[e, 0]][0], ends[e], stretch + STRETCH)
            steps = STEPS
            while steps == STEPS:
                for e in range(len(some)):
                    j = some[e, 0]
                    listed[e] = _list_trades(
                        prices, silent, lists[j], carries[j], as_rule(exits[some[e, 1]], carries[j]), costs[1], ends[e],
                        accounts[0][e], scratch[0][e:], scratch[1][e:],
                    )  # fmt: skip
                steps = listed.max()
                for e in range(LANES):
                    fill_up(scratch[0], scratch[1], e, listed[e], steps)
                carry(accounts, scratch, steps, prices[3], costs)
        for e in range(len(some)):
            sound[first + e] = collect(accounts, e, full)
            out[first + e] = full[: out.shape[1]]


@njit(**UNCOUNTED)
def _list_trades(
    prices: Prices,
    silent: NDArray[np.bool_],
    signals: Signals,
    carries: int,
    rule: Rule,
    share: float,
    end: int,
    counts: NDArray[np.int64],
    work: FloatArray,
    holding: NDArray[np.int32],
) -> int:
    """An account's next trades, at most `STEPS`, of the signals before place `end`; how many. Reads no account."""
    opens, highs, lows, closes = prices
    rows, _, sides, _, _, _ = signals
    n, k, i, again, turns = len(opens), 0, counts[PLACE], counts[HELD_ON], (0, 0)
    while i < end and k < STEPS:
        stop, take, size = order(signals, i, carries, rule, closes)
        if size == 0.0:
            i += 1
            continue
        fetch(opens, rows[min(i + _AHEAD, len(rows) - 1)] + 1)
        t, side = rows[i] + 1, float(sides[i])
        paid = opens[t] * (1.0 + (share if side > 0.0 else -share))
        levels = paid - side * stop, paid + side * take
        band = levels if side > 0.0 else (levels[1], levels[0])
        limit, place = exit_row(signals, carries, rule, closes, i, t, turns[0] if side > 0.0 else turns[1])
        turns, limit = (place, turns[1]) if side > 0.0 else (turns[0], place), min(limit, n)
        x, how = _reached(lows, highs, band, t, limit), INSIDE
        if x == limit:
            how = AT_OPEN if x < n else AT_CLOSE
            x = min(x, n - 1)
        close = closes[x] if how == AT_CLOSE else np.nan  # which is not near yet
        bar = opens[x], highs[x], lows[x], close
        price, reason, _ = exit_of(bar, side, levels, how, np.inf, 0.0, x - t >= rule[HOLD] > 0.0)
        at, there = k * COLUMNS * LANES, k * 3 * LANES
        work[at + SHARED * LANES], work[at + AGAIN * LANES] = side * size, again
        work[at + ENTRY * LANES], work[at + EXIT * LANES] = opens[t], price
        work[at + MARKED_BY * LANES] = close if how == AT_CLOSE else (np.nan if x == t else opens[x])
        i = first_from(rows, i + 1, x - 1 if how == AT_OPEN else x)
        turned = how == AT_OPEN and i < len(rows) and rows[i] == x - 1
        again = int(turned and order(signals, i, carries, rule, closes)[2] != 0.0)
        holding[there + FROM * LANES], holding[there + TO * LANES], holding[there + FLAT * LANES] = t, x, 1 - again
        counts[BARS] += x - t
        counts[LEFT_FOR + reason] += 1
        if len(silent) > 0:
            counts[SILENTLY] += int(silent[t]) + int(silent[x])
        k += 1
    counts[PLACE], counts[HELD_ON] = i, again
    return k


@njit(**UNCOUNTED, forceinline=True)
def _reached(lows: FloatArray, highs: FloatArray, band: tuple[float, float], t: int, limit: int) -> int:
    """The first row from t on, before `limit`, whose bar reaches one of two levels; else `limit`."""
    lower, upper = broadcast(band[0]), broadcast(band[1])
    whole = min(limit, len(lows) - LANES + 1)
    while t < whole:
        there = either(lower >= load_lanes(lows, t), load_lanes(highs, t) >= upper)
        if anywhere(there):
            return min(t + lowest_bit(lane_mask(there)), limit)
        t += LANES
    while t < limit and not (lows[t] <= band[0] or highs[t] >= band[1]):
        t += 1
    return min(t, limit)
