"""The database behind the record: transactions, retries, rows, the outbox, and driver errors as typed ones."""

import math
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import wraps
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.track.engines import SCHEMES, PostgresDatabase, SqliteFile, restore_hint
from assay.track.schema.migrate import lay
from assay.track.schema.service import OUTBOX

_BY_NAME: tuple[tuple[str, str, str, str], ...] = (
    ("SQLITE_BUSY", "STORE_BUSY", "is locked by another process", "Try again; find who holds the file open."),
    ("SQLITE_LOCKED", "STORE_BUSY", "is locked by another connection", "Try again."),
    ("SQLITE_FULL", "STORE_FULL", "cannot grow: the disk is full", "Free some space; nothing was written."),
    ("SQLITE_READONLY", "STORE_READ_ONLY", "may not be written", "Check the rights of the file and of its folder."),
    ("SQLITE_NOTADB", "STORE_CORRUPT", "is no SQLite database", "Name the record's file, or restore a backup."),
    ("SQLITE_CORRUPT", "STORE_CORRUPT", "is damaged", "Restore the newest backup; do not write to this file."),
    ("SQLITE_CANTOPEN", "STORE_OPEN", "cannot be opened", "Check that its folder exists and may be read and written."),
    ("SQLITE_IOERR", "STORE_IO", "cannot be read or written: the disk fails", "Check the disk."),
    ("SQLITE_CONSTRAINT_UNIQUE", "STORE_CONFLICT", "already holds such a row", ""),
    ("SQLITE_CONSTRAINT_PRIMARYKEY", "STORE_CONFLICT", "already holds such a row", ""),
    ("SQLITE_CONSTRAINT_FOREIGNKEY", "STORE_NOT_FOUND", "has no row that this one points to", ""),
    ("SQLITE_CONSTRAINT_TRIGGER", "STORE_APPEND_ONLY", "does not change what was counted", ""),
    ("SQLITE_CONSTRAINT", "STORE_VALUE", "refuses a value", ""),
)


# By the beginning of PostgreSQL's SQLSTATE; the first that fits.
_BY_STATE: tuple[tuple[str, str, str, str], ...] = (
    ("55P03", "STORE_BUSY", "is locked by another transaction", "Try again; find who holds the lock."),
    ("40", "STORE_BUSY", "was changed by another transaction at the same time", "Try again; nothing was written."),
    ("57014", "STORE_BUSY", "took longer than a statement may take", "Try again; find what slows the server."),
    ("25P03", "STORE_BUSY", "ended a transaction that stood idle", "Try again; nothing was written."),
    ("53100", "STORE_FULL", "cannot grow: the disk is full", "Free some space; nothing was written."),
    ("53", "STORE_BUSY", "has no room for this now", "Try again; look at the server's limits."),
    ("57P", "STORE_BUSY", "is shutting down or starting", "Try again when the server runs."),
    ("08", "STORE_BUSY", "does not answer", "Try again; see that the server runs."),
    ("25006", "STORE_READ_ONLY", "may not be written", "Views are read only; so is a standby server."),
    ("42501", "STORE_READ_ONLY", "may not be used so by this user", "Grant the user rights on the record's tables."),
    ("XX001", "STORE_CORRUPT", "is damaged", "Restore the newest backup; do not write to this database."),
    ("XX002", "STORE_CORRUPT", "is damaged", "Restore the newest backup; do not write to this database."),
    ("58030", "STORE_IO", "cannot be read or written: the disk fails", "Check the server's disk."),
    ("23505", "STORE_CONFLICT", "already holds such a row", ""),
    ("23503", "STORE_NOT_FOUND", "has no row that this one points to", ""),
    ("23001", "STORE_NOT_FOUND", "has rows that point to this one", ""),
    ("23", "STORE_VALUE", "refuses a value", ""),
    ("22", "STORE_VALUE", "refuses a value", ""),
    ("428C9", "STORE_VALUE", "refuses a value", ""),
)


