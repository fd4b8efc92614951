"""Candle store in one DuckDB file, with its queries and its schema."""

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
from assay.kernel.timeframe import Timeframe, current_ms
from assay.market.stores.arrow import bars_of, series_of, series_table, table_of
from assay.market.stores.base import Holding, Span, Upserted, digest_of, not_found, unite_spans
from assay.market.stores.file_lock import WAIT_SECONDS, alone, busy, not_writable
from assay.market.stores.upsert import Merge, merge, tidy, unite_series

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS assay_store (version INTEGER NOT NULL);
INSERT INTO assay_store SELECT 1 WHERE NOT EXISTS (FROM assay_store);
CREATE TABLE IF NOT EXISTS candles (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL, timestamp BIGINT NOT NULL,
    open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL,
    volume DOUBLE, quote_volume DOUBLE, trade_count DOUBLE, extra MAP(VARCHAR, DOUBLE),
    source VARCHAR NOT NULL, revision INTEGER NOT NULL, ingested_at BIGINT NOT NULL,
    PRIMARY KEY (exchange, symbol, timeframe, timestamp));
CREATE TABLE IF NOT EXISTS candle_revisions (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL, timestamp BIGINT NOT NULL,
    open DOUBLE NOT NULL, high DOUBLE NOT NULL, low DOUBLE NOT NULL, close DOUBLE NOT NULL,
    volume DOUBLE, quote_volume DOUBLE, trade_count DOUBLE, extra MAP(VARCHAR, DOUBLE),
    source VARCHAR NOT NULL, revision INTEGER NOT NULL, ingested_at BIGINT NOT NULL, replaced_at BIGINT NOT NULL,
    PRIMARY KEY (exchange, symbol, timeframe, timestamp, revision));
CREATE TABLE IF NOT EXISTS series (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, name VARCHAR NOT NULL,
    value_time BIGINT NOT NULL, known_at BIGINT NOT NULL, value DOUBLE,
    PRIMARY KEY (exchange, symbol, name, known_at, value_time));
CREATE TABLE IF NOT EXISTS covered (
    exchange VARCHAR NOT NULL, symbol VARCHAR NOT NULL, timeframe VARCHAR NOT NULL,
    start_ms BIGINT NOT NULL, end_ms BIGINT NOT NULL);
CREATE OR REPLACE VIEW market_data_enhanced AS
    SELECT exchange, symbol, timestamp, timeframe, open, high, low, close, volume, quote_volume, trade_count
    FROM candles;
"""

BASE_VIEW = """
CREATE OR REPLACE VIEW market_data AS
    SELECT exchange, symbol, timestamp, open, high, low, close, volume, quote_volume, trade_count
    FROM candles WHERE timeframe = '{timeframe}';
"""

_VALUES = ("open", "high", "low", "close", "volume", "quote_volume", "trade_count", "extra")

INSERT = f"""
INSERT INTO candles (exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, source, revision, ingested_at)
SELECT exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, $source, 0, $now FROM incoming
"""

KEEP_REPLACED = """
INSERT INTO candle_revisions
SELECT c.*, $now FROM candles c JOIN incoming i USING (exchange, symbol, timeframe, timestamp)
"""

REVISE = f"""
INSERT INTO candles (exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, source, revision, ingested_at)
SELECT exchange, symbol, timeframe, timestamp, {", ".join(_VALUES)}, $source, 0, $now FROM incoming
ON CONFLICT DO UPDATE SET {", ".join(f"{v} = excluded.{v}" for v in _VALUES)},
    source = excluded.source, revision = candles.revision + 1, ingested_at = excluded.ingested_at
