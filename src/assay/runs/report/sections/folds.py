"""Sections: folds on a time line with their results, forecasts, and the profile of one parameter."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.timeframe import from_iso
from assay.runs.evaluation import FoldRow
from assay.runs.report.components import (
    METRICS,
    NONE,
    Card,
    Cards,
    Cell,
    Key,
    Note,
    Part,
    Section,
    count,
    day_of,
    figure,
    floats,
    metric,
    number,
    percent,
    ratio,
    table,
)
from assay.runs.report.search_summary import Axis, Objective, Trials
from assay.runs.report.svg import CHAR, Canvas, Scale, line, pad_range, ticks
from assay.runs.run_artifacts import RunArtifacts

_COLUMNS = ("net_profit", "buy_and_hold", "sharpe_annual", "max_drawdown", "total_trades", "win_rate", "profit_factor")
_FORECAST = ("auc", "log_loss")


def section(evidence: RunArtifacts) -> Section | None:
    """The walk, fold by fold; None for a run that walked none."""
    folds: list[FoldRow] = evidence.document["folds"]
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


def timeline(folds: list[FoldRow], noun: str = "Fold") -> Callable[[float], Canvas]:
    """A drawing of the spans, one row a fold; `noun` is what the page calls it."""
    return lambda width: _draw(folds, noun, width)


def _draw(folds: list[FoldRow], noun: str, width: float) -> Canvas:
    row, left = (20.0 if len(folds) <= 12 else 13.0 if len(folds) <= 40 else 7.0), 40.0
    bottom = 8 + row * len(folds) + 6
    ends = [from_iso(each) for f in folds for each in (f["train_from"], f["test_to"])]
    x = Scale(float(min(ends)), float(max(ends)), left, width - 10)
    canvas = Canvas(width, bottom + 28, f"{len(folds)} {noun.lower()}s, each a train span and the test span after it")
    canvas.clock(x, bottom, top=6)
    every = max(1, round(16 / row))
    for k, fold in enumerate(folds):
        y = 8 + row * k
        if k % every == 0:
            canvas.text(left - 8, y + row / 2 + 4, str(fold["number"] + 1), anchor="end")
        for kind in ("train", "test"):
            first, last, _ = _span(fold, kind)
            a, b = (x.at(float(from_iso(end))) for end in (first, last))
            css = f"{kind} out" if fold["left_out"] else kind
            places = {"x": a, "y": y + 1.5, "width": max(b - a, 1.5), "height": row - 3, "rx": 2}
            canvas.add("rect", css, _tip(fold, kind, noun), **places)
    return canvas


def _span(fold: FoldRow, kind: str) -> tuple[str, str, int]:
    """First and last bar open (ISO 8601) and rows of the train or test part."""
    if kind == "train":
        return fold["train_from"], fold["train_to"], fold["train_rows"]
    return fold["test_from"], fold["test_to"], fold["test_rows"]


def _tip(fold: FoldRow, kind: str, noun: str) -> str:
    first, last, rows = _span(fold, kind)
    words = f"{noun} {fold['number'] + 1}, {kind}: {day_of(first)} to {day_of(last)}, {count(rows)} rows"
    return f"{words}. Left out: {fold['left_out']}" if fold["left_out"] else words


def _metrics(folds: list[FoldRow]) -> Part:
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


def _spans(folds: list[FoldRow]) -> Part:
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


_BINS = 10
_FEW = 30  # rows below which a tenth is drawn pale and not joined by the line
_Z = 1.959963984540054


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Equal-width bins of a class's probability: mean forecast, share that came true, its 95 % interval, rows."""

    forecast: FloatArray
    truth: FloatArray
    low: FloatArray
    high: FloatArray
    rows: IntArray


