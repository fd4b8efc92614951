"""Sections: equity against buy and hold with its drawdown, and the distribution of returns."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import amount
from assay.kernel.timeframe import from_iso
from assay.runs.report.components import (
    Cell,
    Key,
    Note,
    Part,
    Section,
    count,
    day,
    figure,
    floats,
    percent,
    ratio,
    table,
    times,
)
from assay.runs.report.search_summary import has_unseen_window, stress_text
from assay.runs.report.svg import Canvas, Scale, area, envelope, line, log_ticks, pad_range, ticks
from assay.runs.run_artifacts import RunArtifacts

_LOG = 4.0  # from this ratio of highest to lowest equity on, the axis is logarithmic
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Growth of one unit, 1 before the first bar: the model, at stressed costs, and buy and hold on its own clock."""

    time: IntArray
    equity: FloatArray
    stressed: FloatArray
    drawdown: FloatArray
    hold_time: IntArray
    hold: FloatArray
    holes: tuple[tuple[float, float], ...]

    @property
    def log(self) -> bool:
        """Whether the axis should be logarithmic."""
        every = np.concatenate([self.equity, self.hold])
        return bool(every.min() > 0 and every.max() / every.min() > _LOG)


def course(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> Course | None:
    """The curves of a run; None with fewer than two judged bars."""
    time = times(evidence.account)
    if len(time) < 2:
        return None
    equity = _grown(floats(evidence.account, "return"))
    stressed = _grown(floats(evidence.account, "stressed_return"))
    drawdown = equity / np.maximum.accumulate(np.maximum(equity, 1.0)) - 1.0
    hold_time, hold = holding_growth(candles, evidence.document["spec"]["symbols"], int(time[0]), int(time[-1]))
    holes = tuple(
        (float(from_iso(f["test_from"])), float(from_iso(f["test_to"])))
        for f in evidence.document["folds"]
        if f["left_out"]
    )
    return Course(time, equity, stressed, drawdown, hold_time, hold, holes)


def holding_growth(
    candles: Mapping[str, Bars], symbols: list[str], first: int, last: int
) -> tuple[IntArray, FloatArray]:
    """Mean growth of one unit put into each symbol's close at its first bar in ``[first, last]`` (ms)."""
    parts = {}
    for symbol in symbols:
        if symbol in candles:
            bars = candles[symbol]
            rows = slice(*np.searchsorted(bars.timestamp, [first, last + 1]).tolist())
            if rows.stop > rows.start:
                parts[symbol] = (bars.timestamp[rows], bars.close[rows] / bars.close[rows.start])
    if not parts:
        return np.empty(0, np.int64), np.empty(0)
    clock = np.unique(np.concatenate([t for t, _ in parts.values()]))
    total = np.zeros(len(clock))
    for t, grown in parts.values():
        latest = np.searchsorted(t, clock, side="right") - 1
        total += np.where(latest < 0, 1.0, grown[np.maximum(latest, 0)])
    return clock, total / len(parts)


def section(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> Section:
    """Equity, drawdown and months."""
    lead = "Growth of one unit of equity over "
    lead += _over(evidence)
    chosen = evidence.is_backtest or evidence.is_search
    result = course(evidence, candles)
    if result is None:
        return Section("equity", "Equity", lead, (Note("Fewer than two judged bars: there is no curve to draw."),))
    legend = [
        Key("s-model", "Strategy, after costs" if chosen else "Model, after costs"),
        Key("s-stress", f"Same decisions, {stress_text(evidence)}"),
    ]
    if len(result.hold):
        legend.append(Key("s-hold", "Buy and hold"))
    if result.holes:
        legend.append(Key("s-hole", "Fold left out"))
    parts: list[Part] = [
        figure("Equity and drawdown", lambda w: _draw(result, w), caption=_caption(evidence, result), legend=legend)
    ]
    months = _months(result)
    if months is not None:
        parts.append(months)
    return Section("equity", "Equity against buy and hold", lead, tuple(parts))


def _over(evidence: RunArtifacts) -> str:
    if evidence.is_backtest:
        return "all bars, in sample: the parameters were chosen by hand and nothing was held back."
    if not evidence.is_search:
        return "the judged bars, each traded by a model that had never seen it."
    if has_unseen_window(evidence.document):
        return "the test bars of all windows, each traded with parameters that were found before it."
    return "the bars that were searched, in sample: nothing was held back."


def _grown(returns: FloatArray) -> FloatArray:
    stored = np.where(np.isfinite(returns), returns, 0.0)
    grown: FloatArray = np.cumprod(1.0 + stored, dtype=np.float64)
    return grown


def _caption(evidence: RunArtifacts, result: Course) -> str:
    lost = int((~np.isfinite(floats(evidence.account, "return"))).sum())
    axis = "Logarithmic axis, ×1 is the start; what falls below it is not drawn. " if result.log else ""
    many = (
        "the mean of all symbols bought in equal parts" if len(evidence.document["spec"]["symbols"]) > 1 else "closes"
    )
    text = f"{axis}Buy and hold: {many}, from the first judged bar, no costs. Below: distance from the highest equity."
    if result.holes:
        text += " Buy and hold goes on through a fold that was left out, so it ends elsewhere than the key number."
    return text + (f" {lost:,} bars without a return are drawn flat." if lost else "")


def _draw(result: Course, width: float) -> Canvas:
    small = width < 500
    left, right = (52.0, width - 6) if small else (64.0, width - 12)
    top, split, bottom = (10.0, 236.0, 330.0) if small else (12.0, 316.0, 428.0)
    x = Scale(float(result.time[0]), float(result.time[-1]), left, right)
    y = _equity_scale(result, top, split - 18)
    deep = Scale(min(float(result.drawdown.min()), -0.001), 0.0, bottom, split + 18)
    last = (result.equity[-1] - 1, result.drawdown.min())
    canvas = Canvas(
        width,
        bottom + 30,
        f"Equity ended at {percent(last[0], 1, sign=True)}, deepest drawdown {percent(last[1])}",
        hover=_hover(result, x, int(right - left) // 4),
    )
    for begin, end in result.holes:
        a, b = x.at(max(begin, x.low)), x.at(min(end, x.high))
        if b > a:
            canvas.add("rect", "hole", x=a, y=top, width=b - a, height=bottom - top)
    marks = (log_ticks if y.log else ticks)(y.low, y.high, 5)
    words = [f"×{t:g}" if y.log else percent(t - 1, _decimals(y), sign=True) for t in marks]
    canvas.rows(y, list(zip(marks, words, strict=True)), left, right)
    canvas.rows(deep, [(t, percent(t, _decimals(deep))) for t in ticks(deep.low, 0, 2)], left, right)
    canvas.clock(x, bottom)
    if y.low < 1 < y.high:
        canvas.add("line", "zero", x1=left, x2=right, y1=y.at(1.0), y2=y.at(1.0))
    _curves(canvas, result, x, y, deep)
    return canvas


def _curves(canvas: Canvas, result: Course, x: Scale, y: Scale, deep: Scale) -> None:
    buckets = int(x.stop - x.start)
    for css, time, values in (
        ("hold", result.hold_time, result.hold),
        ("stress", result.time, result.stressed),
        ("model", result.time, result.equity),
    ):
        t, v = envelope(time, np.where(values < y.low, np.nan, values), buckets)
        canvas.path(line(x(t), y(v)), f"line {css}")
    t, v = envelope(result.time, result.drawdown, buckets)
    canvas.path(area(x(t), deep(v), deep.at(0.0)), "drawdown")


def _equity_scale(result: Course, top: float, bottom: float) -> Scale:
    every = np.concatenate([result.equity, result.hold, result.stressed])
    if result.log:
        main = np.concatenate([result.equity, result.hold])
        low = max(float(every.min()), float(main.min()) / 4)  # doubled costs may fall to nothing
        return Scale(low / 1.05, float(every.max()) * 1.05, bottom, top, log=True)
    low, high = pad_range(every, share=0.04, include=1.0)
    return Scale(max(low, 0.0), high, bottom, top)


def _decimals(scale: Scale) -> int:
    reach = abs(scale.high - scale.low)
    return 0 if reach > 0.06 else 1 if reach > 0.01 else 2


def _hover(result: Course, x: Scale, samples: int) -> str:
    """``[[place, words], …]`` for the crosshair, as JSON."""
    rows = np.unique(np.linspace(0, len(result.time) - 1, samples).astype(np.int64))
    out = []
    for r in rows.tolist():
        words = f"{day(result.time[r])} · model {percent(result.equity[r] - 1, 1, sign=True)}"
        if len(result.hold):
            k = max(0, int(np.searchsorted(result.hold_time, result.time[r], side="right")) - 1)
            words += f" · hold {percent(result.hold[k] - 1, 1, sign=True)}"
        out.append([round(x.at(result.time[r]), 1), f"{words} · drawdown {percent(result.drawdown[r])}"])
    return json.dumps(out, ensure_ascii=False, separators=(",", ":"))


def _months(result: Course) -> Part | None:
    """Return of each calendar month, or None when there are fewer than three."""
    month = result.time.astype("datetime64[ms]").astype("datetime64[M]").astype(np.int64)
    last = np.flatnonzero(np.diff(month, append=month[-1] + 1))
    if len(last) < 3:
        return None
    value = np.concatenate([[1.0], result.equity[last]])
    with np.errstate(divide="ignore", invalid="ignore"):
        gains = value[1:] / value[:-1] - 1.0
    by_month = dict(zip(month[last].tolist(), gains.tolist(), strict=True))
    most = max((abs(g) for g in by_month.values() if np.isfinite(g)), default=0.0) or 1.0
    years = range(int(month[0]) // 12, int(month[-1]) // 12 + 1)
    rows: list[list[str | Cell]] = []
    for year in years:
        mine = [by_month.get(year * 12 + m) for m in range(12)]
        whole = float(np.prod([1 + g for g in mine if g is not None]) - 1)
        rows.append([str(1970 + year), *(_month(g, most) for g in mine), Cell(percent(whole, 1, sign=True))])
    return table(
        "Return by month",
        ("Year", *_MONTHS, "Whole year"),
        rows,
        caption="Calendar months, UTC; compounded, after costs. The first and last month may be parts.",
    )


def _month(gain: float | None, most: float) -> Cell:
    if gain is None:
        return Cell("")
    return Cell(percent(gain, 1, sign=True), gain / most if np.isfinite(gain) else 0.0)


_LEAST, _MOST = 8, 48  # bins
_TAIL = 0.005  # share of either tail that is gathered in the outermost bars


def returns_section(evidence: RunArtifacts) -> Section:
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
        "Returns of bars",
        lambda w: _draw_returns(moved, w, "bars", normal=True),
        caption=caption,
        legend=legend,
        half=True,
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
    return figure("Returns of trades", lambda w: _draw_returns(gains, w, "trades"), caption=caption, half=True)


def bins(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """``(k + 1,)`` edges over all but the outer tails, ``(k,)`` counts with the tails in the end bins."""
    low, high = np.quantile(values, [_TAIL, 1 - _TAIL])
    if not high > low:
        low, high = low - abs(low) * 0.5 - 1e-9, high + abs(high) * 0.5 + 1e-9
    k = min(_MOST, max(_LEAST, int(2 * np.sqrt(len(values)))))
    edges: FloatArray = np.linspace(low, high, k + 1)
    counts = np.histogram(np.clip(values, low, high), edges)[0].astype(np.float64)
    return edges, counts


def _draw_returns(values: FloatArray, width: float, noun: str, *, normal: bool = False) -> Canvas:
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
