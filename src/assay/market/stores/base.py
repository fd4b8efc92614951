"""Candle stores: the protocol, opening by URL, a store in memory, and a view that hides a holdout."""

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from types import MappingProxyType
from typing import Protocol, runtime_checkable

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError, DataError, did_you_mean, printable
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import iso
from assay.market.stores.upsert import combine, merge, rows, tidy, unite_series


@dataclass(frozen=True, slots=True)
class Upserted:
    """What one upsert did, in rows.

    revised: rows that were there with other values; the old ones are kept as revisions.
    """

    inserted: int = 0
    revised: int = 0
    unchanged: int = 0

    def __add__(self, other: "Upserted") -> "Upserted":
        return Upserted(self.inserted + other.inserted, self.revised + other.revised, self.unchanged + other.unchanged)


@dataclass(frozen=True, slots=True, order=True)
class Holding:
    """One instrument of a store: how many bars, and the opens of the first and the last (ms)."""

    instrument: Instrument
    bars: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A stretch of time ``[start, end)``, ms."""

    start: int
    end: int


@runtime_checkable
class CandleStore(Protocol):
    """Closed candles, and the series beside them, in one place.

    Every method is one transaction: a process killed in the middle leaves the state before it. Times are ms.
    Several processes and threads may use one store at once; a store that stays taken for 30 s raises StoreError
    ``STORE_BUSY`` with the holder's process id.
    """

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """Store these rows, and `bars.joined`; the same rows again change nothing.

        A row that is there with other values is revised: its revision rises by one and the old values are kept. What a
        row does not know (NaN volume, an absent column) never erases what the store knows. Volumes that differ by less
        than 1e-7 of their size are one volume, told by two sources.
        covered: a stretch that the source was asked for to its end; committed with the rows, see `coverage`.
        """
        ...

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """Rows with ``start <= timestamp < end``, of these the last `newest`; the market's series are joined.

        Volume is None where no row has one; a further column is there if any row has it. Raises DataError
        ``DATA_NOT_FOUND`` for an instrument without a single bar; a window without bars is empty.
        """
        ...

    def instruments(self) -> list[Holding]:
        """All instruments that have bars, sorted."""
        ...

    def digest(self, instrument: Instrument | None = None) -> str:
        """SHA-256 of the candles' values in key order, of one instrument or of all.

        Equal on every engine. Source, revision and the time of storing are not part of it, nor are joined series.
        """
        ...

    def revisions(self, instrument: Instrument) -> Bars | None:
        """The newest values that were replaced, a row for each revised candle; None if nothing was ever revised."""
        ...

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """Store a series of this market; returns how many rows are new or have a new value."""
        ...

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """All series of a market by name, sorted by ``known_at``, then ``value_time``."""
        ...

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """The stretches that a source was asked for to the end, disjoint and increasing; where to resume."""
        ...


def unite_spans(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Disjoint increasing spans that cover the same time; touching ones become one, empty ones go.

    >>> unite_spans([Span(5, 9), Span(0, 5), Span(20, 21)])
    (Span(start=0, end=9), Span(start=20, end=21))
    """
    out: list[Span] = []
    for span in sorted(s for s in spans if s.end > s.start):
        if out and span.start <= out[-1].end:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return tuple(out)


def digest_of(parts: Sequence[Bars]) -> str:
    """The digest of candles that `CandleStore.digest` promises. `parts` hold no joined series."""
    sha = hashlib.sha256()
    for bars in sorted(parts, key=lambda b: b.instrument):
        sha.update(f"{bars.instrument.key}\n{bars.digest()}\n".encode())
    return sha.hexdigest()


def not_found(instrument: Instrument, holding: Sequence[Holding]) -> DataError:
    """The error for an instrument that the store does not have: what it has instead, and how to import."""
    available = {str(h.instrument): h.instrument for h in holding}
    of_symbol = sorted(
        h.instrument.timeframe
        for h in holding
        if (h.instrument.exchange, h.instrument.symbol) == (instrument.exchange, instrument.symbol)
    )
    near = did_you_mean(str(instrument), available)
    if of_symbol:
        near = f"this market is here in {', '.join(of_symbol)}"
    elif not holding:
        near = "the store is empty"
    return DataError(
        f"the store has no candles of {instrument}"
        + (f"; {near}" if near else f"; it has {len(holding)} other series"),
        code="DATA_NOT_FOUND",
        hint=f"bring them in: assay collect --exchange {instrument.exchange} --symbol {instrument.symbol} --timeframe "
        f"{instrument.timeframe}, or assay import FILE",
        instrument=instrument.key,
    )


_UNSUPPORTED_SCHEMES = {
    "postgres": "postgres",
    "postgresql": "postgres",
    "clickhouse": "clickhouse",
    "bigquery": "gcp",
}


def _open_memory(rest: str, base_timeframe: str) -> "CandleStore | None":
    return None if rest else MemoryStore()


def _open_duckdb(rest: str, base_timeframe: str) -> "CandleStore | None":
    from assay.market.stores.duckdb import DuckDbStore

    return (
        DuckDbStore(Path(rest[1:]), base_timeframe=base_timeframe) if rest.startswith("/") and len(rest) > 1 else None
    )


STORES: Mapping[str, Callable[[str, str], "CandleStore | None"]] = {"memory": _open_memory, "duckdb": _open_duckdb}
"""By the scheme of a URL, what makes a store of what follows ``://`` and a base timeframe; None where that is none."""


