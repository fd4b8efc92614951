"""What a database says, in the house's words."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from assay.kernel.errors import StoreError

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


@contextmanager
def speaking(where: str) -> Iterator[None]:
    """Turn the database's errors into StoreError, naming the record `where` and keeping its own text as ``reason``.

    ``STORE_BUSY _FULL _READ_ONLY _CORRUPT _OPEN _IO _CONFLICT _NOT_FOUND _APPEND_ONLY _VALUE``; anything else is a
    fault of ours and passes through.
    """
    try:
        yield
    except sa.exc.StatementError as error:
        if isinstance(error.orig, StoreError):  # a column's type refused the value before the database saw it
            raise error.orig from None
        told = store_error(error.orig, where)
        if told is None:
            raise
        raise told from error
    except sqlite3.Error as error:
        told = store_error(error, where)
        if told is None:
            raise
        raise told from error
    except (OverflowError, UnicodeEncodeError) as error:  # the driver's words for what SQLite cannot hold
        raise StoreError(f"record {where} cannot hold a value: {error}", code="STORE_VALUE") from error


def store_error(error: BaseException | None, where: str) -> StoreError | None:
    """The StoreError for a SQLite error, or None where the house has no word for it."""
    name = getattr(error, "sqlite_errorname", "")
    for prefix, code, text, hint in _BY_NAME:
        if name.startswith(prefix):
            return StoreError(f"record {where} {text} ({error})", code=code, hint=hint, reason=str(error), path=where)
    return None
