"""One database behind the record: transactions, and its errors in our words."""

import os
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.track.db_errors import translate_errors
from assay.track.postgres import SCHEMES, PostgresDatabase
from assay.track.schema.migrate import lay
from assay.track.sqlite import SqliteFile, restore_hint

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


def insert_new(connection: sa.Connection, table: sa.Table, values: Mapping[str, Any]) -> bool:
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
