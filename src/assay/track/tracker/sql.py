"""SQL of the caller's own on the record."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.track.rows import Row, rows, scalar
from assay.track.schema import configuration_tables, ledger_tables, model_tables, run_tables, service
from assay.track.schema.column_types import RECORD, Bool, Instant, Json
from assay.track.tracker.session import TrackingClient

_LAID = (configuration_tables, ledger_tables, model_tables, run_tables, service)  # importing them fills RECORD
Params = Sequence[Any]


class Statements:
    """An open transaction that takes SQL with ``?`` placeholders, on SQLite and PostgreSQL alike."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def execute(self, query: str, params: Params = ()) -> "sa.CursorResult[Any]":
        """The result as the database gives it: iterate it, or ``fetchone``, ``fetchall``, ``rowcount``.

        Values are bound, never pasted. StoreError ``STORE_VALUE`` for SQL that the database cannot read.
        """
        if not isinstance(query, str) or isinstance(params, str | bytes | Mapping):
            raise StoreError("a query is a text, its params a list or tuple", code="STORE_VALUE")
        sqlite = self._connection.dialect.name == "sqlite"
        values = tuple(scalar(value) for value in params)
        try:
            return self._connection.exec_driver_sql(query if sqlite else _percented(query), values)
        except (sa.exc.OperationalError, sa.exc.ProgrammingError) as error:
            if getattr(error.orig, "sqlite_errorname", "SQLITE_ERROR") not in ("SQLITE_ERROR", "SQLITE_MISUSE"):
                raise  # busy, full, damaged: the record says that in its own words
            raise StoreError(f"{printable(query)}: {error.orig}", code="STORE_VALUE") from error


class MLDatabase(TrackingClient):
    """The record as a database. What can be read by name is better read by name: these statements know no rules."""

    @contextmanager
    def get_connection(self) -> Iterator[Statements]:
        """One transaction: committed when the block ends, rolled back when it raises."""
        with self.record.database.write() as connection:
            yield Statements(connection)

    def execute_query(self, query: str, params: Params = ()) -> list[Row]:
        """All rows as dicts; columns that bear a name of the record come back as everywhere (times, JSON, bools)."""
        with self.record.database.read() as connection:
            return [_decoded(row) for row in rows(Statements(connection).execute(query, params))]

    def execute_update(self, query: str, params: Params = ()) -> int:
        """Run one statement in a transaction of its own; the id of the last row that it inserted, else 0."""
        with self.get_connection() as statements:
            result = statements.execute(query, params)
            if query.lstrip()[:6].upper() != "INSERT" or result.rowcount < 1:
                return 0
            return int(result.lastrowid or 0) if result.dialect.name == "sqlite" else _last_id(statements)


def _last_id(statements: Statements) -> int:
    return int(statements.execute("SELECT lastval()").scalar_one())


def _percented(query: str) -> str:
    """``?`` outside quotes as ``%s``, and ``%`` doubled, as psycopg reads them."""
    parts, quote = [], ""
    for char in query:
        if quote or char in "'\"":
            quote = "" if char == quote else quote or char
        parts.append("%s" if char == "?" and not quote else "%%" if char == "%" else char)
    return "".join(parts)


def _kinds() -> dict[str, sa.types.TypeDecorator[Any]]:
    """Column names whose kind is the same in every table that has them."""
    result: dict[str, set[type[Any]]] = {}
    for table in RECORD.tables.values():
        for column in table.columns:
            result.setdefault(column.name, set()).add(type(column.type))
    made = {name: kinds.pop() for name, kinds in result.items() if len(kinds) == 1}
    return {name: kind() for name, kind in made.items() if kind in (Bool, Instant, Json)}


_KINDS = _kinds()
_SQLITE = sa.make_url("sqlite://").get_dialect()()


def _decoded(row: Mapping[str, Any]) -> Row:
    return {name: _value(_KINDS.get(name), value) for name, value in row.items()}


def _value(kind: "sa.types.TypeDecorator[Any] | None", value: Any) -> Any:
    if kind is None or not isinstance(value, str | int) or (isinstance(kind, Instant) and not isinstance(value, str)):
        return value
    try:
        return kind.process_result_value(value, _SQLITE)
    except (ValueError, StoreError):  # the caller's own expression under a name of ours
        return value
