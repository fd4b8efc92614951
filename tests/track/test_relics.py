"""Records as older releases left them become what this program lays; what they hold stays."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.testing.store_contract import MARKET, a_trial
from assay.track.database import place_of
from assay.track.schema import migrate
from assay.track.schema.column_types import RECORD
from assay.track.schema.migrate import statements
from assay.track.schema.triggers import create_views, views
from assay.track.tracking_store import open_store
from tests.track.relics import VERSIONS, relic

_CATALOGUE = (
    "SELECT table_name, ordinal_position, column_name, data_type, is_nullable, column_default, is_identity "
    "FROM information_schema.columns WHERE table_schema = 'public'",
    "SELECT conrelid::regclass::text, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid <> 0",
    "SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "SELECT pg_get_viewdef(oid) FROM pg_class WHERE relkind = 'v' AND relnamespace = 'public'::regnamespace",
)

_COLUMN = re.compile(r", (?=\w+ TEXT\n)")  # SQLite writes an added column behind the last one, on its line


@contextmanager
def engine_of(place: str) -> Iterator[sa.Engine]:
    engine = place_of(place).engine(5.0)
    try:
        yield engine
    finally:
        engine.dispose()


def shape(place: str) -> Any:
    """All that a database says of its own tables, views and guards; nothing of rows."""
    with engine_of(place) as engine, engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            return [sorted(map(tuple, connection.exec_driver_sql(q).fetchall()), key=repr) for q in _CATALOGUE]
        told = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        return {
            name: sorted(line.strip(" \t,") for line in _COLUMN.sub("\n", sql or "").splitlines()) for name, sql in told
        }


def lay_anew(place: str) -> None:
    """From the table definitions of today, without any migration."""
    with engine_of(place) as engine, engine.begin() as connection:
        for statement in statements(engine.dialect.name):
            connection.exec_driver_sql(statement)
        create_views(connection)
        connection.exec_driver_sql(
            "CREATE TABLE alembic_version (\nversion_num VARCHAR(32) NOT NULL,\n"
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n)"
        )


Columns = dict[str, list[str]]


def columns_of(place: str) -> Columns:
    with engine_of(place) as engine, engine.connect() as connection:
        asked = sa.inspect(connection)
        names = set(RECORD.tables) & set(asked.get_table_names())
        return {name: [str(column["name"]) for column in asked.get_columns(name)] for name in names}


def rows_of(place: str, columns: Columns | None = None) -> dict[str, list[tuple[Any, ...]]]:
    wanted = columns_of(place) if columns is None else columns
    with engine_of(place) as engine, engine.connect() as connection:
        asked = {name: f"SELECT {', '.join(of)} FROM {name}" for name, of in wanted.items()}
        return {n: sorted(map(tuple, connection.exec_driver_sql(query)), key=repr) for n, query in asked.items()}


def lay_relic(version: str, dialect: str, place: str) -> None:
    if dialect == "postgresql":
        with psycopg.connect(place, autocommit=True) as connection:
            connection.execute(relic(version, dialect))
        return
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(place) as held:
        held.executescript(relic(version, dialect))
    held.close()


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, dialect: str, empty: str) -> Iterator[str]:
    """The address of a record that an older release has left, with rows in every table."""
    lay_relic(request.param, dialect, empty)
    yield empty


def test_there_is_a_relic_of_every_schema_but_the_newest() -> None:
    steps = {path.stem.split("_")[0] for path in (Path(migrate.__file__).parent / "versions").glob("*.py")}
    assert steps - {migrate.HEAD} <= set(VERSIONS)


def test_the_steps_lead_to_what_the_tables_say(empty: str, place: str) -> None:
    open_store(place).close()
    lay_anew(empty)
    assert shape(place) == shape(empty)


def test_an_old_record_becomes_what_is_laid_today(old: str, place: str) -> None:
    columns = columns_of(old)
    before = rows_of(old, columns)
    assert all(len(rows) >= 1 for rows in before.values())
    with engine_of(old) as engine:
        assert migrate.upgrade(engine) == migrate.upgrade(engine) == migrate.HEAD
    open_store(place).close()
    assert shape(old) == shape(place)
    assert rows_of(old, columns) == before
    with open_store(old) as record:
        assert record.ledger.check() == 4
        assert (record.ledger.count(MARKET), record.ledger.count("binance|ETH/USDT|1h")) == (3, 40)
        assert {look.identity for look in record.ledger.looks([MARKET])} == {None}
        assert len(record.ledger.head([MARKET]).chain) == 32
        assert record.ledger.append(a_trial(seed=77)) == 4
        assert record.hyperparameters.read(1) == {"deep": {"a": [1, None]}, "fast": 3, "gamma": 0.99}
        with record.database.read() as connection:
            for name, _ in views(record.database.dialect):
                connection.exec_driver_sql(f"SELECT * FROM {name}").fetchall()


def test_an_old_record_is_not_touched_by_opening_it(old: str) -> None:
    before = shape(old)
    with pytest.raises(StoreError, match=r"has schema \d{4}; .*" + migrate.HEAD) as told:
        open_store(old)
    assert told.value.code == "STORE_SCHEMA_OLDER" and "assay db upgrade" in told.value.hint
    assert shape(old) == before
