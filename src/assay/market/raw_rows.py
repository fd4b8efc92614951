"""Rows as they came, before validation makes them bars, and the problems found in them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument

_IMPORTANCE = (
    "DATA_SCHEMA",
    "DATA_EMPTY",
    "DATA_TIME_UNIT",
    "DATA_TIMEFRAME",
    "DATA_TZ",
    "DATA_TIME",
    "DATA_NUMBER",
    "DATA_FUTURE",
    "DATA_CONFLICT",
    "DATA_OFF_GRID",
    "DATA_NAN",
    "DATA_PRICE",
    "DATA_OHLC",
    "DATA_JUMP",
    "DATA_VOLUME",
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: stable word, what and where, what to do, values."""

    code: str
    text: str
    hint: str = ""
    facts: dict[str, object] = field(default_factory=dict)


class Faults:
    """Collects what is wrong with one input; nothing is raised before all of it has been looked at."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.problems: list[Fault] = []
        self._context: dict[str, object] = {}

    def add(self, code: str, text: str, *, hint: str = "", **facts: object) -> None:
        """Note a fault; its text starts with the name of the source."""
        self.problems.append(Fault(code, f"{self.source}: {text}", hint, facts))

    def refuse(self, **more: object) -> None:
        """Raise one DataError for all faults, if there are any.

        Its code is that of the most important fault; `facts["faults"]` holds code and text of each, `more` stands
        beside it.
        """
        if not self.problems:
            return
        ordered = sorted(self.problems, key=lambda f: _rank(f.code))
        first = ordered[0]
        text = first.text if len(ordered) == 1 else _listed(ordered)
        hints = dict.fromkeys(f.hint for f in ordered if f.hint)
        document = [{"code": f.code, "text": f.text, **f.facts} for f in ordered]
        facts = {"source": self.source, **first.facts, "faults": document, **self._context, **more}
        raise DataError(text, code=first.code, hint=" ".join(hints), **facts)

    def adopt(self, error: DataError) -> None:
        """Take over the faults of an error that `refuse` raised elsewhere, or the error itself as one."""
        document = error.facts.get("faults")
        if "quality" in error.facts:
            self._context.setdefault("quality", error.facts["quality"])
        for fault in document if isinstance(document, list) else [{"code": error.code, "text": error.message}]:
            facts = {key: value for key, value in fault.items() if key not in ("code", "text")}
            self.problems.append(Fault(fault["code"], fault["text"], error.hint, facts))


def _rank(code: str) -> int:
    return _IMPORTANCE.index(code) if code in _IMPORTANCE else len(_IMPORTANCE)


def _listed(faults: list[Fault]) -> str:
    return "\n".join([f"{len(faults)} faults", *(f"- {f.code}: {f.text}" for f in faults)])


EXTRA = (
    "quote_volume",
    "trade_count",
    "tick_count",
    "avg_spread",
    "max_spread",
    "min_spread",
    "spread_bps",
    "book_bid_share",
    "book_absorption",
    "stop_density",
)
"""Further columns that Assay knows; all others are ignored and named."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """``n`` rows of one instrument.

    number:    ``(n,)`` int64 place in the source, the first data row is 1.
    timestamp: ``(n,)`` int64, UTC milliseconds of the bar's open.
    values:    ``(n,)`` float64 by name: open, high, low, close, volume and further columns; NaN where missing.
    timed:     False once the times have turned out to mean nothing; then only values are judged.
    """

    number: IntArray
    timestamp: IntArray
    values: Mapping[str, FloatArray]
    timed: bool = True

    def __len__(self) -> int:
        return len(self.timestamp)

    def take(self, chosen: NDArray[np.generic]) -> "Rows":
        """The rows of a mask or of positions, in that order."""
        values = {name: column[chosen] for name, column in self.values.items()}
        return replace(self, number=self.number[chosen], timestamp=self.timestamp[chosen], values=values)

    def bars(self, instrument: Instrument, *, with_volume: bool) -> Bars:
        """These rows as bars; times must increase and prices be finite."""
        flat = {name: np.ascontiguousarray(column) for name, column in self.values.items()}
        volume = flat.pop("volume") + 0.0  # -0.0 becomes 0.0
        opened, high, low, close = (flat.pop(name) for name in PRICES)
        return Bars(instrument, self.timestamp, opened, high, low, close, volume if with_volume else None, flat)


def rows_of(table: pl.DataFrame, faults: Faults) -> Rows:
    """Rows of a frame with `timestamp` in milliseconds and numeric values; optional `row` holds their places.

    Missing columns, null times and columns that hold no numbers are refused (``DATA_SCHEMA``, ``DATA_TIME``).
    """
    missing = [name for name in ("timestamp", *PRICES, "volume") if name not in table.columns]
    if missing:
        result = ", ".join(table.columns[:20]) or "none"
        faults.add("DATA_SCHEMA", f"missing column {', '.join(missing)}; found {result}", missing=missing)
    names = [name for name in (*PRICES, "volume", *EXTRA) if name in table.columns]
    wrong = [name for name in names if not (table[name].dtype.is_numeric() or table[name].dtype == pl.Null)]
    if "timestamp" in table.columns and not table["timestamp"].dtype.is_integer():
        wrong.append("timestamp")
    if wrong:
        faults.add("DATA_SCHEMA", f"column {', '.join(wrong)} holds no numbers")
    faults.refuse()
    number = table["row"].to_numpy() if "row" in table.columns else np.arange(1, len(table) + 1)
    times = table["timestamp"]
    if times.null_count():
        row = int(number[int(times.is_null().arg_max() or 0)])
        faults.add("DATA_TIME", f"row {row}: timestamp is missing ({times.null_count()} rows)", row=row)
        faults.refuse()
    values = {name: _floats(table[name]) for name in names}
    return Rows(number.astype(np.int64), times.cast(pl.Int64).to_numpy().copy(), values)


def _floats(column: pl.Series) -> FloatArray:
    array: FloatArray = column.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    return array
