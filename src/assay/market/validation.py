"""The one way in: rows are checked here and trusted inside."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from assay.kernel.arrays import BoolArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import DataError, amount
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import TIMEFRAMES, Timeframe, current_ms, iso
from assay.market.anomalies import find_outliers, jumps, report_outliers, volume_units
from assay.market.quality import (
    Duplicates,
    Notice,
    Quality,
    SetAside,
    check_choice,
    check_suspects,
    collapse,
    examine_quality,
    gaps,
    notices,
    row_checks,
    set_aside,
    widen_roundings,
)
from assay.market.raw_rows import Faults, Rows, rows_of
from assay.market.stores.base import CandleStore
from assay.market.stores.upsert import combine, find_conflict
from assay.market.stores.upsert import rows as select_rows
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
    suspects: str = "set-aside",
    allow_negative_price: bool = False,
    source: str = "candles",
    notes: Iterable[Notice] = (),
) -> ValidatedBars:
    """Closed, sorted, single bars of one instrument, or one DataError that tells every fault of the table.

    table: columns `timestamp` (integer, bar open since the epoch), `open`, `high`, `low`, `close`, `volume` (null where
    there is none), further columns of `rows.EXTRA`, and `row` (place in the source, from 1) where rows were left out
    before. time_unit: unit of `timestamp`; without it only what looks like milliseconds is taken. on_conflict: which of
    two rows with one time and different values stays. suspects: rows of which a price looks like one in another unit:
    ``set-aside``, ``keep`` or ``refuse``. notes: warnings of whoever read the source. The error carries the report on
    what could be read as its fact `quality`.

    Left out and told: rows without any price. Widened and told: highs and lows that miss open or close by a rounding.
    Refused: ``DATA_SCHEMA``, ``DATA_EMPTY``, ``DATA_TIME``, ``DATA_TIME_UNIT``, ``DATA_TIMEFRAME`` (bars of another
    length), ``DATA_FUTURE`` (a bar opens after `now_ms`), ``DATA_CONFLICT``. Set aside and counted: ``DATA_NAN``,
    ``DATA_PRICE``, ``DATA_OHLC``, ``DATA_VOLUME`` (negative or infinite), ``DATA_OFF_GRID``, ``DATA_JUMP``; more than
    0.1 % of the rows under one code (and more than one row) refuse the load under that code. Gaps are listed, never
    filled. A candle that is still open is left out.
    Volume null or 0 everywhere is stored as none. O(n log n).
    """
    check_choice(on_conflict)
    check_suspects(suspects)
    faults = Faults(source)
    rows = rows_of(table, faults)
    total = len(rows)
    rows, cleaned = _cleaned(rows, instrument, faults)
    timed, open_until = _timed(rows, instrument, current_ms() if now_ms is None else now_ms, time_unit, faults)
    _demand_timeframe(timed, instrument, faults)
    sound, aside = _sound(timed, instrument.bar, total, allow_negative_price, faults)
    unsorted = int((np.diff(sound.timestamp) < 0).sum())
    single, result = collapse(sound.take(np.argsort(sound.timestamp, kind="stable")), on_conflict, faults)
    off, suspected = _judge_suspects(single, suspects, total, faults)
    aside += set_aside(single, "DATA_JUMP", off, report_outliers, total, faults)
    stored = single.take(~off)
    if not len(stored) and not faults.problems:
        faults.add("DATA_EMPTY", f"0 rows of {total} can be stored for {instrument}: {_why(aside, open_until)}")
    if not (len(stored) and stored.timed):
        faults.refuse()
    admitted = _admitted(
        stored, instrument, result, aside, unsorted, open_until, (*notes, *cleaned, *suspected)
    )  # fmt: skip
    faults.refuse(quality=admitted.quality.as_dict())
    log.info("admitted %d of %d rows", len(stored), total, extra={"source": source, "instrument": str(instrument)})
    return admitted


def _cleaned(rows: Rows, instrument: Instrument, faults: Faults) -> tuple[Rows, list[Notice]]:
    """Rows without those that hold no price at all, roundings widened, and what was done. Raises ``DATA_EMPTY``."""
    total = len(rows)
    empty: BoolArray = np.asarray(np.isnan(np.stack([rows.values[name] for name in PRICES])).all(axis=0))
    if empty.all():
        text = f"all {total} rows for {instrument} are without prices" if total else f"0 rows for {instrument}"
        faults.add("DATA_EMPTY", text, hint="" if total else "A header alone is no data.")
        faults.refuse()
    notices_: list[Notice] = []
    if empty.any():
        first = int(rows.number[int(np.argmax(empty))])
        text = f"{amount(int(empty.sum()), 'row')} without any price left out, the first is row {first}: gaps"
        notices_.append(Notice("empty", text))
    widened, count = widen_roundings(rows.take(~empty))
    if count:
        text = f"{amount(count, 'row')} whose high or low missed open or close by a rounding: widened to them"
        notices_.append(Notice("rounding", text))
    return widened, notices_


def _judge_suspects(rows: Rows, suspects: str, total: int, faults: Faults) -> tuple[BoolArray, list[Notice]]:
    """Rows to leave out because a price looks like one in another unit, and what is said of those that stay."""
    off = find_outliers(rows)
    if suspects == "set-aside" or not off.any():
        return off, []
    at = int(np.argmax(off))
    text = f"{amount(int(off.sum()), 'row')} of {total:,}; row {rows.number[at]}: {report_outliers(rows, at)}"
    if suspects == "refuse":
        hint = "--suspects keep stores such rows, --suspects set-aside leaves them out."
        faults.add("DATA_JUMP", text, hint=hint, row=int(rows.number[at]), count=int(off.sum()))
    return np.zeros(len(rows), np.bool_), [Notice("DATA_JUMP", f"kept as asked: {text}")]


def _demand_timeframe(rows: Rows, instrument: Instrument, faults: Faults) -> None:
    """Add ``DATA_TIMEFRAME`` where all of at least three steps are two bars or longer: bars of another length."""
    steps = np.diff(np.unique(rows.timestamp))
    if not rows.timed or len(steps) < 3 or int(steps.min()) < 2 * instrument.bar.ms:
        return
    least = int(steps.min())
    near = next((name for name in TIMEFRAMES if Timeframe(name).ms == least), None)
    which = f": is this {near}?" if near else ""
    every = "all steps are" if (steps == least).all() else "the shortest step is"
    faults.add(
        "DATA_TIMEFRAME",
        f"{every} {_length(least)}, and {instrument} has bars of {_length(instrument.bar.ms)}{which}",
        hint=f"Give --timeframe {near}." if near else "Give the --timeframe of the bars.",
        step_ms=least,
    )


SEAM_BARS, _NEAR = 200, 3  # bars on each side of a seam that are looked at, and that count as the seam


def meet_stored(admitted: ValidatedBars, store: CandleStore, on_conflict: str) -> ValidatedBars:
    """The bars to store beside what is there; the report also says what is odd where both meet.

    on_conflict: ``refuse`` bars that contradict what is stored (DataError ``DATA_CONFLICT``), keep the ``first``, which
    are stored, or the ``last``, which come in. See `find_conflict`, `find_seams`.
    """
    bars = admitted.bars
    first, stop = int(bars.timestamp[0]), int(bars.timestamp[-1]) + 1
    try:
        before = store.read(bars.instrument, end=first, newest=SEAM_BARS)
    except DataError as error:
        if error.code != "DATA_NOT_FOUND":
            raise
        return admitted
    common = store.read(bars.instrument, start=first, end=stop)
    conflict = find_conflict(common, bars)
    if conflict and on_conflict == "refuse":
        raise DataError(
            f"{bars.instrument}: {conflict}",
            code="DATA_CONFLICT",
            hint="Import it under another symbol, or let the new bars replace the stored ones (--on-conflict last). "
            "With --on-conflict first what is stored stays.",
        )
    after = store.read(bars.instrument, start=stop, end=stop + SEAM_BARS * bars.instrument.bar.ms)
    seams = find_seams(before, bars, after)
    if on_conflict == "first":
        bars = select_rows(bars, np.flatnonzero(~np.isin(bars.timestamp, common.timestamp)))
    warnings = (*admitted.quality.warnings, *seams)
    return replace(admitted, bars=bars, quality=replace(admitted.quality, warnings=warnings))


def find_seams(before: Bars, bars: Bars, after: Bars) -> list[Notice]:
    """What is odd where bars meet stored ones before and after them: a hole, a jump, another unit of volume."""
    result = []
    for left, right in ((before, bars), (bars, after)):
        if not len(left) or not len(right):
            continue
        joined = combine(left[-SEAM_BARS:], right[:SEAM_BARS])
        at = iso(int(right.timestamp[0]))
        odd = [f"a gap of {amount(gap.missing, 'bar')}" for gap in gaps(joined) if gap.before == at]
        if min(a.min() for a in (joined.open, joined.high, joined.low, joined.close)) > 0:
            odd += [f"a jump of {e.seen['change']:+.0%}" for e in jumps(joined) if e.time == at]
            near = {iso(int(t)) for t in (*left.timestamp[-_NEAR:], *right.timestamp[:_NEAR])}
            units = [e for e in volume_units(joined) if e.time in near]
            odd += [f"another unit of volume (x{e.seen['factor']:.3g})" for e in units]
        if odd:
            result.append(Notice("seam", f"where these bars meet stored ones, at {at}: {', '.join(odd)}"))
    return result


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
