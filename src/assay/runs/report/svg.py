"""Charts as SVG: scales, axes and shapes. Colours and strokes are the style sheet's."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from markupsafe import Markup, escape

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


CHAR = 6.7  # width of a letter of an axis label


def n(value: float) -> str:
    """A place with at most one decimal."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0")


def line(x: FloatArray, y: FloatArray) -> str:
    """Path data through the points; a point that is not finite breaks the line."""
    good = np.isfinite(x) & np.isfinite(y)
    parts, pen = [], "M"
    for a, b, ok in zip(x.tolist(), y.tolist(), good.tolist(), strict=True):
        if ok:
            parts.append(f"{pen}{n(a)},{n(b)}")
        pen = "L" if ok else "M"
    return "".join(parts)


def area(x: FloatArray, y: FloatArray, base: float) -> str:
    """Path data of the area between the points and the height `base`."""
    if not len(x):
        return ""
    return f"M{n(x[0])},{n(base)}L{line(x, y)[1:]}L{n(x[-1])},{n(base)}Z"


@dataclass
class Canvas:
    """A drawing `width` by `height` units with a name for those who cannot see it."""

    width: float
    height: float
    title: str
    hover: str = ""
    parts: list[Markup] = field(default_factory=list)

    def add(self, tag: str, css: str = "", tip: str = "", **places: float | str) -> None:
        """A shape; `tip` is said when a pointer rests on it."""
        value = "".join(
            f' {key.replace("_", "-")}="{n(v) if isinstance(v, float | int) else escape(v)}"'
            for key, v in places.items()
        )
        named = f' class="{escape(css)}"' if css else ""
        inner = f"><title>{escape(tip)}</title></{tag}>" if tip else "/>"
        self.parts.append(Markup(f"<{tag}{named}{value}{inner}"))

    def text(self, x: float, y: float, words: str, css: str = "tick", anchor: str = "start") -> None:
        """Words at a place; `anchor` is start, middle or end."""
        self.parts.append(
            Markup('<text class="{}" x="{}" y="{}" text-anchor="{}">{}</text>').format(css, n(x), n(y), anchor, words)
        )

    def path(self, data: str, css: str, tip: str = "") -> None:
        """A path, if there is anything to draw."""
        if data:
            self.add("path", css, tip, d=data)

    def svg(self) -> Markup:
        """The whole drawing."""
        hover = Markup(' data-hover="{}"').format(self.hover) if self.hover else Markup("")
        return Markup(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}"{}>'
            "<title>{}</title>{}</svg>"
        ).format(n(self.width), n(self.height), self.title, hover, self.title, Markup("").join(self.parts))

    # -- axes ---------------------------------------------------------------------------------------------------------

    def rows(self, y: Scale, marks: list[tuple[float, str]], left: float, right: float, *, side: str = "left") -> None:
        """Horizontal grid lines with their labels left (or right) of them."""
        for value, text in marks:
            at = y.at(value)
            self.add("line", "grid", x1=left, x2=right, y1=at, y2=at)
            if side == "left":
                self.text(left - 8, at + 4, text, anchor="end")
            else:
                self.text(right + 8, at + 4, text)

    def columns(self, x: Scale, marks: list[tuple[float, str]], bottom: float, *, top: float | None = None) -> None:
        """Labels below an axis, those that have room, with a short stroke (or a grid line from `top`)."""
        for value, text in drop_crowded(marks, x, CHAR):
            at = x.at(value)
            self.add("line", "grid", x1=at, x2=at, y1=bottom if top is None else top, y2=bottom + 5)
            self.text(at, bottom + 19, text, anchor="middle")

    def clock(self, x: Scale, bottom: float, *, top: float | None = None) -> None:
        """A time axis, UTC."""
        about = max(2, int((x.stop - x.start) / 95))
        self.columns(x, time_ticks(x.low, x.high, about), bottom, top=top)
