"""Section: reliability and confusion of forecasts."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.runs.report.components import Card, Cards, Cell, Key, Note, Part, Section, figure, table
from assay.runs.report.formatting import count, floats, metric, percent, ratio
from assay.runs.report.scale import Scale
from assay.runs.report.svg import Canvas, line
from assay.runs.run_artifacts import RunArtifacts

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


def section(evidence: RunArtifacts) -> Section | None:
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
    return figure(title, lambda w: _draw(result, w, title), caption=caption, legend=legend, half=True)


def _draw(result: Reliability, width: float, title: str) -> Canvas:
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
