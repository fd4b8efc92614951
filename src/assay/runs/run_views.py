"""Runs as they are shown: rows of the record, and for completed trainings what they left behind."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from assay.kernel.errors import ArtifactError, StoreError
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.run_artifacts import VERDICT, to_jsonable
from assay.track import BLOB_FILE, Blobs, load_snapshot
from assay.track import HOLDOUT as HOLDOUT

AUDIT = "audit"
_LOG = logging.getLogger(__name__)


def load_documents(run: int, kind: str, context: Context) -> list[dict[str, Any]]:
    """All of a kind, oldest first. Raises ArtifactError ``ARTIFACT_GONE`` for one whose file is not there."""
    return [_read(row, context) for row in _rows(run, kind, context)]


def load_or_note_gone(run: int, kind: str, context: Context) -> list[dict[str, Any]]:
    """As `load_documents`, for pages: of one whose file is not there ``{"gone": …}`` with what is missing, and a
    warning.
    """
    return [_read_or_gone(row, kind, run, context) for row in _rows(run, kind, context)]


def _rows(run: int, kind: str, context: Context) -> list[dict[str, Any]]:
    return [row for row in context.record.artifacts.read(run) if row["artifact_type"] == kind]


def _read(row: Mapping[str, Any], context: Context) -> dict[str, Any]:
    return dict(json.loads(Blobs(context.artifacts).get(row["metadata"]["blob"])))


def _read_or_gone(row: Mapping[str, Any], kind: str, run: int, context: Context) -> dict[str, Any]:
    try:
        return _read(row, context)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        _LOG.warning("a document (%s) that run %d kept is gone: %s", kind, run, error)
        return {"gone": error.message}


def keep_beside(run: int, kind: str, document: Mapping[str, Any], context: Context) -> None:
    """Keep one; inside the transaction of what it tells of."""
    blobs = Blobs(context.artifacts)
    blob = blobs.put(json.dumps(document, sort_keys=True, allow_nan=False).encode())
    place = blobs.path(blob) / BLOB_FILE
    context.record.artifacts.add(run, kind, place, name=kind, sha256=blob, metadata={"blob": blob})


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


def write_run_page(run: int | str, context: Context, *, to: Path | None = None) -> Path:
    """Write a run's page, headed by the word that its model has now; its path. Default `usual`.

    Raises StoreError ``STORE_NOT_FOUND`` (no such run), ``STORE_CONFLICT`` (a run that left nothing to report),
    ``STORE_PATH`` (the file cannot be written), ArtifactError when the run's files are gone or damaged.
    """
    from assay.runs.report import write_report

    row = context.record.experiments.get(run)
    evidence = run_outputs.evidence_of(row["id"], context)
    if evidence is None:
        raise StoreError(
            f"run {row['id']} is {row['status']} and left nothing to report",
            code="STORE_CONFLICT",
            hint="Only a completed training or backtest has a report; assay runs list --status completed shows them.",
        )
    evidence = replace(evidence, document=apply_later_verdict(evidence.document, row, context))
    candles = {s: load_snapshot(d, context.snapshots) for s, d in evidence.document["snapshots"].items()}
    path = usual(row["id"], context) if to is None else to
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_report(evidence, candles, path)
    except OSError as error:
        raise StoreError(f"report {path}: {error.strerror}", code="STORE_PATH") from error
    return path


def usual(run: int, context: Context) -> Path:
    """Where the page of a run lies unless somebody says otherwise: ``reports/run_<id>.html`` in the home."""
    return context.home / "reports" / f"run_{run}.html"
