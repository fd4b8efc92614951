"""SQL of the DuckDB candle store."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import StoreError
from assay.kernel.instrument import Instrument
from assay.market.stores import duckdb_schema as schema
from assay.market.stores.arrow import bars_of, series_of, series_table, table_of
from assay.market.stores.base import Holding, Span, unite_spans
from assay.market.stores.upsert import Merge, unite_series

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

CANDLES = "candles"
NEWEST_REVISIONS = (
    "(SELECT * FROM candle_revisions QUALIFY row_number() OVER "
    "(PARTITION BY exchange, symbol, timeframe, timestamp ORDER BY revision DESC) = 1)"
)


def prepare(db: "duckdb.DuckDBPyConnection", path: Path, base_timeframe: str) -> None:
    """Create what is missing; a view that shows another base timeframe is made anew."""
    if not has_schema(db, path):
        db.execute(schema.TABLES)
    view = schema.BASE_VIEW.format(timeframe=base_timeframe)
    there = db.execute("SELECT sql FROM duckdb_views() WHERE view_name = 'market_data'").fetchall()
    if not there or f"'{base_timeframe}'" not in there[0][0]:
        db.execute(view)


def has_schema(db: "duckdb.DuckDBPyConnection", path: Path) -> bool:
    """Whether our tables are there. Raises StoreError ``STORE_SCHEMA_NEWER``."""
    if not db.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = 'assay_store'").fetchall():
        return False
    (version,) = db.execute("SELECT max(version) FROM assay_store").fetchall()[0]
    if version > schema.VERSION:
        raise StoreError(
            f"the candle store {path} has schema version {version}, this Assay knows {schema.VERSION}",
            code="STORE_SCHEMA_NEWER",
            hint="use the newer Assay that wrote it",
            found=version,
            known=schema.VERSION,
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
    return bool(db.execute(f"SELECT 1 FROM candles WHERE {schema.ONE} LIMIT 1", _key(instrument)).fetchall())


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
    where = schema.ONE
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
        _from_table(db, table_of(parts.inserted), schema.INSERT, with_source)
    if len(parts.revised):
        changed = table_of(parts.revised)
        _from_table(db, changed, schema.KEEP_REPLACED, {"now": now})
        _from_table(db, changed, schema.REVISE, with_source)


def put_series(db: "duckdb.DuckDBPyConnection", exchange: str, symbol: str, name: str, value: Joined) -> int:
    """Write the rows of a series that are new or have another value; returns how many."""
    _, changed = unite_series(series(db, exchange, symbol).get(name), value)
    if changed:
        unique, _ = unite_series(None, value)
        _from_table(db, series_table(exchange, symbol, name, unique), schema.PUT_SERIES, {})
    return changed


def series(db: "duckdb.DuckDBPyConnection", exchange: str, symbol: str) -> Mapping[str, Joined]:
    """All series of a market by name."""
    market = {"exchange": exchange, "symbol": symbol}
    names = db.execute(f"SELECT DISTINCT name FROM series WHERE {schema.MARKET} ORDER BY name", market).fetchall()
    return {name: _one_series(db, {**market, "name": name}) for (name,) in names}


def _one_series(db: "duckdb.DuckDBPyConnection", params: dict[str, str]) -> Joined:
    table = db.sql(
        f"SELECT value_time, known_at, value FROM series WHERE {schema.MARKET} AND name = $name "
        "ORDER BY known_at, value_time",
        params=params,
    ).to_arrow_table()
    return series_of(table)


def read_covered(db: "duckdb.DuckDBPyConnection", instrument: Instrument) -> tuple[Span, ...]:
    """Stretches asked for to the end."""
    result = db.execute(f"SELECT start_ms, end_ms FROM covered WHERE {schema.ONE}", _key(instrument)).fetchall()
    return unite_spans(Span(*row) for row in result)


def cover(db: "duckdb.DuckDBPyConnection", instrument: Instrument, span: Span) -> None:
    """Add a stretch."""
    spans = unite_spans([*read_covered(db, instrument), span])
    db.execute(f"DELETE FROM covered WHERE {schema.ONE}", _key(instrument))
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
