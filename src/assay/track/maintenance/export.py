"""The whole record as CSV files, for other tools."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.track.codecs import canonical, format_instant
from assay.track.database import BUSY_SECONDS, place_of, translate_errors
from assay.track.engines import SqliteFile
from assay.track.maintenance.backup import copy_sqlite
from assay.track.maintenance.upgrade import Place, store_version
from assay.track.schema import service, tables
from assay.track.schema.column_types import RECORD, Bool
from assay.track.schema.triggers import views

_LAID = (service, tables)  # importing them fills RECORD
_AT_ONCE = 5_000
_SPECIAL = ('"', ",", "\r", "\n")
_TRUE_OR_FALSE = {"is_complete"} | {
    column.name for table in RECORD.tables.values() for column in table.columns if isinstance(column.type, Bool)
}


def export_csv(url: str | os.PathLike[str], folder: Path) -> dict[str, int]:
    """Write each table and view of the record at `url` as ``<name>.csv`` into a new folder; rows by name.

    One state of the record, whoever writes meanwhile; a few thousand rows in memory at once. RFC 4180: a header, CRLF,
    UTF-8. NULL is an empty field, an empty text is ``""``; times are UTC ``2026-01-31T12:00:00.000Z``; bools true and
    false; floats round-trip; JSON is canonical. Equal tables give equal bytes on both databases, in the
    order of their keys; the rows of a view have the order that the database gives them.

    Values stand as they are: a text that begins with ``=`` is not defused for spreadsheets, which would change data.

    StoreError ``STORE_PATH`` where the folder is already or cannot be written, ``STORE_NOT_FOUND`` without a record.
    """
    store_version(url)
    with _new(folder) as partial, _one_state(place_of(url), partial) as connection:
        names = [*RECORD.tables, *(name for name, _ in views(connection.dialect.name))]
        return {name: _write(connection, name, partial / f"{name}.csv") for name in names}


@contextmanager
def _new(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that gets its name when the block has ended well."""
    if folder.exists():
        raise StoreError(f"{printable(str(folder))} is there already", code="STORE_PATH", hint="Name a new folder.")
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        partial.chmod(0o755)
    except OSError as error:
        raise StoreError(f"{printable(str(folder))} cannot be made: {error.strerror}", code="STORE_PATH") from error
    try:
        yield partial
        partial.rename(folder)
    except OSError as error:
        raise StoreError(f"{printable(str(folder))} cannot be written: {error.strerror}", code="STORE_PATH") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _one_state(place: Place, partial: Path) -> Iterator[sa.Connection]:
    """SQLite's writers would wait for a long reader: there a copy is read, and goes. PostgreSQL's do not."""
    if isinstance(place, SqliteFile):
        copy = partial / "record.copy"
        copy_sqlite(place.path, copy)
        place = SqliteFile(copy)
    engine = place.engine(BUSY_SECONDS)
    try:
        with translate_errors(place.where), place.reader(engine).connect() as connection, connection.begin():
            if place.dialect == "postgresql":
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
            yield connection
    finally:
        engine.dispose()
        if isinstance(place, SqliteFile):
            place.path.unlink()


def _write(connection: sa.Connection, name: str, file: Path) -> int:
    table = RECORD.tables.get(name)
    order = "" if table is None else " ORDER BY " + ", ".join(column.name for column in table.primary_key)
    result = connection.execution_options(yield_per=_AT_ONCE).exec_driver_sql(f"SELECT * FROM {name}{order}")
    columns = list(result.keys())
    spell = [_truth if column in _TRUE_OR_FALSE else _field for column in columns]
    written = 0
    with file.open("w", encoding="utf-8", newline="") as out:
        out.write(csv_line(columns))
        for part in result.partitions():
            out.writelines(_line(row, spell) for row in part)
            written += len(part)
    return written


def csv_line(values: Sequence[object]) -> str:
    r"""One CSV record with its CRLF.

    >>> csv_line([None, "", "a,b", 1.0, True])
    ',"","a,b",1.0,true\r\n'
    """
    return _line(values, [_field] * len(values))


def _line(values: Sequence[object], spell: Sequence[Callable[[object], str]]) -> str:
    return ",".join([one(value) for one, value in zip(spell, values, strict=True)]) + "\r\n"


def _truth(value: object) -> str:
    return "" if value is None else "true" if value else "false"


def _field(value: object) -> str:
    if isinstance(value, str):
        return _quoted(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return _truth(value)
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, int | Decimal):
        return str(value)
    return _quoted(_spelled(value))


def _quoted(text: str) -> str:
    if text and text.strip() == text and not any(sign in text for sign in _SPECIAL):
        return text
    return '"' + text.replace('"', '""') + '"'


def _spelled(value: object) -> str:
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes | memoryview) else canonical(value)
