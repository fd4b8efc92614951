"""Two parameters against each other: the cells of their plane, tinted by what the trials in them earned."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.plural import amount
from assay.runs.report.components import Key
from assay.runs.report.formatting import count, floats
from assay.runs.report.scale import Scale
from assay.runs.report.search_summary import Objective
from assay.runs.report.svg import CHAR, Canvas
from assay.runs.report.trials import Axis, Trials

_LETTERS = 9  # of a choice's name beside a map


@dataclass(frozen=True, slots=True, eq=False)
class Grid:
    """Cells of two parameters: trials, those that are valid, their median gain and best score; NaN without one."""

    searched_values: IntArray
    valid: IntArray
    gain: FloatArray
    best: FloatArray


def grid(result: Trials, one: Axis, two: Axis) -> Grid:
    """The cells of two axes, ``(bins of one, bins of two)``."""
    shape = len(one.edges) - 1, len(two.edges) - 1
    available = (one.bins >= 0) & (two.bins >= 0)
    frame = pl.DataFrame(
        {
            "cell": one.bins[available] * shape[1] + two.bins[available],
            "gain": result.gain[available],
            "score": result.score[available],
        }
    ).with_columns(pl.col("gain", "score").fill_nan(None))
    per = frame.group_by("cell").agg(
        asked=pl.len(), valid=pl.col("score").count(), gain=pl.col("gain").median(), best=pl.col("score").max()
    )
    at = per["cell"].to_numpy()
    cells = shape[0] * shape[1]
    request, valid = np.zeros(cells, np.int64), np.zeros(cells, np.int64)
    gain, best = np.full(cells, np.nan), np.full(cells, np.nan)
    request[at], valid[at] = per["asked"].to_numpy(), per["valid"].to_numpy()
    gain[at], best[at] = floats(per, "gain"), floats(per, "best")
    return Grid(request.reshape(shape), valid.reshape(shape), gain.reshape(shape), best.reshape(shape))


def legend(drawn: "Map") -> list[Key]:
    """What is on a map besides its colours."""
    shown = [bool(np.isfinite(drawn.place(w)).all()) for w in drawn.windows]
    keys = [Key("s-best", "Best of the newest window")] if shown and shown[-1] else []
    if any(shown[:-1]):
        keys.append(Key("s-bests", "Of earlier windows"))
    if ((drawn.cells.searched_values > 0) & (drawn.cells.valid == 0)).any():
        keys.append(Key("s-hole", "All rejected"))
    return keys


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """One heat map: `across` along x, `up` along y; the tint is full at `full`."""

    across: Axis
    up: Axis
    cells: Grid
    windows: tuple[Mapping[str, Any], ...]
    aim: Objective
    full: float

    @property
    def title(self) -> str:
        return f"{self.up.name} against {self.across.name}"

    def place(self, window: Mapping[str, Any]) -> tuple[float, float]:
        """Where a window's best lies on the two axes, NaN where it does not."""
        value = window["parameters"]
        return self.across.place(value.get(self.across.name)), self.up.place(value.get(self.up.name))

    def draw(self, width: float) -> Canvas:
        """The map with its colour bar below."""
        words = [text for _, text in self.up.marks(6)]
        left = 22.0 + min(max((len(w) for w in words), default=1), _LETTERS) * CHAR
        right, top, bottom = width - 8, 26.0, 284.0
        x, y = self.across.scale(left, right), self.up.scale(bottom, top)
        canvas = Canvas(width, bottom + 88, f"Heat map of {self.title}, {self.aim.name}")
        canvas.text(2, 10, _cut(self.up.name, int(width / CHAR)), "unit")
        self._cells(canvas, x, y)
        for value, text in drop_crowded_rows(self.up.marks(6), y):
            canvas.text(left - 7, y.at(value) + 4, _cut(text, _LETTERS), anchor="end")
        marks = [(v, _cut(t, _LETTERS)) for v, t in self.across.marks(5 if width > 400 else 4)]
        canvas.columns(x, marks, bottom)
        canvas.text((left + right) / 2, bottom + 38, self.across.name, "unit", "middle")
        self._bests(canvas, x, y)
        _bar(canvas, left, right, bottom + 54, self.full, self.aim)
        return canvas

    def _cells(self, canvas: Canvas, x: Scale, y: Scale) -> None:
        across, up = x(self.across.edges), y(self.up.edges)
        for i, j in np.argwhere(self.cells.searched_values > 0).tolist():
            gain, valid = float(self.cells.gain[i, j]), int(self.cells.valid[i, j])
            tip = f"{self.across.name} {self.across.span(i)}, {self.up.name} {self.up.span(j)}: "
            places = {"x": across[i] + 0.5, "y": up[j + 1] + 0.5}
            places |= {"width": across[i + 1] - across[i] - 1, "height": up[j] - up[j + 1] - 1}
            if not valid:
                canvas.add(
                    "rect",
                    "out",
                    f"{tip}rejected: all of {amount(self.cells.searched_values[i, j], 'trial')}",
                    **places,
                )
                continue
            tip += f"median {self.aim.write(gain, sign=True)}, best score {self.aim.write(self.cells.best[i, j])}, "
            tip += f"valid: {count(valid)} of {amount(self.cells.searched_values[i, j], 'trial')}"
            canvas.add("rect", _side(gain), tip, **places, fill_opacity=_tint(gain, self.full))

    def _bests(self, canvas: Canvas, x: Scale, y: Scale) -> None:
        """Each window's best; on choices they lie beside each other, so that equal ones are seen."""
        for k, window in enumerate(self.windows):
            newest = k == len(self.windows) - 1
            a, b = self.place(window)
            if not (np.isfinite(a) and np.isfinite(b)):
                continue
            shift = 0.0 if newest else (k * 0.618034) % 1.0 - 0.5
            tip = f"Window {window['number'] + 1}: score {self.aim.write(window['score'])}"
            a += shift * 0.6 if self.across.labels else 0.0
            b += ((k * 0.754878) % 1.0 - 0.5) * 0.6 if self.up.labels and not newest else 0.0
            canvas.add(
                "circle", "chosen ring" if newest else "chosen", tip, cx=x.at(a), cy=y.at(b), r=6 if newest else 2.6
            )


def _side(gain: float) -> str:
    return "cell gain" if gain >= 0 else "cell loss"


def _tint(gain: float, full: float) -> str:
    return f"{0.06 + 0.84 * min(abs(gain) / full, 1.0):.2f}"


def _bar(canvas: Canvas, left: float, right: float, y: float, full: float, aim: Objective) -> None:
    """The colour bar: from as bad as drawn to as good as drawn."""
    steps = 11
    wide = (right - left) / steps
    for k in range(steps):
        gain = (2 * (k + 0.5) / steps - 1) * full
        gain = 0.0 if abs(gain) < full / steps else gain
        places = {"x": left + wide * k, "y": y, "width": wide, "height": 8.0}
        canvas.add("rect", _side(gain), "", **places, fill_opacity=_tint(gain, full))
    canvas.text(left, y + 24, f"{aim.write(-full, sign=True)} or less", "tick", "start")
    canvas.text((left + right) / 2, y + 24, "median trial", "tick", "middle")
    canvas.text(right, y + 24, f"{aim.write(full, sign=True)} or more", "tick", "end")


def drop_crowded_rows(marks: list[tuple[float, str]], y: Scale) -> list[tuple[float, str]]:
    """Marks of a vertical axis that do not touch each other."""
    stored: list[tuple[float, str]] = []
    for value, text in marks:
        if not stored or abs(y.at(value) - y.at(stored[-1][0])) >= 14:
            stored.append((value, text))
    return stored


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
