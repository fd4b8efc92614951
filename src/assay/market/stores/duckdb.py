"""Candles in one DuckDB file: the store that needs no server."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import Timeframe
from assay.kernel.timestamps import now_ms
from assay.market.stores import duckdb_queries as rows
from assay.market.stores.base import Holding, Span, Upserted, digest_of, not_found
from assay.market.stores.file_lock import WAIT_SECONDS, alone, busy, not_writable
from assay.market.stores.upsert import merge, tidy

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

_RETRY_SECONDS = 0.1
_HOLDER = re.compile(r"PID (\d+)")


class DuckDbStore:
    """A `CandleStore` in the file `path`, opened for each call and closed at once, so that processes can share it.

    base_timeframe: the timeframe that the view ``market_data`` shows.
    wait_seconds:   how long a call waits for another process before StoreError ``STORE_BUSY``.
    Raises ConfigError ``CONFIG_FIELD`` where no file can be, StoreError ``STORE_CORRUPT`` for a file that is not ours.
    Cost: 1M new bars 2 s, read back 0.5 s.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        base_timeframe: str = "1h",
        wait_seconds: float = WAIT_SECONDS,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self.path = Path(path).absolute()
        self._base = Timeframe(base_timeframe)
        self._wait = wait_seconds
        self._clock = clock
        if self.path.is_dir():
            raise ConfigError(
                f"the candle store {printable(str(self.path))} is a folder, must be a file",
                code="CONFIG_FIELD",
                path=str(self.path),
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as failure:
            raise not_writable(self.path, failure) from failure

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """See `CandleStore.upsert`."""
        with self._writing() as db:
            parts = merge(rows.read_overlap(db, bars), bars)
            rows.write(db, parts, source=source, now=self._clock())
            key = bars.instrument
            for name, series in bars.joined.items():
                rows.put_series(db, key.exchange, key.symbol, name, series)
            if covered is not None:
                rows.cover(db, key, covered)
        return Upserted(len(parts.inserted), len(parts.revised), parts.unchanged)

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore.read`."""
        with self._reading() as db:
            if db is None or not rows.holds(db, instrument):
                raise not_found(instrument, [] if db is None else rows.holdings(db))
            bars = rows.read_rows(db, rows.CANDLES, instrument, start, end, newest)
            return tidy(bars, rows.series(db, instrument.exchange, instrument.symbol))

    def instruments(self) -> list[Holding]:
        """See `CandleStore.instruments`."""
        with self._reading() as db:
            return [] if db is None else rows.holdings(db)

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore.digest`."""
        with self._reading() as db:
            if db is None:
                return digest_of([])
            named = [h.instrument for h in rows.holdings(db)] if instrument is None else [instrument]
            return digest_of([tidy(rows.read_rows(db, rows.CANDLES, one)) for one in named if rows.holds(db, one)])

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore.revisions`."""
        with self._reading() as db:
            replaced = None if db is None else rows.read_rows(db, rows.NEWEST_REVISIONS, instrument)
        return tidy(replaced) if replaced is not None and len(replaced) else None

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore.put_series`."""
        with self._writing() as db:
            return rows.put_series(db, exchange, symbol, name, series)

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore.series`."""
        with self._reading() as db:
            return MappingProxyType({} if db is None else rows.series(db, exchange, symbol))

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore.covered`."""
        with self._reading() as db:
            return () if db is None else rows.read_covered(db, instrument)

    def sql(self, statement: str) -> "pa.Table":
        """The answer to one statement, read-only and shut off from files and network.

        Raises ConfigError ``CONFIG_FIELD`` for a statement that DuckDB refuses.
        """
        import duckdb

        with self._reading(enable_external_access="false", lock_configuration="true") as db:
            if db is None:
                raise StoreError(f"the candle store {self.path} has no candles yet", code="STORE_NOT_FOUND")
            try:
                answer = db.sql(statement)
                if answer is not None:
                    return answer.to_arrow_table()
            except duckdb.Error as failure:
                raise ConfigError(f"the statement failed: {printable(str(failure))}", code="CONFIG_FIELD") from failure
        raise ConfigError(f"the statement {printable(statement)} has no answer; write a SELECT", code="CONFIG_FIELD")

    @contextmanager
    def _reading(self, **config: str) -> "Iterator[duckdb.DuckDBPyConnection | None]":
        """A read-only connection; None as long as nothing was ever stored."""
        with alone(self.path, wait_seconds=self._wait):
            if not self.path.exists():
                yield None
                return
            with self._open(read_only=True, **config) as db:
                yield db if rows.has_schema(db, self.path) else None

    @contextmanager
    def _writing(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection in one transaction, committed when the block ends well."""
        with alone(self.path, wait_seconds=self._wait), self._open(read_only=False) as db:
            db.begin()
            rows.prepare(db, self.path, self._base.name)
            yield db
            db.commit()

    @contextmanager
    def _open(self, *, read_only: bool, **config: str) -> "Iterator[duckdb.DuckDBPyConnection]":
        import duckdb

        try:
            with self._connect(read_only=read_only, config=config) as db:
                yield db
        except duckdb.FatalException as failure:
            raise _corrupt(self.path, failure) from failure
        except duckdb.IOException as failure:
            raise _io_error(self.path, failure) from failure

    def _connect(self, *, read_only: bool, config: dict[str, str]) -> "duckdb.DuckDBPyConnection":
        """Connect; a program beside Assay that holds the file is waited for as long as one of our own."""
        import duckdb

        give_up = time.monotonic() + self._wait
        while True:
            try:
                return duckdb.connect(self.path, read_only=read_only, config=dict[str, Any](config))
            except duckdb.IOException as failure:
                other = _HOLDER.search(str(failure))
                if "lock" not in str(failure).lower():
                    raise
                if time.monotonic() >= give_up:
                    raise busy(self.path, int(other[1]) if other else None, self._wait) from failure
                time.sleep(_RETRY_SECONDS)
            except (duckdb.InternalException, duckdb.SerializationException, duckdb.CatalogException) as failure:
                raise _corrupt(self.path, failure) from failure


def _corrupt(path: Path, failure: Exception) -> StoreError:
    return StoreError(
        f"the candle store {path} cannot be read: {printable(str(failure))}",
        code="STORE_CORRUPT",
        hint="restore it from a backup, or move it away and import the candles again",
        path=str(path),
    )


def _io_error(path: Path, failure: Exception) -> StoreError | ConfigError:
    text = str(failure)
    if "no space" in text.lower():
        return StoreError(f"no room left on the disk of the candle store {path}", code="STORE_FULL", path=str(path))
    if "not a valid duckdb" in text.lower():
        return _corrupt(path, failure)
    return ConfigError(
        f"the candle store {path} cannot be opened: {printable(text)}", code="CONFIG_FIELD", path=str(path)
    )
