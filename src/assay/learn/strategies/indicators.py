"""Windowed indicators of rules: row t is an exact function of the rows that it declares, to the last bit.

Sums over w rows are folded: sums over 1, 2, 4 … rows by doubling, then the ones that w is made of. The order of
additions depends on w alone, never on where the array begins. So a slice with enough rows in front gives the very
numbers of the whole history, a NaN spoils the windows that see it and no other, and a flat window has a range of 0.
All give ``(n,)`` float64, NaN before their first full window, in O(n log w).
"""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from assay.features.kernels import compiled, highest, lowest
from assay.features.kernels_trend import true_range
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars

__all__ = ["atr", "compiled", "ema", "highest", "lowest", "over_prior_mean", "rsi", "shared", "sma", "volume_ratio"]

_BLOCK = 2048  # rows folded together: three buffers of them stay in the nearest cache
_Memo = dict[Hashable, tuple[Bars, FloatArray]]
_memo: ContextVar[_Memo | None] = ContextVar("indicators", default=None)


@contextmanager
def shared() -> Iterator[None]:
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
def _fold(power: FloatArray, spare: FloatArray, total: FloatArray, w: int, q: float) -> None:
    """Sums of the last w of ``power`` into `total`, right from row w-1 on; `power` and `spare` are used up."""
    n = len(power)
    done, width, rest = 0, 1, w
    weight, shift = q, 1.0  # q^width, q^done
    total[:] = 0.0
    while True:
        if rest & 1:
            _add(total[done:], power[: n - done], shift)
            done += width
            shift *= weight
        rest >>= 1
        if rest == 0:
            return
        spare[:width] = power[:width]
        _combine(spare[width:], power[width:], power[: max(0, n - width)], weight)
        power, spare = spare, power
        width *= 2
        weight *= weight


@compiled
def _add(total: FloatArray, x: FloatArray, weight: float) -> None:
    """Both are views of one length: an index that may be negative keeps the compiler from taking four at once."""
    for k in range(len(total)):
        total[k] += weight * x[k]


@compiled
def _combine(out: FloatArray, late: FloatArray, early: FloatArray, weight: float) -> None:
    for k in range(len(out)):
        out[k] = late[k] + weight * early[k]


@compiled
def folded(x: FloatArray, w: int, q: float) -> FloatArray:
    """Sum of ``q^k x[t-k]`` over k = 0..w-1; with q = 1 the sum of the last w rows."""
    n = len(x)
    out = np.full(n, np.nan)
    block = max(_BLOCK, 4 * w)
    power, spare, total = np.empty(block + w), np.empty(block + w), np.empty(block + w)
    for start in range(w - 1, n, block):
        first, stop = start - w + 1, min(n, start + block)
        m = stop - first
        power[:m] = x[first:stop]
        _fold(power[:m], spare[:m], total[:m], w, q)
        out[start:stop] = total[w - 1 : m]
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
    up, down = folded(rise, w, 1.0), folded(fall, w, 1.0)
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
    total = folded(v, w, 1.0)
    for t in range(w, n):
        out[t] = np.nan if total[t - 1] == 0.0 else v[t] / (total[t - 1] / w)
    return out


def _scaled(sums: FloatArray, by: float) -> FloatArray:
    sums /= by  # in place: a second array of a million rows costs more than the sums
    return sums


def sma(bars: Bars, w: int) -> FloatArray:
    """Mean of the last w closes."""
    return _once(bars, ("sma", w), lambda: _scaled(folded(bars.close, w, 1.0), w))


def ema(bars: Bars, span: int) -> FloatArray:
    """Weighted mean of the last 4·span closes with weights q^k, q = 1 - 2/(span + 1). span > 1."""
    q = 1.0 - 2.0 / (span + 1.0)
    weight = (1.0 - q ** (4 * span)) / (1.0 - q)
    return _once(bars, ("ema", span), lambda: _scaled(folded(bars.close, 4 * span, q), weight))


def atr(bars: Bars, w: int) -> FloatArray:
    """Mean of the last w true ranges, max(h, c[-1]) - min(l, c[-1]); first in row w."""
    return _once(bars, ("atr", w), lambda: _scaled(folded(true_range(bars.high, bars.low, bars.close), w, 1.0), w))


def rsi(bars: Bars, w: int) -> FloatArray:
    """100·U/(U+D), the sums of rises and falls over the last w changes; 50 where nothing moved; first in row w."""
    return _once(bars, ("rsi", w), lambda: _relative_strength(bars.close, w))


def volume_ratio(bars: Bars, w: int) -> FloatArray:
    """Volume over the mean of the w rows before; NaN where either is unknown or that mean is 0; first in row w."""
    if bars.volume is None:
        return np.full(len(bars), np.nan)
    volume = bars.volume
    return _once(bars, ("volume_ratio", w), lambda: over_prior_mean(volume, w))
