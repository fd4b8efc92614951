"""Crossings of two columns: the side, and the rows at which it changes, without arrays in between."""

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.learn.strategies.indicators import compiled
from assay.simulate import LANES, Rows, broadcast, lane_mask, lane_maximum, load_lanes, lowest_bit

_LOOK = 64  # rows a step, a bit each
_NONE, _ONE, _LAST = np.uint64(0), np.uint64(1), np.uint64(_LOOK - 1)


@compiled
def side_of(upper: FloatArray, lower: FloatArray, equal: float) -> FloatArray:
    """``(n,)`` +1 where `upper` is the greater, -1 where it is the less, NaN where both differ by `equal` or less.

    equal: share of ``|lower|``.   A NaN in either is NaN.
    """
    side = np.empty(len(upper))
    for t in range(len(upper)):
        gap = upper[t] - lower[t]
        side[t] = (1.0 if gap > 0.0 else -1.0) if abs(gap) > equal * abs(lower[t]) else np.nan
    return side


@compiled
def turns_of(upper: FloatArray, lower: FloatArray, equal: float, first: int) -> tuple[Rows, FloatArray]:
    """Rows from `first` on at which `side_of` is not what it was, NaN left out, and the side; flat before `first`."""
    n = len(upper)
    rows, sides = np.empty(n, np.int32), np.empty(n, np.int8)
    count, holding = 0, 0
    for start in range(first, n, _LOOK):
        long, short = _exceeds(upper, lower, lower, equal, start), _exceeds(lower, upper, lower, equal, start)
        if holding != 0 and ~(long | short) == _NONE:
            before = _ONE if holding > 0 else _NONE
            rose, fell = long & (short << _ONE | _ONE - before), short & (long << _ONE | before)
            count = _write(rows, sides, count, start, rose, fell)
            holding = 1 if long >> _LAST else -1
            continue
        for k in range(_LOOK):
            side = np.int64(long >> np.uint64(k) & _ONE) - np.int64(short >> np.uint64(k) & _ONE)
            if side != 0 and side != holding:
                holding = int(side)
                rows[count], sides[count] = start + k, holding
                count += 1
    return rows[:count].copy(), sides[:count].astype(np.float64)


@compiled
def crossings_of(upper: FloatArray, lower: FloatArray) -> tuple[Rows, FloatArray]:
    """Rows at which `upper` is above `lower` and was not the row before, +1, or below and was not, -1; NaN is neither.

    Equal is a side of its own, so that a row and the one before say all.
    """
    n = len(upper)
    rows, sides = np.empty(n, np.int32), np.empty(n, np.int8)
    count, high, low = 0, _NONE, _NONE  # whether the row before was not below, not above; none: unknown
    for start in range(0, n, _LOOK):
        highs, lows = _reaches(upper, lower, start), _reaches(lower, upper, start)
        rose, fell = highs & ~lows & (lows << _ONE | low), lows & ~highs & (highs << _ONE | high)
        high, low = highs >> _LAST, lows >> _LAST
        count = _write(rows, sides, count, start, rose, fell)
    return rows[:count].copy(), sides[:count].astype(np.float64)


@compiled
def _reaches(one: FloatArray, other: FloatArray, start: int) -> np.uint64:
    """Of `_LOOK` rows from `start` on: a bit for each at which the one is not less than the other; NaN is 0."""
    verdict = _NONE
    if start + _LOOK > len(one):
        for t in range(start, len(one)):
            verdict |= np.uint64(one[t] >= other[t]) << np.uint64(t - start)
        return verdict
    for k in range(0, _LOOK, LANES):
        verdict |= lane_mask(load_lanes(one, start + k) >= load_lanes(other, start + k)) << np.uint64(k)
    return verdict


@compiled
def _exceeds(one: FloatArray, other: FloatArray, scale: FloatArray, equal: float, start: int) -> np.uint64:
    """The same, a bit where the one is more than the other by more than the share `equal` of the scale."""
    verdict = _NONE
    if start + _LOOK > len(one):
        for t in range(start, len(one)):
            verdict |= np.uint64(one[t] - other[t] > equal * abs(scale[t])) << np.uint64(t - start)
        return verdict
    for k in range(0, _LOOK, LANES):
        of = load_lanes(scale, start + k)
        least = broadcast(equal) * lane_maximum(of, broadcast(0.0) - of)
        verdict |= lane_mask(load_lanes(one, start + k) - load_lanes(other, start + k) > least) << np.uint64(k)
    return verdict


@compiled
def _write(rows: Rows, sides: NDArray[np.int8], count: int, start: int, rose: np.uint64, fell: np.uint64) -> int:
    """Append the rows whose bits are set; how many there are now."""
    left = rose | fell
    while left != _NONE:
        k = lowest_bit(left)
        rows[count] = start + k
        sides[count] = 1 if rose >> np.uint64(k) & _ONE else -1
        left &= left - _ONE
        count += 1
    return count
