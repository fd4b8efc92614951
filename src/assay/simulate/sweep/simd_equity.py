"""The bars of eight accounts at once: the returns while something is held, then their sums."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate.accumulators import UNCOUNTED
from assay.simulate.sweep.simd import (
    LANES,
    anywhere,
    both,
    broadcast,
    lesser,
    load_lanes,
    store,
    transpose_lanes,
    where,
)
from assay.simulate.sweep.simd_trades import CASH, COLUMNS, FLAT, FROM, LEFT_WITH, QUANTITY, TO

ROOM = 512  # closes of an account that are kept until they are added up: all eight stay in the nearest cache
STEP = ROOM + 3 * LANES  # from one account's equities to the next one's
# where an account stands, ``(WIDTH, 2)``: its trade, the bars of it that are done
TRADE, DONE = range(2)
# sums of the accounts, ``(BAR_SUMS, WIDTH)`` flat, in the order of `tally.Bar`; then the worst loss, the equity so far
WORST_BAR, BEFORE, BAR_SUMS = 11, 12, 13


@njit(**UNCOUNTED)
def equities_of(
    work: FloatArray,
    holding: NDArray[np.int32],
    steps: int,
    closes: FloatArray,
    e: int,
    stands: NDArray[np.int64],
    equities: FloatArray,
) -> int:
    """Write an account's next equities, at the closes of the bars it is exposed in, at most `ROOM`; how many.

    closes: with at least `2 * WIDTH` more at the end than there are bars.
    """
    k, done, count, base = stands[e, TRADE], stands[e, DONE], 0, e * STEP
    while k < steps and count < ROOM:
        at, there = k * COLUMNS * LANES + e, k * 3 * LANES + e
        start = holding[there + FROM * LANES] + done
        bars = holding[there + TO * LANES] - start
        more = min(bars, ROOM - count)
        cash, quantity = broadcast(work[at + CASH * LANES]), broadcast(work[at + QUANTITY * LANES])
        # most end within these: a loop from the first bar on would be left at a bar that nobody can guess
        store(equities, base + count, cash + quantity * load_lanes(closes, start))
        store(equities, base + count + LANES, cash + quantity * load_lanes(closes, start + LANES))
        for b in range(2 * LANES, more, LANES):
            store(equities, base + count + b, cash + quantity * load_lanes(closes, start + b))
        count += more
        if more < bars:
            done += more
            break
        equities[base + count] = work[at + LEFT_WITH * LANES]
        count += holding[there + FLAT * LANES]
        k, done = k + 1, 0
    stands[e, TRADE], stands[e, DONE] = k, done
    return count


@njit(**UNCOUNTED)
def add_bars(equities: FloatArray, count: int, sums: FloatArray) -> None:
    """Add the returns of each account's next `count` equities, a multiple of `LANES`, to its sums."""
    stored: Any = (
        load_lanes(sums, 0),
        load_lanes(sums, LANES),
        load_lanes(sums, 2 * LANES),
        load_lanes(sums, 3 * LANES),
        load_lanes(sums, 4 * LANES),
        load_lanes(sums, 5 * LANES),
        load_lanes(sums, 6 * LANES),
        load_lanes(sums, 7 * LANES),
        load_lanes(sums, 8 * LANES),
        load_lanes(sums, 9 * LANES),
        load_lanes(sums, 10 * LANES),
        load_lanes(sums, WORST_BAR * LANES),
    )
    before = load_lanes(sums, BEFORE * LANES)
    for k in range(0, count, LANES):
        now = transpose_lanes(equities, k, STEP)
        stored = _with_bar(stored, before, now[0])
        stored = _with_bar(stored, now[0], now[1])
        stored = _with_bar(stored, now[1], now[2])
        stored = _with_bar(stored, now[2], now[3])
        stored = _with_bar(stored, now[3], now[4])
        stored = _with_bar(stored, now[4], now[5])
        stored = _with_bar(stored, now[5], now[6])
        stored = _with_bar(stored, now[6], now[7])
        before = now[7]
    store(sums, BEFORE * LANES, before)
    for q in range(12):
        store(sums, q * LANES, stored[q])


@njit(**UNCOUNTED, forceinline=True)
def _with_bar(stored: Any, before: Any, now: Any) -> Any:
    """The sums with the return from one equity to the next; those of an account that loses all of it do not hold."""
    total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes, worst = stored
    one = broadcast(1.0)
    r = now / before - one
    square, loss = r * r, lesser(r, broadcast(0.0))
    growth = growth * (one + r)
    top = growth >= peak
    ended = both(top, trough < peak)
    if anywhere(ended):
        depth = trough / peak - one
        deepest = where(ended, lesser(deepest, depth), deepest)
        depths = where(ended, depths + depth, depths)
        episodes = where(ended, episodes + one, episodes)
    trough = where(top, growth, lesser(trough, growth))
    peak = where(top, growth, peak)
    total, squares, cubes, fourths = total + r, squares + square, cubes + square * r, fourths + square * square
    downside, worst = downside + loss * loss, lesser(worst, loss)
    return total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes, worst
