"""Trades where they happened: stretches of candles around the best, the worst and the newest one."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

import numpy as np
import polars as pl

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.runs.report.components import (
    NARROW,
    Cell,
    Key,
    Note,
    Part,
    Section,
    alike,
    bars_of,
    count,
    figure,
    floats,
    minute,
    number,
    percent,
    price,
    ratio,
    table,
    times,
)
from assay.runs.report.svg import CHAR, Canvas, Scale, drop_crowded, n, pad_range, ticks, time_ticks
from assay.runs.run_artifacts import RunArtifacts

_SYMBOLS, _CANDLES = 4, 150
_REASONS = {
    "TP": "take profit reached",
    "SL": "stop loss reached",
    "MAX_HOLD": "longest holding time",
    "SIGNAL": "a new decision",
    "END_OF_DATA": "the last bar",
}


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Candles around a trade, and the trades in view; `each` bars make one candle."""

    caption: str
    bars: Bars
    trades: pl.DataFrame
    focus: int


def section(evidence: RunArtifacts, candles: Mapping[str, Bars]) -> Section:
    """Trades on candles, and how they ended."""
    lead = "Decided at a close, filled at the next open. Markers stand at the fill prices, slippage included."
    trades = evidence.trades
    if not len(trades):
        return Section("trades", "Trades", lead, (Note("It did not trade: there is nothing to show."),))
    parts: list[Part] = []
    traded = [s for s in evidence.document["spec"]["symbols"] if s in candles and len(of(trades, s))]
    for symbol in traded[:_SYMBOLS]:
        parts += [_figure(symbol, stretch) for stretch in stretches(of(trades, symbol), candles[symbol])]
    if len(traded) > _SYMBOLS:
        parts.append(Note(f"Shown for the first {_SYMBOLS} of {len(traded)} traded symbols."))
    parts.append(_endings(trades))
    return Section("trades", "Trades on candles", lead, tuple(parts))


