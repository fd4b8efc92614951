"""Runs as they are shown: rows of the record, and for completed trainings what they left behind."""

import logging
from collections.abc import Mapping
from typing import Any

from assay.kernel.errors import ArtifactError
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.run_artifacts import VERDICT, to_jsonable
from assay.runs.run_documents import AUDIT, HOLDOUT, load_or_note_gone

_LOG = logging.getLogger(__name__)
_VERDICT_FIELDS = ("verdict", "stage", "reasons")


def list_runs(context: Context, *, limit: int, status: str | None = None) -> list[dict[str, Any]]:
    """Runs, newest first: id, name, status, times, spec hash, verdict word and test metrics (undefined is None)."""
    result = context.record.experiments.recent(limit, status=status)
    return [_row(row, context) for row in result]


def show_run(run: int | str, context: Context) -> dict[str, Any]:
    """One run: its row, and ``run.json`` of a completed training beside it. StoreError ``STORE_NOT_FOUND``.

    Where that file is gone: metrics and model of the record, ``gone`` with what is missing, and a warning. Where the
    run's model was judged otherwise since, `apply_later_verdict`.
    """
    row = context.record.experiments.get(run)
    document = apply_later_verdict(_left(row, context), row, context)
    shown = {
        "status": row["status"],
        "start_time": iso(row["start_time"]),
        "end_time": iso(row["end_time"]),
        "notes": row["notes"],
        "git_commit": row["git_commit"],
        "environment": row["environment"],
        "seed": row["random_seed"],
        "audits": load_or_note_gone(row["id"], AUDIT, context),
        "holdouts": load_or_note_gone(row["id"], HOLDOUT, context),
    }
    return _identity(row) | {"seconds": row["duration_seconds"]} | document | shown


def apply_later_verdict(document: Mapping[str, Any], row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The document of a run with the word that its model has now, by a later audit; else the document itself.

    row: of the run. The run's own word is then ``verdict_then``, with stage, reasons and advice; and there is no
    ``advice``, which spoke of that word.
    """
    now = _judged(row, context) if document.get("verdict") else {}
    now = {name: now[name] for name in _VERDICT_FIELDS if now.get(name)}
    then = {name: document[name] for name in (*_VERDICT_FIELDS, "advice") if name in document}
    if all(then.get(name) == value for name, value in now.items()):
        return dict(document)
    return {k: v for k, v in document.items() if k != "advice"} | now | {"verdict_then": then}


def _left(row: dict[str, Any], context: Context) -> dict[str, Any]:
    try:
        return run_outputs.document_of(row["id"], context) or {}
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        _LOG.warning("the report of run %d is gone, the record alone tells of it: %s", row["id"], error)
        document = {
            name: value for name, value in _row(row, context).items() if name in ("seconds", "model_id", "metrics")
        }
        return document | _judged(row, context) | {"gone": error.message}


def _judged(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    """The verdict that the run's model has; nothing where it has none."""
    result = [model["verdict"] for model in context.record.models.recent(row["id"], limit=1) if model["verdict"]]
    return {"verdict": result[0].get("word")} | {k: result[0][k] for k in VERDICT if k in result[0]} if result else {}


def _row(row: dict[str, Any], context: Context) -> dict[str, Any]:
    models = context.record.models.recent(row["id"], limit=1)
    verdict = (models[0]["verdict"] or {}) if models else {}
    return _identity(row) | {
        "status": row["status"],
        "start_time": iso(row["start_time"]),
        "end_time": iso(row["end_time"]),
        "seconds": row["duration_seconds"],
        "verdict": verdict.get("word"),
        "model_id": models[0]["model_id"] if models else None,
        "metrics": to_jsonable(context.record.metrics.last(row["id"], split="test")),
    }


def _identity(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": row["run_id"],
        "experiment_id": row["id"],
        "name": row["name"],
        "spec": row["spec"],
        "spec_hash": row["spec_hash"],
        "data_digest": row["data_digest"],
    }


def iso(moment: Any) -> str | None:
    """A time of the record in ISO 8601, ms, UTC; None for none."""
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