_UNDONE = ("40001", "40P01")  # the whole transaction, for the sake of another: it may be done again


@contextmanager
def translate_errors(where: str, *, away: str = "STORE_BUSY") -> Iterator[None]:
    """Turn the database's errors into StoreError, naming the record `where` and keeping its own text as ``reason``.

    ``STORE_BUSY _FULL _READ_ONLY _CORRUPT _OPEN _IO _CONFLICT _NOT_FOUND _APPEND_ONLY _VALUE``; anything else is a
    fault of ours and passes through. away: the code for a server that cannot be reached.
    """
    try:
        yield
    except sa.exc.StatementError as error:
        if isinstance(error.orig, StoreError):  # a column's type refused the value before the database saw it
            raise error.orig from None
        document = store_error(error.orig, where, away=away)
        if document is None:
            raise
        raise document from error
    except sqlite3.Error as error:
        document = store_error(error, where)
        if document is None:
            raise
        raise document from error
    except sa.exc.TimeoutError as error:
        raise StoreError(f"record {where} has no connection free", code="STORE_BUSY", hint="Try again.") from error
    except (OverflowError, UnicodeEncodeError) as error:  # the driver's words for what the database cannot hold
        raise StoreError(f"record {where} cannot hold a value: {error}", code="STORE_VALUE") from error


def store_error(error: BaseException | None, where: str, *, away: str = "STORE_BUSY") -> StoreError | None:
    """The StoreError for an error of SQLite or psycopg, or None where the house has no word for it."""
    if type(error).__module__.startswith("psycopg"):
        return _of_postgres(error, where, away)
    name = getattr(error, "sqlite_errorname", "")
    for prefix, code, text, hint in _BY_NAME:
        if name.startswith(prefix):
            hint = restore_hint(Path(where)) if code == "STORE_CORRUPT" else hint
            return StoreError(f"record {where} {text} ({error})", code=code, hint=hint, reason=str(error), path=where)
    return None


def _of_postgres(error: BaseException | None, where: str, away: str) -> StoreError | None:
    reason = (str(error).splitlines() or [""])[0]
    state = getattr(error, "sqlstate", None)
    if state is None:  # the driver's own: it could not send the value, or it lost the server
        if type(error).__name__ == "DataError":
            return StoreError(f"record {where} cannot hold a value: {reason}", code="STORE_VALUE", reason=reason)
        hint = "See that the server runs, and that the address, the user and the password are right."
        return StoreError(f"record {where} cannot be reached ({reason})", code=away, hint=hint, reason=reason)
    if state == "25006" and "append-only" in reason:
        return StoreError(f"record {where} does not change what was counted ({reason})", code="STORE_APPEND_ONLY")
    for prefix, code, text, hint in _BY_STATE:
        if state.startswith(prefix):
            facts = {"undone": True} if state in _UNDONE else {}
            return StoreError(
                f"record {where} {text} ({reason})", code=code, hint=hint, reason=reason, path=where, **facts
            )
    return None


BUSY_SECONDS = 30.0


