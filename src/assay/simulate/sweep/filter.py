"""Apply thresholds to a list of candidates."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.replay_scalar import Rows, Signals

_LOOK = 32
Levels = tuple[FloatArray, FloatArray, FloatArray]  # stop_base, stop_unit, take_base; empty where there is none
Sides = NDArray[np.int8]


@njit(cache=True, error_model="numpy", nogil=True)
def passes(holds: BoolArray, columns: FloatArray, at_least: BoolArray, thresholds: FloatArray) -> BoolArray:
    """``(m,)``: what holds and passes every threshold that is not NaN. columns: ``(K, m)``; NaN never passes."""
    passed = holds.copy()
    for k in range(len(thresholds)):
        value = thresholds[k]
        if np.isnan(value):
            continue
        if at_least[k]:
            for c in range(len(passed)):
                passed[c] &= columns[k, c] >= value
        else:
            for c in range(len(passed)):
                passed[c] &= columns[k, c] <= value
    return passed


def rows_of(one: BoolArray, other: BoolArray) -> NDArray[np.int32]:
    """Rows at which either of two ``(n,)`` marks is set, increasing. Marks are rare: eight rows a step without one."""
    whole = len(one) // 8 * 8
    words = [as_contiguous(marks[:whole], np.bool_).view(np.uint64) for marks in (one, other)]
    return _rows_of(words[0], words[1], as_contiguous(one, np.bool_), as_contiguous(other, np.bool_))


@njit(cache=True, error_model="numpy", nogil=True)
def _rows_of(
    words: NDArray[np.uint64], more: NDArray[np.uint64], one: BoolArray, other: BoolArray
) -> NDArray[np.int32]:
    count = 0
    for t in range(len(one)):
        count += one[t] | other[t]
    rows = np.empty(count + 1, np.int32)
    at = 0
    for verdict in range(len(words)):
        if words[verdict] | more[verdict]:
            for t in range(8 * verdict, 8 * verdict + 8):
                rows[at] = t  # not a branch: it would be guessed wrong at every mark
                at += one[t] | other[t]
    for t in range(8 * len(words), len(one)):
        rows[at] = t
        at += one[t] | other[t]
    return rows[:count].copy()


@njit(cache=True, error_model="numpy", nogil=True)
def conditions_of(
    rows: NDArray[np.int32],
    long: BoolArray,
    short: BoolArray,
    allowed: BoolArray,
    edge: bool,
    first: int,
    n: int,
) -> NDArray[np.int8]:
    """``(m,)`` side of the signal of each candidate, 0 for none, of those that passed.

    Both sides at once are silent; then the edge rule. allowed: where a signal counts, asked after the edge rule; empty
    is everywhere. first: row of the first signal that counts; the last is ``n - 2``.
    """
    result = np.zeros(len(rows), np.int8)
    before, before_row = 0, -2
    for c in range(len(rows)):
        condition = int(long[c]) - int(short[c])
        old = before if before_row == rows[c] - 1 else 0
        before, before_row = condition, rows[c]
        if condition == 0 or (edge and condition == old) or rows[c] < first or rows[c] > n - 2:
            continue
        if len(allowed) == 0 or allowed[c]:
            result[c] = condition
    return result


@njit(cache=True, error_model="numpy", nogil=True)
def signals_of(rows: Rows, conditions: Sides, long: Levels, short: Levels) -> Signals:
    """The candidates with a condition, as a list of signals. long, short: levels of each side, ``(m,)`` or empty."""
    count = 0
    result, sides = np.empty(len(rows), np.int32), np.empty(len(rows), np.int8)
    for c in range(len(rows)):
        result[count], sides[count] = rows[c], conditions[c]
        count += conditions[c] != 0
    sides = sides[:count]
    return (
        result[:count],
        turns_of(sides),
        sides,
        _chosen(conditions, count, long[0], short[0], 0.0),
        _chosen(conditions, count, long[1], short[1], 0.0),
        _chosen(conditions, count, long[2], short[2], np.nan),
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _chosen(conditions: Sides, count: int, long: FloatArray, short: FloatArray, absent: float) -> FloatArray:
    """``(count,)`` the level of its own side at each candidate with a condition; empty where neither side has it."""
    if len(long) == 0 and len(short) == 0:
        return np.empty(0)
    out, at = np.empty(count), 0
    for c in range(len(conditions)):
        if conditions[c] != 0:
            own = long if conditions[c] > 0 else short
            out[at] = own[c] if len(own) > 0 else absent
            at += 1
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def turns_of(sides: Sides) -> Rows:
    """``(k,)`` place of the next signal of another side, k where there is none."""
    k = len(sides)
    turns = np.full(k, k, np.int32)
    for i in range(k - 2, -1, -1):
        turns[i] = turns[i + 1] if sides[i + 1] == sides[i] else i + 1
    return turns


@njit(cache=True, error_model="numpy", nogil=True)
def changes(side: FloatArray, first: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Rows and sides where a state, NaN left out, is not what it was; flat before row `first`."""
    rows, sides = np.empty(len(side), np.int32), np.empty(len(side))
    count, holding = 0, 0.0
    for start in range(first, len(side), _LOOK):
        part = side[start : start + _LOOK]
        odd = 0
        for k in range(len(part)):  # most looks end here, four rows at a time
            odd += part[k] != holding
        if odd == 0:
            continue
        for k in range(len(part)):
            if part[k] != holding and not np.isnan(part[k]):
                holding = part[k]
                rows[count], sides[count] = start + k, holding
                count += 1
    return rows[:count].copy(), sides[:count].copy()
