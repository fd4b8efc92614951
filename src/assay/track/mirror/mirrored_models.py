"""Published models and their champions on an MLflow server, as plain files that our own reader loads there."""

import logging
import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from assay.kernel.errors import ArtifactError
from assay.kernel.timestamps import iso
from assay.track.canonical_json import canonical
from assay.track.mirror import mlflow_names
from assay.track.mirror.mirrored_runs import MirroredRuns
from assay.track.mirror.server import Refused, TrackingServer
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import MANIFEST, read_checked_parts
from assay.track.registry.aliases import ModelSlot
from assay.track.rows import Row
from assay.track.tracking_store import TrackingStore

_LOG = logging.getLogger(__name__)
LOADER = "assay.track.mirror.pyfunc"
MODEL_ID, EXCHANGE = "assay.model_id", "assay.exchange"
ALIASES = ("champion", "challenger")


class MirroredModels:
    """The models of one record on one server."""

    def __init__(self, record: TrackingStore, server: TrackingServer, runs: MirroredRuns, blobs: Blobs) -> None:
        self._record = record
        self._server = server
        self._runs = runs
        self._blobs = blobs

    def bring(self, model: int) -> None:
        """Make the server hold a published model's version; one of a plain script, without key or files, it never gets.

        Raises ArtifactError where the files are damaged. Files that retention has deleted are not missed.
        """
        row = self._record.models.get(model)
        if _published(row):
            self._version(row)

    def bring_aliases(self, post: ModelSlot) -> None:
        """Make champion and challenger of a post point there to what they point to here."""
        holding = self._record.champions.of(post)
        wanted: dict[str, str | None] = dict.fromkeys(ALIASES)
        for alias in ALIASES:
            row = self._record.models.get(int(holding[alias]["model_id"])) if alias in holding else None
            if row is not None and _published(row):
                wanted[alias] = self._version(row)
        name = self._name(post)
        there = self._server.find_model(name)
        available = {} if there is None else dict(there.aliases)
        for alias, number in wanted.items():
            if available.get(alias) != number and (number is not None or alias in available):
                self._server.set_alias(name, alias, number)

    def _version(self, row: Row) -> str | None:
        """Number of the model's version there, made when it is not there; None where its files are gone for good."""
        name = self._name(ModelSlot(row["strategy_type"], row["exchange"] or "", row["symbol"], row["timeframe"] or ""))
        for result in self._server.versions(name):
            if result.tags.get(MODEL_ID) == row["model_id"]:
                self._server.tag_version(name, str(result.version), _changed(_tags(row), result.tags))
                return str(result.version)
        try:
            facts, parts = read_checked_parts(self._blobs, row["manifest_sha256"])
        except ArtifactError as error:
            if error.code == "ARTIFACT_GONE" and row["deleted_at"] is not None:
                return None
            raise
        there = self._runs.there(self._record.experiments.get(int(row["experiment_id"])))
        run, source = str(there.info.run_id), f"{str(there.info.artifact_uri).rstrip('/')}/models/{row['model_id']}"
        manifest = canonical(facts).encode() + b"\n"  # byte for byte what was hashed
        for part, data in {**parts, MANIFEST: manifest, "MLmodel": mlmodel(row, run)}.items():
            self._server.put(source, part, data)
        return str(self._server.create_version(name, source, run, _tags(row)).version)

    def _name(self, post: ModelSlot) -> str:
        """``{strategy}-{slug}-{timeframe}``; ``-{exchange}`` follows where another exchange has that name already."""
        plain = mlflow_names.model_name(post.strategy_type, post.symbol, post.timeframe)
        names = [plain, f"{plain}-{mlflow_names.key(post.exchange)}"] if post.exchange else [plain]
        for name in names:
            result = self._server.find_model(name)
            if result is None:
                self._server.register(name, {EXCHANGE: post.exchange})
            if result is None or result.tags.get(EXCHANGE) == post.exchange:
                return name
        raise Refused(
            f"the registered model {names[-1]} on the server is somebody else's: it has no tag {EXCHANGE} of "
            f"{post.exchange or 'no exchange'}",
            code="STORE_VALUE",
        )


def mlmodel(row: Row, run: str) -> bytes:
    """MLflow's description of a model folder: our loader reads it, and nothing in it is code.

    JSON, which every reader of YAML reads.
    """
    document = {
        "artifact_path": f"models/{row['model_id']}",
        "flavors": {"python_function": {"loader_module": LOADER, "python_version": platform.python_version()}},
        "mlflow_version": version("mlflow-skinny"),
        "model_uuid": str(row["manifest_sha256"])[:32],
        "run_id": run,
        "utc_time_created": iso(round(row["created_at"].timestamp() * 1000)).rstrip("Z").replace("T", " "),
    }
    return canonical(document).encode() + b"\n"


def _published(row: Row) -> bool:
    return bool(row["strategy_type"] and row["symbol"] and row["manifest_sha256"])


def _tags(row: Row) -> dict[str, str]:
    verdict: Mapping[str, Any] = row["verdict"] or {}
    message = {
        MODEL_ID: row["model_id"],
        EXCHANGE: row["exchange"] or "",
        "assay.lifecycle_stage": row["lifecycle_stage"],
        "assay.verdict": verdict.get("word"),
        "assay.content_sha256": row["content_sha256"],
        "assay.manifest_sha256": row["manifest_sha256"],
    }
    return {name: str(value) for name, value in message.items() if value is not None}


def _changed(message: Mapping[str, str], available: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in message.items() if available.get(name) != value}
