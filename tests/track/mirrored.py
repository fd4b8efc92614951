"""What an MLflow server says of one test's experiment, and runs to mirror."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from assay.kernel.timeframe import current_ms
from assay.track.mirror.server import TrackingServer
from assay.track.mirror.worker import MirrorWorker
from assay.track.tracking_store import TrackingStore
from tests.track.mlflow_server import MlflowServer
from tests.track.shelf import shelf

if TYPE_CHECKING:
    from mlflow import MlflowClient

IN_A_FILE = pytest.mark.parametrize("dialect", ["sqlite"])  # the record that the fixture `record` opens
NAME = "sma_cross-BTC~2FUSDT-1h"


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def mirror_of(record: TrackingStore, there: "There", folder: Path) -> MirrorWorker:
    """A mirror of a record whose models lie as `shelf` lays them."""
    return MirrorWorker(record, TrackingServer(there.server.uri, there.experiment), shelf(record, folder).places.blobs)


def a_run(record: TrackingStore, points: int = 3) -> str:
    """A completed run's run_id."""
    run = record.experiments.start("a run", "rules", tags=["x", "y"], seed=7, description="why")
    record.hyperparameters.log(run.id, {"fast": 5, "rate": 0.1, "deep": {"a": [1]}, "none": None, "a/b": "c"})
    shared = {"experiment_id": run.id, "split": "val", "timestamp": current_ms()}
    for name in ("loss", "sharpe"):
        told = [shared | {"metric_name": name, "step": n, "value": 1.0 / (n + 1)} for n in range(points)]
        record.metrics.log_points(told)
    record.experiments.finish(run)
    return run.run_id


class There:
    """One test's experiment on the server."""

    def __init__(self, server: MlflowServer, experiment: str) -> None:
        self.server = server
        self.experiment = experiment

    @property
    def client(self) -> "MlflowClient":
        from assay.track.mirror.server import client

        return client(self.server.uri)

    def runs(self) -> list[Any]:
        from mlflow.entities import ViewType

        found = self.client.get_experiment_by_name(self.experiment)
        return [] if found is None else list(self.client.search_runs([found.experiment_id], run_view_type=ViewType.ALL))

    def history(self, run: str, key: str) -> list[tuple[float, int]]:
        told = [(point.value, point.step) for point in self.client.get_metric_history(run, key)]
        return sorted(told, key=lambda point: point[1])

    def files(self, run: str, folder: Path) -> dict[str, str]:
        """SHA-256 by path of all artifacts of a run."""
        root = Path(self.client.download_artifacts(run, "", str(folder)))
        return {p.relative_to(root).as_posix(): sha(p.read_bytes()) for p in root.rglob("*") if p.is_file()}

    def aliases(self) -> dict[str, str]:
        return dict(self.client.get_registered_model(NAME).aliases)

    def versions(self) -> dict[str, str]:
        """Version by model_id."""
        found = self.client.search_model_versions(f"name='{NAME}'")
        assert len({version.tags["assay.model_id"] for version in found}) == len(found)
        return {version.tags["assay.model_id"]: str(version.version) for version in found}

    def clear(self) -> None:
        for model in self.client.search_registered_models():
            self.client.delete_registered_model(model.name)
