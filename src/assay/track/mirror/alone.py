"""One process at a time at a piece of work on a record."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track.database import Database


@contextmanager
def alone(database: Database, work: str) -> Iterator[None]:
    """Hold a piece of work on this record, whichever process asks. StoreError ``STORE_BUSY`` while another holds it.

    A process that dies lets go of it: a file lock beside a SQLite record, a session's advisory lock on PostgreSQL.
    """
    with _on_file(database, work) if database.dialect == "sqlite" else _on_server(database, work):
        yield


@contextmanager
def _on_file(database: Database, work: str) -> Iterator[None]:
    import filelock

    try:
        with filelock.FileLock(f"{database.path}.{work.replace(' ', '-')}.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise _busy(database, work) from None


@contextmanager
def _on_server(database: Database, work: str) -> Iterator[None]:
    key = sa.func.hashtextextended(work, 0)
    with database.session() as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one():
            raise _busy(database, work)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def _busy(database: Database, work: str) -> StoreError:
    return StoreError(
        f"another process is at the {work} of record {database.where}", code="STORE_BUSY", hint="One is enough."
    )
