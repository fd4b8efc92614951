"""Windowed indicators of rules: row t is an exact function of the rows that it declares, to the last bit.

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

from assay.features import compiled, rolling_max, rolling_min, true_range
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars

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
