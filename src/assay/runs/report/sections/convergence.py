"""How fast each window's search found what it found, and which combinations did well in the newest one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.runs.evidence import RunEvidence
from assay.runs.report.parts import Key, Note, Part, Section, figure
from assay.runs.report.scale import Scale, padded, ticks
from assay.runs.report.searched import Objective, objective
from assay.runs.report.sections.parallel import parallel
from assay.runs.report.svg import CHAR, Canvas, line
from assay.runs.report.trials import trials
from assay.runs.report.wording import NONE, count, number, percent

_SAMPLES = 120  # places of the crosshair
_EARLY = 0.05  # of the trials; what lies lower than the curves there is not drawn


def section(evidence: RunEvidence) -> Section | None:
    """Best score so far, and the combinations of the newest window; None where nothing was searched."""
    document = evidence.document
    windows = document["windows"]
    if not any(w["trials"] for w in windows):
        return None
    aim = objective(document["objective"])
    lead = (
        f"{count(document['trials'])} trials in {count(len(windows))} window{'s' * (len(windows) != 1)}, "
        f"{count(document['valid_trials'])} of them valid; each is scored on train bars only. "
        "What a search finds is the best of many: expect less of it out of sample."
    )
    parts: list[Part] = [_converged(windows, aim)]
    found = trials(evidence)
    if found is None:
        parts.append(Note("The single trials of this search were not kept: their combinations cannot be drawn."))
    elif found.axes and not found.flat:
        parts.append(parallel(found, windows, aim))
    return Section("search", "Search", lead, tuple(parts))


def course(window: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """``(k,)`` trials asked and best score so far, NaN until the first valid one.

    A curve of fewer points than trials is thinned: its points lie evenly over the trials, the last at the last.
    """
    best = np.array([number(v) for v in window["curve"]], np.float64)
    asked = np.arange(1, len(best) + 1) / max(len(best), 1) * window["trials"]
    return asked, best


def _converged(windows: Sequence[Mapping[str, Any]], aim: Objective) -> Part:
    if not any(np.isfinite(course(w)[1]).any() for w in windows):
        return Note("No window had a valid trial: there is no best score to follow.")
    newest = windows[-1]
    legend = [Key("s-newest", f"Newest window ({newest['number'] + 1})")]
    if len(windows) > 1:
        legend.append(Key("s-earlier", "Earlier windows"))
    caption = "A curve that still rises at its end asks for more trials; one that is flat early asked for too many."
    if not np.isfinite(course(newest)[1]).any():
        caption += " The newest window had no valid trial."
    if any(np.nanmin(best, initial=np.inf) < _reach(windows)[0] for _, best in map(course, windows)):
        caption += f" Lower scores of the first {percent(_EARLY, 0)} of the trials are not drawn."
    title = f"Best {aim.name} so far, by trial"
    return figure("Convergence", lambda w: _draw(windows, aim, w, title), caption=caption, legend=legend)


def _reach(windows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Range of the curves after their first trials."""
    return padded(np.concatenate([best[int(len(best) * _EARLY) :] for _, best in map(course, windows)]))


def _draw(windows: Sequence[Mapping[str, Any]], aim: Objective, width: float, title: str) -> Canvas:
    curves = [course(w) for w in windows]
    low, high = _reach(windows)
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
    for k, (asked, best) in enumerate(curves):
        newest = k == len(curves) - 1
        tip = f"Window {windows[k]['number'] + 1}: best {aim.write(windows[k]['score'])}"
        canvas.path(
            line(x(asked), y(np.where(best < low, np.nan, best))), "line newest" if newest else "line earlier", tip
        )
    asked, best = curves[-1]
    if np.isfinite(best).any():
        canvas.add("circle", "dot", "", cx=x.at(asked[-1]), cy=y.at(best[-1]), r=4)
    return canvas


def _hover(
    windows: Sequence[Mapping[str, Any]], curves: Sequence[tuple[FloatArray, FloatArray]], aim: Objective, x: Scale
) -> str:
    """``[[place, words], …]`` of the newest window, beside the median of all, as JSON."""
    out = []
    for at in np.unique(np.linspace(1, x.high, _SAMPLES).round()).tolist():
        so_far = [
            best[np.searchsorted(asked, at, side="right") - 1] if at >= asked[0] else np.nan
            for asked, best in curves
            if len(asked)
        ]
        good = [v for v in so_far if np.isfinite(v)]
        own = curves[-1]
        newest = so_far[-1] if len(own[0]) else np.nan
        words = f"trial {count(at)} · newest window {aim.write(newest)}"
        if len(windows) > 1:
            words += f" · median of windows {aim.write(float(np.median(good))) if good else NONE}"
        out.append([round(x.at(at), 1), words])
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))
