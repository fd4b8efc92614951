"""Write runs and models of the record to an MLflow server."""

import logging
import platform
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, AssayError, printable
from assay.kernel.timeframe import iso
from assay.track.artifacts import file_sha256
from assay.track.codecs import canonical
from assay.track.database import Row, rows
from assay.track.mirror.server import (
    Refused,
    TrackingServer,
    metric_key,
    mlflow_key,
    mlflow_number,
    mlflow_status,
    model_name,
    parameter,
    tag,
)
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import MANIFEST, read_checked_parts
from assay.track.registry.promotion import ModelSlot
from assay.track.schema.tables import METRICS
from assay.track.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow.entities import Metric, Run


_LOG = logging.getLogger(__name__)
RUN_ID = "assay.run_id"
_POINTS_TO, _FILES_TO, _MISSING = "assay.points_to", "assay.artifacts_to", "assay.artifacts_missing"
_AT_ONCE = 900  # metrics a call; MLflow takes 1,000 things of all kinds
_BLOB = "blob"


class MirroredRuns:
    """The runs of one record on one server."""

    def __init__(self, record: TrackingStore, server: TrackingServer) -> None:
        self._record = record
        self._server = server

    def bring(self, run_id: str) -> None:
        """Make the server say of a run what the record says: all of it the first time, what is new later.

        Points and files are sent once: how far it came is a tag there. A run that somebody deleted there stays deleted.
        """
        row = self._record.experiments.get(run_id)
        there = self.there(row)
        if there.info.lifecycle_stage == "deleted":
            _LOG.info("run %d was deleted on the server; it stays so", row["id"])
            return
        run = str(there.info.run_id)
        self._server.log(run, params=self._params(row["id"]), tags=_described(row))
        for points, last in self._points(row["id"], _mark(there, _POINTS_TO)):
            self._server.log(run, metrics=points, tags={_POINTS_TO: str(last)})
        self._send_files(row["id"], there)
        status = mlflow_status(row["status"])
        if there.info.status != status:
            self._server.set_status(run, status, None if row["end_time"] is None else _ms(row["end_time"]))

    def there(self, row: Row) -> "Run":
        """The run on the server; made when it is not there. Of two, which only a lost answer can leave, the first."""
        result = self._server.find_runs(RUN_ID, row["run_id"])
        if not result:
            return self._server.create_run(row["name"], _ms(row["start_time"]), self._first_tags(row))
        living = [run for run in result if run.info.lifecycle_stage != "deleted"]
        for double in living[1:]:
            _LOG.warning("run %d was made twice on the server; the later one goes to its bin", row["id"])
            self._server.delete_run(str(double.info.run_id))
        return living[0] if living else result[0]

    def _first_tags(self, row: Row) -> dict[str, str]:
        tags = {RUN_ID: row["run_id"], "mlflow.user": "assay", "mlflow.source.name": "assay"}
        if row["parent_id"] is not None:
            parent = self._record.experiments.get(int(row["parent_id"]))
            tags["mlflow.parentRunId"] = str(self.there(parent).info.run_id)
        return tags

    def _params(self, run: int) -> dict[str, str]:
        holding = self._record.hyperparameters.read(run)
        return {mlflow_key(name): parameter(value) for name, value in holding.items()}

    def _points(self, run: int, after: int) -> "Iterator[tuple[list[Metric], int]]":
        """Points after a row id, in batches, each with its last row id."""
        from mlflow.entities import Metric

        m = METRICS.c
        query = sa.select(METRICS).where(m.experiment_id == run, m.metric_type == "scalar").order_by(m.id)
        while True:
            with self._record.database.read() as connection:
                result = rows(connection.execute(query.where(m.id > after).limit(_AT_ONCE)))
            if not result:
                return
            after = int(result[-1]["id"])
            yield [Metric(*_point(row)) for row in result], after

    def _send_files(self, run: int, there: "Run") -> None:
        """Artifacts that are new, as plain files; what is gone or not the file that was recorded is named in a tag."""
        sent, missing = _mark(there, _FILES_TO), str(there.data.tags.get(_MISSING, ""))
        for artifact in self._record.artifacts.read(run):
            if artifact["id"] <= sent:
                continue
            files = _files(artifact)
            for name, path in files.items():
                self._server.put(
                    str(there.info.artifact_uri), f"{_folder(artifact)}/{mlflow_key(name)}", path.read_bytes()
                )
            if not files:
                missing = tag(", ".join(filter(None, (missing, artifact["artifact_name"]))))
            tags = {_FILES_TO: str(artifact["id"])} | ({_MISSING: missing} if missing else {})
            self._server.log(str(there.info.run_id), tags=tags)


def _described(row: Row) -> dict[str, str]:
    document: Mapping[str, object] = {
        "assay.experiment_id": row["id"],
        "assay.experiment_type": row["experiment_type"],
        "assay.status": row["status"],
        "assay.tags": " ".join(row["tags"]) or None,
        "assay.seed": row["random_seed"],
        "assay.spec_hash": row["spec_hash"],
        "assay.data_digest": row["data_digest"],
        "mlflow.source.git.commit": row["git_commit"],
        "mlflow.source.git.branch": row["git_branch"],
        "mlflow.note.content": "\n\n".join(filter(None, (row["description"], row["notes"]))) or None,
    }
    return {name: tag(str(value)) for name, value in document.items() if value is not None}


def _point(row: Row) -> tuple[str, float, int, int]:
    """Key, value, time and step of a metric point; MLflow has one count where the record has three."""
    step = next((row[name] for name in ("step", "episode", "epoch") if row[name] is not None), 0)
    key = metric_key(row["metric_name"], row["split"])
    return key, mlflow_number(row["value"], row["non_finite"]), _ms(row["timestamp"]), int(step)


def _files(artifact: Row) -> dict[str, Path]:
    """Plain files of an artifact by name; none where it is gone, or is not the file that was recorded."""
    path = Path(artifact["artifact_path"])
    try:
        if artifact["metadata"].get(_BLOB) is not None:
            return {file.name: file for file in sorted(path.parent.iterdir()) if file.is_file()}
        if path.is_file() and artifact["sha256"] == file_sha256(path):
            return {artifact["artifact_name"]: path}
    except (OSError, AssayError) as error:
        _LOG.warning("artifact %s cannot be read: %s", printable(artifact["artifact_path"]), error)
    return {}


def _folder(artifact: Row) -> str:
    kind = mlflow_key(artifact["artifact_type"])
    return kind if artifact["metadata"].get(_BLOB) is not None else f"{kind}/{artifact['id']}"


def _mark(there: "Run", name: str) -> int:
    """How far the run came: the tag's number, 0 where there is none."""
    text = str(there.data.tags.get(name, ""))
    return int(text) if text.isdecimal() else 0


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


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
        plain = model_name(post.strategy_type, post.symbol, post.timeframe)
        names = [plain, f"{plain}-{mlflow_key(post.exchange)}"] if post.exchange else [plain]
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
    verdict: Row = row["verdict"] or {}
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
