"""The name by which the tracking API of `assay.track` is also known."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.track import DatasetManager as DatasetManager
    from assay.track import ExperimentTracker as ExperimentTracker
    from assay.track import MetricsLogger as MetricsLogger
    from assay.track import MLDatabase as MLDatabase
    from assay.track import ModelRegistry as ModelRegistry

__all__ = ["DatasetManager", "ExperimentTracker", "MLDatabase", "MetricsLogger", "ModelRegistry"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from assay import track

        return getattr(track, name)
    raise AttributeError(f"ml_persistence has no {name}")