"""

PUT_SERIES = """
INSERT INTO series SELECT exchange, symbol, name, value_time, known_at, value FROM incoming
ON CONFLICT DO UPDATE SET value = excluded.value
"""

ONE = "exchange = $exchange AND symbol = $symbol AND timeframe = $timeframe"
MARKET = "exchange = $exchange AND symbol = $symbol"


CANDLES = "candles"
NEWEST_REVISIONS = (
    "(SELECT * FROM candle_revisions QUALIFY row_number() OVER "
    "(PARTITION BY exchange, symbol, timeframe, timestamp ORDER BY revision DESC) = 1)"
)


def prepare(db: "duckdb.DuckDBPyConnection", path: Path, base_timeframe: str) -> None:
    """Create what is missing; a view that shows another base timeframe is made anew."""
    if not has_schema(db, path):
        db.execute(TABLES)
    view = BASE_VIEW.format(timeframe=base_timeframe)
    there = db.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'market_data'").fetchall()
    if not there or f"'{base_timeframe}'" not in there[0][0]:
        db.execute(view)


def has_schema(db: "duckdb.DuckDBPyConnection", path: Path) -> bool:
    """Whether our tables are there. Raises StoreError ``STORE_SCHEMA_NEWER``."""
    if not db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'assay_store'").fetchall():
        return False
    (version,) = db.execute("SELECT max(version) FROM assay_store").fetchall()[0]
    if version > VERSION:
        raise StoreError(
            f"the candle store {path} has schema version {version}, this Assay knows {VERSION}",
            code="STORE_SCHEMA_NEWER",
            hint="use the newer Assay that wrote it",
            found=version,
            known=VERSION,
        )
    return True


def holdings(db: "duckdb.DuckDBPyConnection") -> list[Holding]:
    """All instruments with their counts and ends."""
    result = db.execute(
        "SELECT exchange, symbol, timeframe, count(*), min(timestamp), max(timestamp) FROM candles GROUP BY ALL"
    ).fetchall()
    return sorted(Holding(Instrument(*row[:3]), *row[3:]) for row in result)


def holds(db: "duckdb.DuckDBPyConnection", instrument: Instrument) -> bool:
    """Whether there is a bar of this instrument; quick however large the store is."""
    return bool(db.execute(f"SELECT 1 FROM candles WHERE {ONE} LIMIT 1", _key(instrument)).fetchall())


def read_rows(
    db: "duckdb.DuckDBPyConnection",
    relation: str,
    instrument: Instrument,
    start: int | None = None,
    end: int | None = None,
    newest: int | None = None,
) -> Bars:
    """Rows of `relation` (one of the names above) in time order, all columns, without joined series."""
    params: dict[str, str | int] = _key(instrument)
    where = ONE
    for name, bound, test in (("start", start, ">="), ("end", end, "<")):
        if bound is not None:
            where += f" AND timestamp {test} ${name}"
            params[name] = bound
    names = [
        row[0]
        for row in db.execute(
            f"SELECT DISTINCT unnest(map_keys(extra)) AS name FROM {relation} WHERE {where} ORDER BY name", params
        ).fetchall()
    ]
    last = "" if newest is None else " LIMIT $newest"
    if newest is not None:
        params["newest"] = max(newest, 0)
    extra = "".join(f", extra[{_text(name)}] AS {_identifier(name)}" for name in names)
    table = db.sql(
        "SELECT * FROM (SELECT timestamp, open, high, low, close, volume, quote_volume, trade_count"
        f"{extra} FROM {relation} WHERE {where} ORDER BY timestamp DESC{last}) ORDER BY timestamp",
        params=params,
    ).to_arrow_table()
    return bars_of(instrument, table, names)


def read_overlap(db: "duckdb.DuckDBPyConnection", bars: Bars) -> Bars:
    """The stored rows of the stretch that `bars` spans."""
    if not len(bars):
        return read_rows(db, CANDLES, bars.instrument, newest=0)
    return read_rows(db, CANDLES, bars.instrument, int(bars.timestamp[0]), int(bars.timestamp[-1]) + 1)


def write(db: "duckdb.DuckDBPyConnection", parts: Merge, *, source: str, now: int) -> None:
    """Insert and revise, old values first set aside."""
    with_source: dict[str, str | int] = {"source": source, "now": now}
    if len(parts.inserted):
        _from_table(db, table_of(parts.inserted), INSERT, with_source)
    if len(parts.revised):
        changed = table_of(parts.revised)
        _from_table(db, changed, KEEP_REPLACED, {"now": now})
        _from_table(db, changed, REVISE, with_source)


def insert_series(db: "duckdb.DuckDBPyConnection", exchange: str, symbol: str, name: str, value: Joined) -> int:
    """Write the rows of a series that are new or have another value; returns how many."""
    _, changed = unite_series(select_series(db, exchange, symbol).get(name), value)
    if changed:
        unique, _ = unite_series(None, value)
        _from_table(db, series_table(exchange, symbol, name, unique), PUT_SERIES, {})
    return changed


def select_series(db: "duckdb.DuckDBPyConnection", exchange: str, symbol: str) -> Mapping[str, Joined]:
    """All series of a market by name."""
    market = {"exchange": exchange, "symbol": symbol}
    names = db.execute(f"SELECT DISTINCT name FROM series WHERE {MARKET} ORDER BY name", market).fetchall()
    return {name: _one_series(db, {**market, "name": name}) for (name,) in names}


def _one_series(db: "duckdb.DuckDBPyConnection", params: dict[str, str]) -> Joined:
    table = db.sql(
        f"SELECT value_time, known_at, value FROM series WHERE {MARKET} AND name = $name ORDER BY known_at, value_time",
        params=params,
    ).to_arrow_table()
    return series_of(table)


def read_covered(db: "duckdb.DuckDBPyConnection", instrument: Instrument) -> tuple[Span, ...]:
    """Stretches asked for to the end."""
    result = db.execute(f"SELECT start_ms, end_ms FROM covered WHERE {ONE}", _key(instrument)).fetchall()
    return unite_spans(Span(*row) for row in result)


def cover(db: "duckdb.DuckDBPyConnection", instrument: Instrument, span: Span) -> None:
    """Add a stretch."""
    spans = unite_spans([*read_covered(db, instrument), span])
    db.execute(f"DELETE FROM covered WHERE {ONE}", _key(instrument))
    key = _key(instrument)
    for one in spans:
        db.execute("INSERT INTO covered VALUES (?, ?, ?, ?, ?)", [*key.values(), one.start, one.end])


def _from_table(
    db: "duckdb.DuckDBPyConnection", table: "pa.Table", statement: str, params: Mapping[str, str | int]
) -> None:
    db.register("incoming", table)
    try:
        db.execute(statement, dict(params))
    finally:
        db.unregister("incoming")


def _key(instrument: Instrument) -> dict[str, str | int]:
    return {"exchange": instrument.exchange, "symbol": instrument.symbol, "timeframe": instrument.timeframe}


def _text(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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
        clock: Callable[[], int] = current_ms,
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
            parts = merge(read_overlap(db, bars), bars)
            write(db, parts, source=source, now=self._clock())
            key = bars.instrument
            for name, series in bars.joined.items():
                insert_series(db, key.exchange, key.symbol, name, series)
            if covered is not None:
                cover(db, key, covered)
        return Upserted(len(parts.inserted), len(parts.revised), parts.unchanged)

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore.read`."""
        with self._reading() as db:
            if db is None or not holds(db, instrument):
                raise not_found(instrument, [] if db is None else holdings(db))
            bars = read_rows(db, CANDLES, instrument, start, end, newest)
            return tidy(bars, select_series(db, instrument.exchange, instrument.symbol))

    def instruments(self) -> list[Holding]:
        """See `CandleStore.instruments`."""
        with self._reading() as db:
            return [] if db is None else holdings(db)

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore.digest`."""
        with self._reading() as db:
            if db is None:
                return digest_of([])
            named = [h.instrument for h in holdings(db)] if instrument is None else [instrument]
            return digest_of([tidy(read_rows(db, CANDLES, one)) for one in named if holds(db, one)])

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore.revisions`."""
        with self._reading() as db:
            replaced = None if db is None else read_rows(db, NEWEST_REVISIONS, instrument)
        return tidy(replaced) if replaced is not None and len(replaced) else None

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore.put_series`."""
        with self._writing() as db:
            return insert_series(db, exchange, symbol, name, series)

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore.series`."""
        with self._reading() as db:
            return MappingProxyType({} if db is None else select_series(db, exchange, symbol))

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore.covered`."""
        with self._reading() as db:
            return () if db is None else read_covered(db, instrument)

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
                yield db if has_schema(db, self.path) else None

    @contextmanager
    def _writing(self) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection in one transaction, committed when the block ends well."""
        with alone(self.path, wait_seconds=self._wait), self._open(read_only=False) as db:
            db.begin()
            prepare(db, self.path, self._base.name)
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
