"""Verify the stored model files against the record, and record each audit."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, StoreError
from assay.kernel.timeframe import current_ms
from assay.track.artifacts import file_sha256
from assay.track.codecs import parse_instant
from assay.track.database import Row, rows
from assay.track.schema.service import EVENTS
from assay.track.schema.tables import MODELS
from assay.track.tracking_store import TrackingStore
from assay.validate import verdict_of_states

_LOG = logging.getLogger(__name__)
_M = MODELS.c
Check = Callable[[Row], None]
Integrity = Literal["verified", "missing", "corrupt", "unverified"]
_STATES: dict[str, Integrity] = {"ARTIFACT_GONE": "missing", "ARTIFACT_UNSIGNED": "unverified"}


@dataclass(frozen=True, slots=True)
class Checked:
    """A model whose files were looked at.

    row: as it stood before.   faults: its integrity from now on.   why: what is wrong; empty when nothing is.
    """

    row: Row
    faults: Integrity
    code: str = ""
    why: str = ""


def verify_files(
    record: TrackingStore, check: Check, models: Sequence[int | str] | None = None, *, every: bool = False
) -> Iterator[Checked]:
    """Look at the files of models and write down what was found: ``integrity`` and ``verified_at``, one by one.

    check:  raises ArtifactError for the row of a published model whose files are not what it says.
    models: ids; None is all published ones, and with `every` also those that were registered by a path alone. Models
            whose files retention removes or has removed are left out.
    StoreError ``STORE_NOT_FOUND`` for an unknown id before anything is read; a disk that cannot be read
    (``STORE_IO``) ends it and says nothing against the model. Cost: every byte is read.
    """
    wanted = _published(record, every=every) if models is None else [record.models.get(model) for model in models]
    for row in wanted:
        checked = _looked_at(row, check)
        if _written(record, checked):
            yield checked


def _looked_at(row: Row, check: Check) -> Checked:
    try:
        if row["manifest_sha256"] is None:
            _check_path(row)
        else:
            check(row)
    except ArtifactError as error:
        return Checked(row, _STATES.get(error.code, "corrupt"), error.code, error.message)
    return Checked(row, "verified")


def _check_path(row: Row) -> None:
    """The file of a model that was registered by its path; nothing is parsed."""
    path = Path(row["checkpoint_path"])
    try:
        if not path.is_file():
            raise ArtifactError(f"{path} is not there", code="ARTIFACT_GONE", path=str(path))
        if row["content_sha256"] is None:
            raise ArtifactError(f"{path} was not there when it was registered", code="ARTIFACT_GONE", path=str(path))
        result = file_sha256(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}", code="STORE_IO") from error
    if result != row["content_sha256"]:
        expected = row["content_sha256"]
        raise ArtifactError(
            f"{path} is damaged: its bytes hash to {result}, expected {expected}",
            code="ARTIFACT_CORRUPT",
            found=result,
            expected=expected,
        )


def _published(record: TrackingStore, *, every: bool) -> list[Row]:
    query = sa.select(MODELS).where(_M.deleting_at.is_(None), _M.deleted_at.is_(None)).order_by(_M.id)
    query = query if every else query.where(_M.manifest_sha256.is_not(None))
    with record.database.read() as connection:
        return rows(connection.execute(query))


def _written(record: TrackingStore, checked: Checked) -> bool:
    """Whether it still counts: files that retention took meanwhile are no damage."""
    row = checked.row
    values = {"integrity": checked.faults, "verified_at": parse_instant(current_ms())}
    still = sa.update(MODELS).where(_M.id == row["id"], _M.deleting_at.is_(None), _M.deleted_at.is_(None))
    with record.database.write() as connection:
        counts = connection.execute(still.values(values)).rowcount == 1
    if counts and checked.faults != "verified":
        _LOG.info("model %s: its files are %s: %s", row["model_id"], checked.faults, checked.why)
    return counts


BY = "assay audit"


def record_audit(
    record: TrackingStore, run: int, status: str, reason: Mapping[str, object], details: Mapping[str, object]
) -> list[Row]:
    """Write an audit to the models of a run and to the log of events; each model's standing as it is then.

    status: ``passed``, ``failed`` or ``pending`` (not all was asked), which changes nothing. A failed audit stays
    failed: a model is not made anew by asking again.   reason: the verdict's check ``audit``, JSON-able; it takes the
    place of the one before, and the word follows from all checks.   details: of the event.
    Each dict: ``id``, ``model_id``, ``audit_status``, ``verdict`` and ``was``, the words now and before; None for none.
    """
    with record.database.write() as connection:
        query = sa.select(MODELS).where(_M.experiment_id == run, _M.deleted_at.is_(None)).order_by(_M.id)
        return [
            _settled(connection, row, status, reason, details)
            for row in rows(connection.execute(query.with_for_update(key_share=True)))
        ]


def _settled(
    connection: sa.Connection, row: Row, status: str, reason: Mapping[str, object], details: Mapping[str, object]
) -> Row:
    was = (row["verdict"] or {}).get("word")
    now = {"id": row["id"], "model_id": row["model_id"], "audit_status": row["audit_status"], "verdict": was}
    if status != "pending" and row["audit_status"] != "failed":
        values: Row = {"audit_status": status} | _judged(row["verdict"], reason)
        connection.execute(sa.update(MODELS).where(_M.id == row["id"]).values(values))
        now |= {"audit_status": status, "verdict": values.get("verdict", {}).get("word", was)}
    document = {**details, "audit_status": now["audit_status"], "verdict": now["verdict"]}
    event = {"actor": BY, "action": "audit", "subject": f"model:{row['id']}", "details": document}
    connection.execute(sa.insert(EVENTS).values(event))
    return now | {"was": was}


def _judged(verdict: Row | None, reason: Mapping[str, object]) -> Row:
    """Columns that follow from a verdict with this check in place of its old one; none where there is no verdict."""
    if not verdict or not verdict.get("reasons"):
        return {}
    reasons: list[Row] = [dict(reason) if r.get("check") == reason["check"] else r for r in verdict["reasons"]]
    label, stage = verdict_of_states(r["state"] for r in reasons)
    changed = verdict | {"word": label, "stage": stage, "reasons": reasons}
    return {"verdict": changed} | ({"lifecycle_stage": stage} if label != verdict["word"] else {})
