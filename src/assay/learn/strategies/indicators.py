"""Indicators of rules: rolling windows, crossings, support and resistance levels, order-book imbalance.

Sums over w rows are folded: a sum over k rows and that of the k before make one over 2k, one more row makes 2k + 1,
and so on to w, bit by bit. The order of additions depends on w alone, never on where the array begins. So a slice with
enough rows in front gives the very numbers of the whole history, a NaN spoils the windows that see it and no other,
and a flat window has a range of 0.
All give ``(n,)`` float64, NaN before their first full window, in O(n log w).
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
from numpy.typing import NDArray

from assay.features import compiled, rolling_max, rolling_min, true_range
from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.simulate import LANES, Rows, broadcast, lane_mask, lane_maximum, load_lanes, lowest_bit

__all__ = [
    "atr",
    "compiled",
    "ema",
    "rolling_max",
    "rolling_min",
    "over_prior_mean",
    "rsi",
    "share_indicators",
    "sma",
    "volume_ratio",
]

_BLOCK = 2048  # rows folded together: three buffers of them stay in the nearest cache
_Memo = dict[Hashable, tuple[Bars, FloatArray]]
_memo: ContextVar[_Memo | None] = ContextVar("indicators", default=None)


@contextmanager
def share_indicators() -> Iterator[None]:
    """Within it an indicator is computed once for the same bars and window, however many rules and sets ask for it.

    For sweeps: the arrays live until the block ends. Nobody may write into what an indicator returns.
    """
    token = _memo.set({})
    try:
        yield
    finally:
        _memo.reset(token)


def _once(bars: Bars, key: tuple[str, int], make: Callable[[], FloatArray]) -> FloatArray:
    memo = _memo.get()
    if memo is None:
        return make()
    place = (id(bars), *key)
    if place not in memo:
        memo[place] = (bars, make())  # holding the bars keeps their id theirs
    return memo[place][1]


@compiled
def _fold(x: FloatArray, one: FloatArray, other: FloatArray, w: int, q: float) -> FloatArray:
    """Sums of the last w of x, right from row w-1 on, in one of two buffers (in x itself for w = 1)."""
    n, now, width, weight = len(x), x, 1, q  # weight: q^width
    bit = 1
    while 4 * bit <= 2 * w:
        bit *= 2
    while bit > 1:
        bit //= 2
        odd = w // bit & 1
        wide = 2 * width + odd
        late, early = now[wide - 1 :], now[wide - 1 - width : n - width]
        if odd:
            _double_and_one(one[wide - 1 : n], late, early, x[: n - 2 * width], weight)
            weight *= weight * q
        else:
            _double(one[wide - 1 : n], late, early, weight)
            weight *= weight
        width, now, one, other = wide, one, other, one
    return now


@compiled
def _double(out: FloatArray, late: FloatArray, early: FloatArray, weight: float) -> None:
    """All are views of one length: an index that may be negative keeps the compiler from taking four at once."""
    for k in range(len(out)):
        out[k] = late[k] + weight * early[k]


@compiled
def _double_and_one(out: FloatArray, late: FloatArray, early: FloatArray, oldest: FloatArray, weight: float) -> None:
    for k in range(len(out)):
        out[k] = late[k] + weight * early[k] + weight * weight * oldest[k]


@compiled
def fold_window(x: FloatArray, w: int, q: float, by: float = 1.0) -> FloatArray:
    """Sum of ``q^k x[t-k]`` over k = 0..w-1, over `by`; with q = 1 the sum of the last w rows."""
    n = len(x)
    out = np.empty(n)
    out[: w - 1] = np.nan
    block = max(_BLOCK, 4 * w)
    one, other = np.empty(block + w), np.empty(block + w)
    for start in range(w - 1, n, block):
        stop = min(n, start + block)
        m = stop - start
        sums, here = (
            _fold(x[start - w + 1 : stop], one[: m + w - 1], other[: m + w - 1], w, q)[w - 1 :],
            out[start:stop],
        )
        for k in range(m):
            here[k] = sums[k] / by
    return out


@compiled
def _relative_strength(close: FloatArray, w: int) -> FloatArray:
    n = len(close)
    rise, fall = np.zeros(n), np.zeros(n)
    for t in range(1, n):
        move = close[t] - close[t - 1]
        if move > 0:
            rise[t] = move
        else:
            fall[t] = -move
    up, down = fold_window(rise, w, 1.0), fold_window(fall, w, 1.0)
    out = np.full(n, np.nan)
    for t in range(w, n):
        moved = up[t] + down[t]
        out[t] = 50.0 if moved == 0.0 else 100.0 * up[t] / moved
    return out


@compiled
def over_prior_mean(v: FloatArray, w: int) -> FloatArray:
    """Each value over the mean of the w before; NaN where that is 0."""
    n = len(v)
    out = np.full(n, np.nan)
    total = fold_window(v, w, 1.0)
    for t in range(w, n):
        out[t] = np.nan if total[t - 1] == 0.0 else v[t] / (total[t - 1] / w)
    return out


def sma(bars: Bars, w: int) -> FloatArray:
    """Mean of the last w closes."""
    return _once(bars, ("sma", w), lambda: fold_window(bars.close, w, 1.0, float(w)))


def ema(bars: Bars, span: int) -> FloatArray:
    """Weighted mean of the last 4·span closes with weights q^k, q = 1 - 2/(span + 1). span > 1."""
    q = 1.0 - 2.0 / (span + 1.0)
    weight = (1.0 - q ** (4 * span)) / (1.0 - q)
    return _once(bars, ("ema", span), lambda: fold_window(bars.close, 4 * span, q, weight))


def atr(bars: Bars, w: int) -> FloatArray:
    """Mean of the last w true ranges, max(h, c[-1]) - min(l, c[-1]); first in row w."""
    return _once(bars, ("atr", w), lambda: fold_window(true_range(bars.high, bars.low, bars.close), w, 1.0, float(w)))


def rsi(bars: Bars, w: int) -> FloatArray:
    """100·U/(U+D), the sums of rises and falls over the last w changes; 50 where nothing moved; first in row w."""
    return _once(bars, ("rsi", w), lambda: _relative_strength(bars.close, w))


def volume_ratio(bars: Bars, w: int) -> FloatArray:
    """Volume over the mean of the w rows before; NaN where either is unknown or that mean is 0; first in row w."""
    if bars.volume is None:
        return np.full(len(bars), np.nan)
    volume = bars.volume
    return _once(bars, ("volume_ratio", w), lambda: over_prior_mean(volume, w))


def book_column(bars: Bars, column: str, *, absent: float) -> FloatArray:
    """``(n,)``: the column, and `absent` (a value that passes) where it is not there or not finite."""
    result = bars.columns.get(column)
    if result is None:
        everywhere: FloatArray = np.broadcast_to(np.float64(absent), (len(bars),))
        return everywhere
    return np.where(np.isfinite(result), result, absent)


@compiled
def swings(x: FloatArray) -> BoolArray:
    """``(n,)``: rows strictly below the two rows on either side. Known two rows later."""
    n = len(x)
    out = np.zeros(n, np.bool_)
    for j in range(2, n - 2):
        out[j] = x[j] < x[j - 2] and x[j] < x[j - 1] and x[j] < x[j + 1] and x[j] < x[j + 2]
    return out


@compiled
def enter(prices: FloatArray, count: int, price: float) -> int:
    """Put a price into the first `count` sorted ones; gives the new count."""
    i = count
    while i > 0 and prices[i - 1] > price:
        prices[i] = prices[i - 1]
        i -= 1
    prices[i] = price
    return count + 1


@compiled
def leave(prices: FloatArray, count: int, price: float) -> int:
    """Take a price out of the first `count` sorted ones; gives the new count."""
    i = 0
    while prices[i] != price:
        i += 1
    for j in range(i, count - 1):
        prices[j] = prices[j + 1]
    return count - 1


@compiled
def clusters(prices: FloatArray, count: int, width: float, touches: int, out: FloatArray) -> int:
    """Means of the clusters of at least `touches` prices, ascending, into `out`; gives how many.

    Ascending, a price joins the running cluster while it lies at most `width` (a fraction) above its mean so far.
    """
    result, i = 0, 0
    while i < count:
        total, size = prices[i], 1
        i += 1
        while i < count and prices[i] - total / size <= width * (total / size):
            total += prices[i]
            size += 1
            i += 1
        if size >= touches:
            out[result] = total / size
            result += 1
    return result


@compiled
def deepest(result: FloatArray, count: int, close: float, extreme: float, reach: float, sign: float) -> float:
    """Largest pierced fraction among levels within `reach` of the close and reclaimed by it; NaN if there is none."""
    best = np.nan
    for i in range(count):
        level = result[i]
        if abs(level - close) <= reach and sign * (close - level) > 0 and sign * (level - extreme) >= 0:
            depth = abs(1.0 - extreme / level)
            if not best >= depth:
                best = depth
    return best


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
