"""Candles into the store: from files and from exchanges. Each ingest is a run in the record."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from assay.kernel.errors import ConfigError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import from_iso, iso
from assay.market import (
    VOLUME_UNIT_SERIES,
    ExchangeClient,
    NamedSeries,
    Progress,
    Upserted,
    ValidatedBars,
    VolumeUnit,
    check_volume_unit,
    collect_bars,
    examine_quality,
    meet_stored,
    open_exchange,
    read_file,
    unit_series,
)
from assay.market import volume_unit as unit_of
from assay.runs.context import Context
from assay.runs.provenance import code_digest


def import_file(
    path: Path, context: Context, *, volume_unit: str | None = None, **options: Any
) -> list[dict[str, object]]:  # fmt: skip
    """Read a file, check every row at the door, and store what passes: a document for each instrument or series.

    volume_unit: what the volume of its candles counts, see `assay.market.units`; None leaves what is stored.
    options: as `assay.market.sources.files.read_file`. The file is read and checked whole before anything is stored, so
    a refused file changes nothing. Importing again changes nothing.
    """
    unit = None if volume_unit is None else check_volume_unit(volume_unit)
    contents = read_file(path, **options)
    done: list[dict[str, object]] = []
    request = {"file": path.name} | options | ({} if unit is None else {"volume_unit": unit})
    with _ingest(f"import {path.name}"[:200], request, context):
        parts = len(contents.candles) + len(contents.series)
        choice = str(options.get("on_conflict", "refuse"))
        arriving = [meet_stored(each, context.stored, choice) for each in contents.candles]
        for admitted in arriving:
            stored = context.stored.upsert(admitted.bars, source=path.name)
            _keep_unit(admitted.bars.instrument, unit, context)
            done.append(_candles(path, admitted, stored))
            context.listener(len(done) / parts, path.name)
        for series in contents.series:
            added = context.stored.put_series(series.exchange, series.symbol, series.name, series.series)
            done.append(_series(path, series, added))
            context.listener(len(done) / parts, path.name)
    return done


def collect_candles(
    instrument: Instrument,
    context: Context,
    *,
    since: str,
    until: str | None = None,
    client: ExchangeClient | None = None,
) -> dict[str, object]:
    """Collect closed bars from an exchange into the store; goes on where an earlier collection ended.

    since, until: ISO times, or dates (UTC midnight). client: the exchange; by default ccxt's of that name.
    """
    start, end = instant_of("since", since), None if until is None else instant_of("until", until)
    if end is not None and end <= start:
        raise ConfigError(
            f"until {iso(end)} is not after since {iso(start)}: there is nothing to collect", code="CONFIG_FIELD",
            hint="Give an --until after --since, or none for now.", field="until",
        )  # fmt: skip
    source = open_exchange(instrument.exchange) if client is None else client

    def hear(progress: Progress) -> None:
        context.listener(progress.share, f"{instrument} up to {iso(progress.position)[:16]}")

    spec = asdict(instrument) | {"since": since, "until": until}
    with _ingest(f"collect {instrument}", spec, context):
        result = collect_bars(source, instrument, since=start, until=end, store=context.stored, report=hear)
        if ":" not in instrument.symbol and VOLUME_UNIT_SERIES not in context.stored.series(
            instrument.exchange, instrument.symbol
        ):
            _keep_unit(instrument, "base", context)  # what ccxt's spot candles count
    return {
        **asdict(instrument),
        "bars": 0 if result.quality is None else result.quality.bars,
        **asdict(result.upserted),
        "requests": result.requests,
        "history_from": None if result.history_from is None else iso(result.history_from),
        "active": result.active,
        "warnings": list(result.warnings),
        "quality": None if result.quality is None else result.quality.as_dict(),
    }


@dataclass(frozen=True, slots=True)
class HoldingRow:
    """Candles of one market in the store: how many bars, and the opens of the first and the last (ISO 8601)."""

    instrument: Instrument
    bars: int
    start: str
    end: str

    @property
    def document(self) -> JsonObject:
        """The row as JSON, the span under ``from`` and ``to``."""
        return {**asdict(self.instrument), "bars": self.bars, "from": self.start, "to": self.end}


def list_holdings(context: Context) -> list[HoldingRow]:
    """What the candle store has: exchange, symbol, timeframe, bars, first and last bar open (ISO)."""
    return [HoldingRow(h.instrument, h.bars, iso(h.first), iso(h.last)) for h in context.stored.instruments()]


def check_candles(instrument: Instrument, context: Context) -> dict[str, object]:
    """The quality report of stored candles. Raises DataError ``DATA_NOT_FOUND`` naming what is near."""
    bars = context.stored.read(instrument)
    unit = unit_of(bars)
    return {
        **asdict(instrument),
        "digest": bars.digest(),
        "volume_unit": unit,
        "quality": examine_quality(bars).as_dict(),
    }


def show_candles(instrument: Instrument, context: Context, *, last: int) -> dict[str, object]:
    """The newest stored candles, oldest first, with the names of the series that are joined to them."""
    bars = context.stored.read(instrument, newest=last)
    volume = [None] * len(bars) if bars.volume is None else [None if v != v else float(v) for v in bars.volume]
    rows = zip(bars.timestamp, bars.open, bars.high, bars.low, bars.close, volume, strict=True)
    return {
        **asdict(instrument),
        "candles": [
            {"time": iso(int(t)), "open": float(o), "high": float(h), "low": float(low), "close": float(c), "volume": v}
            for t, o, h, low, c, v in rows
        ],
        "joined": sorted(bars.joined),
    }


@contextmanager
def _ingest(name: str, spec: Mapping[str, object], context: Context) -> Iterator[None]:
    experiments = context.record.experiments
    run = experiments.start(name, "ingest", spec=dict(spec), metadata={"code_digest": code_digest()})
    with experiments.keep_alive(run):
        yield


def _keep_unit(instrument: Instrument, unit: VolumeUnit | None, context: Context) -> None:
    if unit is not None:
        context.stored.put_series(instrument.exchange, instrument.symbol, VOLUME_UNIT_SERIES, unit_series(unit))


def _candles(path: Path, admitted: ValidatedBars, stored: Upserted) -> dict[str, object]:
    quality = admitted.quality.as_dict()
    retained = {"bars": len(admitted.bars), "from": quality["first"], "to": quality["last"]}
    return {"file": str(path), **asdict(admitted.bars.instrument), **retained, **asdict(stored), "quality": quality}


def _series(path: Path, named: NamedSeries, added: int) -> dict[str, object]:
    times = named.series.value_time
    return {
        "file": str(path),
        "exchange": named.exchange,
        "symbol": named.symbol,
        "series": named.name,
        "values": len(times),
        "inserted": added,
        "from": iso(int(times[0])) if len(times) else None,
        "to": iso(int(times[-1])) if len(times) else None,
    }


def instant_of(name: str, text: str) -> int:
    """Milliseconds of a date, or of a time with its zone. ConfigError ``CONFIG_FIELD`` naming the field."""
    try:
        return from_iso(text if "T" in text or " " in text else f"{text}T00:00:00Z")
    except ValueError as error:
        raise ConfigError(
            f"{name} is {printable(text)}; write a date (2024-01-01) or a time with its zone (2024-01-01T12:00:00Z)",
            code="CONFIG_FIELD",
            field=name,
        ) from error
