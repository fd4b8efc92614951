"""Read a CSV: find its columns by name, keep its cells as text, parse them without guessing types."""

import csv
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import polars as pl

from assay.kernel.arrays import IntArray
from assay.kernel.errors import ConfigError, DataError, did_you_mean, printable
from assay.market.quality import Notice
from assay.market.raw_rows import EXTRA, Faults
from assay.market.units import milliseconds

_DELIMITERS = ",;\t|"


def columns_of_text(content: bytes, source: str) -> pl.DataFrame:
    """``(rows, fields)`` frame of strings with the header's names; an empty cell is null.

    Accepts a UTF-8 byte order mark, any line ends, quotes, blank lines, and comma, semicolon, tab or bar between
    fields. Errors: ``DATA_EMPTY`` (no row), ``DATA_CSV`` (not UTF-8, a row with too many or too few fields).
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{source}: the text is UTF-16, must be UTF-8", code="DATA_CSV")
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    content = content.lstrip(b"\n ")
    _check_text(content, source)
    head, _, body = content.partition(b"\n")
    if not body.strip():
        raise DataError(f"{source}: 0 rows", code="DATA_EMPTY", hint="The file holds no candles.", rows=0)
    delimiter = next((d for d in _DELIMITERS if d.encode() in head), ",")
    if b"\n\n" in body or body[:1] == b"\n":
        body = b"\n".join(piece for piece in body.split(b"\n") if piece.strip())
    if b'"' in content:
        return _quoted(head + b"\n" + body, delimiter, source)
    names = unique_names(head.decode().split(delimiter), source)
    raw = np.frombuffer(body if body.endswith(b"\n") else body + b"\n", np.uint8)
    ends, marks = np.flatnonzero(raw == ord("\n")), np.flatnonzero(raw == ord(delimiter))
    _check_widths(np.diff(np.searchsorted(marks, ends), prepend=0) + 1, len(names), source)
    places = [f"{i}" for i in range(len(names))]
    frame = pl.read_csv(
        body, has_header=False, separator=delimiter, infer_schema=False, quote_char=None, new_columns=places
    )
    return frame.rename(dict(zip(places, names, strict=True)))


def _quoted(content: bytes, delimiter: str, source: str) -> pl.DataFrame:
    """The slower way, for text with quotes. ``DATA_CSV`` for a quote that is not closed or stands inside a cell."""
    try:
        rows = list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter, strict=True))
    except csv.Error as wrong:
        raise DataError(f"{source}: the quotes do not fit: {wrong}", code="DATA_CSV") from wrong
    names = unique_names(rows[0], source)
    _check_widths(np.array([len(row) for row in rows[1:]]), len(names), source)
    columns = zip(*rows[1:], strict=True) if len(rows) > 1 else ([] for _ in names)
    return pl.DataFrame([pl.Series(name, column, dtype=pl.String) for name, column in zip(names, columns, strict=True)])


def _check_text(content: bytes, source: str) -> None:
    if b"\0" in content:
        raise DataError(f"{source}: NUL byte at {content.index(0)}; this is no text", code="DATA_CSV")
    try:
        content.decode()
    except UnicodeDecodeError as wrong:
        raise DataError(f"{source}: byte {wrong.start} is not UTF-8", code="DATA_CSV", byte=wrong.start) from wrong


def unique_names(header: list[str], source: str) -> list[str]:
    """The names of the columns; one that has none gets its place. ``DATA_SCHEMA`` for one that stands twice."""
    names = [name.strip() for name in header]
    folded = [name.casefold() for name in names]
    twice = [name for name in names if name and folded.count(name.casefold()) > 1]
    if twice:
        raise DataError(f"{source}: column {printable(twice[0])} stands twice in the header", code="DATA_SCHEMA")
    return [name or f"column {i + 1}" for i, name in enumerate(names)]


def _check_widths(widths: IntArray, width: int, source: str) -> None:
    """Raise ``DATA_CSV`` at the first row whose number of fields is not the header's. Row 1 follows the header."""
    wrong = np.flatnonzero(widths != width)
    if len(wrong):
        row, fields = int(wrong[0]) + 1, int(widths[wrong[0]])
        raise DataError(
            f"{source}: row {row} has {fields} fields, the header has {width} ({len(wrong)} such rows)",
            code="DATA_CSV",
            hint="Quote cells that hold the delimiter.",
            row=row,
        )


