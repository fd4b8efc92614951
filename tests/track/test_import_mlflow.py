"""Runs and models that MLflow made, on a real server and in its own files."""

import math
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import AssayError, StoreError
from assay.track.database import Row
from assay.track.migrate.mlflow import from_mlflow
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.mirrored import There, a_run, mirror_of
from tests.track.mlflow_server import same_environment
from tests.track.shelf import publish, shelf


@pytest.fixture
def dialect() -> str:
    return "sqlite"


def laid(there: There, folder: Path) -> dict[str, str]:
    """A parent, its child and one that goes on, as a script of somebody would log them; ids by name."""
    client = there.client
    experiment = client.create_experiment(there.experiment)
    parent = client.create_run(experiment, run_name="whole", start_time=1_700_000_000_000)
    child = client.create_run(
        experiment, run_name="part", start_time=1_700_000_001_000,
        tags={"mlflow.parentRunId": parent.info.run_id, "team": "blue", "mlflow.note.content": "why"},
    )  # fmt: skip
    going = client.create_run(experiment, run_name="going", start_time=1_700_000_002_000)
    for name, value in {"rate": "0.1", "layers": "[1, 2]", "name": "007", "on": "True", "none": "None"}.items():
        client.log_param(child.info.run_id, name, value)
    for step, value in enumerate([0.5, 0.25, math.nan]):
        client.log_metric(child.info.run_id, "val/loss", value, 1_700_000_001_000 + step, step)
    (folder / "a.txt").write_text("a" * 1024)
    client.log_artifact(child.info.run_id, str(folder / "a.txt"), "deep/er")
    client.set_terminated(child.info.run_id, "FINISHED", 1_700_000_003_000)
    client.set_terminated(parent.info.run_id, "KILLED", 1_700_000_004_000)
    client.create_registered_model("m's")
    for run in (child, parent):
        client.create_model_version("m's", f"{run.info.artifact_uri}/model", run.info.run_id, await_creation_for=0)
    client.set_registered_model_alias("m's", "champion", "1")
    return {"whole": parent.info.run_id, "part": child.info.run_id, "going": going.info.run_id}


def by_name(record: TrackingStore) -> dict[str, Row]:
    return {row["name"]: row for row in record.experiments.recent()}


@pytest.mark.mlflow
@pytest.mark.slow
def test_what_was_logged_there_is_here(record: TrackingStore, there: There, tmp_path: Path) -> None:
    ids = laid(there, tmp_path)
    done = from_mlflow(there.server.uri, record, experiments=[there.experiment])
    assert done.read == done.written == {"runs": 3, "parameters": 5, "points": 3, "artifacts": 1, "models": 2}
    assert done.flagged == {"a run had not ended there; it is crashed here": 1}
    runs = by_name(record)
    assert {name: row["status"] for name, row in runs.items()} == {
        "whole": "stopped", "part": "completed", "going": "crashed"
    }  # fmt: skip
    part = runs["part"]
    assert part["parent_id"] == runs["whole"]["id"] and part["description"] == "why"
    assert (part["start_time"].timestamp(), part["end_time"].timestamp()) == (1_700_000_001, 1_700_000_003)
    assert part["metadata"]["mlflow"]["tags"]["team"] == "blue"
    assert part["metadata"]["imported"] == {"from": "mlflow", "key": ids["part"]}
    assert record.hyperparameters.read(part["id"]) == {
        "layers": [1, 2], "name": "007", "none": None, "on": True, "rate": 0.1
    }  # fmt: skip
    points = record.metrics.read(part["id"])
    assert [(p["metric_name"], p["step"]) for p in points] == [("val/loss", 0), ("val/loss", 1), ("val/loss", 2)]
    assert [p["value"] for p in points[:2]] == [0.5, 0.25] and math.isnan(points[2]["value"])
    assert points[1]["timestamp"].timestamp() == 1_700_000_001.001
    (file,) = record.artifacts.read(part["id"])
    assert file["artifact_path"].endswith("/artifacts/deep/er/a.txt") and file["sha256"] is None
    assert file["file_size_mb"] == 1 / 1024
    models = {row["version"]: row for row in record.models.recent()}
    assert models["1"]["metadata"]["mlflow"]["aliases"] == ["champion"] and models["2"]["name"] == "m's"
    assert {(row["format"], row["integrity"]) for row in models.values()} == {("external", "unverified")}

    again = from_mlflow(there.server.uri, record, experiments=[there.experiment])
    assert set(again.written.values()) == {0} and again.read["runs"] == 3
    assert len(record.experiments.recent()) == 3 and len(record.models.recent()) == 2
    more = there.client.create_run(there.client.get_experiment_by_name(there.experiment).experiment_id)
    there.client.set_terminated(more.info.run_id)
    assert from_mlflow(there.server.uri, record, experiments=[there.experiment]).written["runs"] == 1


