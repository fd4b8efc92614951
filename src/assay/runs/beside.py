"""JSON documents that were kept with a run after it had ended: later audits, readings of the holdout."""

import json
from collections.abc import Mapping
from typing import Any

from assay.runs.context import Context
from assay.track.blobs.store import BYTES, Blobs
from assay.track.vault import HOLDOUT as HOLDOUT

AUDIT = "audit"


def kept(run: int, kind: str, context: Context) -> list[dict[str, Any]]:
    """All of a kind, oldest first. Raises ArtifactError ``ARTIFACT_GONE`` for one whose file is not there."""
    blobs = Blobs(context.artifacts)
    found = [row for row in context.record.artifacts.read(run) if row["artifact_type"] == kind]
    return [dict(json.loads(blobs.get(row["metadata"]["blob"]))) for row in found]


def keep_beside(run: int, kind: str, document: Mapping[str, Any], context: Context) -> None:
    """Keep one; inside the transaction of what it tells of."""
    blobs = Blobs(context.artifacts)
    blob = blobs.put(json.dumps(document, sort_keys=True, allow_nan=False).encode())
    place = blobs.path(blob) / BYTES
    context.record.artifacts.add(run, kind, place, name=kind, sha256=blob, metadata={"blob": blob})
