"""Section: distributions of bar and trade returns."""

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.plural import amount
from assay.runs.report.components import Key, Note, Part, Section, figure
from assay.runs.report.formatting import count, floats, percent, ratio
from assay.runs.report.scale import Scale, ticks
from assay.runs.report.svg import Canvas, line
from assay.runs.run_artifacts import RunArtifacts

_LEAST, _MOST = 8, 48  # bins
_TAIL = 0.005  # share of either tail that is gathered in the outermost bars


def section(evidence: RunArtifacts) -> Section:
    """Histograms of bars' and of trades' returns."""
    lead = "One bar of the account at a time, and one trade at a time, both after costs."
    return Section("returns", "Return distribution", lead, (_bars(evidence), _trades(evidence)))


def _bars(evidence: RunArtifacts) -> Part:
    returns = floats(evidence.account, "return")
    returns = returns[np.isfinite(returns)]
    moved = returns[returns != 0]
    if len(moved) < 5:
        return Note("Fewer than five bars have a return other than zero: there is no distribution to draw.", half=True)
    flat = 1 - len(moved) / len(returns)
    values = evidence.document["metrics"]
    caption = (
        f"{count(len(moved))} bars; the {percent(flat)} of bars whose return is exactly zero (flat) are left out. "
        f"Of all: skew {ratio(values.get('skew'))} (normal 0), kurtosis {ratio(values.get('kurtosis'))} (normal 3); "
        "above 3 means more extreme bars than the normal curve expects."
    )
    legend = (Key("s-bars", "Bars"), Key("s-normal", "Normal curve of equal mean and deviation"))
    return figure(
        "Returns of bars", lambda w: _draw(moved, w, "bars", normal=True), caption=caption, legend=legend, half=True
    )


def _trades(evidence: RunArtifacts) -> Part:
    gains = floats(evidence.trades, "return_net")
    gains = gains[np.isfinite(gains)]
    if len(gains) < 5:
        return Note(f"{amount(len(gains), 'closed trade')}: too few for a distribution.", half=True)
    caption = (
        f"{count(len(gains))} trades, return on entry notional after costs: median "
        f"{percent(float(np.median(gains)), 2, sign=True)}, best "
        f"{percent(gains.max(), 1, sign=True)}, worst {percent(gains.min(), 1, sign=True)}."
    )
    return figure("Returns of trades", lambda w: _draw(gains, w, "trades"), caption=caption, half=True)


def bins(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``(k + 1,)`` edges over all but the outer tails, ``(k,)`` counts with the tails in the end bins."""
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    if not high > low:
        low, high = low - abs(low) * 0.5 - 1e-9, high + abs(high) * 0.5 + 1e-9
    k = min(_MOST, max(_LEAST, int(2 * np.sqrt(len(values)))))
    edges: FloatArray = np.linspace(low, high, k + 1)
    counts = np.histogram(np.clip(values, low, high), edges)[0].astype(np.float64)
    return edges, counts


def _draw(values: FloatArray, width: float, noun: str, *, normal: bool = False) -> Canvas:
    edges, counts = bins(values)
    left, right, top, bottom = 46.0, width - 10, 12.0, 236.0
    x = Scale(float(edges[0]), float(edges[-1]), left, right)
    curve = _normal(values, edges) if normal else (np.empty(0), np.empty(0))
    y = Scale(0.0, float(max(counts.max(), curve[1].max(initial=0.0))) * 1.04, bottom, top)
    canvas = Canvas(width, bottom + 48, f"Histogram of the returns of {len(values):,} {noun}")
    canvas.rows(y, [(t, count(t)) for t in ticks(0, y.high, 4) if t == int(t)], left, right)
    decimals = 0 if x.high - x.low > 0.08 else 1 if x.high - x.low > 0.008 else 2
    canvas.columns(x, [(t, percent(t, decimals)) for t in ticks(x.low, x.high, 6 if width > 400 else 4)], bottom)
    canvas.text(
        (left + right) / 2, bottom + 42, f"return of {'a bar' if noun == 'bars' else 'a trade'}", "unit", "middle"
    )
    for k, number in enumerate(counts.tolist()):
        if not number:
            continue
        a, b, h = x.at(edges[k]), x.at(edges[k + 1]), y.at(number)
        side = "loss" if edges[k + 1] <= 0 or (edges[k] + edges[k + 1]) < 0 else "gain"
        beyond = " or beyond" if k in (0, len(counts) - 1) else ""
        tip = f"{percent(edges[k], 2)} to {percent(edges[k + 1], 2)}{beyond}: {count(number)} {noun}"
        canvas.add("rect", f"bin {side}", tip, x=a + 0.4, y=h, width=max(b - a - 0.8, 0.6), height=bottom - h)
    canvas.path(line(x(curve[0]), y(curve[1])), "line normal")
    if x.low < 0 < x.high:
        canvas.add("line", "zero", x1=x.at(0.0), x2=x.at(0.0), y1=top, y2=bottom)
    return canvas


def _normal(values: FloatArray, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
    at = np.linspace(edges[0], edges[-1], 121)
    deviation = float(values.std(ddof=1))
    if not deviation > 0:
        return np.empty(0), np.empty(0)
    z = (at - values.mean()) / deviation
    density = np.exp(-0.5 * z * z) / (deviation * np.sqrt(2 * np.pi))
    return at, density * len(values) * (edges[1] - edges[0])
