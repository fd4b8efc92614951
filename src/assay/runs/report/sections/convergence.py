"""Section: convergence of each window's search, and the best combinations of the newest one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.plural import amount
from assay.runs.report.components import Key, Note, Part, Section, figure
from assay.runs.report.formatting import count, number
from assay.runs.report.scale import Scale, pad_range, ticks
from assay.runs.report.search_summary import Objective, objective
from assay.runs.report.sections.parallel import parallel
from assay.runs.report.svg import CHAR, Canvas, line
from assay.runs.report.trials import trials
from assay.runs.run_artifacts import RunArtifacts

_SAMPLES = 120  # places of the crosshair
_EARLY = 0.05  # of the trials: the start of a curve
_LEAST, _MOST = 0.2, 0.8  # of the whole range that the rest of the curves takes where the start is left out


def section(evidence: RunArtifacts) -> Section | None:
    """Best score so far, and the combinations of the newest window; None where nothing was searched."""
    document = evidence.document
    windows = document["windows"]
    if not any(w["trials"] for w in windows):
        return None
    aim = objective(document["objective"])
    many = sum(w["trials"] > 0 for w in windows)
    lead = (
        f"{amount(document['trials'], 'trial')} in {amount(many, 'window')}, "
        f"{count(document['valid_trials'])} of them valid; each is scored on train bars only. "
        "What a search finds is the best of many: expect less of it out of sample."
    )
    parts: list[Part] = [_converged(windows, aim)]
    result = trials(evidence)
    if result is None:
        parts.append(Note("The single trials of this search were not kept: their combinations cannot be drawn."))
    elif result.axes and not result.flat:
        parts.append(parallel(result, windows, aim))
    return Section("search", "Search", lead, tuple(parts))


def course(window: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """``(k,)`` trials asked and best score so far, NaN until the first valid one.

    A curve of fewer points than trials is thinned: its points lie evenly from the first trial to the last.
    """
    best = np.array([number(v) for v in window["curve"]], np.float64)
    request = np.linspace(min(1, len(best)), window["trials"], len(best))
    return request, best


def stairs(request: FloatArray, best: FloatArray) -> tuple[FloatArray, FloatArray]:
    """A curve as steps: level until the trial that bettered it, and no more points than it has steps."""
    good = np.isfinite(best)
    request, best = request[good], best[good]
    rise = np.flatnonzero(np.diff(best)) + 1
    x = np.concatenate([request[:1], np.repeat(request[rise], 2), request[-1:]])
    y = np.concatenate([best[:1], np.column_stack([best[rise - 1], best[rise]]).ravel(), best[-1:]])
    return x, y


def reach(curves: Sequence[FloatArray]) -> tuple[float, float]:
    """Range of an axis for all curves; a short steep start that would take most of it is left out below.

    Whole, unless the curves after their first trials are at least a fifth of it and at most four fifths.
    """
    low, high = pad_range(np.concatenate(curves))
    late, _ = pad_range(np.concatenate([best[int(len(best) * _EARLY) :] for best in curves]))
    share = (high - late) / (high - low)
    return (high - (high - late) / _MOST, high) if _LEAST <= share < _MOST else (low, high)


def _converged(windows: Sequence[Mapping[str, Any]], aim: Objective) -> Part:
    windows = [w for w in windows if np.isfinite(course(w)[1]).any()]
    if not windows:
        return Note("No window had a valid trial: there is no best score to follow.")
    curves = [course(w)[1] for w in windows]
    legend = [Key("s-newest", f"Window {windows[-1]['number'] + 1}")]
    if len(windows) > 1:
        legend = [Key("s-newest", f"{legend[0].text}, the newest"), Key("s-earlier", "Earlier windows")]
    caption = "A curve that still rises at its end asks for more trials; one that is flat early asked for too many."
    if any(np.nanmin(best, initial=np.inf) < reach(curves)[0] for best in curves):
        caption += " The lower scores of the first trials are not drawn."
    title = f"Best {aim.name} so far, by trial"
    return figure("Convergence", lambda w: _draw(windows, aim, w, title), caption=caption, legend=legend)


def _draw(windows: Sequence[Mapping[str, Any]], aim: Objective, width: float, title: str) -> Canvas:
    curves = [course(w) for w in windows]
    low, high = reach([best for _, best in curves])
    words = aim.marks(ticks(low, high, 5))
    left, right, top, bottom = 14 + CHAR * max(len(w) for _, w in words), width - 14, 24.0, 290.0
    last = float(max(w["trials"] for w in windows))
    x, y = Scale(0.0, last, left, right), Scale(low, high, bottom, top)
    canvas = Canvas(width, bottom + 46, title, hover=_hover(windows, curves, aim, x))
    canvas.text(2, 10, f"best {aim.name} so far", "unit")
    canvas.rows(y, words, left, right)
    about = 8 if width > 500 else 4
    canvas.columns(x, [(t, count(t)) for t in ticks(0.0, last, about) if t == int(t)], bottom)
    canvas.text((left + right) / 2, bottom + 40, "trials of the window", "unit", "middle")
    for k, (request, best) in enumerate(curves):
        newest = k == len(curves) - 1
        tip = f"Window {windows[k]['number'] + 1}: best {aim.write(windows[k]['score'])}"
        t, v = stairs(request, np.where(best < low, np.nan, best))
        canvas.path(line(x(t), y(v)), "line newest" if newest else "line earlier", tip)
    request, best = curves[-1]
    canvas.add("circle", "dot", "", cx=x.at(request[-1]), cy=y.at(best[-1]), r=4)
    return canvas


def _hover(
    windows: Sequence[Mapping[str, Any]], curves: Sequence[tuple[FloatArray, FloatArray]], aim: Objective, x: Scale
) -> str:
    """``[[place, words], …]`` of the newest window, beside the median of all, as JSON."""
    out = []
    for at in np.unique(np.linspace(1, x.high, _SAMPLES).round()).tolist():
        so_far = np.array([best[max(0, np.searchsorted(request, at, side="right") - 1)] for request, best in curves])
        words = f"trial {count(at)} · window {windows[-1]['number'] + 1}: {aim.write(so_far[-1])}"
        if len(windows) > 1 and np.isfinite(so_far).any():
            words += f" · median of windows {aim.write(float(np.nanmedian(so_far)))}"
        out.append([round(x.at(at), 1), words])
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))
