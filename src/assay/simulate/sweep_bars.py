"""The bars of eight accounts at once: the returns while something is held, then their sums."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate.sweep_lanes import WIDTH, anywhere, both, lesser, load, spread, store, strided, where
from assay.simulate.sweep_trades import CASH, COLUMNS, FLAT, FROM, LEFT_WITH, QUANTITY, TO
from assay.simulate.tally import UNCOUNTED

ROOM = 512  # closes of an account that are kept until they are added up: all eight stay in the nearest cache
STEP = ROOM + 3 * WIDTH  # from one account's equities to the next one's
# where an account stands, ``(WIDTH, 2)``: its trade, the bars of it that are done
TRADE, DONE = range(2)
# sums of the accounts, ``(BAR_SUMS, WIDTH)`` flat, in the order of `tally.Bar`; then the equity so far
BEFORE, BAR_SUMS = 11, 12


@njit(**UNCOUNTED)
def equities_of(
    work: FloatArray,
    held: NDArray[np.int32],
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
        at, there = k * COLUMNS * WIDTH + e, k * 3 * WIDTH + e
        start = held[there + FROM * WIDTH] + done
        bars = held[there + TO * WIDTH] - start
        more = min(bars, ROOM - count)
        cash, quantity = spread(work[at + CASH * WIDTH]), spread(work[at + QUANTITY * WIDTH])
        # most end within these: a loop from the first bar on would be left at a bar that nobody can guess
        store(equities, base + count, cash + quantity * load(closes, start))
        store(equities, base + count + WIDTH, cash + quantity * load(closes, start + WIDTH))
        for b in range(2 * WIDTH, more, WIDTH):
            store(equities, base + count + b, cash + quantity * load(closes, start + b))
        count += more
        if more < bars:
            done += more
            break
        equities[base + count] = work[at + LEFT_WITH * WIDTH]
        count += held[there + FLAT * WIDTH]
        k, done = k + 1, 0
    stands[e, TRADE], stands[e, DONE] = k, done
    return count


@njit(**UNCOUNTED)
def add_bars(equities: FloatArray, count: int, sums: FloatArray) -> None:
    """Add the returns of each account's next `count` equities to its sums."""
    powers: Any = (
        load(sums, 0),
        load(sums, WIDTH),
        load(sums, 2 * WIDTH),
        load(sums, 3 * WIDTH),
        load(sums, 4 * WIDTH),
    )
    falls: Any = (
        load(sums, 5 * WIDTH),
        load(sums, 6 * WIDTH),
        load(sums, 7 * WIDTH),
        load(sums, 8 * WIDTH),
        load(sums, 9 * WIDTH),
        load(sums, 10 * WIDTH),
    )
    before, one = load(sums, BEFORE * WIDTH), spread(1.0)
    for k in range(count):
        now = strided(equities, k, STEP)
        r = now / before - one
        before = now
        powers = _powers(powers, r)
        falls = _falls(falls, r)
    store(sums, BEFORE * WIDTH, before)
    store(sums, 0, powers[0])
    store(sums, WIDTH, powers[1])
    store(sums, 2 * WIDTH, powers[2])
    store(sums, 3 * WIDTH, powers[3])
    store(sums, 4 * WIDTH, powers[4])
    store(sums, 5 * WIDTH, falls[0])
    store(sums, 6 * WIDTH, falls[1])
    store(sums, 7 * WIDTH, falls[2])
    store(sums, 8 * WIDTH, falls[3])
    store(sums, 9 * WIDTH, falls[4])
    store(sums, 10 * WIDTH, falls[5])


@njit(**UNCOUNTED, forceinline=True)
def _powers(sums: Any, r: Any) -> Any:
    total, squares, cubes, fourths, downside = sums
    square, loss = r * r, lesser(r, spread(0.0))
    return total + r, squares + square, cubes + square * r, fourths + square * square, downside + loss * loss


@njit(**UNCOUNTED, forceinline=True)
def _falls(sums: Any, r: Any) -> Any:
    """Growth and drawdowns; an account that loses all of it is computed again by another way."""
    growth, peak, trough, deepest, depths, episodes = sums
    growth = growth * (spread(1.0) + r)
    top = growth >= peak
    ended = both(top, trough < peak)
    if anywhere(ended):
        depth = trough / peak - spread(1.0)
        deepest = where(ended, lesser(deepest, depth), deepest)
        depths = where(ended, depths + depth, depths)
        episodes = where(ended, episodes + spread(1.0), episodes)
    trough = where(top, growth, lesser(trough, growth))
    return growth, where(top, growth, peak), trough, deepest, depths, episodes