def of(trades: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """The trades of one symbol."""
    return trades.filter(pl.col("symbol") == symbol)


def stretches(trades: pl.DataFrame, bars: Bars) -> list[Stretch]:
    """Up to three: around the best, the worst and the newest trade; one trade in two roles is shown once."""
    gain, left = floats(trades, "return_net"), times(trades, "exit_time")
    roles: dict[int, list[str]] = {}
    if np.isfinite(gain).any():
        roles.setdefault(int(np.nanargmax(gain)), []).append("best")
        roles.setdefault(int(np.nanargmin(gain)), []).append("worst")
    roles.setdefault(int(np.argmax(left)), []).append("newest")
    return [_stretch(trades, bars, row, " and ".join(words)) for row, words in roles.items()]


def _stretch(trades: pl.DataFrame, bars: Bars, row: int, role: str) -> Stretch:
    begin, end = np.searchsorted(bars.timestamp, [trades["entry_time"][row], trades["exit_time"][row]]).tolist()
    size = max(_CANDLES, int((end - begin) * 1.4))
    start = max(0, min((begin + end - size) // 2, len(bars) - size))
    shown = bars[start : start + size]
    inside = (pl.col("exit_time") >= int(shown.timestamp[0])) & (pl.col("entry_time") <= int(shown.timestamp[-1]))
    stored = trades.with_row_index("row").filter(inside)
    holding = int(trades["bars_held"][row])
    caption = (
        f"The {role} trade: {trades['side'][row].lower()} from {minute(trades['entry_time'][row])} at "
        f"{price(trades['entry_price'][row])} to {minute(trades['exit_time'][row])} at "
        f"{price(trades['exit_price'][row])}, "
        f"{percent(trades['return_net'][row], 2, sign=True)} after costs in {bars_of(holding)}; "
        f"{_REASONS.get(trades['exit_reason'][row], trades['exit_reason'][row])}. "
        f"Trades in view: {count(len(stored))}; {bars.instrument.timeframe} bars, UTC."
    )
    return Stretch(caption, shown, stored.drop("row"), int(np.flatnonzero(stored["row"].to_numpy() == row)[0]))


def _figure(symbol: str, stretch: Stretch) -> Part:
    legend = [Key("s-up", "Close above open"), Key("s-down", "Close below open")]
    sides = set(stretch.trades["side"].to_list())
    if "LONG" in sides:
        legend.append(Key("s-long", "Long: in ▲, out ■"))
    if "SHORT" in sides:
        legend.append(Key("s-short", "Short: in ▼, out ■"))
    role = stretch.caption.split(" trade:")[0].removeprefix("The ")
    title = f"{symbol}: {role} trade"
    return figure(title, lambda w: _draw(stretch, w, title), caption=stretch.caption, legend=legend)


def group_bars(bars: Bars, most: int) -> tuple[int, FloatArray]:
    """How many bars make one candle, and ``(m, 5)`` open time, open, high, low and close of at most `most` candles."""
    each = -(-len(bars) // most)
    at = np.arange(0, len(bars), each)
    last = np.append(at[1:], len(bars)) - 1
    highs, lows = np.maximum.reduceat(bars.high, at), np.minimum.reduceat(bars.low, at)
    return each, np.column_stack([bars.timestamp[at], bars.open[at], highs, lows, bars.close[last]])


def _draw(stretch: Stretch, width: float, title: str) -> Canvas:
    small = width <= NARROW
    left, right, top, bottom = 10.0, width - (52 if small else 66), 12.0, 262.0 if small else 320.0
    each, rows = group_bars(stretch.bars, 56 if small else _CANDLES)
    place = _Place(stretch.bars, each, Scale(0.0, float(max(len(rows), 2)), left, right))
    y = Scale(*pad_range(np.concatenate([rows[:, 2], rows[:, 3]])), bottom, top)
    canvas = Canvas(width, bottom + 30, title)
    marks = ticks(y.low, y.high, 5)
    canvas.rows(y, list(zip(marks, alike(marks), strict=True)), left, right, side="right")
    _clock(canvas, place, rows, bottom)
    _candles(canvas, place, y, rows)
    if each > 1:
        canvas.text(left + 2, top + 2, f"one candle is {each} bars", "unit")
    for k, trade in enumerate(stretch.trades.iter_rows(named=True)):
        _mark(canvas, place, y, trade, focus=k == stretch.focus)
    return canvas


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """Where a bar stands when `each` bars make one candle; candles stand side by side, holes in time take no room."""

    bars: Bars
    each: int
    scale: Scale

    def middle(self, candle: FloatArray | float) -> FloatArray:
        return self.scale(np.asarray(candle) + 0.5)

    def of(self, ms: int) -> float | None:
        row = int(np.searchsorted(self.bars.timestamp, ms))
        if row >= len(self.bars) or ms < self.bars.timestamp[0]:
            return None
        return float(self.middle(row // self.each))


def _clock(canvas: Canvas, place: _Place, rows: FloatArray, bottom: float) -> None:
    opens = rows[:, 0]
    about = max(2, int((place.scale.stop - place.scale.start) / 80))
    marks = [
        (float(np.searchsorted(opens, ms)) + 0.5, words)
        for ms, words in time_ticks(float(opens[0]), float(opens[-1]), about)
    ]
    inside = [(at, words) for at, words in marks if place.scale.at(at) >= len(words) * CHAR / 2]
    for at, words in drop_crowded(inside, place.scale, CHAR):
        x = place.scale.at(at)
        canvas.add("line", "grid", x1=x, x2=x, y1=bottom, y2=bottom + 5)
        canvas.text(x, bottom + 19, words, anchor="middle")


def _candles(canvas: Canvas, place: _Place, y: Scale, rows: FloatArray) -> None:
    x = place.middle(np.arange(len(rows), dtype=np.float64))
    half = (place.scale.at(1.0) - place.scale.at(0.0)) * 0.34
    o, h, low, c = (y(rows[:, k]) for k in (1, 2, 3, 4))
    for css, mine in (("up", rows[:, 4] >= rows[:, 1]), ("down", rows[:, 4] < rows[:, 1])):
        wicks, bodies = [], []
        for k in np.flatnonzero(mine).tolist():
            a, b = min(o[k], c[k]), max(max(o[k], c[k]), min(o[k], c[k]) + 0.8)
            wicks.append(f"M{n(x[k])},{n(h[k])}V{n(low[k])}")
            bodies.append(f"M{n(x[k] - half)},{n(a)}H{n(x[k] + half)}V{n(b)}H{n(x[k] - half)}Z")
        canvas.path("".join(wicks), f"wick {css}")
        canvas.path("".join(bodies), f"body {css}")


def _mark(canvas: Canvas, place: _Place, y: Scale, trade: Mapping[str, float | int | str], *, focus: bool) -> None:
    side = "long" if trade["side"] == "LONG" else "short"
    css = f"{side} focus" if focus else side
    begin, end = place.of(int(trade["entry_time"])), place.of(int(trade["exit_time"]))
    tip = (
        f"{side}, in {minute(int(trade['entry_time']))} at {price(trade['entry_price'])}, out "
        f"{minute(int(trade['exit_time']))} at {price(trade['exit_price'])}: "
        f"{percent(trade['return_net'], 2, sign=True)}"
    )
    a, b = y.at(number(trade["entry_price"])), y.at(number(trade["exit_price"]))
    begin, end = (begin if isfinite(a) else None), (end if isfinite(b) else None)
    if begin is not None and end is not None:
        canvas.add("line", f"held {css}", tip, x1=begin, y1=a, x2=end, y2=b)
    if begin is not None:
        up = 1 if side == "long" else -1
        canvas.path(f"M{n(begin)},{n(a - 5 * up)}l5,{9 * up}h-10Z", f"mark {css}", tip)
    if end is not None:
        canvas.add("rect", f"mark {css}", tip, x=end - 3.5, y=b - 3.5, width=7, height=7)


def _endings(trades: pl.DataFrame) -> Part:
    gains, why, side = floats(trades, "return_net"), trades["exit_reason"].to_list(), trades["side"].to_list()
    kinds = [(r, s) for r in sorted(set(why), key=lambda r: -why.count(r)) for s in ("LONG", "SHORT")]
    rows = []
    for reason, way in kinds:
        mine = np.array([w == reason and s == way for w, s in zip(why, side, strict=True)])
        if not mine.any():
            continue
        g = gains[mine]
        holding = floats(trades, "bars_held")[mine]
        rows.append(
            [
                _REASONS.get(reason, reason).capitalize(),
                way.lower(),
                count(mine.sum().item()),
                percent(float((g > 0).mean())),
                Cell(percent(float(g.mean()), 3, sign=True)),
                ratio(float(holding.mean()), 1),
            ]
        )
    head = ("Ended by", "Side", "Trades", "Won", "Mean return", "Mean bars held")
    return table("How trades ended", head, rows, caption="Returns on entry notional, after costs.")
