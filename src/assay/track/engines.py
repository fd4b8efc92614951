"""SQLAlchemy engines for SQLite and PostgreSQL, set up as the record needs them."""

import json
import os
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError
from assay.track.codecs import teach

SCHEMES = ("postgresql", "postgresql+psycopg")
LOCK_SECONDS = 5.0
_SHAPE = "Write postgresql://user:password@host:5432/database."
_CONNECT_SECONDS = 10
_THREADS = 32  # more than that at once wait for a connection


class PostgresDatabase:
    """A database on a server. The database must be there; its tables are laid when it is empty."""

    dialect: Literal["postgresql"] = "postgresql"
    one_writer = False

    def __init__(self, url: str) -> None:
        self._url = _url(url)
        self.path = self.where = self._url.set(drivername="postgresql", query={}).render_as_string()

    @property
    def url(self) -> sa.URL:
        """The whole address, its password with it: for connecting, never for telling."""
        return self._url

    def engine(self, busy_seconds: float) -> sa.Engine:
        """Connections in UTC whose statements wait for locks `busy_seconds`, at most 5 s, and run 30 s at most.

        ConfigError ``CONFIG_EXTRA`` without the driver. Nothing is connected yet.
        """
        waits = {} if "connect_timeout" in self._url.query else {"connect_timeout": _CONNECT_SECONDS}
        try:
            engine = sa.create_engine(
                self._url,
                isolation_level="READ COMMITTED",
                json_serializer=jsonb_text,
                use_native_hstore=False,
                pool_pre_ping=True,
                pool_size=8,
                max_overflow=_THREADS - 8,
                connect_args=waits,
            )
        except ImportError as error:
            raise ConfigError(
                "a record on PostgreSQL needs the driver psycopg, which is not installed",
                code="CONFIG_EXTRA",
                hint="pip install 'assay[postgres]'",
            ) from error
        lock_ms = max(1, round(min(busy_seconds, LOCK_SECONDS) * 1000))
        sa.event.listen(engine, "connect", lambda connection, _: _prepare_postgresql(connection, lock_ms))
        return engine

    def reader(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that only read, and see one state from their first statement on."""
        return engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    def writer(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that write; what they decide upon they lock."""
        return engine

    def damage(self, connection: sa.Connection) -> str:
        """Nothing: the server checks its pages itself, as it reads them."""
        return ""


def _url(text: str) -> sa.URL:
    scheme = text.split("://", 1)[0]
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            f"a record at {scheme}://… cannot be opened: that is no address", code="CONFIG_RECORD_URL", hint=_SHAPE
        ) from None
    if not url.database:
        raise ConfigError(
            f"a record at {scheme}://… cannot be opened: it names no database", code="CONFIG_RECORD_URL", hint=_SHAPE
        )
    return url.set(drivername="postgresql+psycopg")


def _prepare_postgresql(connection: Any, lock_ms: int) -> None:
    connection.autocommit = True  # a setting made in a transaction goes when that is rolled back
    connection.execute(
        f"SET timezone = 'UTC'; SET lock_timeout = {lock_ms}; SET statement_timeout = '30s'; "
        "SET idle_in_transaction_session_timeout = '30s'"
    )
    connection.autocommit = False


def jsonb_text(value: object) -> str:
    """JSON text from which JSONB gives the same numbers back.

    JSONB keeps numbers as decimals: 1e+16 would come back as an integer. Written out with its ``.0`` it stays a float.

    >>> jsonb_text({"a": [1e16, 1, "1e+16", 0.1]})
    '{"a":[10000000000000000.0,1,"1e+16",0.1]}'
    """
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text if "e+" not in text else _spelled(value)


def _spelled(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_spelled(k)}:{_spelled(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_spelled, value)) + "]"
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return f"{Decimal(text):f}.0" if isinstance(value, float) and "e+" in text else text


