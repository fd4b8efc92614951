"""Scales and ticks of charts, and thinning of long series."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray

_MINUTE = 60_000
_DAY = 86_400_000
_STEPS_MS = [_MINUTE * m for m in (1, 5, 15, 30, 60, 180, 360, 720)] + [_DAY * d for d in (1, 2, 4, 7, 14)]
_STEPS_MONTHS = (1, 2, 3, 6, 12, 24, 60, 120)
_MONTH = 30.4 * _DAY


@dataclass(frozen=True, slots=True)
class Scale:
    """A value range ``[low, high]`` laid on ``[start, stop]`` of the paper, by value or by its logarithm."""

    low: float
    high: float
    start: float
    stop: float
    log: bool = False

    def __call__(self, values: FloatArray | IntArray | float) -> FloatArray:
        """Places of values; a range without width lies in the middle."""
        v = np.asarray(values, np.float64)
        low, high = self.low, self.high
        if self.log:
            v, low, high = np.log(v), math.log(low), math.log(high)
        if high <= low:
            return np.full(v.shape, (self.start + self.stop) / 2)
        placed: FloatArray = self.start + (v - low) / (high - low) * (self.stop - self.start)
        return placed

    def at(self, value: float) -> float:
        """Place of one value."""
        return float(self(value))


def pad_range(values: FloatArray, *, share: float = 0.06, include: float | None = None) -> tuple[float, float]:
    """Range of the finite values with air around it; ``(0, 1)`` without any. `include` is inside in any case."""
    good = values[np.isfinite(values)]
    if include is not None:
        good = np.append(good, include)
    if not good.size:
        return 0.0, 1.0
    low, high = float(good.min()), float(good.max())
    air = (high - low) * share or abs(high) * share or 1.0
    return low - air, high + air


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers (1, 2, 2.5 or 5 times a power of ten) inside ``[low, high]``, about so many."""
    if not high > low:
        return [low]
    raw = (high - low) / max(about, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, math.floor(high / step + 1e-9) + 1)]


def log_ticks(low: float, high: float, about: int) -> list[float]:
    """1-2-5, 1-3 or 1 times powers of ten inside ``[low, high]``, about so many; plain ticks for a range below 30."""
    if high / low < 30:
        return [t for t in ticks(low, high, about) if t > 0]
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    inside: list[float] = []
    for steps in ((1, 2, 5), (1, 3), (1,)):
        inside = [t for e in powers for m in steps if low <= (t := float(f"{m}e{e}")) <= high]
        if len(inside) <= about + 1:
            return inside
    return inside[:: math.ceil(len(inside) / max(about, 1))]


def time_ticks(low: float, high: float, about: int) -> list[tuple[float, str]]:
    """Instants (ms) at round times with their labels, all UTC, at most `about` + 1 of them."""
    span = max(high - low, 1.0)
    for step in _STEPS_MS:
        if span / step <= about:
            first = math.ceil(low / step) * step
            return [(t, _label(t, step)) for t in range(int(first), int(high) + 1, step)]
    for months in _STEPS_MONTHS:
        if span / (months * _MONTH) <= about:
            break
    return _by_month(low, high, months)


def _by_month(low: float, high: float, step: int) -> list[tuple[float, str]]:
    begin = datetime.fromtimestamp(low / 1000, UTC)
    month = (begin.year * 12 + begin.month - 1) // step * step
    result: list[tuple[float, str]] = []
    while True:
        moment = datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)
        at = moment.timestamp() * 1000
        if at > high:
            return result
        if at >= low:
            result.append((at, f"{moment:%Y}" if step >= 12 else f"{moment:%b %Y}"))
        month += step


def _label(ms: float, step: float) -> str:
    moment = datetime.fromtimestamp(ms / 1000, UTC)
    return f"{moment:%d %b %H:%M}" if step < _DAY else f"{moment:%d %b %Y}" if step >= 7 * _DAY else f"{moment:%d %b}"


def drop_crowded(marks: Sequence[tuple[float, str]], scale: Scale, char: float) -> list[tuple[float, str]]:
    """Those marks whose labels, `char` wide a letter, neither touch each other nor leave the scale's ends."""
    stored: list[tuple[float, str]] = []
    edge = -math.inf
    for value, text in marks:
        half = len(text) * char / 2
        x = scale.at(value)
        if x - half >= edge and x + half <= scale.stop + half:
            stored.append((value, text))
            edge = x + half + char
    return stored


def envelope(x: FloatArray | IntArray, y: FloatArray, buckets: int) -> tuple[FloatArray, FloatArray]:
    """At most ``2 * buckets + 2`` points that draw as the whole: each bucket's lowest and highest, the first, the last.

    x: ``(n,)`` non-decreasing.   y: ``(n,)``; what is not finite is left out. Cost: O(n log n).
    """
    good = np.isfinite(y)
    x, y = np.asarray(x, np.float64)[good], y[good]
    if len(x) <= 2 * buckets + 2:
        return x, y
    bucket = np.minimum(((x - x[0]) / (x[-1] - x[0]) * buckets).astype(np.int64), buckets - 1)
    order = np.lexsort((y, bucket))
    edges = np.flatnonzero(np.diff(bucket[order], prepend=-1, append=buckets))
    lowest, highest = order[edges[:-1]], order[edges[1:] - 1]
    stored = np.unique(np.concatenate([[0], lowest, highest, [len(x) - 1]]))
    return x[stored], y[stored]
