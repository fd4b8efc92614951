"""JSON documents added to a run after its end: later audits, holdout readings."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from assay.kernel.errors import ArtifactError
from assay.runs.context import Context
from assay.track import BLOB_FILE, Blobs
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
