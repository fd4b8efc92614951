"""Components of a page: figures, tables, notes and key numbers, and how numbers are formatted."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Real
from typing import ClassVar

import numpy as np
import polars as pl
from markupsafe import Markup

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.timeframe import from_iso
from assay.runs.report.svg import Canvas

WIDE, HALF, NARROW = 1000.0, 480.0, 350.0


@dataclass(frozen=True, slots=True)
class Key:
    """An entry of a legend: class of its swatch, and what it stands for."""

    css: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart, drawn once for wide and once for narrow screens; `half` puts two beside each other."""

    kind: ClassVar[str] = "figure"
    title: str
    wide: Markup
    narrow: Markup
    caption: str = ""
    legend: tuple[Key, ...] = ()
    half: bool = False


@dataclass(frozen=True, slots=True)
class Cell:
    """A table cell; `heat` in [-1, 1] tints it."""

    text: str
    heat: float = 0.0
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows whose first cell names them; numbers stand right unless `words`; column `meaning` explains."""

    kind: ClassVar[str] = "table"
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    words: bool = False
    half: bool = False
    meaning: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence instead of a chart that cannot be drawn, or beside one."""

    kind: ClassVar[str] = "note"
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Code:
    """Text as it stands, for machines."""

    kind: ClassVar[str] = "code"
    title: str
    text: str
    half: bool = False


@dataclass(frozen=True, slots=True)
class Card:
    """A key number with its name, what it is measured in or against, and a mood: good, bad or none."""

    name: str
    value: str
    note: str = ""
    mood: str = ""


@dataclass(frozen=True, slots=True)
class Cards:
    """Key numbers in a row."""

    kind: ClassVar[str] = "cards"
    cards: tuple[Card, ...]
    half: bool = False


Part = Figure | Table | Note | Code | Cards


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the page."""

    anchor: str
    title: str
    lead: str
    parts: tuple[Part, ...]


def figure(
    title: str,
    draw: Callable[[float], Canvas],
    *,
    caption: str = "",
    legend: Sequence[Key] = (),
    half: bool = False,
) -> Figure:
    """A figure from a function of the drawing's width."""
    wide = draw(HALF if half else WIDE).svg()
    return Figure(title, wide, draw(NARROW).svg(), caption, tuple(legend), half)


def table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str | Cell]],
    *,
    caption: str = "",
    words: bool = False,
    half: bool = False,
    meaning: int = 0,
) -> Table:
    """A table from plain texts and cells."""
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    return Table(title, tuple(head), cells, caption, words, half, meaning)


NONE = "—"
_THIN = "\u202f"
_MINUS = "−"