_TIMES = ("date", "datetime", "time", "ts", "t", "open_time", "opentime", "date_time", "timestamp_ms", "unix", "epoch")
_SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "timestamp": _TIMES,
    "open": ("o", "open_price"),
    "high": ("h", "high_price"),
    "low": ("l", "low_price"),
    "close": ("c", "close_price"),
    "volume": ("v", "vol"),
    "exchange": ("venue",),
    "symbol": ("pair", "ticker", "instrument"),
    "timeframe": ("interval",),
    "quote_volume": ("quote_asset_volume", "quotevolume"),
    "trade_count": ("number_of_trades", "num_trades", "trades"),
}
CANDLE = ("timestamp", "open", "high", "low", "close", "volume")
NAMES = ("exchange", "symbol", "timeframe")


@dataclass(frozen=True, slots=True)
class Header:
    """The file's column for each known name, and those that nobody knows."""

    names: Mapping[str, str]
    ignored: tuple[str, ...]


def match_columns(columns: Iterable[str], faults: Faults) -> Header:
    """The known columns among these names: case, blanks and known synonyms do not matter.

    An exact name wins over synonyms. Two synonyms of one name without it are ambiguous: ``DATA_SCHEMA``.
    """
    folded = {column: _folded(column) for column in columns}
    result: dict[str, str] = {}
    for name in (*CANDLE, *NAMES, *EXTRA, "funding_rate", "known_at"):
        exact = [column for column, fold in folded.items() if fold == name]
        others = [column for column, fold in folded.items() if fold in _SYNONYMS.get(name, ())]
        candidates = exact or others
        if len(candidates) > 1:
            listed = ", ".join(printable(c) for c in candidates)
            faults.add(
                "DATA_SCHEMA", f"{len(candidates)} columns could be {name}: {listed}; keep one or name it {name}"
            )
        if candidates:
            result[name] = candidates[0]
    return Header(result, tuple(c for c in folded if c not in result.values()))


def demand(header: Header, names: Iterable[str], columns: Iterable[str], faults: Faults) -> None:
    """Add ``DATA_SCHEMA`` for the names that the header lacks, with what it has."""
    missing = [name for name in names if name not in header.names]
    if missing:
        has = [printable(c) for c in columns]
        more = f" and {len(has) - 20} more" if len(has) > 20 else ""
        faults.add(
            "DATA_SCHEMA",
            f"missing column {', '.join(missing)}; found {', '.join(has[:20]) or 'none'}{more}",
            hint="The first row must name the columns: timestamp, open, high, low, close, volume.",
            missing=missing,
        )


def _folded(column: str) -> str:
    return "_".join(column.strip().casefold().replace("-", "_").split())


_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
_NO_NUMBER = ("", "nan", "null")
_INFINITE = r"^[+-]?inf(inity)?$"
_MOMENT = (
    r"^(?<day>[0-9]{4}[-/][0-9]{2}[-/][0-9]{2})"
    r"(?:[T ](?<clock>[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?))?"
    r" ?(?<zone>Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
)


def numbers(column: pl.Series, name: str, faults: Faults) -> tuple[pl.Series, pl.Series]:
    """Float64 of a column of text or numbers, and which cells are none; empty, ``nan`` and ``null`` are missing.

    Text must be plain: digits, one point, an exponent. Anything else adds ``DATA_NUMBER`` with row and cell.
    """
    if column.dtype.is_numeric() or column.dtype == pl.Null:
        return column.cast(pl.Float64).alias(name), pl.repeat(False, len(column), eager=True)
    if column.dtype != pl.String:
        faults.add("DATA_SCHEMA", f"column {name} holds {column.dtype}, must be numbers")
        return pl.repeat(None, len(column), dtype=pl.Float64, eager=True).alias(name), column.is_not_null()
    text = column.str.strip_chars(" ")
    low = text.str.to_lowercase()
    missing = text.is_null() | low.is_in(_NO_NUMBER)
    good = missing | text.str.contains(_NUMBER) | low.str.contains(_INFINITE)
    if not good.all():
        at = int(good.arg_min() or 0)
        faults.add(
            "DATA_NUMBER",
            f"row {at + 1}: {name} is {printable(column[at])}, which is no plain number ({int((~good).sum())} "
            f"such cells)",
            hint="Write numbers with a decimal point and without separators or signs of currency, like 1234.5.",
            row=at + 1,
            column=name,
        )
    return text.set(~good | missing, None).cast(pl.Float64, strict=False).alias(name), ~good


