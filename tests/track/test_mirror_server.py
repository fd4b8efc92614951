"""What a real MLflow server says after the mirror was at it."""

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from assay.track.database import enqueue
from assay.track.mirror.worker import Delivered, MirrorWorker, OutboxTopic
from assay.track.tracking_store import TrackingStore
from tests.track.mirrored import IN_A_FILE, NAME, There, a_run, sha
from tests.track.shelf import POST, audited, bars, publish, rule, shelf

pytestmark = [pytest.mark.mlflow, pytest.mark.slow, IN_A_FILE]


def test_a_run_is_there_as_it_is_here(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    files = {"equity.csv": b"a,b\n1,2\n", "plot.bin": bytes(range(256)), "größe ?.txt": b"x"}
    parent = record.experiments.start("the whole", "search")
    run = record.experiments.start("a part", "rules", tags=["x", "y"], seed=7, description="why", parent_id=parent.id)
    record.hyperparameters.log(run.id, {"fast": 5, "rate": 0.1, "none": None})
    record.metrics.log(run.id, {"sharpe": 1.25}, step=4, split="test")
    record.metrics.log(run.id, {"loss": 0.5}, episode=9)
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
        record.artifacts.add(run.id, "plot", tmp_path / name)
    record.artifacts.add(run.id, "plot", tmp_path / "gone.txt", sha256="0" * 64)
    (tmp_path / "other.txt").write_text("one")
    record.artifacts.add(run.id, "plot", tmp_path / "other.txt")
    (tmp_path / "other.txt").write_text("two")  # not what was recorded any more
    record.experiments.finish(run, "stopped")
    assert mirror.once() == Delivered(3, 0, "")
    found = {r.data.tags["assay.run_id"]: r for r in there.runs()}
    assert set(found) == {parent.run_id, run.run_id}
    assert found[parent.run_id].info.status == "RUNNING"
    one, row = found[run.run_id], record.experiments.get(run)
    assert (one.info.status, one.info.run_name) == ("KILLED", "a part")
    assert one.info.start_time == row["start_time"].timestamp() * 1000
    assert one.info.end_time == row["end_time"].timestamp() * 1000
    assert one.data.params == {"fast": "5", "rate": "0.1", "none": "None"}
    assert one.data.metrics == {"test/sharpe": 1.25, "train/loss": 0.5}
    assert there.history(one.info.run_id, "test/sharpe") == [(1.25, 4)]
    assert there.history(one.info.run_id, "train/loss") == [(0.5, 9)]
    tags = one.data.tags
    assert tags["mlflow.parentRunId"] == found[parent.run_id].info.run_id
    assert (tags["assay.seed"], tags["assay.tags"], tags["mlflow.note.content"]) == ("7", "x y", "why")
    assert tags["assay.artifacts_missing"] == "gone.txt, other.txt"
    (tmp_path / "back").mkdir()
    assert sorted(there.files(one.info.run_id, tmp_path / "back").values()) == sorted(map(sha, files.values()))


@pytest.mark.parametrize(
    ("ours", "theirs"), [("completed", "FINISHED"), ("failed", "FAILED"), ("stopped", "KILLED"), ("crashed", "FAILED")]
)
def test_how_runs_end(record: TrackingStore, mirror: MirrorWorker, there: There, ours: str, theirs: str) -> None:
    run = record.experiments.start("a run", "rules")
    mirror.once()
    assert there.runs()[0].info.status == "RUNNING"
    if ours == "crashed":
        import sqlalchemy as sa

        from assay.track.schema.tables import EXPERIMENTS

        with record.database.write() as connection:
            gone = record.experiments.get(run)["owner"].split("/")[0] + "/1/1/x"
            connection.execute(sa.update(EXPERIMENTS).values(owner=gone))
        record.experiments.sweep()
    else:
        record.experiments.finish(run, ours)
    assert mirror.once().rows == 1
    (found,) = there.runs()
    assert (found.info.status, found.data.tags["assay.status"]) == (theirs, ours)


def test_points_that_are_no_number(record: TrackingStore, mirror: MirrorWorker, there: There) -> None:
    run = record.experiments.start("a run", "rules")
    record.metrics.log(run.id, {"a": math.nan, "b": math.inf, "c": -math.inf, "d": 1e308, "x/../y z%": 2.0})
    record.metrics.log_distribution(run.id, "shares", {"long": 0.5})
    record.experiments.finish(run)
    assert mirror.once() == Delivered(2, 0, "")
    (found,) = there.runs()
    told = found.data.metrics
    assert math.isnan(told["train/a"]) and told["train/d"] == 1e308 and len(told) == 5
    assert told["train/b"] >= sys.float_info.max and told["train/c"] <= -sys.float_info.max


def test_many_points_arrive_once_in_calls_of_at_most_a_thousand(
    record: TrackingStore, mirror: MirrorWorker, there: There, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlflow import MlflowClient

    sizes: list[int] = []
    real = MlflowClient.log_batch

    def counted(self: Any, run_id: str, metrics: Any = (), params: Any = (), tags: Any = (), **rest: Any) -> Any:
        sizes.append(len(metrics) + len(params) + len(tags))
        return real(self, run_id, metrics, params, tags, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    run_id = a_run(record, points=1_250)
    assert mirror.once().rows == 2
    (found,) = there.runs()
    history = there.history(found.info.run_id, "val/loss")
    assert history == [(1.0 / (step + 1), step) for step in range(1_250)]
    assert sum(sizes) >= 2_500 and max(sizes) <= 1_000
    sizes.clear()
    with record.database.write() as connection:
        enqueue(connection, "run", "again", run_id=run_id)
    assert mirror.once().rows == 1 and sum(sizes) < 100  # its points are there


def test_champion_and_challenger_follow(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    registry = shelf(record, tmp_path)
    run = record.experiments.start("a run", "rules").id
    models = [audited(registry, run, fast=fast) for fast in (4, 5, 6)]
    names = [record.models.get(model)["model_id"] for model in models]
    mirror.once()
    assert sorted(there.versions()) == sorted(names) and there.aliases() == {}

    def stand() -> dict[str, str]:
        assert not mirror.once().failed
        back = {version: name for name, version in there.versions().items()}
        return {alias: back[version] for alias, version in there.aliases().items()}

    registry.promote(models[0], by="ann")
    assert stand() == {"champion": names[0]}
    record.champions.challenge(models[1], by="ann")
    assert stand() == {"champion": names[0], "challenger": names[1]}
    registry.promote(models[1], by="ann")
    assert stand() == {"champion": names[1]}
    registry.promote(models[2], by="ann")
    record.champions.challenge(models[0], by="ann")
    assert stand() == {"champion": names[2], "challenger": names[0]}
    registry.rollback(*(POST.strategy_type, POST.symbol, POST.timeframe, POST.exchange), by="ann")
    assert stand() == {"champion": names[1], "challenger": names[0]}
    assert len(there.versions()) == 3


def test_the_champion_loads_there_and_decides_alike(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    registry = shelf(record, tmp_path)
    model = audited(registry, record.experiments.start("a run", "rules").id)
    registry.promote(model, by="ann")
    assert mirror.once() == Delivered(3, 0, "")
    frame = {name: getattr(bars(), name).tolist() for name in ("timestamp", "open", "high", "low", "close", "volume")}
    (tmp_path / "candles.json").write_text(json.dumps(frame))
    script = (
        "import sys, json, pandas, mlflow\n"
        "mlflow.set_tracking_uri(sys.argv[1])\n"
        "model = mlflow.pyfunc.load_model(sys.argv[2])\n"
        "told = model.predict(pandas.DataFrame(json.load(open(sys.argv[3]))))\n"
        "print(json.dumps({name: [None if x != x else x for x in told[name].tolist()] for name in told}))\n"
        "assert 'pickle' not in model.metadata.to_yaml()\n"
    )
    command = [
        sys.executable,
        "-c",
        script,
        there.server.uri,
        f"models:/{NAME}@champion",
        str(tmp_path / "candles.json"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    own = registry.load(model).decide(panel())["BTC/USDT"]
    for name in ("target", "stop", "take", "hold"):
        expected = [None if x != x else x for x in getattr(own, name).tolist()]
        assert found[name] == expected, name
    assert any(x == 1.0 for x in found["target"])


def panel() -> Any:
    from assay.kernel.panel import Panel, Window

    return Panel.of(Window.of_bars(bars()))


def test_rules_that_were_damaged_here_are_not_brought_there(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    registry = shelf(record, tmp_path)
    model = publish(registry, record.experiments.start("a run", "rules").id)
    row = record.models.get(model)
    path = registry.places.artifacts / row["manifest_sha256"] / "rules.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    assert mirror.once() == Delivered(1, 1, "")
    assert "ARTIFACT_CORRUPT" in OutboxTopic(record.database).state()["last_error"]
    assert there.versions() == {}


def test_what_was_changed_there_is_not_loaded(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    from assay.kernel.errors import ArtifactError
    from assay.track.mirror import pyfunc

    registry = shelf(record, tmp_path)
    publish(registry, record.experiments.start("a run", "rules").id)
    mirror.once()
    (version,) = there.client.search_model_versions(f"name='{NAME}'")
    folder = Path(
        there.client.download_artifacts(version.run_id, f"models/{version.tags['assay.model_id']}", str(tmp_path))
    )
    assert pyfunc._load_pyfunc(str(folder)).instrument.symbol == "BTC/USDT"
    for name in ("rules.json", "manifest.json"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data.replace(b'"fast":5', b'"fast":6') if name == "rules.json" else data[:-9])
        with pytest.raises(ArtifactError) as told:
            pyfunc._load_pyfunc(str(folder))
        assert told.value.code == "ARTIFACT_CORRUPT"
        (folder / name).write_bytes(data)
    assert rule().lookback
