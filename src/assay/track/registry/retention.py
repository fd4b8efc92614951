"""Retention of model files: mark, remove and record; find files that no row names."""

import json
import logging
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, ConfigError, StoreError, printable
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Row, rows
from assay.track.model_files.artifact_store import Blobs, disk, sync
from assay.track.model_files.manifest import SUFFIX
from assay.track.model_files.remote import Shared
from assay.track.schema.column_types import RECORD, Json
from assay.track.schema.service import EVENTS, JOBS
from assay.track.schema.tables import ALIASES, CONFIGURATIONS, MODELS
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
    query = sa.select(MODELS).where(*_may_go(days, keep_last, current_ms())).order_by(_M.id)
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
    may_go = _may_go(days, keep_last, current_ms())
    with record.database.write() as connection:
        connection.execute(sa.select(_M.id).where(*may_go).order_by(_M.id).with_for_update(key_share=True)).all()
        change = sa.update(MODELS).where(*may_go).values(deleting_at=parse_instant(current_ms())).returning(MODELS)
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
        change = sa.update(MODELS).where(_M.id == row["id"]).values(deleted_at=parse_instant(current_ms()))
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


def _event(row: Row, by: str, days: int, keep_last: int) -> dict[str, object]:
    details = {"model_id": row["model_id"], "days": days, "keep_last": keep_last, "path": row["checkpoint_path"]}
    return {"actor": by, "action": "delete", "subject": f"model:{row['id']}", "details": details}


_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_FILE = re.compile(r"model_[0-9]{8}_[0-9]{6}(_[0-9]+)?\.pkl(\.sig)?|\..*\.staging")
_STAGING = ".staging"
_LONG = frozenset(
    {"metrics", "trades", "job_logs", "service_metrics", "hyperparameters", "trials"}
)  # of these hashes only


@dataclass(frozen=True, slots=True)
class Orphan:
    """A file or folder that no row points to."""

    path: Path
    bytes: int


def orphans(record: TrackingStore, *, artifacts: Path, models: Path, older_ms: int = YOUNG_MS) -> list[Orphan]:
    """Folders of `artifacts`, staging ones too, and model files that are older and that no row of the record names.

    Old by the disk's own clock: a wall clock that runs ahead makes no file of a publish under way old. A hash that
    stands anywhere in the record, in a row of whatever table, is a name. What Assay does not name so is left alone.
    """
    result = [*_old_folders(artifacts, older_ms), *_old_files(models, older_ms)]  # before the rows are read
    if not result:
        return []
    hashes, paths = _named(record)
    stored = paths | {path + SUFFIX for path in paths}
    return [
        Orphan(path, _size(path))
        for path in result
        if path.name not in hashes and not (models in path.parents and path.relative_to(models).as_posix() in stored)
    ]


def remove(orphan: Orphan, *, artifacts: Path, older_ms: int = YOUNG_MS) -> bool:
    """Take it away, unless it has become young since it was found: somebody has kept the same bytes again."""
    path = orphan.path
    with disk(path):
        if not path.exists() or not _is_old(path, _disk_clock(path.parent), older_ms):
            return False
        if path.is_file():
            path.unlink()
        elif path.parent.name == _STAGING:
            shutil.rmtree(path)
        else:
            return _taken(path, Blobs(artifacts), older_ms)
    return True


def _taken(folder: Path, blobs: Blobs, older_ms: int) -> bool:
    with blobs.staging() as stage:
        away = folder.rename(stage / folder.name)
        if _is_old(away, _disk_clock(stage), older_ms):
            return True
        away.rename(folder)  # it was kept again between the look and the rename
        return False


def _old_folders(artifacts: Path, older_ms: int) -> Iterator[Path]:
    for folder in (artifacts, artifacts / _STAGING):
        if folder.is_dir():
            now = _disk_clock(folder)
            named = [p for p in sorted(folder.iterdir()) if folder.name == _STAGING or _HASH.fullmatch(p.name)]
            plain = (path for path in named if path.is_dir() and not path.is_symlink())
            yield from (path for path in plain if _is_old(path, now, older_ms))


def _old_files(models: Path, older_ms: int) -> Iterator[Path]:
    if models.is_dir():
        now = _disk_clock(models)
        named = [path for path in sorted(models.glob("*/*/*")) if _FILE.fullmatch(path.name)]
        plain = (path for path in named if path.is_file() and not path.is_symlink())
        yield from (path for path in plain if _is_old(path, now, older_ms))


def _disk_clock(folder: Path) -> float:
    """The time that the disk gives a file now, in s."""
    with disk(folder), NamedTemporaryFile(dir=folder, prefix=".clock-") as probe:
        return Path(probe.name).stat().st_mtime


def _is_old(path: Path, now: float, older_ms: int) -> bool:
    """By the newest time of a file, or of anything in a folder."""
    try:
        newest = max(each.lstat().st_mtime for each in (path, *path.rglob("*")))
    except FileNotFoundError:  # it is being written, or went
        return False
    return now - newest > older_ms / 1000


