"""Folds on a time line, and what each of them gave."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.kernel.timestamps import from_iso
from assay.runs.report.components import Cell, Key, Part, Section, figure, table
from assay.runs.report.formatting import METRICS, NONE, count, day_of, metric, number, ratio
from assay.runs.report.scale import Scale
from assay.runs.report.svg import Canvas
from assay.runs.run_artifacts import RunArtifacts

_COLUMNS = ("net_profit", "buy_and_hold", "sharpe_annual", "max_drawdown", "total_trades", "win_rate", "profit_factor")
_FORECAST = ("auc", "log_loss")


def section(evidence: RunArtifacts) -> Section | None:
    """The walk, fold by fold; None for a run that walked none."""
    folds = evidence.document["folds"]
    if not folds:
        return None
    lead = (
        "Each model learns from its train span and is judged on the test span after it. The gap between them is what "
        "labels need to become known; nothing in a test span was ever seen in training."
    )
    legend = [Key("s-train", "Train"), Key("s-test", "Test")]
    if any(f["left_out"] for f in folds):
        legend.append(Key("s-hole", "Left out"))
    parts: list[Part] = [
        figure("Folds on a time line", timeline(folds), legend=legend, caption="Time in UTC."),
        _metrics(folds),
        _spans(folds),
    ]
    return Section("folds", "Folds", lead, tuple(parts))


def timeline(folds: list[Mapping[str, Any]], noun: str = "Fold") -> Callable[[float], Canvas]:
    """A drawing of the spans, one row a fold; `noun` is what the page calls it."""
    return lambda width: _draw(folds, noun, width)


def _draw(folds: list[Mapping[str, Any]], noun: str, width: float) -> Canvas:
    row, left = (20.0 if len(folds) <= 12 else 13.0 if len(folds) <= 40 else 7.0), 40.0
    bottom = 8 + row * len(folds) + 6
    ends = [from_iso(f[k]) for f in folds for k in ("train_from", "test_to")]
    x = Scale(float(min(ends)), float(max(ends)), left, width - 10)
    canvas = Canvas(width, bottom + 28, f"{len(folds)} {noun.lower()}s, each a train span and the test span after it")
    canvas.clock(x, bottom, top=6)
    every = max(1, round(16 / row))
    for k, fold in enumerate(folds):
        y = 8 + row * k
        if k % every == 0:
            canvas.text(left - 8, y + row / 2 + 4, str(fold["number"] + 1), anchor="end")
        for kind in ("train", "test"):
            a, b = (x.at(float(from_iso(fold[f"{kind}_{end}"]))) for end in ("from", "to"))
            css = f"{kind} out" if fold["left_out"] else kind
            places = {"x": a, "y": y + 1.5, "width": max(b - a, 1.5), "height": row - 3, "rx": 2}
            canvas.add("rect", css, _tip(fold, kind, noun), **places)
    return canvas


def _tip(fold: Mapping[str, Any], kind: str, noun: str) -> str:
    words = (
        f"{noun} {fold['number'] + 1}, {kind}: {day_of(fold[f'{kind}_from'])} to {day_of(fold[f'{kind}_to'])}, "
        f"{count(fold[f'{kind}_rows'])} rows"
    )
    return f"{words}. Left out: {fold['left_out']}" if fold["left_out"] else words


def _metrics(folds: list[Mapping[str, Any]]) -> Part:
    judged = [f for f in folds if not f["left_out"]]
    names = _COLUMNS + tuple(n for n in _FORECAST if any(n in f["metrics"] for f in judged))
    gains = [number(f["metrics"].get("net_profit")) for f in judged]
    most = max((abs(g) for g in gains if np.isfinite(g)), default=0.0) or 1.0
    rows: list[list[str | Cell]] = []
    for fold, gain in zip(judged, gains, strict=True):
        cells = [Cell(metric(n, fold["metrics"].get(n))[1]) for n in names]
        cells[0] = Cell(cells[0].text, gain / most if np.isfinite(gain) else 0.0)
        rows.append([str(fold["number"] + 1), *cells])
    won = sum(g > 0 for g in gains)
    return table(
        "Per fold",
        ("Fold", *(METRICS[n][0] for n in names)),
        rows,
        caption=f"{won} of {len(judged)} judged folds earned after costs. Each fold starts and ends flat.",
    )


def _spans(folds: list[Mapping[str, Any]]) -> Part:
    rows = [
        (
            str(f["number"] + 1),
            f"{day_of(f['train_from'])} – {day_of(f['train_to'])}",
            count(f["train_rows"]),
            f"{day_of(f['test_from'])} – {day_of(f['test_to'])}",
            count(f["test_rows"]),
            ratio(f["seconds"], 1) if f["seconds"] is not None else NONE,
            str(f["left_out"] or "judged"),
        )
        for f in folds
    ]
    head = ("Fold", "Train", "Train rows", "Test", "Test rows", "Seconds", "State")
    return table("Spans", head, rows, words=True)
