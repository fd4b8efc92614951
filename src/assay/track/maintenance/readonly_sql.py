"""Anybody's SQL on the record, which cannot change it: the database itself refuses."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.track.database import place_of, store_error, translate_errors
from assay.track.engines import PostgresDatabase, SqliteFile
from assay.track.maintenance.backup import demand_file

SECONDS = 30.0
_LONGEST = 16 * 1024 * 1024  # bytes of one value
_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})
_PRAGMAS = frozenset({"table_info", "table_xinfo", "table_list", "index_list", "index_info", "foreign_key_list"})
_WRITING = frozenset(
    verdict
    for line in (
        "alter analyze begin call checkpoint cluster comment commit copy create deallocate declare delete discard do",
        "drop end execute grant import insert listen load lock merge move notify prepare reassign refresh reindex",
        "release reset revoke rollback savepoint security set start truncate unlisten update vacuum",
    )
    for verdict in line.split()
)
_UNSAFE = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """columns: names as the database gives them.   rows: one tuple each.   more: whether rows were left off."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: bool


def query_store(url: str | os.PathLike[str], statement: str, *, limit: int, seconds: float = SECONDS) -> QueryAnswer:
    """The first `limit` rows of one reading statement on the record at `url`.

    SQLite opens the file read only, and reads nothing but it: no ATTACH, no extension, no setting. PostgreSQL runs a
    read-only transaction, without its superuser's rights. Nothing is laid or upgraded.

    StoreError ``STORE_NOT_FOUND`` for a relation (``facts["relation"]``) or a record that is not there,
    ``STORE_READ_ONLY`` for a statement that would do more than read, ``STORE_VALUE`` for one that cannot be read,
    ``STORE_BUSY`` when it takes longer than `seconds`.
    """
    if not statement.strip() or "\0" in statement:
        raise ConfigError("the statement is empty, or holds NUL", code="CONFIG_FIELD", hint="Write a SELECT.")
    if not statement.isascii() and statement != statement.encode("utf-8", "replace").decode():
        raise ConfigError(f"the statement {printable(statement)} is no UTF-8 text", code="CONFIG_FIELD")
    place = place_of(url)
    if isinstance(place, SqliteFile):
        return _ask_sqlite(place.path, statement, limit, seconds)
    return _ask_postgresql(place, statement, limit, seconds)


def _ask_sqlite(path: Path, statement: str, limit: int, seconds: float) -> QueryAnswer:
    demand_file(path)
    with closing(_read_only(path)) as connection:
        ends = time.monotonic() + seconds
        connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        with _sqlite_refusals(path, statement):
            cursor = connection.execute(statement)
            columns = tuple(str(part[0]) for part in cursor.description or ())
            rows = cursor.fetchmany(limit + 1)
    return _answer(columns, rows, limit, statement)


def _read_only(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    connection = sqlite3.connect(address, uri=True, timeout=SECONDS, isolation_level=None)
    try:
        with translate_errors(str(path)):
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except StoreError as error:
        connection.close()
        if error.code != "STORE_READ_ONLY":
            raise
        _roll_back(path)
        connection = sqlite3.connect(address, uri=True, timeout=SECONDS, isolation_level=None)
    connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
    connection.execute("PRAGMA query_only=ON")
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST)
    connection.set_authorizer(_may)
    return connection


def _roll_back(path: Path) -> None:
    """A killed writer's journal is rolled back by whoever opens the file to write; a reader may not."""
    with closing(sqlite3.connect(path, timeout=SECONDS)) as writable, translate_errors(str(path)):
        writable.execute("SELECT 1 FROM sqlite_master").fetchone()


