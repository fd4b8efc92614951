"""A copy of the whole record that is known to be good, made while others write."""

import json
import logging
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from assay.kernel.errors import StoreError, printable
from assay.kernel.timestamps import iso, now_ms
from assay.track.database import BUSY_SECONDS, place_of
from assay.track.db_errors import translate_errors
from assay.track.sqlite import SqliteFile, notes_of

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
            from assay.track.maintenance.pgdump import dump

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
    line = json.dumps({"made": iso(now_ms()), "file": str(made.path.absolute())})
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
