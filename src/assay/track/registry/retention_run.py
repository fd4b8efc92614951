"""One pass of retention: old models, what killed passes left, and files without a row. The first of a home is dry."""

import json
import secrets
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, printable
from assay.track.model_files.artifact_store import disk, sync
from assay.track.model_files.remote_sync import Shared
from assay.track.registry import retention
from assay.track.registry.orphans import Orphan, orphans, remove
from assay.track.registry.retention import DAYS, KEEP_LAST, YOUNG_MS, Removal
from assay.track.schema.service import EVENTS
from assay.track.tracking_store import TrackingStore

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
    retention.demand_days(days, keep_last)
    why = "" if dry_run else _unready(record, artifacts)
    older_ms = max(older_ms, YOUNG_MS)
    if dry_run or why:
        going = retention.find_expired(record, days=days, keep_last=keep_last)
        loose = orphans(record, artifacts=artifacts, models=models, older_ms=older_ms)
        return Pruned(True, why, (*retention.find_unfinished(record), *going), tuple(loose))
    retention.mark(record, days=days, keep_last=keep_last, by=by)
    gone = retention.finish(record, artifacts=artifacts, models=models, shared=shared)
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