def open_candles(url: str, *, base_timeframe: str = "1h") -> CandleStore:
    """The candle store at a URL: ``memory://``, ``duckdb:///relative/path`` or ``duckdb:////absolute/path``.

    base_timeframe: the timeframe of DuckDB's view ``market_data``; other stores have none.
    Raises ConfigError ``CONFIG_FIELD`` for any other URL.
    """
    scheme, colon, rest = url.partition("://")
    store = STORES[scheme](rest, base_timeframe) if colon and scheme in STORES else None
    if store is None:
        raise _unknown(url, scheme if colon else "")
    return store


def _unknown(url: str, scheme: str) -> ConfigError:
    without_password = re.sub(r"://[^/]*@", "://***@", url)
    if scheme in _UNSUPPORTED_SCHEMES:
        extra = _UNSUPPORTED_SCHEMES[scheme]
        remedy = f"this version keeps candles in DuckDB; the extra assay[{extra}] has no candle store yet"
    elif scheme == "duckdb":
        remedy = "write duckdb:///path/to/candles.duckdb, or with four slashes for an absolute path"
    else:
        remedy = did_you_mean(scheme, STORES) or "use memory:// or duckdb:///path/to/candles.duckdb"
    return ConfigError(
        f"candle store {printable(without_password)} is not known: {remedy}",
        code="CONFIG_FIELD",
        hint=remedy,
    )


class MemoryStore:
    """A `CandleStore` that lives as long as the object; threads may share it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._bars: dict[Instrument, Bars] = {}
        self._replaced: dict[Instrument, Bars] = {}
        self._series: dict[tuple[str, str], dict[str, Joined]] = {}
        self._covered: dict[Instrument, tuple[Span, ...]] = {}

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """See `CandleStore.upsert`; the source is not kept."""
        key = bars.instrument
        with self._lock:
            stored = self._bars.get(key, rows(bars, np.empty(0, np.int64)))
            parts = merge(stored, bars)
            written = combine(combine(stored, parts.revised), parts.inserted)
            if len(written):
                self._bars[key] = written
            if len(parts.replaced):
                self._replaced[key] = combine(self._replaced.get(key, parts.replaced), parts.replaced)
            for name, series in bars.joined.items():
                self.put_series(key.exchange, key.symbol, name, series)
            if covered is not None:
                self._covered[key] = unite_spans([*self._covered.get(key, ()), covered])
        return Upserted(len(parts.inserted), len(parts.revised), parts.unchanged)

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore.read`."""
        with self._lock:
            if instrument not in self._bars:
                raise not_found(instrument, self.instruments())
            bars, joined = self._bars[instrument], self.series(instrument.exchange, instrument.symbol)
        first, stop = _between(bars.timestamp, start, end)
        if newest is not None:
            first = max(first, stop - max(newest, 0))
        return tidy(rows(bars, np.arange(first, stop)), joined)

    def instruments(self) -> list[Holding]:
        """See `CandleStore.instruments`."""
        with self._lock:
            holding = [Holding(k, len(b), int(b.timestamp[0]), int(b.timestamp[-1])) for k, b in self._bars.items()]
        return sorted(holding)

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore.digest`."""
        with self._lock:
            return digest_of([b for k, b in self._bars.items() if instrument in (None, k)])

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore.revisions`."""
        return self._replaced.get(instrument)

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore.put_series`."""
        with self._lock:
            of_market = self._series.setdefault((exchange, symbol), {})
            of_market[name], changed = unite_series(of_market.get(name), series)
        return changed

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore.series`."""
        with self._lock:
            return MappingProxyType(dict(sorted(self._series.get((exchange, symbol), {}).items())))

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore.coverage`."""
        return self._covered.get(instrument, ())


def _between(timestamp: IntArray, start: int | None, end: int | None) -> tuple[int, int]:
    first = 0 if start is None else int(np.searchsorted(timestamp, start))
    stop = len(timestamp) if end is None else int(np.searchsorted(timestamp, end))
    return first, max(first, stop)


LockedFrom = Callable[[str, str], int | None]


@dataclass(frozen=True, slots=True)
class HoldoutView:
    """What a store holds, but for bars that close after the instant from which their market is locked.

    locked_from: of an exchange and a symbol that instant (ms), None where nothing is locked. It holds for bars of every
    length. Everything is written as it is without a lock, and what is counted or hashed is all that is stored.
    """

    store: CandleStore
    locked_from: LockedFrom

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore`. DataError ``DATA_LOCKED`` where no bar is left."""
        since = self.locked_from(instrument.exchange, instrument.symbol)
        if since is None:
            return self.store.read(instrument, start=start, end=end, newest=newest)
        last = since - instrument.bar.ms + 1
        bars = self.store.read(instrument, start=start, end=last if end is None else min(end, last), newest=newest)
        if not len(bars) and start is None and end is None:
            raise DataError(
                f"all bars of {instrument} are in the locked stretch, which begins {iso(since)}",
                code="DATA_LOCKED",
                hint="assay vault list shows what is locked, and by whom.",
                locked_from=iso(since),
            )
        return bars

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """See `CandleStore`."""
        return self.store.upsert(bars, source=source, covered=covered)

    def instruments(self) -> list[Holding]:
        """See `CandleStore`."""
        return self.store.instruments()

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore`."""
        return self.store.digest(instrument)

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore`; of visible bars."""
        result = self.store.revisions(instrument)
        since = self.locked_from(instrument.exchange, instrument.symbol)
        return result if result is None or since is None else result[: int((result.known_at <= since).sum())]

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore`."""
        return self.store.put_series(exchange, symbol, name, series)

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore`; what was known before the lock."""
        since = self.locked_from(exchange, symbol)
        result = self.store.series(exchange, symbol)
        return result if since is None else {name: each.until(since) for name, each in result.items()}

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore`."""
        return self.store.coverage(instrument)
