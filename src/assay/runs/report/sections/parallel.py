"""Parallel coordinates (Inselberg 1985): one row a parameter, one line a trial, down to its score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.runs.report.components import NARROW, Key, Part, figure
from assay.runs.report.formatting import count
from assay.runs.report.scale import Scale, drop_crowded, pad_range, ticks
from assay.runs.report.search_summary import Objective
from assay.runs.report.svg import CHAR, Canvas, line
from assay.runs.report.trials import Axis, Trials

_LINES, _BEST, _LABELLED = 300, 30, 15  # at most drawn; of these the best; of these told one by one
_CLASSES = 4  # tints of the sample: quarters of its ranks
_NAME, _CHOICE = 32, 12  # letters of a parameter's and of a choice's name
_ROOM = 0.55  # of a choice's slot over which its lines are spread


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """The trials of one window that are drawn.

    rows: ``(m,)`` rows of the table, the worst first.   tint: ``(m,)`` 0 the lowest quarter to 3 the highest, 4 a best.
    """

    number: int
    rows: IntArray
    tint: IntArray


def draw_trials(result: Trials) -> Drawn:
    """The best trials of the newest window that has valid ones, over others taken evenly from all ranks."""
    number = int(result.window[result.valid].max())
    mine = np.flatnonzero(result.valid & (result.window == number))
    order = mine[np.lexsort((-mine, result.score[mine]))]
    best = order[-min(_BEST, max(1, len(order) // 10)) :]
    rest = order[: len(order) - len(best)]
    rest = rest[result.fair[rest]]
    taken = np.unique(np.linspace(0, len(rest) - 1, min(len(rest), _LINES - len(best))).astype(np.int64))
    tint = taken * _CLASSES // max(len(rest), 1)
    return Drawn(number, np.concatenate([rest[taken], best]), np.append(tint, np.full(len(best), _CLASSES)))


def parallel(result: Trials, windows: Sequence[Mapping[str, Any]], aim: Objective) -> Part:
    """The combinations of the newest window and what they scored."""
    shown = draw_trials(result)
    bests = int((shown.tint == _CLASSES).sum())
    legend = [Key("s-chosen", "Best")] + ([Key("s-tint4", f"Best {count(bests)}")] if bests > 1 else [])
    if len(shown.rows) > bests:
        legend.append(Key("s-tints", "The others, from bad to good"))
    valid = next(w["valid_trials"] for w in windows if w["number"] == shown.number)
    all_of_them = len(shown.rows) == valid
    which = f"All {count(valid)}" if all_of_them else f"{count(len(shown.rows))} of the {count(valid)}"
    caption = (
        f"{which} valid trials of window {shown.number + 1}, one line each. Lines that run together at a value of a "
        "parameter and end far right say that the value matters."
    )
    if not all_of_them:
        caption += f" Drawn are the best {count(bests)} and an even sample of all other ranks."
    title = "Combinations and their scores"
    return figure(title, lambda w: _draw(result, shown, aim, w, title), caption=caption, legend=legend)


def _draw(result: Trials, shown: Drawn, aim: Objective, width: float, title: str) -> Canvas:
    small = width <= NARROW
    names = [_cut(each.name, _NAME) for each in result.axes] + [aim.name]
    left = 16.0 if small else 24.0 + CHAR * max(len(n) for n in names)
    right, row, top = width - (16 if small else 28), 60.0 if small else 54.0, 30.0 if small else 18.0
    canvas = Canvas(width, top + row * len(result.axes) + 34, title)
    score = result.score[shown.rows]
    low, high = pad_range(score, share=0.02)
    last = Scale(low, high, left, right)
    y = top + row * np.arange(len(names), dtype=np.float64)
    x = np.column_stack([_across(each, shown.rows, left, right) for each in result.axes] + [last(score)])
    _lines(canvas, result, shown, aim, x, y)
    for k, name in enumerate(names):
        axis = result.axes[k] if k < len(result.axes) else None
        scale = axis.scale(left, right) if axis else last
        about = 4 if small else 9
        marks = axis.marks(about) if axis else aim.marks(ticks(low, high, about))
        canvas.add("line", "axis", x1=left, x2=right, y1=y[k], y2=y[k])
        for value, words in drop_crowded([(v, _cut(w, _CHOICE)) for v, w in marks], scale, CHAR):
            canvas.add("line", "axis", x1=scale.at(value), x2=scale.at(value), y1=y[k], y2=y[k] + 4)
            canvas.text(scale.at(value), y[k] + 17, words, "tick halo", "middle")
        css = "value halo" if axis is None else "unit halo"
        canvas.text(2 if small else left - 14, y[k] - 8 if small else y[k] + 4, name, css, "start" if small else "end")
    return canvas


def _across(axis: Axis, rows: IntArray, left: float, right: float) -> FloatArray:
    """Places on one row; on a choice the lines are spread over its slot."""
    at = axis.at[rows]
    if axis.labels:
        at = at + ((np.arange(len(rows), 0, -1) * 0.618034 + 0.381966 + 0.5) % 1.0 - 0.5) * _ROOM
    return axis.scale(left, right)(at)


def _lines(canvas: Canvas, result: Trials, shown: Drawn, aim: Objective, x: FloatArray, y: FloatArray) -> None:
    for tint in range(_CLASSES):
        mine = x[shown.tint == tint]
        canvas.path("".join(line(each, y) for each in mine), f"combination tint{tint}")
    bests = np.flatnonzero(shown.tint == _CLASSES)
    canvas.path("".join(line(x[k], y) for k in bests[:-_LABELLED]), f"combination tint{_CLASSES}")
    for k in bests[-_LABELLED:].tolist():
        row = int(shown.rows[k])
        document = ", ".join(f"{each.name} {_axis_label(each, row)}" for each in result.axes)
        css = "combination chosen" if k == bests[-1] else f"combination tint{_CLASSES}"
        canvas.path(line(x[k], y), css, f"{aim.name} {aim.write(result.score[row])}: {document}")


def _axis_label(axis: Axis, row: int) -> str:
    at = axis.at[row]
    if not np.isfinite(at):
        return "—"
    return axis.labels[int(at)] if axis.labels else f"{at:.5g}"


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
