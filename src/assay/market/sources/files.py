"""Candles and funding payments from CSV and Parquet files."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assay.kernel.bars import PRICES, Joined
from assay.kernel.errors import DataError, printable
from assay.kernel.instrument import Instrument, check_exchange, check_symbol
from assay.kernel.timeframe import current_ms
from assay.market.alignment import joined_series
from assay.market.quality import Notice, check_choice, check_suspects
from assay.market.raw_rows import EXTRA, Faults
from assay.market.sources.csv_reader import (
    CANDLE,
    NAMES,
    Header,
    check_zone,
    columns_of_text,
    demand,
    instants,
    match_columns,
    numbers,
    unique_names,
)
from assay.market.sources.decompress import decompress, regular
from assay.market.units import check_unit
from assay.market.validation import ValidatedBars, admit, judge_values

MAX_COLUMNS = 10_000
_MAX_FOOTER = 16 << 20
_MAX_CELLS = 1 << 30
MAGIC = b"PAR1"


def parquet_columns(path: Path, source: str) -> list[str]:
    """Column names from the footer. ``DATA_PARQUET``: truncated, damaged, more than 10,000 columns or 2^30 cells."""
    import pyarrow as pa
    from pyarrow import parquet

    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        tail = file.read(8)
    if size < 12 or tail[4:] != MAGIC:
        raise _refused(source, "the footer is missing: the file is truncated")
    (length,) = struct.unpack("<I", tail[:4])
    if length > size - 12:
        raise _refused(source, f"the footer says {length} bytes, the file has {size}: it is damaged")
    if length > _MAX_FOOTER:
        raise _refused(source, f"the footer has {length} bytes, more than 10,000 columns need")
    try:
        footer = parquet.read_metadata(path)
        lines: list[str] = footer.schema.to_arrow_schema().names if footer.num_columns <= MAX_COLUMNS else []
    except (pa.ArrowException, OSError, UnicodeDecodeError) as wrong:
        raise _refused(source, f"the footer cannot be read: {wrong}") from wrong
    if footer.num_columns > MAX_COLUMNS:
        raise _refused(source, f"{footer.num_columns} columns, at most 10,000 are read")
    if footer.num_rows * min(footer.num_columns, 20) > _MAX_CELLS:
        raise _refused(source, f"the footer says {footer.num_rows} rows, more than are read at once")
    if not footer.num_rows:
        raise DataError(f"{source}: 0 rows", code="DATA_EMPTY", rows=0)
    return unique_names(lines, source)


def read_parquet_table(path: Path, columns: Sequence[str], source: str) -> pl.DataFrame:
    """These columns of the file. ``DATA_PARQUET`` when their bytes are damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:  # Arrow answers damaged bytes with an error where polars panics
        with parquet.ParquetFile(path) as file:
            holding = file.read(columns=list(columns))
        holding.validate(full=True)
        bare = pa.table(dict(zip(holding.column_names, holding.columns, strict=True)))  # damaged metadata stays behind
        read = pl.from_arrow(bare)
    except (pa.ArrowException, OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as wrong:
        first = str(wrong).splitlines()[0][:200]
        raise _refused(source, f"the columns do not fit the footer, the file is damaged: {first}") from wrong
    if not isinstance(read, pl.DataFrame):
        raise _refused(source, "the file holds no table")
    return read


def _refused(source: str, text: str) -> DataError:
    return DataError(f"{source}: {text}", code="DATA_PARQUET")


@dataclass(frozen=True, slots=True)
class NamedSeries:
    """A joined series with the market that it belongs to; `name` is the key in ``Bars.joined``."""

    name: str
    exchange: str
    symbol: str
    series: Joined


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file held: candles by instrument in order of appearance, or series."""

    candles: tuple[ValidatedBars, ...] = ()
    series: tuple[NamedSeries, ...] = ()

    @property
    def one(self) -> ValidatedBars:
        """The only instrument's candles; ``DATA_CONFLICT`` if there are others."""
        if len(self.candles) != 1:
            named = ", ".join(str(c.bars.instrument) for c in self.candles[:5])
            raise DataError(f"the file holds {len(self.candles)} instruments, not one: {named}", code="DATA_CONFLICT")
        return self.candles[0]


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the caller said about the file."""

    named: dict[str, str | None]
    unit: str | None
    tz: str | None
    on_conflict: str
    suspects: str
    negative: bool
    now_ms: int


def read_file(
    path: str | Path,
    *,
    exchange: str | None = None,
    symbol: str | None = None,
    timeframe: str | None = None,
    time_unit: str | None = None,
    tz: str | None = None,
    on_conflict: str = "refuse",
    suspects: str = "set-aside",
    allow_negative_price: bool = False,
    now_ms: int | None = None,
) -> Contents:
    """Read a CSV (plain, gzip, or alone in a zip) or Parquet file of candles, or of funding payments.

    Exchange, symbol and timeframe come from the file's columns, or from the arguments where it has none; where it has
    both they must agree, and `symbol` picks one of several. Column names are taken without regard to case, with common
    synonyms (`header`) where only one fits; unknown columns are ignored and named in the report. A file with
    `funding_rate` and no prices gives a series, known at its payment time (or at its `known_at`).

    time_unit: ``s``, ``ms``, ``us`` or ``ns`` of integer times. tz: IANA zone of times without an offset. suspects: see
    `admit`. A file of candles without a column of volume is read as one of a market that has none, and says so.
    Errors: those of `admit`, and ``DATA_PATH``, ``DATA_ARCHIVE``, ``DATA_PARQUET``, ``DATA_CSV``,
    ``DATA_SCHEMA``, ``DATA_NUMBER``, ``DATA_TZ``; ``CONFIG_*`` for wrong arguments. Nothing is written.
    Memory: about four times the unpacked file.
    """
    check_unit(time_unit)
    check_zone(tz)
    check_choice(on_conflict)
    check_suspects(suspects)
    now = current_ms() if now_ms is None else now_ms
    named = {"exchange": exchange, "symbol": symbol, "timeframe": timeframe}
    choice = _Choice(named, time_unit, tz, on_conflict, suspects, allow_negative_price, now)
    where = Path(path)
    source = printable(where.name)[1:-1] or "file"
    regular(where, source)
    faults = Faults(source)
    table, head = _table(where, source, faults)
    if "funding_rate" in head.names and not any(price in head.names for price in PRICES):
        return Contents(series=tuple(_series(table, head, choice, faults)))
    return Contents(candles=tuple(_candles(table, head, choice, faults)))


def _table(path: Path, source: str, faults: Faults) -> tuple[pl.DataFrame, Header]:
    """The known columns under their known names."""
    if not path.stat().st_size:
        raise DataError(f"{source}: 0 rows, the file is empty", code="DATA_EMPTY", rows=0)
    with path.open("rb") as file:
        is_parquet = file.read(4) == MAGIC or path.suffix.lower() in (".parquet", ".pq")
    if is_parquet:
        columns = parquet_columns(path, source)
    else:
        text = columns_of_text(decompress(path, source), source)
        columns = text.columns
        if not len(text):
            raise DataError(f"{source}: 0 rows", code="DATA_EMPTY", rows=0)
    head = match_columns(columns, faults)
    funding = "funding_rate" in head.names and not any(price in head.names for price in PRICES)
    demand(head, ("timestamp",) if funding else CANDLE[:-1], columns, faults)  # volume may be missing
    faults.refuse()
    table = read_parquet_table(path, list(head.names.values()), source) if is_parquet else text
    return table.select(pl.col(actual).alias(name) for name, actual in head.names.items()), head


def _candles(table: pl.DataFrame, head: Header, choice: _Choice, faults: Faults) -> Iterator[ValidatedBars]:
    times, notes = instants(table["timestamp"], choice.unit, choice.tz, faults)
    if "volume" not in table.columns:
        table = table.with_columns(pl.lit(None, pl.Float64).alias("volume"))
        notes = [*notes, Notice("volume", "no column of volume: stored as a market that has none")]
    names = [name for name in (*PRICES, "volume", *EXTRA) if name in table.columns]
    read = [numbers(table[name], name, faults) for name in names]
    whole = pl.DataFrame([series for series, _ in read]).with_row_index("row", offset=1)
    parts = list(_instruments(table, choice.named, faults))
    if times is None or faults.problems:
        unread = pl.DataFrame([mask.alias(f"{i}") for i, (_, mask) in enumerate(read)])
        legible = whole.filter(~unread.select(pl.any_horizontal(pl.all()).alias("any"))["any"])
        judge_values(legible, allow_negative_price=choice.negative, total=len(whole), faults=faults)
        faults.refuse()
        return
    whole = whole.with_columns(pl.Series("timestamp", times))
    if head.ignored:
        listed = ", ".join(printable(name) for name in head.ignored[:10])
        notes.append(Notice("ignored", f"{len(head.ignored)} columns are not known and were ignored: {listed}"))
    results: list[ValidatedBars] = []
    for instrument, mask in parts:
        own = whole if mask is None else whole.filter(mask)
        _admit(own, instrument, choice, faults, notes, results)
    faults.refuse()
    yield from results


def _admit(
    own: pl.DataFrame,
    instrument: Instrument,
    choice: _Choice,
    faults: Faults,
    notes: list[Notice],
    results: list[ValidatedBars],
) -> None:
    """Admit one instrument; its faults join those of the others."""
    try:
        results.append(
            admit(
                own,
                instrument,
                now_ms=choice.now_ms,
                time_unit="ms",  # already brought to milliseconds
                on_conflict=choice.on_conflict,
                suspects=choice.suspects,
                allow_negative_price=choice.negative,
                source=faults.source,
                notes=notes,
            )
        )
    except DataError as wrong:
        faults.adopt(wrong)


def _instruments(
    table: pl.DataFrame, named: dict[str, str | None], faults: Faults
) -> Iterator[tuple[Instrument, pl.Series | None]]:
    """Each instrument with the mask of its rows; None is all rows."""
    labels = _labels(table, named, faults)
    if labels is None:
        return
    groups = labels.unique(maintain_order=True)
    chosen = [row for row in groups.iter_rows(named=True) if _agrees(row, named)]
    if not chosen:
        has = "; ".join(" ".join(str(v) for v in row) for row in groups.rows()[:5])
        message = ", ".join(f"--{k} {v}" for k, v in named.items() if v)
        faults.add("DATA_CONFLICT", f"the file's columns say {has}, the options say {message}")
    for row in chosen:
        instrument = Instrument(row["exchange"], row["symbol"], row["timeframe"])
        alone = len(groups) == 1
        yield (
            instrument,
            None
            if alone
            else labels.select((pl.col(k) == row[k]).alias(k) for k in NAMES).select(
                pl.all_horizontal(NAMES).alias("mask")
            )["mask"],
        )


def _agrees(row: dict[str, str], named: dict[str, str | None]) -> bool:
    return all(value is None or row[name] == value for name, value in named.items() if name in row)


def _labels(
    table: pl.DataFrame, named: dict[str, str | None], faults: Faults, names: tuple[str, ...] = NAMES
) -> pl.DataFrame | None:
    """The names of each row, from the columns, else from the arguments; None after a fault."""
    before = len(faults.problems)
    columns: list[pl.Series] = []
    for name in names:
        if name not in table.columns:
            value = named[name]
            if value is None:
                text = f"{name} is in no column of the file; add the column or give --{name}"
                faults.add("DATA_SCHEMA", text, missing=[name])
            columns.append(pl.repeat(value, len(table), dtype=pl.String, eager=True).alias(name))
            continue
        column = table[name].cast(pl.String)
        if column.null_count():
            at = int(column.is_null().arg_max() or 0)
            faults.add("DATA_SCHEMA", f"row {at + 1}: {name} is missing ({column.null_count()} rows)", row=at + 1)
        columns.append(column)
    return pl.DataFrame(columns) if len(faults.problems) == before else None


def _series(table: pl.DataFrame, head: Header, choice: _Choice, faults: Faults) -> Iterator[NamedSeries]:
    """Funding payments by exchange and symbol; a payment is known when it is made, unless `known_at` says later."""
    at, _ = instants(table["timestamp"], choice.unit, choice.tz, faults)
    available = at
    if "known_at" in table.columns:
        available, _ = instants(table["known_at"], choice.unit, choice.tz, faults)
    rates, _ = numbers(table["funding_rate"], "funding_rate", faults)
    labels = _labels(table, choice.named, faults, ("exchange", "symbol"))
    faults.refuse()
    if at is None or available is None or labels is None:
        raise DataError(f"{faults.source}: the series cannot be read", code="DATA_TIME")
    whole = pl.DataFrame([pl.Series("at", at), pl.Series("known", available), rates.alias("rate"), *labels])
    for (exchange, symbol), own in whole.group_by(["exchange", "symbol"], maintain_order=True):
        check_exchange(str(exchange))
        check_symbol(str(symbol))
        if not _agrees({"exchange": str(exchange), "symbol": str(symbol)}, choice.named):
            continue
        arrays = (own[name].to_numpy() for name in ("at", "known", "rate"))
        series = joined_series(*arrays, now_ms=choice.now_ms, source=faults.source)
        yield NamedSeries("funding_rate", str(exchange), str(symbol), series)
