"""The record: what ran, on what, and what came of it."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.track.blobs.store import Blobs as Blobs
    from assay.track.record import TrackingStore as TrackingStore
    from assay.track.record import open_store as open_store
    from assay.track.tracker.catalogue import DatasetManager as DatasetManager
    from assay.track.tracker.logger import MetricsLogger as MetricsLogger
    from assay.track.tracker.registry import ModelRegistry as ModelRegistry
    from assay.track.tracker.statements import MLDatabase as MLDatabase
    from assay.track.tracker.tracker import ExperimentTracker as ExperimentTracker

_HOMES = {
    "open_store": "assay.track.record",
    "TrackingStore": "assay.track.record",
    "Blobs": "assay.track.blobs.store",
    "ExperimentTracker": "assay.track.tracker.tracker",
    "ModelRegistry": "assay.track.tracker.registry",
    "DatasetManager": "assay.track.tracker.catalogue",
    "MetricsLogger": "assay.track.tracker.logger",
    "MLDatabase": "assay.track.tracker.statements",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"assay.track has no {name}")


def __dir__() -> list[str]:
    return sorted(_HOMES)
