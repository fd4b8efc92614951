"""Stored files without a row, left by a crash."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

import sqlalchemy as sa

from assay.track.model_files.artifact_store import Blobs, disk
from assay.track.model_files.signature import SUFFIX
from assay.track.registry.retention import YOUNG_MS
from assay.track.schema.column_types import RECORD, Json
from assay.track.schema.model_tables import MODELS
from assay.track.tracking_store import TrackingStore

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