_CACHE_KIB = (
    16 * 1024
)  # a look into the points of a run is a page; with the usual 2 MiB a thousand looks come from files
_WAL_SAFE = (3, 51, 3)  # before it a WAL reset could corrupt the file


class SqliteFile:
    """The file, made with its folder when it is not there.

    One that is there and may not be written, or whose folder may not, is opened to be read.
    """

    dialect: Literal["sqlite"] = "sqlite"
    one_writer = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self.where = str(path)

    def engine(self, busy_seconds: float) -> sa.Engine:
        """Connections that wait `busy_seconds` for other processes.

        StoreError ``STORE_OPEN`` for a place where no file can be.
        """
        _check_place(self.path)
        url = sa.URL.create("sqlite", database=str(self.path))
        if self.path.exists() and not _writable(self.path):
            engine = sa.create_engine(url, creator=lambda: _read_only(self.path, busy_seconds))
        else:
            engine = sa.create_engine(url, connect_args={"timeout": busy_seconds, "check_same_thread": False})
            sa.event.listen(engine, "connect", _keep_journal)
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin)
        return engine

    def reader(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that only read."""
        return engine

    def writer(self, engine: sa.Engine) -> sa.Engine:
        """For transactions that hold the file from their start."""
        return engine.execution_options(begin="IMMEDIATE")

    def damage(self, connection: sa.Connection) -> str:
        """What SQLite finds wrong with the file, or nothing."""
        result = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA quick_check(5)")]
        return "" if result == ["ok"] else "; ".join(result)


def notes_of(record: Path) -> Path:
    """Where the backups of a record are noted, a JSON line each: beside it, for when it cannot be read."""
    return record.with_name(record.name + ".backups")


def newest_backup(record: Path) -> Path | None:
    """The newest backup that was made here and is still where it was made."""
    try:
        lines = notes_of(record).read_text(encoding="utf-8").splitlines()
        available = [Path(json.loads(line)["file"]) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):  # no notes, or nobody's
        return None
    return next((path for path in reversed(available) if path.is_file()), None)


def restore_hint(record: Path) -> str:
    """What to do about a damaged file: the newest backup by name, where one is known."""
    available = newest_backup(record)
    return f"Restore {available or 'the newest backup'}; do not write to this file."


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise StoreError(f"record {path} is a folder, not a file", code="STORE_OPEN", hint="Name a file inside it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the record's folder {path.parent} cannot be made: {error.strerror}", code="STORE_OPEN"
        ) from error


def _prepare_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    connection.execute("PRAGMA foreign_keys=ON")
    if connection.execute("PRAGMA foreign_keys").fetchone() != (1,):
        raise StoreError("this SQLite was built without foreign keys", code="STORE_OPEN")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA mmap_size=0")
    connection.execute(f"PRAGMA cache_size=-{_CACHE_KIB}")
    teach(connection)


def _keep_journal(connection: sqlite3.Connection, _: object) -> None:
    wanted = "wal" if sqlite3.sqlite_version_info >= _WAL_SAFE else "delete"
    if connection.execute("PRAGMA journal_mode").fetchone() != (wanted,):
        connection.execute(f"PRAGMA journal_mode={wanted}")


def _writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)  # a writer lays its journal beside the file


def _read_only(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A write-ahead log needs a file of shared memory, which nobody can lay here: without a log none is needed."""
    with path.open("rb") as file:
        log = file.read(20)[18:] == b"\x02\x02"
    unchanging = log and not path.with_name(path.name + "-wal").exists()
    address = f"file:{quote(str(path.absolute()))}?mode=ro" + ("&immutable=1" if unchanging else "")
    return sqlite3.connect(address, uri=True, timeout=busy_seconds, check_same_thread=False)


def _begin(connection: sa.Connection) -> None:
    options = connection.get_execution_options()
    # The pragma does nothing inside a transaction, so it is set before each one begins.
    connection.exec_driver_sql(f"PRAGMA foreign_keys={options.get('foreign_keys', 'ON')}")
    connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")
