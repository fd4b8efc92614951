"""One parameter alone: how the trials of each stretch of it did."""

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.runs.report.components import Key, Part, figure
from assay.runs.report.formatting import count
from assay.runs.report.scale import pad_range, ticks
from assay.runs.report.search_summary import Objective
from assay.runs.report.svg import CHAR, Canvas, line
from assay.runs.report.trials import Axis, Trials


def quartiles(axis: Axis, gain: FloatArray) -> tuple[FloatArray, IntArray]:
    """``(bins, 3)`` quartiles of the gain in each bin, NaN where no trial is valid, and ``(bins,)`` valid trials."""
    k = len(axis.edges) - 1
    inside = [gain[(axis.bins == b) & np.isfinite(gain)] for b in range(k)]
    result = [np.quantile(g, [0.25, 0.5, 0.75]) if len(g) else np.full(3, np.nan) for g in inside]
    return np.array(result), np.array([len(g) for g in inside])


def profile(result: Trials, axis: Axis, aim: Objective) -> Part:
    """Median and quartiles of the trials along a parameter."""
    values, holding = quartiles(axis, result.gain)
    legend = (Key("s-model", "Median trial"), Key("s-count", "Middle half of the trials"))
    caption = (
        f"{aim.name[0].upper()}{aim.name[1:]} above or below the median trial of the same window; "
        f"{count(holding.sum())} valid trials."
    )
    title = f"Score along {axis.name}"
    return figure(
        title, lambda w: _draw(axis, values, holding, aim, w, title), caption=caption, legend=legend, half=True
    )


def _draw(axis: Axis, values: FloatArray, holding: IntArray, aim: Objective, width: float, title: str) -> Canvas:
    y_low, y_high = pad_range(values, include=0.0)
    words = aim.marks(ticks(y_low, y_high, 6), sign=True)
    left, right, top, bottom = 14 + CHAR * max(len(w) for _, w in words), width - 10, 24.0, 270.0
    x = axis.scale(left, right)
    y = type(x)(y_low, y_high, bottom, top)
    canvas = Canvas(width, bottom + 46, title)
    canvas.text(2, 10, f"{aim.name}, against the window's median", "unit")
    canvas.rows(y, words, left, right)
    canvas.add("line", "zero", x1=left, x2=right, y1=y.at(0.0), y2=y.at(0.0))
    canvas.columns(x, axis.marks(5 if width > 400 else 4), bottom)
    canvas.text((left + right) / 2, bottom + 40, axis.name, "unit", "middle")
    edges = x(axis.edges)
    middles = (edges[1:] + edges[:-1]) / 2
    for k, (low, middle, high) in enumerate(values.tolist()):
        if not holding[k]:
            continue
        tip = f"{axis.name} {axis.span(k)}: median {aim.write(middle, sign=True)}, middle half "
        tip += f"{aim.write(low, sign=True)} to {aim.write(high, sign=True)}, {count(holding[k])} trials"
        places = {"x": edges[k] + 1, "y": y.at(high), "width": edges[k + 1] - edges[k] - 2}
        canvas.add("rect", "count", tip, **places, height=max(y.at(low) - y.at(high), 1.0))
        canvas.add("circle", "dot", tip, cx=middles[k], cy=y.at(middle), r=4)
    canvas.path(line(middles, y(values[:, 1])), "line model")
    return canvas
