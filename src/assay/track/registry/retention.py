"""Retention: mark, remove and record model files."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import ConfigError, StoreError, printable
from assay.kernel.timestamps import now_ms
from assay.track.model_files.artifact_store import Blobs, disk, sync
from assay.track.model_files.remote_sync import Shared
from assay.track.model_files.signature import SUFFIX
from assay.track.rows import Row, rows
from assay.track.schema.configuration_tables import CONFIGURATIONS
from assay.track.schema.model_tables import ALIASES, MODELS
from assay.track.schema.service import EVENTS, JOBS
from assay.track.timestamps import parse_instant
from assay.track.tracking_store import TrackingStore

_LOG = logging.getLogger(__name__)
DAYS, KEEP_LAST = 30, 3
MOST_DAYS = 36_500
YOUNG_MS = 24 * 3_600_000
_DAY_MS = 86_400_000
_M, _A, _J, _C = MODELS.c, ALIASES.c, JOBS.c, CONFIGURATIONS.c
_KEY = ("strategy_type", "exchange", "symbol", "timeframe")


@dataclass(frozen=True, slots=True)
class Removal:
    """A model whose files went, or would go in a dry run. bytes: of its parts."""

    id: int
    model_id: str
    bytes: int


def demand_days(days: int, keep_last: int) -> None:
    """ConfigError ``CONFIG_FIELD`` for days outside 0..36,500 or a negative number of models."""
    if not 0 <= days <= MOST_DAYS:
        raise ConfigError(
            f"MODEL_RETENTION_DAYS is {printable(days)}, must be in 0..{MOST_DAYS}: a negative age would delete "
            f"everything",
            field="MODEL_RETENTION_DAYS",
        )
    if keep_last < 0:
        raise ConfigError(f"ASSAY_MODELS_KEEP_LAST is {printable(keep_last)}, must be at least 0", field="keep_last")


def find_expired(record: TrackingStore, *, days: int, keep_last: int) -> list[Removal]:
    """The models that `mark` would mark now."""
    query = sa.select(MODELS).where(*_may_go(days, keep_last, now_ms())).order_by(_M.id)
    with record.database.read() as connection:
        return [_removal(row) for row in rows(connection.execute(query))]


def find_unfinished(record: TrackingStore) -> list[Removal]:
    """The models that a killed run marked, and whose files `finish` takes."""
    return [_removal(row) for row in _marked(record)]


def mark(record: TrackingStore, *, days: int, keep_last: int, by: str) -> list[Removal]:
    """Mark the models whose files go, and write an event for each; from now on nobody loads or promotes them.

    The floors stand in the WHERE of the one UPDATE. Whoever promotes holds the model's row: the rows are locked first,
    so that the UPDATE sees every promotion that was quicker, and no later one sees an unmarked row.
    """
    may_go = _may_go(days, keep_last, now_ms())
    with record.database.write() as connection:
        connection.execute(sa.select(_M.id).where(*may_go).order_by(_M.id).with_for_update(key_share=True)).all()
        change = sa.update(MODELS).where(*may_go).values(deleting_at=parse_instant(now_ms())).returning(MODELS)
        marked = sorted(rows(connection.execute(change)), key=lambda row: int(row["id"]))
        if marked:
            connection.execute(sa.insert(EVENTS), [_event(row, by, days, keep_last) for row in marked])
    return [_removal(row) for row in marked]


def _may_go(days: int, keep_last: int, now: int) -> list[sa.ColumnElement[bool]]:
    """Everything that a model whose files may go is: published by us, old, and none of those that always stay."""
    old = parse_instant(max(0, now - max(days * _DAY_MS, YOUNG_MS)))
    other = MODELS.alias("newer")
    newer = sa.or_(other.c.created_at > _M.created_at, sa.and_(other.c.created_at == _M.created_at, other.c.id > _M.id))
    # Only models that could take its place count as newer: three broken ones do not outlive the last sound one.
    sound = (
        other.c.deleting_at.is_(None),
        other.c.deleted_at.is_(None),
        other.c.integrity.in_(("verified", "unverified")),
    )
    same = [other.c[name].is_not_distinct_from(_M[name]) for name in _KEY]
    behind = sa.select(sa.func.count()).select_from(other).where(*same, *sound, newer).scalar_subquery()
    return [
        _M.manifest_sha256.is_not(None),
        _M.created_at < old,
        _M.deleting_at.is_(None),
        _M.deleted_at.is_(None),
        ~sa.exists().where(_A.model_id == _M.id),
        behind >= max(keep_last, 1),
        ~sa.exists().where(_C.model_id == _M.id, _C.is_active),
        ~sa.exists().where(_J.status.in_(("queued", "running")), _names()),
    ]


def _names() -> sa.ColumnElement[bool]:
    """Whether a job is this model's, or names it: by text id anywhere in its spec, by number under ``model_id``."""
    spec = sa.cast(_J.spec, sa.Text)
    quoted = sa.literal('"', sa.Text).concat(_M.model_id).concat('"')
    number = _J.spec.op("->>", return_type=sa.Text())(sa.literal_column("'model_id'"))
    return sa.or_(_J.id == _M.job_id, sa.func.replace(spec, quoted, "") != spec, number == sa.cast(_M.id, sa.Text))


