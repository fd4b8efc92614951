"""Record a later audit of a run's models."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from assay.track.rows import Row, rows
from assay.track.schema.model_tables import MODELS
from assay.track.schema.service import EVENTS
from assay.track.tracking_store import TrackingStore
from assay.validate import verdict_of_states

BY = "assay audit"
_M = MODELS.c


def record_audit(
    record: TrackingStore, run: int, status: str, reason: Mapping[str, Any], details: Mapping[str, Any]
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
    connection: sa.Connection, row: Row, status: str, reason: Mapping[str, Any], details: Mapping[str, Any]
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


def _judged(verdict: Row | None, reason: Mapping[str, Any]) -> Row:
    """Columns that follow from a verdict with this check in place of its old one; none where there is no verdict."""
    if not verdict or not verdict.get("reasons"):
        return {}
    reasons = [dict(reason) if r.get("check") == reason["check"] else r for r in verdict["reasons"]]
    label, stage = verdict_of_states(r["state"] for r in reasons)
    changed = verdict | {"word": label, "stage": stage, "reasons": reasons}
    return {"verdict": changed} | ({"lifecycle_stage": stage} if label != verdict["word"] else {})