def number(value: object) -> float:
    """A document's number as float; null (and what is no number) is NaN."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan


def floats(frame: pl.DataFrame, name: str) -> FloatArray:
    """A column as ``(n,)`` float64, null as NaN."""
    column: FloatArray = frame[name].cast(pl.Float64).to_numpy().astype(np.float64)
    return column


def times(frame: pl.DataFrame, name: str = "timestamp") -> IntArray:
    """A column of instants as ``(n,)`` int64 ms."""
    column: IntArray = frame[name].cast(pl.Int64).to_numpy().astype(np.int64)
    return column


def percent(value: object, decimals: int = 1, *, sign: bool = False) -> str:
    """A fraction in percent.

    >>> percent(-0.1234)
    '−12.3\u202f%'
    """
    v = number(value)
    if not math.isfinite(v):
        return NONE
    return (_large(v * 100, sign) if abs(v) >= 100 else _signed(v * 100, f",.{decimals}f", sign)) + _THIN + "%"


def ratio(value: object, decimals: int = 2, *, sign: bool = False) -> str:
    """A number without a unit, with so many decimals; tiny ones with three significant digits."""
    v = number(value)
    if not math.isfinite(v):
        return NONE
    tiny = v != 0 and abs(v) < 10.0**-decimals
    return _signed(v, ".3g" if tiny else f",.{decimals}f", sign)


def count(value: object) -> str:
    """A whole number with commas."""
    v = number(value)
    return _signed(v, ",.0f", False) if math.isfinite(v) else NONE


def bars_of(value: object) -> str:
    """A whole number of bars."""
    return count(value) + (" bar" if number(value) == 1 else " bars")


def days(value: object) -> str:
    """Days."""
    v = number(value)
    return NONE if not math.isfinite(v) else _signed(v, ",.1f" if abs(v) < 100 else ",.0f", False) + _THIN + "d"


def money(value: object) -> str:
    """Quote currency, to the unit, small sums to the cent."""
    v = number(value)
    return NONE if not math.isfinite(v) else _signed(v, ",.2f" if abs(v) < 100 else ",.0f", False)


def price(value: object) -> str:
    """A price with about six digits."""
    v = number(value)
    if not math.isfinite(v):
        return NONE
    return _signed(v, ",.0f" if abs(v) >= 10_000 else ",.2f" if abs(v) >= 100 else ".5g", False)


def _large(value: float, sign: bool) -> str:
    """Three digits and a letter: k is 10^3, M 10^6, G 10^9; beyond that a power of ten."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        scaled = value / 10.0**power
        if 1 <= abs(scaled) < 1000:
            return _signed(scaled, ".0f" if abs(scaled) >= 100 else ".3g", sign) + letter
    return _signed(value, ".1e", sign)


def alike(values: Sequence[float]) -> list[str]:
    """Numbers of one axis, all with the fewest decimals that tell them apart exactly (at most 10)."""
    decimals = next((d for d in range(10) if all(math.isclose(round(v, d), v, rel_tol=1e-9) for v in values)), 10)
    return [_signed(v, f",.{decimals}f", False) for v in values]


def _signed(value: float, form: str, sign: bool) -> str:
    text = format(abs(value), form)
    if not any(c in "123456789" for c in text):
        return text
    return _MINUS + text if value < 0 else "+" + text if sign else text


def day(ms: float) -> str:
    """An instant as a UTC date."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%d %b %Y}"


def minute(ms: float) -> str:
    """An instant to the minute, UTC."""
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%d %b %Y %H:%M}"


def day_of(iso: str | None) -> str:
    """A document's instant as a UTC date."""
    return NONE if iso is None else day(from_iso(iso))


def general(value: object) -> str:
    """Any document value: numbers short, null as a dash, the rest as it stands."""
    if value is None:
        return NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", _MINUS)
    if isinstance(value, float):
        return f"{value:.5g}".replace("-", _MINUS) if math.isfinite(value) else NONE
    return str(value)


Form = Callable[[object], str]


def _share(value: object) -> str:
    return percent(value, 2)


