"""Laying a record, and bringing an old one to the tables of today, after a backup."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from assay.kernel.errors import StoreError
from assay.kernel.timestamps import now_ms
from assay.track.database import BUSY_SECONDS, place_of
from assay.track.db_errors import translate_errors
from assay.track.maintenance.backup import backup_store, demand_file
from assay.track.maintenance.old_trials import count_old_trials
from assay.track.postgres import PostgresDatabase
from assay.track.schema.migrate import HEAD, upgrade, version
from assay.track.sqlite import SqliteFile

Place = SqliteFile | PostgresDatabase


@dataclass(frozen=True, slots=True)
class SchemaUpgrade:
    """where: the record, without a password.   was, now: schema versions; was is None for one that was not there.
    backup: made before an upgrade.   old_trials: see `assay.track.maintenance.old_trials`.
    """

    where: str
    was: str | None
    now: str
    backup: Path | None
    old_trials: int = 0


def initialise_store(url: str | os.PathLike[str], *, backups: Path | None = None) -> SchemaUpgrade:
    """Lay the record at `url`, or bring it up to this program's tables; twice, or by two at once, is once.

    backups: folder for the copy that is made before an older record is changed; beside a SQLite file by default, the
    working folder for PostgreSQL. Errors as `assay.track.tracking_store.open_store` and
    `assay.track.maintenance.backup.backup_store`.
    """
    place = place_of(url)
    was = read_version(place)
    if was in (None, HEAD):
        now = _upgraded(place)
        return SchemaUpgrade(place.where, was, now, None, 0 if was is None else _old_trials(place))
    with _alone(place):  # a dump fails when its tables change under it
        was = read_version(place)
        stored = None if was in (None, HEAD) else _backed_up(url, place, str(was), backups)
        return SchemaUpgrade(place.where, was, _upgraded(place), stored, _old_trials(place))


def upgrade_store(url: str | os.PathLike[str], *, backups: Path | None = None) -> SchemaUpgrade:
    """`initialise_store` for a record that is there: StoreError ``STORE_NOT_FOUND`` where none is."""
    store_version(url)
    return initialise_store(url, backups=backups)


def store_version(url: str | os.PathLike[str]) -> str:
    """Schema version of the record at `url`; ``STORE_NOT_FOUND`` without one, else errors as `open_store`."""
    place = place_of(url)
    if isinstance(place, SqliteFile):
        demand_file(place.path)
    was = read_version(place)
    if was is None:
        raise StoreError(f"there is no record in {place.where}", code="STORE_NOT_FOUND", hint="assay db init lays one.")
    return was


def read_version(place: Place) -> str | None:
    """Schema version of what is there, without changing it; None for nothing."""
    if isinstance(place, SqliteFile) and not place.path.exists():
        return None
    engine = place.engine(BUSY_SECONDS)
    try:
        with translate_errors(place.where, away="STORE_OPEN"), engine.connect() as connection:
            return version(connection)
    finally:
        engine.dispose()


@contextmanager
def _alone(place: Place) -> Iterator[None]:
    """One upgrade at a time of a PostgreSQL record; SQLite's copy and upgrade each hold the file."""
    if isinstance(place, SqliteFile):
        yield
        return
    engine = place.engine(BUSY_SECONDS)
    try:
        with translate_errors(place.where, away="STORE_OPEN"):
            holding = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        with holding:
            with translate_errors(place.where):
                holding.exec_driver_sql("SET statement_timeout = 0")
                holding.exec_driver_sql("SET lock_timeout = 0")
                holding.exec_driver_sql("SELECT pg_advisory_lock(hashtextextended('assay upgrade', 0))")
            yield
            holding.invalidate()  # the connection ends, and its lock and settings with it
    finally:
        engine.dispose()


def _upgraded(place: Place) -> str:
    engine = place.engine(BUSY_SECONDS)
    try:
        with translate_errors(place.where, away="STORE_OPEN"):
            return upgrade(engine)
    finally:
        engine.dispose()


def _old_trials(place: Place) -> int:
    engine = place.engine(BUSY_SECONDS)
    try:
        with translate_errors(place.where, away="STORE_OPEN"), engine.connect() as connection:
            return count_old_trials(connection)
    finally:
        engine.dispose()


def _backed_up(url: str | os.PathLike[str], place: Place, was: str, folder: Path | None) -> Path:
    extras = place.path.parent if isinstance(place, SqliteFile) else Path()
    into = extras if folder is None else folder
    try:
        into.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{into} cannot be made: {error.strerror}", code="STORE_PATH") from error
    stem = place.path.name if isinstance(place, SqliteFile) else "record"
    moment = datetime.fromtimestamp(now_ms() / 1000, UTC)
    file = into / f"{stem}.schema-{was}.{moment:%Y%m%dT%H%M%S}.{os.getpid()}.bak"
    return backup_store(url, file).path