@pytest.mark.mlflow
@pytest.mark.slow
def test_what_was_mirrored_from_here_does_not_come_back(record: TrackingStore, there: There, tmp_path: Path) -> None:
    registry = shelf(record, tmp_path)
    publish(registry, record.experiments.get(a_run(record))["id"])
    mirror_of(record, there, tmp_path).once()
    done = from_mlflow(there.server.uri, record, experiments=[there.experiment])
    assert done.read["runs"] == done.read["models"] == 1 and set(done.written.values()) == {0}
    with open_store(tmp_path / "other.db") as other:
        assert from_mlflow(there.server.uri, other, experiments=[there.experiment]).written["runs"] == 1


@pytest.mark.mlflow
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The ``noload``")  # MLflow's own SQL
def test_the_server_s_own_database(record: TrackingStore, there: There, tmp_path: Path) -> None:
    laid(there, tmp_path)
    place = f"sqlite:///{there.server.folder / 'server.db'}"
    done = from_mlflow(place, record, experiments=[there.experiment])
    assert (done.written["runs"], done.written["points"], done.written["artifacts"]) == (3, 3, 0)
    assert done.flagged["a run's files lie with a server that was not asked; they were left out"] == 3
    assert set(from_mlflow(there.server.uri, record, experiments=[there.experiment]).written.values()) == {0}


@pytest.mark.mlflow
@pytest.mark.slow
def test_an_experiment_that_is_not_there(record: TrackingStore, there: There) -> None:
    with pytest.raises(AssayError) as told:
        from_mlflow(there.server.uri, record, experiments=["nowhere"])
    assert told.value.code == "CONFIG_FIELD" and "Default" in told.value.message


@pytest.mark.mlflow
@pytest.mark.slow
def test_a_folder_of_the_file_store_is_only_read(record: TrackingStore, tmp_path: Path) -> None:
    with same_environment():
        from assay.track.mirror.server import client

        folder = tmp_path / "mlruns"
        made = client(folder.as_uri(), files=True)
        run = made.create_run(made.create_experiment("x"), run_name="a run", start_time=1_700_000_000_000)
        made.log_metric(run.info.run_id, "loss", 0.5, 1_700_000_000_000, 1)
        made.log_param(run.info.run_id, "rate", "0.1")
        made.log_text(run.info.run_id, "text", "notes/a.txt")
        made.set_terminated(run.info.run_id)
        before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
        done = from_mlflow(str(folder), record)
        assert done.written == {"runs": 1, "parameters": 1, "points": 1, "artifacts": 1, "models": 0}
        (file,) = record.artifacts.read(by_name(record)["a run"]["id"])
        assert file["artifact_path"].startswith("file://") and file["artifact_name"] == "a.txt"
        assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_a_database_of_somebody_else_is_left_alone(record: TrackingStore, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    for place in (f"sqlite:///{tmp_path / 'record.db'}", str(tmp_path)):
        with pytest.raises(AssayError) as told:
            from_mlflow(place, record)
        assert told.value.code == "CONFIG_FIELD"
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "uri", ["", "sqlite:///{}/gone.db", "{}/gone", "ftp://u:secret@h", "postgresql://u:secret@h/x"]
)
def test_places_that_are_none(record: TrackingStore, tmp_path: Path, uri: str) -> None:
    with pytest.raises(AssayError) as told:
        from_mlflow(uri.format(tmp_path / "far"), record)
    assert told.value.code == "CONFIG_FIELD" and "secret" not in told.value.message
    assert not (tmp_path / "far").exists()


def test_a_server_that_is_away(record: TrackingStore) -> None:
    with same_environment(), pytest.raises(StoreError) as told:
        from_mlflow("http://127.0.0.1:9", record)
    assert told.value.code == "STORE_BUSY"


@pytest.mark.parametrize(
    ("text", "value"), [("1", 1), ("0.10", 0.1), ("True", True), ("adam", "adam"), ('{"a": 1}', {"a": 1}), ("[", "[")]
)
def test_what_a_text_was(text: str, value: Any) -> None:
    from assay.track.migrate.legacy import infer

    assert infer(text) == value
