"""Shapes of a chart as SVG text. Colours and strokes are the style sheet's; here are only places and class names."""

from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape

from assay.kernel.arrays import FloatArray
from assay.runs.report.scale import Scale, drop_crowded, time_ticks

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