class Database:
    """Transactions on one database. Threads may share it; a process forked from its owner may not.

    place: a SQLite file, made with its folder when it is not there, or a PostgreSQL database; an empty one is laid with
    the record's tables.   tells: topics of the outbox that somebody listens to.
    """

    def __init__(
        self,
        place: Path | SqliteFile | PostgresDatabase,
        *,
        busy_seconds: float = BUSY_SECONDS,
        tells: Collection[str] = (),
    ) -> None:
        self._place = SqliteFile(place) if isinstance(place, Path) else place
        self.path: Path | str = self._place.path  # the file, or the address without its password
        self.where = self._place.where
        self.dialect: Literal["sqlite", "postgresql"] = self._place.dialect
        self._pid = os.getpid()
        self._here = _Here()
        self._writing: AbstractContextManager[object] = threading.RLock() if self._place.one_writer else nullcontext()
        self._engine = self._place.engine(busy_seconds).execution_options(tells=frozenset(tells))
        self._reader, self._writer = self._place.reader(self._engine), self._place.writer(self._engine)
        try:
            with translate_errors(self.where, away="STORE_OPEN"):
                self.schema_version = lay(self._engine)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the record; inside `write` the same thread reads its own writes."""
        self._check_owner()
        with translate_errors(self.where):
            if self._here.connection is not None:
                yield self._here.connection
                return
            with self._reader.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction: all of it is on disk afterwards, or nothing is.

        On SQLite it holds the whole file from its start. On PostgreSQL (READ COMMITTED) others write beside it: lock
        what you decide upon, by `hold` or ``with_for_update``. A `write` inside a `write` of the same thread joins it;
        when it fails, it alone is undone unless the error goes on. Waits up to `busy_seconds` for others.
        """
        self._check_owner()
        with self._writing, translate_errors(self.where):
            if self._here.connection is not None:
                with self._here.connection.begin_nested():
                    yield self._here.connection
                return
            with self._writer.connect() as connection, connection.begin():
                self._here.connection = connection
                try:
                    yield connection
                finally:
                    self._here.connection = None

    @contextmanager
    def session(self) -> Iterator[sa.Connection]:
        """A connection in which no transaction stands open between statements: for locks that outlast one."""
        self._check_owner()
        with translate_errors(self.where), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def writing(self) -> bool:
        """Whether this thread is inside a `write`."""
        return self._here.connection is not None

    def quick_check(self) -> None:
        """Raise ``STORE_CORRUPT`` if SQLite finds the file damaged. Reads the whole file; nothing on PostgreSQL."""
        with self.read() as connection:
            damage = self._place.damage(connection)
        if damage:
            raise StoreError(
                f"record {self.where} is damaged: {damage}",
                code="STORE_CORRUPT",
                hint=restore_hint(Path(self.path)),
            )

    def close(self) -> None:
        """Give the connections back. Using it again opens new ones."""
        self._engine.dispose()

    def _check_owner(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"record {self.where} was opened by process {self._pid} and is used by its fork {os.getpid()}",
                code="STORE_FORKED",
                hint="Open the record again in the new process.",
            )


class _Here(threading.local):
    """The transaction that this thread writes in."""

    connection: sa.Connection | None = None


def hold(connection: sa.Connection, key: str) -> None:
    """Wait until no other writing transaction holds the key, and hold it to the end of this one.

    On SQLite there is nothing to do: a writing transaction holds all.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(key, 0))))


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, object]) -> bool:
    """Insert the row unless one with its key is there already; whether it was inserted."""
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(table).values(dict(values)).on_conflict_do_nothing().returning(sa.literal(1))
    return connection.execute(statement).first() is not None


def place_of(url: str | os.PathLike[str]) -> SqliteFile | PostgresDatabase:
    """What ``sqlite:///path``, a plain path or ``postgresql://…`` names; else ConfigError ``CONFIG_RECORD_URL``."""
    text = os.fspath(url)
    if text.split("://", 1)[0] in SCHEMES and "://" in text:
        return PostgresDatabase(text)
    return SqliteFile(database_path(text))


def database_path(url: str | os.PathLike[str]) -> Path:
    """The file of ``sqlite:///path`` or of a plain path; anything else is ConfigError ``CONFIG_RECORD_URL``."""
    text = os.fspath(url)
    if "://" not in text:
        return Path(text)
    scheme, rest = text.split("://", 1)
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        raise ConfigError(
            f"a record at {printable(scheme + '://…')} cannot be opened; Assay opens sqlite:///path, plain paths and "
            "postgresql://…",
            code="CONFIG_RECORD_URL",
            hint="Write sqlite:///relative/path, sqlite:////absolute/path, just the path, or "
            "postgresql://user:password@host:5432/database.",
        )
    return Path(rest[1:])


