"""The record: what ran, on what, and what came of it."""

from importlib import import_module
from typing import Any

_HOMES = {"open_record": "assay.track.record", "Record": "assay.track.record", "Blobs": "assay.track.blobs.store"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"assay.track has no {name}")