# name: (words, how it is written, what it means)
METRICS: Mapping[str, tuple[str, Form, str]] = {
    "net_profit": ("Net profit", _share, "after all costs, compounded"),
    "buy_and_hold": ("Buy and hold", _share, "the same folds, without costs"),
    "annual_return": ("Return a year", _share, "compounded"),
    "annual_volatility": ("Volatility a year", _share, "standard deviation of returns"),
    "sharpe_annual": ("Sharpe ratio a year", ratio, "mean over deviation of returns"),
    "sharpe": ("Sharpe ratio a bar", lambda v: ratio(v, 4), "not annualised"),
    "sortino_annual": ("Sortino ratio a year", ratio, "mean over downside deviation"),
    "calmar": ("Calmar ratio", ratio, "return a year over deepest drawdown"),
    "omega": ("Omega ratio", ratio, "gains over losses of returns"),
    "max_drawdown": ("Deepest drawdown", _share, "from the highest equity before"),
    "avg_drawdown": ("Mean drawdown", _share, "mean of each stretch's lowest point"),
    "drawdown_duration": ("Longest drawdown", days, "from a high until it is reached again"),
    "ulcer_index": ("Ulcer index", lambda v: ratio(v, 3), "root mean square of drawdown"),
    "skew": ("Skew of returns", ratio, "0 for a normal distribution"),
    "kurtosis": ("Kurtosis of returns", ratio, "3 for a normal distribution"),
    "exposure": ("Time in the market", _share, "share of bars with a position"),
    "turnover": ("Turnover", lambda v: ratio(v, 1), "traded notional over equity, both sides"),
    "fees": ("Fees", _share, "of starting equity"),
    "slippage": ("Slippage", _share, "of starting equity, spread and impact included"),
    "funding": ("Funding", _share, "of starting equity, positive is paid"),
    "borrow": ("Borrowing", _share, "of starting equity"),
    "zero_volume_fills": ("Fills on bars without volume", count, ""),
    "n_obs": ("Judged bars", count, ""),
    "var_95": ("Value at risk, a day", money, "95 %, of 10,000 in quote currency"),
    "cvar_95": ("Mean loss beyond it", money, "of 10,000 in quote currency"),
    "monte_carlo_var": ("Value at risk, whole run", money, "95 %, of 10,000, resampled"),
    "total_trades": ("Trades", count, "closed"),
    "winning_trades": ("Winning trades", count, ""),
    "losing_trades": ("Losing trades", count, ""),
    "win_rate": ("Win rate", _share, "after costs"),
    "gross_win_rate": ("Win rate before costs", _share, ""),
    "profit_factor": ("Profit factor", ratio, "sum of wins over sum of losses"),
    "avg_win": ("Mean win", _share, "of entry notional"),
    "avg_loss": ("Mean loss", _share, "of entry notional"),
    "largest_win": ("Largest win", _share, "of entry notional"),
    "largest_loss": ("Largest loss", _share, "of entry notional"),
    "avg_holding_bars": ("Mean time held", lambda v: ratio(v, 1), "bars"),
    "expectancy": ("Mean return of a trade", lambda v: percent(v, 3), "of entry notional, after costs"),
    "rolling_30d_sharpe": ("Sharpe ratio, last 30 days", ratio, "annualised"),
    "auc": ("AUC", lambda v: ratio(v, 4), "0.5 is a coin"),
    "log_loss": ("Log loss", lambda v: ratio(v, 4), "nats; less is better"),
    "base_log_loss": ("Log loss of class shares", lambda v: ratio(v, 4), "nats; what to beat"),
    "brier": ("Brier score", lambda v: ratio(v, 4), "less is better"),
    "accuracy": ("Accuracy", _share, "likeliest class is right"),
    "forecast_rows": ("Judged forecasts", count, "rows whose label is known"),
    "kelly_fraction": ("Kelly fraction", _share, "of equity"),
    "sortino": ("Sortino ratio a bar", lambda v: ratio(v, 4), "not annualised"),
    "lifetime_sharpe_ratio": ("Sharpe ratio, whole life", ratio, "annualised"),
    "sharpe_trade": ("Sharpe ratio of trades", lambda v: ratio(v, 3), "per trade"),
    "expectancy_ratio": ("Expectancy ratio", lambda v: ratio(v, 3), "mean return of a trade over mean loss"),
    "p_value_single": ("p-value, one trial", lambda v: ratio(v, 4), "t-test of trades; ignores all other trials"),
    "trade_clustering": ("Clustering of trades", ratio, "0 spread evenly, 1 all at once"),
    "exit_tp": ("Ended by take profit", count, "trades"),
    "exit_sl": ("Ended by stop loss", count, "trades"),
    "exit_max_hold": ("Ended by holding time", count, "trades"),
    "exit_signal": ("Ended by a decision", count, "trades"),
    "exit_end_of_data": ("Ended by the last bar", count, "trades"),
    "longest_losing_streak": ("Longest losing streak", count, "trades"),
}


def metric(name: str, value: object) -> tuple[str, str, str]:
    """Words, written value and meaning of one metric; one without an entry is written plainly."""
    if name in METRICS:
        words, form, meaning = METRICS[name]
        return words, form(value), meaning
    return name.replace("_", " ").capitalize(), general(value), ""