def _may(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    reads = action in _READS
    calls = action == sqlite3.SQLITE_FUNCTION and (second or "").lower() not in _UNSAFE
    looks = action == sqlite3.SQLITE_PRAGMA and (first or "").lower() in _PRAGMAS
    return sqlite3.SQLITE_OK if reads or calls or looks else sqlite3.SQLITE_DENY


@contextmanager
def _sqlite_refusals(path: Path, statement: str) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise _told_by_sqlite(error, path, statement) from error


def _told_by_sqlite(error: Exception, path: Path, statement: str) -> StoreError:
    text, name = str(error), getattr(error, "sqlite_errorname", "")
    if "no such table: " in text:
        return _no_relation(text.split("no such table: ", 1)[1])
    if "not authorized" in text or "prohibited" in text or name.startswith(("SQLITE_AUTH", "SQLITE_READONLY")):
        return _reads_only(statement, text)
    if name == "SQLITE_INTERRUPT":
        return _too_long(statement)
    document = None if name in ("SQLITE_ERROR", "") else store_error(error, str(path))
    return document or _unreadable(statement, text)


def _ask_postgresql(place: PostgresDatabase, statement: str, limit: int, seconds: float) -> QueryAnswer:
    engine = place.engine(SECONDS)
    try:
        # Not the bare driver's connection: what that raises as it connects nobody translates.
        with translate_errors(place.where, away="STORE_OPEN"), engine.connect() as holding:
            connection: Any = holding.connection.driver_connection
            with _postgresql_refusals(place, statement), suppress(_Undone), connection.transaction():
                for setting in _settings(connection, seconds):
                    connection.execute(setting)
                # DECLARE takes one reading statement and nothing else.
                with connection.cursor(name="assay_sql") as cursor:
                    cursor.execute(statement)
                    columns = tuple(str(part.name) for part in cursor.description or ())
                    rows = cursor.fetchmany(limit + 1)
                raise _Undone
    finally:
        engine.dispose()
    return _answer(columns, rows, limit, statement)


class _Undone(Exception):
    """The transaction is rolled back whatever the statement did."""


def _settings(connection: Any, seconds: float) -> list[str]:
    settings = ["SET TRANSACTION READ ONLY", f"SET LOCAL statement_timeout = {round(seconds * 1000)}"]
    above = connection.execute("SELECT current_setting('is_superuser')").fetchone()[0] == "on"
    # A superuser could read the server's files and run its programs; this role reads tables alone.
    return [*settings, *(["SET LOCAL ROLE pg_read_all_data"] if above else [])]


@contextmanager
def _postgresql_refusals(place: PostgresDatabase, statement: str) -> Iterator[None]:
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        state, text = error.sqlstate or "", (str(error).splitlines() or [""])[0]
        if state == "42P01":
            raise _no_relation(text.removeprefix("relation ").split('"')[1] if '"' in text else text) from error
        if state in ("25006", "42501", "0A000", "25001"):
            raise _reads_only(statement, text) from error
        if state == "57014":
            raise _too_long(statement) from error
        if state.startswith(("42", "22", "21", "54", "2F", "34")):
            raise (_reads_only if _is_writing(statement, state) else _unreadable)(statement, text) from error
        raise store_error(error, place.where) or _unreadable(statement, text) from error


def _is_writing(statement: str, state: str) -> bool:
    """Whether a cursor did not take it because it is no reading statement."""
    return state == "42601" and statement.split()[0].lower() in _WRITING


def _answer(columns: tuple[str, ...], rows: list[tuple[object, ...]], limit: int, statement: str) -> QueryAnswer:
    if not columns:
        raise _reads_only(statement, "it has no answer")
    return QueryAnswer(columns, tuple(tuple(row) for row in rows[:limit]), len(rows) > limit)


def _no_relation(name: str) -> StoreError:
    return StoreError(
        f"the record has no table or view {printable(name)}",
        code="STORE_NOT_FOUND",
        hint="The names stand in the reference: experiments, models, trials, …",
        relation=name,
    )


def _reads_only(statement: str, reason: str) -> StoreError:
    return StoreError(
        f"{printable(statement)} does more than read: {reason}", code="STORE_READ_ONLY", hint="Write one SELECT."
    )


def _unreadable(statement: str, reason: str) -> StoreError:
    return StoreError(f"{printable(statement)}: {reason}", code="STORE_VALUE", hint="Write one SELECT.")


def _too_long(statement: str) -> StoreError:
    return StoreError(
        f"{printable(statement)} took longer than {SECONDS:g} s",
        code="STORE_BUSY",
        hint="Ask for less, by WHERE or LIMIT.",
    )
