"""A position held from bar to bar: where it ends, and the returns of its bars.

Short loops over a stretch of bars in place of one long one over all that is done with a bar: where the position is left
and what its bars return needs no bar before, so the processor takes several at once. Only the sums over the returns run
one after the other, for many positions together, from a buffer that stays in the nearest cache.
"""

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.simulate.tally import UNCOUNTED, Bar, add_bar, closed, opened

OPEN, HIGH, LOW, CLOSE = range(4)  # rows of the prices
AT_OPEN, INSIDE, AT_CLOSE = range(3)  # where in its bar a position was left
ROOM = 1024  # returns that wait for their sums
_STRETCH = 256  # most bars looked at together
_ABREAST = 8  # bars whose returns are computed at once, beyond the exit too
BLOCK = 16  # bars whose lowest low and highest high are kept: most stretches need no look at the bars
Bounds = tuple[FloatArray, FloatArray]
Columns = tuple[FloatArray, FloatArray, FloatArray, FloatArray]


@njit(**UNCOUNTED, forceinline=True)
def stay(
    prices: Columns,
    bounds: Bounds,
    tally: FloatArray,
    returns: FloatArray,
    waiting: int,
    quantity: float,
    cash: float,
    before: float,
    band: tuple[float, float],
    t: int,
    limit: int,
    leaves: bool,
) -> tuple[int, int, float, int]:
    """Hold from the open of t on: the row of the exit, where in its bar, the equity at the close before it, returns
    that wait.

    bounds:  as `bounds_of` gives them.
    band:    the lower and the upper of the two levels, whichever of them is the stop.
    returns: ``(ROOM,)``, of which the first `waiting` are not in the tally yet.
    At `limit` the position is left at the open if it `leaves`, else at the close, for this is the last bar.
    """
    how = AT_OPEN
    while t < limit and how == AT_OPEN:
        end = min(limit, t + _STRETCH)
        touch = _touch(prices, bounds, band, t, end)
        if waiting > ROOM - _STRETCH:
            waiting = flushed(tally, returns, waiting)
        whole = _returns(prices[CLOSE], returns, waiting, quantity, cash, before, t, touch)
        waiting += whole
        t += whole
        if whole > 0:
            before = cash + quantity * prices[CLOSE][t - 1]
        if t < touch:
            how = AT_CLOSE
        elif touch < end:
            how = INSIDE
    if t == limit and not leaves:
        how = INSIDE if _touch(prices, bounds, band, t, t + 1) == t else AT_CLOSE
    return t, how, before, waiting


@njit(**UNCOUNTED, forceinline=True)
def _touch(prices: Columns, bounds: Bounds, band: tuple[float, float], t: int, end: int) -> int:
    """The first bar that reaches a level; `end` if none before it does. Comparisons with NaN are false: no level."""
    aligned = min(end, -(-t // BLOCK) * BLOCK)
    t = _touch_in(prices, band, t, aligned)
    if t < aligned:
        return t
    while t + BLOCK <= end:
        block = np.uint64(t // BLOCK)
        if bounds[0][block] <= band[0] or bounds[1][block] >= band[1]:
            break
        t += BLOCK
    return _touch_in(prices, band, t, end)


@njit(**UNCOUNTED, forceinline=True)
def _touch_in(prices: Columns, band: tuple[float, float], t: int, end: int) -> int:
    while t < end:
        at = np.uint64(t)
        if prices[LOW][at] <= band[0] or prices[HIGH][at] >= band[1]:
            break
        t += 1
    return t


@njit(**UNCOUNTED, forceinline=True)
def _returns(
    closes: FloatArray,
    returns: FloatArray,
    waiting: int,
    quantity: float,
    cash: float,
    before: float,
    t: int,
    end: int,
) -> int:
    """The returns of the bars from t on, and how many there are before `end` or ruin."""
    ruined, most = 0, min(-(-(end - t) // _ABREAST) * _ABREAST, len(closes) - t)
    for k in range(most):
        now = cash + quantity * closes[np.uint64(t + k)]
        ruined += now <= 0.0
        returns[np.uint64(waiting + k)] = now / (cash + quantity * closes[np.uint64(t + k - 1)]) - 1.0
    if end > t:
        returns[waiting] = (cash + quantity * closes[t]) / before - 1.0
    if ruined == 0:
        return end - t
    k = 0
    while t + k < end and cash + quantity * closes[t + k] > 0.0:
        k += 1
    return k


@njit(**UNCOUNTED)
def flushed(tally: FloatArray, returns: FloatArray, waiting: int) -> int:
    """Add the first `waiting` returns to the tally; none waits any longer."""
    sums: Bar = opened(tally)
    for k in range(waiting):
        sums = add_bar(sums, returns[np.uint64(k)])
    closed(tally, sums)
    return 0


def bounds_of(low: FloatArray, high: FloatArray) -> FloatArray:
    """``(2, n // BLOCK)`` lowest low and highest high of each whole block of bars."""
    whole = len(low) // BLOCK * BLOCK
    lows, highs = (side[:whole].reshape(-1, BLOCK) for side in (low, high))
    return np.stack([lows.min(axis=1), highs.max(axis=1)])
