"""Runs of the record on an MLflow server."""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from assay.kernel.errors import AssayError, printable
from assay.track.artifacts import file_sha256
from assay.track.mirror import mlflow_names
from assay.track.mirror.server import TrackingServer
from assay.track.rows import Row, rows
from assay.track.schema.run_tables import METRICS
from assay.track.tracking_store import TrackingStore

if TYPE_CHECKING:
    from mlflow.entities import Run

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
        status = mlflow_names.status(row["status"])
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
        return {mlflow_names.key(name): mlflow_names.parameter(value) for name, value in holding.items()}

    def _points(self, run: int, after: int) -> Iterator[tuple[list[Any], int]]:
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
                    str(there.info.artifact_uri), f"{_folder(artifact)}/{mlflow_names.key(name)}", path.read_bytes()
                )
            if not files:
                missing = mlflow_names.tag(", ".join(filter(None, (missing, artifact["artifact_name"]))))
            tags = {_FILES_TO: str(artifact["id"])} | ({_MISSING: missing} if missing else {})
            self._server.log(str(there.info.run_id), tags=tags)


def _described(row: Row) -> dict[str, str]:
    document: Mapping[str, Any] = {
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
    return {name: mlflow_names.tag(str(value)) for name, value in document.items() if value is not None}


def _point(row: Row) -> tuple[str, float, int, int]:
    """Key, value, time and step of a metric point; MLflow has one count where the record has three."""
    step = next((row[name] for name in ("step", "episode", "epoch") if row[name] is not None), 0)
    key = mlflow_names.metric_key(row["metric_name"], row["split"])
    return key, mlflow_names.number(row["value"], row["non_finite"]), _ms(row["timestamp"]), int(step)


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
    kind = mlflow_names.key(artifact["artifact_type"])
    return kind if artifact["metadata"].get(_BLOB) is not None else f"{kind}/{artifact['id']}"


def _mark(there: "Run", name: str) -> int:
    """How far the run came: the tag's number, 0 where there is none."""
    text = str(there.data.tags.get(name, ""))
    return int(text) if text.isdecimal() else 0


def _ms(moment: Any) -> int:
    return round(moment.timestamp() * 1000)
