"""Translate database errors into StoreError."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.sqlite import restore_hint

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
