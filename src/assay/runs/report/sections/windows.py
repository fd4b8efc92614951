"""Section: the windows of a search, their parameters and results on unseen bars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from assay.kernel.plural import amount
from assay.runs.report.components import Cell, Key, Part, Section, figure, table
from assay.runs.report.formatting import NONE, count, day_of, general, metric, number, ratio
from assay.runs.report.search_summary import has_unseen_window, objective, part, place_in_range
from assay.runs.report.sections.folds import timeline
from assay.runs.run_artifacts import RunArtifacts

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


def _results(windows: Sequence[Mapping[str, Any]], *, present: bool) -> Part:
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


def _lean(space: Mapping[str, Any], value: Any) -> float:
    place = place_in_range(space, value)
    return float(np.clip(2 * place - 1, -1.0, 1.0)) if np.isfinite(place) else 0.0


def _largest(values: Any) -> float:
    finite = [abs(v) for v in map(number, values) if np.isfinite(v)]
    return max(finite, default=0.0) or 1.0


def _span(window: Mapping[str, Any], which: str) -> str:
    begin, end = window[f"{which}_from"], window[f"{which}_to"]
    return NONE if begin is None or end is None else f"{day_of(begin)} – {day_of(end)}"