def reliability(p: FloatArray, hit: BoolArray) -> Reliability:
    """Of probabilities ``(m,)`` and what came ``(m,)``; empty bins are left out. Interval: Wilson (1927)."""
    bin_of = np.minimum((p * _BINS).astype(np.int64), _BINS - 1)
    rows = np.bincount(bin_of, minlength=_BINS)
    stored = rows > 0
    n = rows[stored].astype(np.float64)
    truth = np.bincount(bin_of, hit, minlength=_BINS)[stored] / n
    middle = (truth + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    reach = _Z / (1 + _Z**2 / n) * np.sqrt(truth * (1 - truth) / n + _Z**2 / (4 * n * n))
    forecast = np.bincount(bin_of, p, minlength=_BINS)[stored] / n
    return Reliability(forecast, truth, middle - reach, middle + reach, rows[stored])


def forecast_section(evidence: RunArtifacts) -> Section | None:
    """Reliability, confusion and forecast numbers; None for a model that acts without forecasting."""
    names = [c for c in evidence.decisions.columns if c.startswith("p_")]
    if not names or "y" not in evidence.decisions.columns:
        return None
    lead = "What the model said beforehand against what came, on judged rows whose label is known."
    p = np.column_stack([floats(evidence.decisions, c) for c in names])
    y = floats(evidence.decisions, "y")
    good = np.isfinite(y) & np.isfinite(p).all(axis=1)
    p, y = p[good], y[good]
    if not len(y):
        note = Note("No judged row has both a forecast and a known label.")
        return Section("forecast", "Calibration and confusion", lead, (note,))
    classes = np.array([float(c.removeprefix("p_")) for c in names])
    charts = [_reliable(p[:, j], y == classes[j], classes[j]) for j in _drawn(classes)]
    parts: list[Part] = [_cards(evidence), *charts, _confusion(p, y, classes)]
    return Section("forecast", "Calibration and confusion", lead, tuple(parts))


def _drawn(classes: FloatArray) -> Sequence[int]:
    """Of two classes the second says all; of more, each says its own."""
    return (1,) if len(classes) == 2 else range(len(classes))


def _cards(evidence: RunArtifacts) -> Cards:
    values = evidence.document["metrics"]
    result = [
        metric(n, values.get(n)) for n in ("auc", "log_loss", "base_log_loss", "brier", "accuracy", "forecast_rows")
    ]
    return Cards(tuple(Card(*each) for each in result))


def _reliable(p: FloatArray, hit: BoolArray, value: float) -> Part:
    result = reliability(p, hit)
    legend = (
        Key("s-model", "Came true, with 95 % interval"),
        Key("s-ideal", "Perfect calibration"),
        Key("s-count", "Rows"),
    )
    caption = (
        f"Forecasts of class {_name(value)} in tenths, {count(len(p))} rows. On the line, what is said to come in 6 of "
        f"10 cases does so. The class came in {percent(hit.mean())} of all rows. Pale: fewer than {_FEW} rows."
    )
    title = f"Reliability of class {_name(value)}"
    return figure(title, lambda w: _draw_forecast(result, w, title), caption=caption, legend=legend, half=True)


def _draw_forecast(result: Reliability, width: float, title: str) -> Canvas:
    left, right, top, split, bottom = 50.0, width - 22, 12.0, 260.0, 330.0
    x = Scale(0.0, 1.0, left, right)
    y = Scale(0.0, 1.0, split, top)
    rows = Scale(0.0, float(result.rows.max()), bottom, split + 22)
    canvas = Canvas(width, bottom + 46, title)
    marks = [(t / 5, percent(t / 5, 0)) for t in range(6)]
    canvas.rows(y, marks, left, right)
    canvas.columns(x, marks, bottom)
    canvas.text((left + right) / 2, bottom + 41, "forecast probability", "unit", "middle")
    canvas.path(line(x(np.array([0.0, 1.0])), y(np.array([0.0, 1.0]))), "line ideal")
    sure = result.rows >= _FEW
    canvas.path(line(x(result.forecast[sure]), y(result.truth[sure])), "line model")
    for k, n in enumerate(result.rows.tolist()):
        f, t = float(result.forecast[k]), float(result.truth[k])
        a = x.at(f)
        tip = f"said {percent(f)}, came {percent(t)} of {count(n)} rows"
        pale = "" if n >= _FEW else " pale"
        canvas.add("line", f"whisker{pale}", x1=a, x2=a, y1=y.at(result.low[k]), y2=y.at(result.high[k]))
        canvas.add("circle", f"dot{pale}", tip, cx=a, cy=y.at(t), r=4.5)
        h = rows.at(n)
        begin = x.at(min(int(f * _BINS), _BINS - 1) / _BINS)
        wide = (right - left) / _BINS
        canvas.add("rect", "count", tip, x=begin + 1, y=h, width=wide - 2, height=max(bottom - h, 0.8))
        canvas.text(begin + wide / 2, h - 4, _brief(n), "tiny", "middle")
    return canvas


def _brief(n: int) -> str:
    return str(n) if n < 1000 else f"{n / 1000:.1f}k" if n < 10_000 else f"{n / 1000:.0f}k"


def _confusion(p: FloatArray, y: FloatArray, classes: FloatArray) -> Part:
    message = p.argmax(axis=1)
    rows: list[list[str | Cell]] = []
    for value in classes:
        mine = np.bincount(message[y == value], minlength=len(classes)).tolist()
        total = sum(mine)
        cells = [
            Cell(f"{count(k)} ({percent(k / total, 0)})" if total else "0", k / total if total else 0.0) for k in mine
        ]
        rows.append([f"came {_name(value)}", *cells, count(total)])
    hits = [(message == j) & (y == value) for j, value in enumerate(classes)]
    precision = [
        ratio(h.sum() / k if k else np.nan) for h, k in ((h, (message == j).sum()) for j, h in enumerate(hits))
    ]
    rows.append(["right when said", *precision, ""])
    return table(
        "Confusion",
        ("", *(f"said {_name(v)}" for v in classes), "Rows"),
        rows,
        caption="The likeliest class against the class that came; shares are of each row. Last line: precision, 0–1.",
        half=True,
    )


def _name(value: float) -> str:
    return f"{value:g}".replace("-", "−")


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
        title, lambda w: _draw_profile(axis, values, holding, aim, w, title), caption=caption, legend=legend, half=True
    )


def _draw_profile(
    axis: Axis, values: FloatArray, holding: IntArray, aim: Objective, width: float, title: str
) -> Canvas:
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