def finish(record: TrackingStore, *, artifacts: Path, models: Path, shared: Shared | None = None) -> list[Removal]:
    """Take away the files of all marked models, and write that they are gone; also what a killed run left undone.

    A folder that another model shares stays. A file that is not there any more is gone already. shared: the store that
    the models were brought to; there they go first, so that nobody fetches back what is taken away here. Models that it
    does not let go (a WARN) stay marked, with all their files, for the next run.
    """
    gone = []
    for row in _marked(record):
        alone = not _shared(record, row)
        if shared is not None and not _let_go(shared, row, alone):
            continue
        _take_file(models, row["checkpoint_path"])
        if alone:
            take_folder(Blobs(artifacts), row["manifest_sha256"])
        change = sa.update(MODELS).where(_M.id == row["id"]).values(deleted_at=parse_instant(now_ms()))
        with record.database.write() as connection:
            connection.execute(change)
        _LOG.info("the files of model %s were removed", row["model_id"])
        gone.append(_removal(row))
    return gone


def _let_go(shared: Shared, row: Row, alone: bool) -> bool:
    try:
        shared.remove(row["manifest_sha256"] if alone else None, row["metadata"].get("envelope_sha256"))
    except StoreError as error:
        _LOG.warning("model %s waits to be removed from %s: %s", row["model_id"], shared.address, error)
        return False
    return True


def _marked(record: TrackingStore) -> list[Row]:
    query = sa.select(MODELS).where(_M.deleting_at.is_not(None), _M.deleted_at.is_(None)).order_by(_M.id)
    with record.database.read() as connection:
        return rows(connection.execute(query))


def _shared(record: TrackingStore, row: Row) -> bool:
    query = sa.select(_M.id).where(
        _M.manifest_sha256 == row["manifest_sha256"], _M.id != row["id"], _M.deleted_at.is_(None)
    )
    with record.database.read() as connection:
        return connection.execute(query.limit(1)).first() is not None


def _take_file(models: Path, relative: str) -> None:
    """The documented file and its signature. A path that leaves the folder is not ours and stays."""
    root, path = models.resolve(), (models / relative).resolve()
    if root not in path.parents:
        _LOG.error("%s is not below %s; it is left there", printable(relative), root)
        return
    with disk(path):
        for each in (path, path.with_name(path.name + SUFFIX)):
            each.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync(path.parent)


def take_folder(blobs: Blobs, name: str) -> None:
    """A blob, whole or not at all for who reads it: renamed away first."""
    with blobs.staging() as stage:
        try:
            (blobs.folder / name).rename(stage / name)
        except FileNotFoundError:
            return
        sync(blobs.folder)


def _removal(row: Row) -> Removal:
    return Removal(int(row["id"]), str(row["model_id"]), round((row["checkpoint_size_mb"] or 0) * 1024 * 1024))


def _event(row: Row, by: str, days: int, keep_last: int) -> dict[str, Any]:
    details = {"model_id": row["model_id"], "days": days, "keep_last": keep_last, "path": row["checkpoint_path"]}
    return {"actor": by, "action": "delete", "subject": f"model:{row['id']}", "details": details}