def _named(record: TrackingStore) -> tuple[set[str], set[str]]:
    """Every hash that any row holds, and the paths of the models that have files."""
    hashes: set[str] = set()
    with record.database.read() as connection:
        for table in RECORD.sorted_tables:
            columns = [c for c in table.columns if _may_name(c)]
            if not columns:
                continue
            for row in connection.execute(sa.select(*columns).execution_options(yield_per=10_000)):
                hashes.update(h for value in row if value is not None for h in _HASH.findall(str(value)))
        query = sa.select(MODELS.c.checkpoint_path).where(MODELS.c.deleted_at.is_(None))
        return hashes, set(connection.execute(query).scalars())


def _may_name(column: sa.Column[object]) -> bool:
    is_hash = isinstance(column.type, sa.CHAR)
    is_text = isinstance(column.type, Json) or column.name.endswith("_path")
    return is_hash or (is_text and column.table.name not in _LONG)


def _size(path: Path) -> int:
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return sum(each.lstat().st_size for each in files)


_MARKER = ".retention"
_BEGUN = "retention.begin"
FIRST = "the first run of a home deletes nothing"
FOREIGN = "these folders are cleaned by another record"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or in a dry run would go.

    why: of a dry run that was not asked for; else empty.   orphans: files and folders that no row pointed to.
    """

    dry_run: bool
    why: str
    models: tuple[Removal, ...]
    orphans: tuple[Orphan, ...]

    @property
    def bytes(self) -> int:
        """How much room that is."""
        return sum(model.bytes for model in self.models) + sum(orphan.bytes for orphan in self.orphans)


def prune_files(
    record: TrackingStore,
    *,
    artifacts: Path,
    models: Path,
    shared: Shared | None = None,
    days: int = DAYS,
    keep_last: int = KEEP_LAST,
    older_ms: int = YOUNG_MS,
    dry_run: bool = False,
    by: str = "retention",
) -> Pruned:
    """Remove the files of models older than `days`, and orphans older than `older_ms` (24 h at least).

    Kept whatever `days` says: champion, challenger and previous; the newest `keep_last` of a strategy on a market (one
    at least); what is younger than 24 h; what a queued or running job or an active configuration uses; models that were
    registered by a path, whose files are not ours. Rows stay, for lineage. Killed at any instant it leaves marked rows
    that the next run finishes. shared: a store that these models were brought to; they go there, too, and what has no
    row is left there: other homes may have one.

    The first run over a home, and every run over folders that another record cleans, is dry. Raises ConfigError
    ``CONFIG_FIELD`` for numbers out of range.
    """
    demand_days(days, keep_last)
    why = "" if dry_run else _unready(record, artifacts)
    older_ms = max(older_ms, YOUNG_MS)
    if dry_run or why:
        going = find_expired(record, days=days, keep_last=keep_last)
        loose = orphans(record, artifacts=artifacts, models=models, older_ms=older_ms)
        return Pruned(True, why, (*find_unfinished(record), *going), tuple(loose))
    mark(record, days=days, keep_last=keep_last, by=by)
    gone = finish(record, artifacts=artifacts, models=models, shared=shared)
    loose = orphans(record, artifacts=artifacts, models=models, older_ms=older_ms)
    taken = [orphan for orphan in loose if remove(orphan, artifacts=artifacts, older_ms=older_ms)]
    return Pruned(False, "", tuple(gone), tuple(taken))


def _unready(record: TrackingStore, artifacts: Path) -> str:
    """Why nothing may be deleted yet. Two records over one home would each take the other's files for orphans."""
    marker = artifacts / _MARKER
    if marker.is_file():
        return "" if _begun(record, _token(marker)) else FOREIGN
    token = secrets.token_hex(16)
    event = {"actor": "retention", "action": _BEGUN, "subject": "home", "details": {"token": token}}
    with record.database.write() as connection:
        connection.execute(sa.insert(EVENTS).values(event))
    with disk(artifacts):
        artifacts.mkdir(parents=True, exist_ok=True)
        try:
            with marker.open("x", encoding="utf-8") as file:
                file.write(json.dumps({"token": token}) + "\n")
        except FileExistsError:
            return FOREIGN
        sync(marker)
        sync(artifacts)
    return FIRST


def _token(marker: Path) -> str:
    try:
        return str(json.loads(marker.read_text(encoding="utf-8"))["token"])
    except (ValueError, KeyError, TypeError):
        raise ArtifactError(
            f"{printable(str(marker))} is damaged",
            code="ARTIFACT_CORRUPT",
            hint="Remove it; the next run of assay models prune is a dry one.",
        ) from None


def _begun(record: TrackingStore, token: str) -> bool:
    query = sa.select(EVENTS.c.details).where(EVENTS.c.action == _BEGUN)
    with record.database.read() as connection:
        return any(details["token"] == token for details in connection.execute(query).scalars())