TRIES = 5
_PAUSE_SECONDS = 0.02
_P = ParamSpec("_P")
_T = TypeVar("_T")


def again(database: Database, work: Callable[[], _T]) -> _T:
    """What `work` gives, which writes one transaction from its beginning to its end.

    Where PostgreSQL undoes it for a deadlock or a serialization failure (40P01, 40001), it is done again after a random
    pause, 5 tries in all; then StoreError ``STORE_BUSY``. Inside a transaction that was begun outside of `work` there
    is one try: all of that is undone, and whoever began it decides.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return work()
        except StoreError as error:
            if not error.facts.get("undone") or database.writing or attempt == TRIES:
                raise
        time.sleep(random.uniform(0.5, 1.0) * _PAUSE_SECONDS * 2**attempt)
    raise AssertionError  # the last try has returned or raised


def writes(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """`again` for a method of an object that keeps its record as ``_database``."""

    @wraps(method)
    def trying(*value: _P.args, **named: _P.kwargs) -> _T:
        holding: Any = value[0]
        return again(holding._database, lambda: method(*value, **named))

    return trying


Row = dict[str, Any]


def rows(result: sa.CursorResult[Any]) -> list[Row]:
    """All rows, keyed by column name."""
    names = tuple(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result.all()]


def nan_for_null(row: Row, names: Iterable[str]) -> Row:
    """The row itself, NaN now where one of these columns was NULL: undefined numbers compare and print as numbers."""
    for name in names:
        if row[name] is None:
            row[name] = math.nan
    return row


def number(value: object, what: str) -> float:
    """A float from a number of Python or numpy, or a 0-d tensor; anything else is StoreError ``STORE_VALUE``."""
    if not isinstance(value, str | bytes) and hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            pass
    raise StoreError(
        f"{what} is {printable(value)} ({type(value).__name__}), not a number", code="STORE_VALUE", field=what
    )


def finite_or_none(value: object, what: str) -> float | None:
    """`number`, with None for None, NaN and infinities: in the record undefined is NULL."""
    result = math.nan if value is None else number(value, what)
    return result if math.isfinite(result) else None


def scalar(value: object) -> object:
    """A numpy scalar as Python's; everything else as it is."""
    return value.item() if isinstance(value, np.generic) else value


def not_found(kind: str, request: object, text: str) -> StoreError:
    """``STORE_NOT_FOUND`` that says what there is instead."""
    return StoreError(
        f"there is no {kind} {printable(request)}; {text}", code="STORE_NOT_FOUND", asked=printable(request)
    )


def check_fields(values: Mapping[str, object], table: sa.Table) -> Row:
    """The given columns with numpy scalars unwrapped; an unknown one is StoreError ``STORE_VALUE``."""
    unknown = sorted(set(values) - set(table.columns.keys()))
    if unknown:
        raise StoreError(f"{table.name} has no column {', '.join(unknown)}", code="STORE_VALUE")
    return {name: scalar(value) for name, value in values.items()}


MLFLOW = "mlflow"


def enqueue(connection: sa.Connection, kind: str, key: str, **facts: object) -> None:
    """Leave word for the mirror in this very transaction; of one `key` once.

    Nothing is written by a record that was not opened to tell the mirror (`assay.track.tracking_store.open_store`,
    ``tells``). kind: ``run`` with ``run_id``; ``model`` with ``id``; ``alias`` with the four parts of the post,
    ``alias`` and
          ``model_id``.
    The word says that something changed; who delivers it reads what holds by then.
    """
    if MLFLOW not in connection.get_execution_options().get("tells", ()):
        return
    row = {"topic": MLFLOW, "dedup_key": f"{kind}:{key}", "payload": facts | {"kind": kind}}
    insert_new(connection, OUTBOX, row)