def check_zone(tz: str | None) -> None:
    """Raise ``CONFIG_FIELD`` for a zone that the IANA list does not have."""
    if tz is None or tz == "UTC":
        return
    available = available_timezones()
    if tz not in available:
        near = did_you_mean(tz, available)
        text = f"--tz {printable(tz)} is no IANA time zone, for example America/New_York or UTC {near}".strip()
        raise ConfigError(text, field="tz")
    ZoneInfo(tz)


def instants(
    column: pl.Series, unit: str | None, tz: str | None, faults: Faults
) -> tuple[IntArray | None, list[Notice]]:
    """UTC milliseconds of a column of integers, ISO text, or Parquet times; None after a fault; and what to say.

    Text and times without an offset are local times of `tz`; without `tz` they are refused (``DATA_TZ``), as are times
    that the zone leaves out or has twice. A date alone is the session's date: 00:00 UTC, whatever the zone.
    """
    before = len(faults.problems)
    notes: list[Notice] = []
    if column.null_count() or not len(column):
        at = int(column.is_null().arg_max() or 0)
        faults.add("DATA_TIME", f"row {at + 1}: timestamp is missing ({column.null_count()} rows)", row=at + 1)
        return None, notes
    if column.dtype == pl.String:
        column = column.str.strip_chars(" ")
        if column.str.contains(r"^[+-]?[0-9]+(\.0*)?$").all():
            column = column.str.replace(r"\.0*$", "").cast(pl.Int64, strict=False)
            column = column.fill_null(np.iinfo(np.int64).max)
    if column.dtype.is_float() and bool((column == column.round(0)).all()):
        column = column.cast(pl.Int64, strict=False).fill_null(np.iinfo(np.int64).max)
    if column.dtype.is_integer():
        ms = milliseconds(column.cast(pl.Int64).to_numpy(), np.arange(1, len(column) + 1), unit, faults)
    elif column.dtype == pl.String:
        ms = _from_text(column, tz, faults, notes)
    else:
        ms = _from_times(column, tz, faults, notes)
    return (ms if len(faults.problems) == before else None), notes


def _from_times(column: pl.Series, tz: str | None, faults: Faults, notes: list[Notice]) -> IntArray:
    kind = column.dtype
    if kind == pl.Date:
        return _session_dates(column.cast(pl.Datetime("ms")), tz, faults, notes)
    if not isinstance(kind, pl.Datetime):
        faults.add("DATA_TIME", f"timestamp holds {kind}, must be integers, times or ISO text")
        return np.zeros(len(column), np.int64)
    if kind.time_zone is None:
        return _local(column, column, tz, faults)
    return column.dt.epoch("ms").to_numpy()


