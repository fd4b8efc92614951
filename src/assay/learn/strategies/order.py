"""Which of two columns lies above the other: a rule's side, and where it changes, without arrays in between."""

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.learn.strategies.indicators import compiled

_LOOK = 64
_UNKNOWN = 2


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
def turns_of(upper: FloatArray, lower: FloatArray, equal: float, first: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Rows from `first` on at which `side_of` is not what it was, NaN left out, and the side; flat before `first`."""
    n = len(upper)
    rows, sides = np.empty(n, np.int32), np.empty(n)
    count, held, over = 0, 0, np.empty(_LOOK, np.int8)
    for start in range(first, n, _LOOK):
        m = min(_LOOK, n - start)
        a, b = upper[start:][:m], lower[start:][:m]
        total = 0
        for k in range(m):  # most looks end here, some rows at a time
            gap, least = a[k] - b[k], equal * abs(b[k])
            over[k] = (gap > least) * 1 - (gap < -least) * 1
            total += over[k]
        if held != 0 and total == held * m:  # before the first side, both may cancel
            continue
        for k in range(m):
            if over[k] != held and over[k] != 0:
                held = over[k]
                rows[count], sides[count] = start + k, held
                count += 1
    return rows[:count].copy(), sides[:count].copy()


@compiled
def crossings_of(upper: FloatArray, lower: FloatArray) -> tuple[NDArray[np.int32], FloatArray]:
    """Rows at which `upper` is above `lower` and was not the row before, +1, or below and was not, -1; NaN is neither.

    Equal is a side of its own, so that a row and the one before say all.
    """
    n = len(upper)
    rows, sides = np.empty(n, np.int32), np.empty(n)
    count, before, over = 0, _UNKNOWN, np.empty(_LOOK, np.int8)
    for start in range(0, n, _LOOK):
        m = min(_LOOK, n - start)
        a, b = upper[start:][:m], lower[start:][:m]
        total = 0
        for k in range(m):  # most looks end here, some rows at a time
            over[k] = (a[k] > b[k]) * 1 - (a[k] < b[k]) * 1
            total += over[k]
        if abs(before) == 1 and total == before * m:
            continue
        for k in range(m):
            now = over[k] if over[k] != 0 or a[k] == b[k] else _UNKNOWN
            if abs(now) == 1 and before != now and before != _UNKNOWN:
                rows[count], sides[count] = start + k, now
                count += 1
            before = now
    return rows[:count].copy(), sides[:count].copy()
