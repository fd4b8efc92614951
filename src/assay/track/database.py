"""One database behind the record: connections as the spec wants them, transactions, and its errors in our words."""

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, shown
from assay.track.faults import speaking
from assay.track.schema.migrate import upgrade

BUSY_SECONDS = 30.0
_WAL_SAFE = (3, 51, 3)  # before it a WAL reset could corrupt the file


class Database:
    """Transactions on one SQLite file. Threads may share it; a process forked from its owner may not.

    path: the file; made with its folder, and laid with the record's tables, when it is not there.
    """

    def __init__(self, path: Path, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self.path = path
        self._pid = os.getpid()
        self._writing = threading.RLock()
        self._open: sa.Connection | None = None
        _check_place(path)
        self._engine = _engine(path, busy_seconds)
        with speaking(str(path)):
            self.schema_version = upgrade(self._engine)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that sees one state of the record; inside `write` the same thread reads its own writes."""
        self._check_owner()
        with speaking(str(self.path)):
            if self._open is not None and self._writing.acquire(blocking=False):
                try:
                    if self._open is not None:
                        yield self._open
                        return
                finally:
                    self._writing.release()
            with self._engine.connect() as connection, connection.begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction, locked from its start: all of it is on disk afterwards, or nothing is.

        A `write` inside a `write` of the same thread joins it; when it fails, it alone is undone unless the error goes
        on. Waits up to `busy_seconds` for other processes.
        """
        self._check_owner()
        with self._writing, speaking(str(self.path)):
            if self._open is not None:
                with self._open.begin_nested():
                    yield self._open
                return
            with self._engine.execution_options(begin="IMMEDIATE").connect() as connection, connection.begin():
                self._open = connection
                try:
                    yield connection
                finally:
                    self._open = None

    def quick_check(self) -> None:
        """Raise ``STORE_CORRUPT`` if SQLite finds the file damaged. Reads the whole file."""
        with self.read() as connection:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
        if found != ["ok"]:
            raise StoreError(
                f"record {self.path} is damaged: {'; '.join(found)}",
                code="STORE_CORRUPT",
                hint="Restore the newest backup; do not write to this file.",
            )

    def close(self) -> None:
        """Give the connections back. Using it again opens new ones."""
        self._engine.dispose()

    def _check_owner(self) -> None:
        if os.getpid() != self._pid:
            raise StoreError(
                f"record {self.path} was opened by process {self._pid} and is used by its fork {os.getpid()}",
                code="STORE_FORKED",
                hint="Open the record again in the new process.",
            )


def database_path(url: str | os.PathLike[str]) -> Path:
    """The file of ``sqlite:///path`` or of a plain path; anything else is ConfigError ``CONFIG_RECORD_URL``."""
    text = os.fspath(url)
    if "://" not in text:
        return Path(text)
    scheme, rest = text.split("://", 1)
    if scheme != "sqlite" or not rest.startswith("/") or rest == "/":
        raise ConfigError(
            f"a record at {shown(scheme + '://…')} cannot be opened; Assay opens sqlite:///path and plain paths",
            code="CONFIG_RECORD_URL",
            hint="Write sqlite:///relative/path, sqlite:////absolute/path, or just the path.",
        )
    return Path(rest[1:])


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"record {path} is a folder, not a file", code="STORE_OPEN", hint="Name a file inside it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the record's folder {path.parent} cannot be made: {error.strerror}", code="STORE_OPEN"
        ) from error


def _engine(path: Path, busy_seconds: float) -> sa.Engine:
    url = sa.URL.create("sqlite", database=str(path))
    engine = sa.create_engine(url, connect_args={"timeout": busy_seconds, "check_same_thread": False})
    sa.event.listen(engine, "connect", _prepare)
    sa.event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    connection.execute("PRAGMA foreign_keys=ON")
    if connection.execute("PRAGMA foreign_keys").fetchone() != (1,):
        raise StoreError("this SQLite was built without foreign keys", code="STORE_OPEN")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA mmap_size=0")
    wanted = "wal" if sqlite3.sqlite_version_info >= _WAL_SAFE else "delete"
    if connection.execute("PRAGMA journal_mode").fetchone() != (wanted,):
        connection.execute(f"PRAGMA journal_mode={wanted}")


def _begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    # The pragma does nothing inside a transaction, so it is set before each one begins.
    connection.exec_driver_sql(f"PRAGMA foreign_keys={options.get('foreign_keys', 'ON')}")
    connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")