def _from_text(text: pl.Series, tz: str | None, faults: Faults, notes: list[Notice]) -> IntArray:
    parts = text.str.extract_groups(_MOMENT).struct.unnest()
    dates_only = bool((parts["clock"].is_null() & parts["zone"].is_null()).all())
    clock = pl.when(pl.col("clock").str.len_chars() == 5).then(pl.col("clock") + ":00").otherwise(pl.col("clock"))
    whole = pl.col("day").str.replace_all("/", "-") + "T" + clock.fill_null("00:00:00")
    naive = parts.select(whole.str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="ms", strict=False).alias("t"))["t"]
    if naive.null_count():
        at = int(naive.is_null().arg_max() or 0)
        faults.add(
            "DATA_TIME",
            f"row {at + 1}: timestamp {printable(text[at])} is no time ({naive.null_count()} such rows); "
            "write 2024-03-10T02:30:00Z or milliseconds",
            row=at + 1,
        )
        return np.zeros(len(text), np.int64)
    if dates_only:
        return _session_dates(naive, tz, faults, notes)
    bare = parts["zone"].is_null()
    out = naive.dt.epoch("ms").to_numpy() - _offset_ms(parts["zone"])
    if bare.any():
        out = np.where(bare.to_numpy(), _local(naive, text, tz, faults, bare), out)
    _tell_offsets(parts["zone"], bare, tz, notes)
    return out


def _offset_ms(zone: pl.Series) -> IntArray:
    digits = zone.str.replace_all(":", "")
    sign = pl.when(digits.str.starts_with("-")).then(-1).otherwise(1)
    hours, minutes = (
        digits.str.slice(1, 2).cast(pl.Int64, strict=False),
        digits.str.slice(3, 2).cast(pl.Int64, strict=False),
    )
    total = pl.select(sign * (hours.fill_null(0) * 60 + minutes.fill_null(0)) * 60_000).to_series()
    ms: IntArray = total.fill_null(0).to_numpy()
    return ms


def _tell_offsets(zone: pl.Series, bare: pl.Series, tz: str | None, notes: list[Notice]) -> None:
    message = (
        zone.drop_nulls().str.replace("^(Z|z|UTC|GMT)$", "+00:00").str.replace("^([+-][0-9]{2}):?([0-9]{2})$", "$1:$2")
    )
    counts = message.value_counts(sort=True).rows()
    if len(counts) > 1:
        listed = ", ".join(f"{offset} in {count} rows" for offset, count in counts)
        notes.append(Notice("offsets", f"timestamps carry {len(counts)} offsets ({listed}); stored as UTC"))
    if tz is not None and not bare.any():
        notes.append(Notice("tz", f"--tz {tz} was not needed: the timestamps carry their offset"))


def _session_dates(naive: pl.Series, tz: str | None, faults: Faults, notes: list[Notice]) -> IntArray:
    if tz is None:
        _tell_no_zone(naive.dt.to_string("%Y-%m-%d"), naive.is_not_null(), faults)
    notes.append(Notice("dates", "timestamps are dates without a time: taken as session dates, 00:00 UTC"))
    return naive.dt.epoch("ms").to_numpy()


def _local(
    naive: pl.Series, shown_as: pl.Series, tz: str | None, faults: Faults, bare: pl.Series | None = None
) -> IntArray:
    """UTC milliseconds of local times; only the rows of `bare` are judged."""
    judged = pl.Series([True] * len(naive)) if bare is None else bare
    if tz is None:
        _tell_no_zone(shown_as.cast(pl.String), judged, faults)
        return naive.dt.epoch("ms").to_numpy()
    early = naive.dt.replace_time_zone(tz, ambiguous="earliest", non_existent="null")
    once = naive.dt.replace_time_zone(tz, ambiguous="null", non_existent="null")
    absent, twice = early.is_null() & judged, once.is_null() & early.is_not_null() & judged
    for mask, message in ((absent, "does not exist in"), (twice, "occurs twice (is ambiguous) in")):
        if mask.any():
            at = int(mask.arg_max() or 0)
            faults.add(
                "DATA_TZ",
                f"row {at + 1}: {str(shown_as[at])[:64]} {message} {tz}: the clocks change ({int(mask.sum())} rows)",
                hint="Export the times in UTC or with their offset.",
                row=at + 1,
            )
    return early.dt.epoch("ms").fill_null(0).to_numpy()


def _tell_no_zone(text: pl.Series, bare: pl.Series, faults: Faults) -> None:
    at = int(bare.arg_max() or 0)
    faults.add(
        "DATA_TZ",
        f"row {at + 1}: timestamp {printable(text[at])} has no time zone ({int(bare.sum())} rows); give --tz, "
        "for example --tz UTC",
        row=at + 1,
    )
