"""Back up and restore a record while others write: SQLite copies and PostgreSQL dumps."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.timeframe import current_ms, iso
from assay.track.database import BUSY_SECONDS, place_of, translate_errors
from assay.track.engines import PostgresDatabase, SqliteFile, notes_of
from assay.track.schema.migrate import timescale

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """path: of the copy.   bytes: its size.   rows: of each table in it.   seconds: that it took."""

    path: Path
    bytes: int
    rows: Mapping[str, int]
    seconds: float


def backup_store(url: str | os.PathLike[str], file: Path) -> Backup:
    """Copy the record at `url` to a new `file`: one state of it, checked, under its name only when it is whole.

    SQLite: a database of its own by SQLite's backup interface, then ``integrity_check``; writers wait while it is
    counted and copied, not while it is checked. PostgreSQL: ``pg_dump -Fc`` of one snapshot, read back whole; nobody
    waits. Model files, snapshots and candles are no part of it.

    StoreError ``STORE_PATH`` where `file` is already or cannot be written, ``STORE_NOT_FOUND`` without a record,
    ``STORE_BACKUP`` for a copy that does not hold, ``STORE_BUSY _FULL _CORRUPT``; ConfigError ``CONFIG_EXTRA``
    without pg_dump.
    """
    began = time.monotonic()
    place = place_of(url)
    with _new(file) as partial:
        if isinstance(place, SqliteFile):
            rows = copy_sqlite(place.path, partial)
        else:
            with translate_errors(place.where, away="STORE_OPEN"):
                rows = dump(place, partial)
    made = Backup(file, file.stat().st_size, rows, time.monotonic() - began)
    if isinstance(place, SqliteFile):
        _note(place.path, made)
    return made


def copy_sqlite(source: Path, target: Path, *, busy_seconds: float = BUSY_SECONDS) -> dict[str, int]:
    """One state of the file at `source` as a database of its own; the rows of each table. Errors as `backup_store`."""
    demand_file(source)
    address = f"file:{quote(str(source.absolute()))}?mode=rw"  # what a killed writer left behind is rolled back
    with (
        translate_errors(str(source)),
        closing(sqlite3.connect(address, uri=True, timeout=busy_seconds, isolation_level=None)) as holding,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        holding.execute("PRAGMA query_only=ON")
        holding.execute("BEGIN")
        counted = _counts(holding)
        holding.backup(copy)
        holding.execute("COMMIT")
        copy.execute("PRAGMA journal_mode=DELETE")
        _demand_good(copy, counted, target)
    return counted


def demand_file(path: Path) -> None:
    """StoreError ``STORE_NOT_FOUND`` unless there is a file."""
    try:
        there = path.exists()
    except OSError:  # a name that no file can have
        there = False
    if not there:
        raise StoreError(
            f"there is no record at {printable(str(path))}",
            code="STORE_NOT_FOUND",
            hint="Is --home right? assay db init or a first training makes a record there.",
        )


def _note(record: Path, made: Backup) -> None:
    line = json.dumps({"made": iso(current_ms()), "file": str(made.path.absolute())})
    try:
        with notes_of(record).open("a", encoding="utf-8") as notes:
            notes.write(line + "\n")
    except OSError as error:
        _LOG.warning("the backup is good, but %s was not noted: %s", notes_of(record), error.strerror)


def _counts(holding: sqlite3.Connection) -> dict[str, int]:
    names = holding.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    )
    return {
        name: holding.execute(f'SELECT COUNT(*) FROM "{name}"').fetchone()[0] for (name,) in sorted(names.fetchall())
    }


def _demand_good(copy: sqlite3.Connection, counted: Mapping[str, int], target: Path) -> None:
    wrong = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(5)") if row[0] != "ok"]
    result = {} if wrong else _counts(copy)
    wrong += [f"{name} has {result[name]} rows of {rows}" for name, rows in counted.items() if result.get(name) != rows]
    if wrong:
        raise StoreError(
            f"the copy does not hold: {'; '.join(wrong)}",
            code="STORE_BACKUP",
            hint="The record itself may be damaged: assay db check.",
        )


@contextmanager
def _new(file: Path) -> Iterator[Path]:
    """A place beside `file` to write to; it gets the name at the end, unless something has it or the block raises."""
    if file.exists():
        raise _taken(file)
    partial = file.with_name(f".{file.name}.{os.getpid()}.partial")
    try:
        partial.touch(exist_ok=False)
    except OSError as error:
        raise StoreError(f"{printable(str(file))} cannot be written: {error.strerror}", code="STORE_PATH") from error
    try:
        yield partial
        _to_disk(partial)
        try:
            os.link(partial, file)  # unlike a rename it never takes the place of what is there
        except FileExistsError:
            raise _taken(file) from None
        except OSError as error:
            raise StoreError(f"{printable(str(file))} cannot be named: {error.strerror}", code="STORE_PATH") from error
        _to_disk(file.parent)
    finally:
        partial.unlink(missing_ok=True)
        partial.with_name(partial.name + "-journal").unlink(missing_ok=True)


def _taken(file: Path) -> StoreError:
    return StoreError(
        f"{printable(str(file))} is there already; a backup replaces nothing",
        code="STORE_PATH",
        hint="Name a new file.",
    )


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_DEBIAN_FOLDER = Path("/usr/lib/postgresql")  # Debian keeps the programs off the PATH, by version


def program(name: str) -> Path:
    """Path of one of PostgreSQL's client programs; the newest is fine for every older server.

    ConfigError ``CONFIG_EXTRA`` where there is none.
    """
    stored = sorted(_DEBIAN_FOLDER.glob(f"*/bin/{name}"), key=lambda path: float(path.parts[-3]))
    result = stored[-1] if stored else shutil.which(name)
    if result is None:
        raise ConfigError(
            f"PostgreSQL's program {name} is not on the PATH",
            code="CONFIG_EXTRA",
            hint="Install PostgreSQL's client programs, e.g. apt-get install postgresql-client.",
        )
    return Path(result)


def dump(place: PostgresDatabase, target: Path) -> dict[str, int]:
    """Write ``pg_dump -Fc`` of one state to `target` and return the rows of each table in it.

    StoreError ``STORE_BACKUP`` when the program fails, or when the dump, read back, lacks rows.
    """
    dumping, reading = program("pg_dump"), program("pg_restore")
    engine = place.engine(30.0)
    try:
        with engine.connect() as connection, connection.begin(), _login(place.url) as login:
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            state = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()
            options = ["--format=custom", "--no-owner", "--no-privileges", "--no-password", f"--snapshot={state}"]
            _run([str(dumping), *options, f"--file={target}", f"--dbname={login}"], place.where)
            counted = counts(connection)
            chunked = {"metrics"} if timescale(connection) else set()  # its rows are dumped under the chunks' names
    finally:
        engine.dispose()
    _demand_rows(reading, target, {name: rows for name, rows in counted.items() if name not in chunked})
    return counted


def counts(connection: sa.Connection) -> dict[str, int]:
    """Rows of each table, by name."""
    names = sorted(sa.inspect(connection).get_table_names())
    return {name: int(connection.exec_driver_sql(f'SELECT COUNT(*) FROM "{name}"').scalar_one()) for name in names}


@contextmanager
def _login(url: sa.URL) -> Iterator[str]:
    """An address for libpq without the password, which lies in a file of our own: others see the command line."""
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder) / "pgpass"
        secret.touch(mode=0o600)
        password = (url.password or "").replace("\\", "\\\\").replace(":", "\\:")
        secret.write_text(f"*:*:*:*:{password}\n", encoding="utf-8")
        named = {"passfile": str(secret)} if url.password else {}
        bare = sa.URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
        yield bare.update_query_dict(named).render_as_string(hide_password=False)


def _run(command: list[str], where: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StoreError(f"record {where} was not dumped: {reason}", code="STORE_BACKUP", reason=reason)


def _demand_rows(reading: Path, dumped: Path, wanted: dict[str, int]) -> None:
    with subprocess.Popen(
        [str(reading), "--data-only", "--file=-", str(dumped)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        result = _copied(process.stdout)
    short = {name: rows for name, rows in wanted.items() if result.get(name, 0) != rows}
    if process.returncode or short:
        document = ", ".join(f"{name} has {result.get(name, 0)} rows of {rows}" for name, rows in short.items())
        raise StoreError(f"the dump does not read back: {document or 'pg_restore fails'}", code="STORE_BACKUP")


def _copied(lines: Iterable[bytes]) -> dict[str, int]:
    """Rows of each COPY block of a plain dump, by the table's bare name."""
    result: dict[str, int] = {}
    name = ""
    for line in lines:
        if name and line == b"\\.\n":
            name = ""
        elif name:
            result[name] += 1
        elif line.startswith(b"COPY "):
            name = line.decode().split(" ", 2)[1].rsplit(".", 1)[-1].strip('"')
            result[name] = 0
    return result
