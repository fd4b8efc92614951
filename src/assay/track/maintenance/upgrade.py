"""Lay a record's tables, upgrade an old one after a backup, purge hidden runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import StoreError, amount
from assay.kernel.timeframe import current_ms
from assay.track.database import BUSY_SECONDS, again, place_of, translate_errors
from assay.track.engines import PostgresDatabase, SqliteFile
from assay.track.maintenance.backup import backup_store, demand_file
from assay.track.schema.migrate import HEAD, upgrade, version
from assay.track.schema.tables import CONFIGURATIONS, EXPERIMENTS, MODELS, TRIALS
from assay.track.tracking_store import TrackingStore


def count_old_trials(connection: sa.Connection) -> int:
    """Rows of the ledger without an identity."""
    query = sa.select(sa.func.count()).select_from(TRIALS).where(TRIALS.c.identity.is_(None))
    return int(connection.execute(query).scalar_one())


def describe_old_trials(rows: int) -> str:
    """What so many rows cannot tell, and how they are counted."""
    return (
        f"{amount(rows, 'row')} of the trial ledger without an identity or scored intervals, as rows from before "
        "schema 0004 are. Nobody can tell which of them belong to one spec, or which bars of their span they scored;"
        " so each counts as a trial of its own, on its whole span, with all its configurations: never too few, maybe"
        " too many. See docs/why/which-trials-count.md."
    )


Place = SqliteFile | PostgresDatabase


@dataclass(frozen=True, slots=True)
class SchemaUpgrade:
    """where: the record, without a password.   was, now: schema versions; was is None for one that was not there.
    backup: made before an upgrade.   old_trials: see `assay.track.maintenance.upgrade`.
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
    moment = datetime.fromtimestamp(current_ms() / 1000, UTC)
    file = into / f"{stem}.schema-{was}.{moment:%Y%m%dT%H%M%S}.{os.getpid()}.bak"
    return backup_store(url, file).path


_COUNT_ON = {
    "trials": TRIALS.c.experiment_id,
    "models": MODELS.c.experiment_id,
    "configurations": CONFIGURATIONS.c.experiment_id,
    "runs": EXPERIMENTS.c.parent_id,
    "reproductions": EXPERIMENTS.c.reproduces_id,
}
_SHOWN = 5


def purge(record: TrackingStore, run: int) -> None:
    """Delete the run with its settings, metric points, artifact and trade rows and dataset links, never a file.

    StoreError ``STORE_CONFLICT`` while it runs, and while trials, models, configurations or other runs point to it:
    the ledger stays whole. ``STORE_NOT_FOUND`` for an unknown run.
    """
    again(record.database, lambda: _purge(record, run))


def _purge(record: TrackingStore, run: int) -> None:
    with record.database.write() as connection:
        row = record.experiments.get(run)
        if row["status"] == "running":
            raise StoreError(f"run {run} is running and cannot be purged", code="STORE_CONFLICT", hint="End it first.")
        holding = {what: _pointing(connection, column, row["id"]) for what, column in _COUNT_ON.items()}
        document = [f"{what} {', '.join(map(str, ids))}" for what, ids in holding.items() if ids]
        if document:
            raise StoreError(
                f"run {run} cannot be purged: {'; '.join(document)} point to it",
                code="STORE_CONFLICT",
                hint="Hide it instead: delete_experiment.",
            )
        connection.execute(sa.delete(EXPERIMENTS).where(EXPERIMENTS.c.id == row["id"]))


def _pointing(connection: sa.Connection, column: sa.Column[int], run: int) -> list[int]:
    table = column.table
    query = sa.select(table.c.id).where(column == run).order_by(table.c.id).limit(_SHOWN)
    return [int(result) for result in connection.execute(query).scalars()]
