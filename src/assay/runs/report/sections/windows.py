"""Sections: windows of a search, its convergence, and in-sample against out-of-sample results."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import amount
from assay.runs.report.components import (
    NONE,
    Card,
    Cards,
    Cell,
    Key,
    Note,
    Part,
    Section,
    alike,
    count,
    day_of,
    figure,
    general,
    metric,
    number,
    ratio,
    table,
)
from assay.runs.report.search_summary import Objective, has_unseen_window, objective, part, place_in_range, trials
from assay.runs.report.sections.folds import timeline
from assay.runs.report.sections.parameters import parallel
from assay.runs.report.svg import CHAR, Canvas, Scale, line, pad_range, ticks
from assay.runs.run_artifacts import RunArtifacts
from assay.validate import windows_stability

_COMPARED = ("sharpe_annual", "net_profit", "total_trades", "win_rate")
_HEADS = ("Sharpe", "Net profit", "Trades", "Win rate")


def section(evidence: RunArtifacts) -> Section:
    """Time line, results, search and parameters, window by window."""
    document = evidence.document
    windows = document["windows"]
    if has_unseen_window(document):
        lead = (
            "Parameters are searched in each train span and judged on the test span after it, which no trial has seen. "
            "In sample is the best of the search on its own train bars; out of sample is what counts."
        )
    else:
        lead = "All candles were searched and none held back: there is no out-of-sample result, only a fitted one."
    parts: list[Part] = []
    if document["folds"]:
        legend = [Key("s-train", "Searched"), Key("s-test", "Judged")]
        if any(f["left_out"] for f in document["folds"]):
            legend.append(Key("s-hole", "Left out"))
        draw = timeline(document["folds"], "Window")
        parts.append(figure("Windows on a time line", draw, legend=legend, caption="Time in UTC."))
    parts.append(_results(windows, present=document["mode"] == "fixed"))
    parts.append(_searches(document))
    if document["searched"] and any(w["parameters"] for w in windows):
        parts.append(_parameters(document))
    return Section("windows", "Windows", lead, tuple(parts))


def _results(windows: Sequence[Mapping[str, object]], *, present: bool) -> Part:
    most = _largest(part(w, "test", "net_profit") for w in windows)
    rows = [_result(w, most) for w in windows]
    head = ["Window"]
    for name in _HEADS:
        head += [f"{name} in", "out"]
    head.append("Judged")
    tested = [number(part(w, "test", "net_profit")) for w in windows if w["test"]]
    won = sum(g > 0 for g in tested)
    best = "the parameters that the first window found" if present else "best of the search"
    caption = f"In: {best}, on the train bars. Out: the same parameters on the test bars. Sharpe is annual."
    if tested:
        caption += f" Earned out of sample, after costs: {won} of {amount(len(tested), 'window')}."
    return table("Results by window", head, rows, caption=caption)


def _result(window: Mapping[str, Any], most: float) -> list[str | Cell]:
    row: list[str | Cell] = [str(window["number"] + 1)]
    for name in _COMPARED:
        for which in ("train", "test"):
            value = part(window, which, name)
            gain = number(value) / most if (which, name) == ("test", "net_profit") else 0.0
            row.append(Cell(metric(name, value)[1], gain if np.isfinite(gain) else 0.0))
    return [*row, _span(window, "test")]


def _searches(document: Mapping[str, Any]) -> Part:
    aim = objective(document["objective"])
    rows = []
    for w in document["windows"]:
        rows.append(
            [
                str(w["number"] + 1),
                count(w["trials"]),
                count(w["valid_trials"]),
                aim.write(w["score"] if w["trials"] else None),
                ratio(w["plateau"]),
                _span(w, "train"),
                w["note"] or ("parameters held" if w["parameters"] and not w["trials"] else ""),
            ]
        )
    head = ("Window", "Trials", "Valid", f"Best {aim.name}", "Plateau", "Searched", "Note")
    caption = (
        f"Valid: at least {count(document['min_trades'])} trades and a defined score. Plateau: the share of the best "
        "score that the trials nearest to it keep; 1 is a plateau, 0 a lone peak."
    )
    return table("Search by window", head, rows, caption=caption, words=True)


def _parameters(document: Mapping[str, Any]) -> Part:
    names = document["searched"]
    rows: list[list[str | Cell]] = []
    for w in document["windows"]:
        cells = [
            Cell(general(w["parameters"].get(n)), _lean(document["space"].get(n, {}), w["parameters"].get(n)))
            for n in names
        ]
        rows.append([str(w["number"] + 1), *cells])
    caption = (
        "Tinted by the place in the searched range: blue is high, orange low. A column of one colour is a stable "
        "parameter; one of all colours follows noise or a market that changes."
    )
    return table("Best parameters by window", ("Window", *names), rows, caption=caption)


def _lean(space: Mapping[str, object], value: object) -> float:
    place = place_in_range(space, value)
    return float(np.clip(2 * place - 1, -1.0, 1.0)) if np.isfinite(place) else 0.0


def _largest(values: Any) -> float:
    finite = [abs(v) for v in map(number, values) if np.isfinite(v)]
    return max(finite, default=0.0) or 1.0


def _span(window: Mapping[str, Any], which: str) -> str:
    begin, end = window[f"{which}_from"], window[f"{which}_to"]
    return NONE if begin is None or end is None else f"{day_of(begin)} – {day_of(end)}"


_SAMPLES = 120  # places of the crosshair
_EARLY = 0.05  # of the trials: the start of a curve
_LEAST, _MOST = 0.2, 0.8  # of the whole range that the rest of the curves takes where the start is left out


def convergence_section(evidence: RunArtifacts) -> Section | None:
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
    return figure("Convergence", lambda w: _draw_convergence(windows, aim, w, title), caption=caption, legend=legend)


def _draw_convergence(windows: Sequence[Mapping[str, Any]], aim: Objective, width: float, title: str) -> Canvas:
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


_TESTS = {
    "SHARPE_DROP": "Sharpe drops",
    "WIN_RATE_DROP": "Win rate drops",
    "NEGATIVE_TEST": "Loses",
    "UNSTABLE": "Unstable",
    "FEW_PROFITABLE": "Few earn",
}
_MOOD = {"ACCEPT": "good", "REJECT": "bad"}


def overfit_section(evidence: RunArtifacts) -> Section:
    """Verdict and scores, the reasons with their limits, and a dot a window against the diagonal."""
    result = evidence.document["overfit"]
    windows = evidence.document["windows"]
    lead = (
        "A search always finds something. These numbers ask whether it found the market or the noise in its train bars."
    )
    parts: list[Part] = [_cards(result, windows), _scatter(windows), _reasons(result)]
    return Section("overfit", "Overfit and stability", lead, tuple(parts))


def pairs(windows: Sequence[Mapping[str, Any]]) -> tuple[list[int], FloatArray, FloatArray]:
    """Numbers of the windows, and ``(k,)`` annual Sharpe ratios in and out of sample, where both are known."""
    numbers, both = [], []
    for w in windows:
        pair = [number(part(w, which, "sharpe_annual")) for which in ("train", "test")]
        if np.isfinite(pair).all():
            numbers.append(int(w["number"]))
            both.append(pair)
    values = np.array(both, np.float64).reshape(-1, 2)
    return numbers, values[:, 0], values[:, 1]


def _cards(result: Mapping[str, Any], windows: Sequence[Mapping[str, Any]]) -> Cards:
    verdict = result["verdict"]
    message = {None: "needs two windows", True: "overfitting detected", False: "no overfitting detected"}
    return Cards(
        (
            Card("Walk-forward verdict", verdict or NONE, message[result["detected"]], _MOOD.get(verdict or "", "")),
            _out_of_sample_card(windows),
            Card("Stability score", ratio(result["stability_score"]), "0 to 1; below 0.6 asks for caution"),
            Card("Plateau score", ratio(result["plateau_score"]), "share of the best score that its neighbours keep"),
            Card(
                "Parameter stability",
                ratio(result["parameter_stability"]),
                "1: the same in every window; 0: as if drawn",
            ),
            Card("Spread in sample", ratio(result["train_sharpe_std"]), "standard deviation of train Sharpe ratios"),
        )
    )


def _out_of_sample_card(windows: Sequence[Mapping[str, object]]) -> Card:
    means = windows_stability(windows)
    if not means.windows:
        return Card("Sharpe out of sample", NONE, "no window was judged")
    mood = "good" if means.test_sharpe > 0 else "bad" if means.test_sharpe < 0 else ""
    note = f"mean of windows, 0 without trades; in sample {ratio(means.train_sharpe)}"
    return Card("Sharpe out of sample", ratio(means.test_sharpe), note, mood)


def _reasons(result: Mapping[str, Any]) -> Part:
    if result["detected"] is None:
        return Note("Overfitting cannot be told: that needs at least two judged windows.", half=True)
    if not result["reasons"]:
        return Note("None of the five tests of overfitting struck.", half=True)
    rows = [
        (_TESTS.get(r["code"], r["code"]), f"{ratio(r['value'])} / {ratio(r['limit'])}", r["text"])
        for r in result["reasons"]
    ]
    return table("Reasons", ("Test", "Found / limit", "In words"), rows, meaning=3, half=True)


def _scatter(windows: Sequence[Mapping[str, Any]]) -> Part:
    numbers, inside, outside = pairs(windows)
    if not numbers:
        return Note("No window has a Sharpe ratio both in and out of sample: there is nothing to compare.", half=True)
    below = int((outside < inside).sum())
    caption = (
        "One dot a window. On the diagonal, out of sample gave what the search saw in sample; "
        f"{below} of {len(numbers)} lie below."
    )
    if len(numbers) >= 3 and np.ptp(inside) > 0 and np.ptp(outside) > 0:
        caption += f" Correlation {ratio(float(np.corrcoef(inside, outside)[0, 1]))}."
    if len(numbers) < len(windows):
        caption += f" Windows without trades on both sides are not drawn: {len(windows) - len(numbers)}."
    legend = [Key("s-dot", f"Window {numbers[-1] + 1}, the newest"), Key("s-ideal", "Out of sample as in sample")]
    if len(numbers) > 1:
        legend.insert(1, Key("s-pale", "Earlier windows"))
    title = "In sample against out of sample"
    return figure(
        title, lambda w: _draw_overfit(numbers, inside, outside, w, title), caption=caption, legend=legend, half=True
    )


def _draw_overfit(numbers: list[int], inside: FloatArray, outside: FloatArray, width: float, title: str) -> Canvas:
    x_range, y_range = (pad_range(v, share=0.08, include=0.0) for v in (inside, outside))
    words = ticks(*y_range, 6)
    marks = list(zip(words, alike(words), strict=True))
    left, right, top, bottom = 14 + CHAR * max(len(w) for _, w in marks), width - 12, 26.0, 320.0
    x, y = Scale(*x_range, left, right), Scale(*y_range, bottom, top)
    canvas = Canvas(width, bottom + 46, f"{title}, {len(numbers)} windows")
    canvas.text(2, 11, "Sharpe ratio a year, out of sample", "unit")
    canvas.rows(y, marks, left, right)
    values = ticks(*x_range, 6 if width > 400 else 4)
    canvas.columns(x, list(zip(values, alike(values), strict=True)), bottom)
    canvas.text((left + right) / 2, bottom + 40, "Sharpe ratio a year, in sample", "unit", "middle")
    canvas.add("line", "zero", x1=left, x2=right, y1=y.at(0.0), y2=y.at(0.0))
    canvas.add("line", "zero", x1=x.at(0.0), x2=x.at(0.0), y1=top, y2=bottom)
    ends = np.array([max(x.low, y.low), min(x.high, y.high)])
    if ends[1] > ends[0]:
        canvas.path(line(x(ends), y(ends)), "line ideal")
    for k, (a, b) in enumerate(zip(inside.tolist(), outside.tolist(), strict=True)):
        newest = k == len(numbers) - 1
        tip = f"Window {numbers[k] + 1}: in sample {ratio(a)}, out of sample {ratio(b)}"
        canvas.add("circle", "dot" if newest else "dot soft", tip, cx=x.at(a), cy=y.at(b), r=6 if newest else 4.5)
    return canvas
