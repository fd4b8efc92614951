"""The one way in: rows are checked here and trusted inside."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import Timeframe, current_ms, iso
from assay.market.anomalies import find_outliers, report_outliers
from assay.market.quality import (
    Duplicates,
    Notice,
    Quality,
    SetAside,
    check_choice,
    collapse,
    examine_quality,
    notices,
    row_checks,
    set_aside,
)
from assay.market.raw_rows import Faults, Rows, rows_of
from assay.market.units import milliseconds

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ValidatedBars:
    """Bars that may be stored, and the report on them."""

    bars: Bars
    quality: Quality


def admit(
    table: pl.DataFrame,
    instrument: Instrument,
    *,
    now_ms: int | None = None,
    time_unit: str | None = None,
    on_conflict: str = "refuse",
    allow_negative_price: bool = False,
    source: str = "candles",
    notes: Iterable[Notice] = (),
) -> ValidatedBars:
    """Closed, sorted, single bars of one instrument, or one DataError that tells every fault of the table.

    table: columns `timestamp` (integer, bar open since the epoch), `open`, `high`, `low`, `close`, `volume` (null where
    there is none), further columns of `rows.EXTRA`, and `row` (place in the source, from 1) where rows were left out
    before. time_unit: unit of `timestamp`; without it only what looks like milliseconds is taken. on_conflict: which of
    two rows with one time and different values stays. notes: warnings of whoever read the source. The
    error carries the report on what could be read as its fact `quality`.

    Refused: ``DATA_SCHEMA``, ``DATA_EMPTY``, ``DATA_TIME``, ``DATA_TIME_UNIT``, ``DATA_FUTURE`` (a bar opens after
    `now_ms`), ``DATA_CONFLICT``. Set aside and counted: ``DATA_NAN``, ``DATA_PRICE``, ``DATA_OHLC``, ``DATA_VOLUME``
    (negative or infinite), ``DATA_OFF_GRID``, ``DATA_JUMP``; more than 0.1 % of the rows under one code (and more than
    one row) refuse the load under that code. Gaps are listed, never filled. A candle that is still open is left out.
    Volume null or 0 everywhere is stored as none. O(n log n).
    """
    check_choice(on_conflict)
    faults = Faults(source)
    rows = rows_of(table, faults)
    total = len(rows)
    if not total:
        faults.add("DATA_EMPTY", f"0 rows for {instrument}", hint="A header alone is no data.")
        faults.refuse()
    timed, open_until = _timed(rows, instrument, current_ms() if now_ms is None else now_ms, time_unit, faults)
    sound, aside = _sound(timed, instrument.bar, total, allow_negative_price, faults)
    unsorted = int((np.diff(sound.timestamp) < 0).sum())
    single, result = collapse(sound.take(np.argsort(sound.timestamp, kind="stable")), on_conflict, faults)
    off = find_outliers(single)
    aside += set_aside(single, "DATA_JUMP", off, report_outliers, total, faults)
    stored = single.take(~off)
    if not len(stored) and not faults.problems:
        faults.add("DATA_EMPTY", f"0 rows of {total} can be stored for {instrument}: {_why(aside, open_until)}")
    if not (len(stored) and stored.timed):
        faults.refuse()
    admitted = _admitted(stored, instrument, result, aside, unsorted, open_until, notes)
    faults.refuse(quality=admitted.quality.as_dict())
    log.info("admitted %d of %d rows", len(stored), total, extra={"source": source, "instrument": str(instrument)})
    return admitted


def judge_values(table: pl.DataFrame, *, allow_negative_price: bool, total: int, faults: Faults) -> None:
    """Add the faults that the values of a table have whatever its times are: for a source that cannot read the times.

    table: as for `admit`, without `timestamp`. total: rows that 0.1 % is reckoned of.
    """
    places = pl.int_range(pl.len(), dtype=pl.Int64).alias("timestamp")
    rows = replace(rows_of(table.with_columns(places), Faults(faults.source)), timed=False)
    _sound(rows, Timeframe("1m"), total, allow_negative_price, faults)


def _timed(rows: Rows, instrument: Instrument, now: int, unit: str | None, faults: Faults) -> tuple[Rows, str]:
    """Rows with times in milliseconds, without the candle that is still open; when that one closes."""
    before = len(faults.problems)
    rows = replace(rows, timestamp=milliseconds(rows.timestamp, rows.number, unit, faults))
    if len(faults.problems) > before:  # distinct and sorted, so that the values alone are judged
        return replace(rows, timestamp=np.arange(len(rows), dtype=np.int64), timed=False), ""
    future = rows.timestamp > now
    if future.any():
        _tell_future(rows, future, now, faults)
    closes = instrument.bar.close(rows.timestamp)
    still = (closes > now) & ~future
    until = iso(int(closes[int(np.argmax(still))])) if still.any() else ""
    return rows.take(~still & ~future), until


def _tell_future(rows: Rows, future: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], now: int, faults: Faults) -> None:
    at = int(np.argmax(rows.timestamp))  # the furthest tells most about the cause
    ahead = int(rows.timestamp[at]) - now
    faults.add(
        "DATA_FUTURE",
        f"row {rows.number[at]}: {iso(int(rows.timestamp[at]))} is {_length(ahead)} ahead of now, {iso(now)} "
        f"({int(future.sum())} rows, the first is row {rows.number[int(np.argmax(future))]})",
        hint="Check the time zone (--tz) and the clock of this machine.",
        row=int(rows.number[at]),
        ahead_ms=ahead,
    )


def _length(ms: int) -> str:
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000)):
        if ms >= size * (2 if unit == "d" else 1):
            return f"{round(ms / size, 1):g} {unit}"
    return f"{ms / 1000:g} s"


def _sound(rows: Rows, bar: Timeframe, total: int, negative: bool, faults: Faults) -> tuple[Rows, list[SetAside]]:
    """Rows that are right by themselves, and those that are not; each under its first code."""
    wrong = np.zeros(len(rows), np.bool_)
    aside: list[SetAside] = []
    for code, mask, tell in row_checks(rows, bar, negative=negative):
        aside += set_aside(rows, code, mask & ~wrong, tell, total, faults)
        wrong |= mask
    return rows.take(~wrong), aside


def _why(aside: list[SetAside], open_until: str) -> str:
    reasons = [row.text for row in aside[:3]]
    return "; ".join([*reasons, f"the last candle is open until {open_until}"] if open_until else reasons)


def _admitted(
    rows: Rows,
    instrument: Instrument,
    result: Duplicates,
    aside: list[SetAside],
    unsorted: int,
    open_until: str,
    notes: Iterable[Notice],
) -> ValidatedBars:
    volume = rows.values["volume"]
    dead = not (np.nan_to_num(volume) != 0).any()  # null everywhere, or 0 everywhere
    bars = rows.bars(instrument, with_volume=not dead)
    quality = replace(
        examine_quality(bars), duplicates=result, unsorted=unsorted, set_aside=tuple(aside), open_until=open_until
    )
    message = [*notes]
    if dead and not np.isnan(volume).all():
        message.append(Notice("volume", "volume is 0 in every row: stored as null"))
    return ValidatedBars(bars, replace(quality, warnings=(*message, *notices(quality))))
