"""The mirror cut off, its server away: nothing is lost and nothing is double."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.track.mirror.server import TrackingServer
from assay.track.mirror.worker import Delivered, MirrorWorker, OutboxTopic
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore
from tests.track.mirrored import IN_A_FILE, NAME, There, a_run
from tests.track.mlflow_server import line_to
from tests.track.shelf import audited, publish, shelf

pytestmark = [pytest.mark.mlflow, pytest.mark.slow, IN_A_FILE]


def test_nothing_is_double_when_the_mirror_dies_before_it_has_marked(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = shelf(record, tmp_path)
    run = record.experiments.start("a run", "rules").id
    record.metrics.log(run, {"sharpe": 1.0, "loss": 2.0}, step=1)
    (tmp_path / "a.txt").write_text("a")
    record.artifacts.add(run, "log", tmp_path / "a.txt")
    model = audited(registry, run)
    registry.promote(model, by="ann")
    record.experiments.finish(run)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(OutboxTopic, "mark_delivered", killed)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                mirror.once()
    assert mirror.once().rows == 4
    (found,) = there.runs()
    assert there.history(found.info.run_id, "train/sharpe") == [(1.0, 1)]
    assert len(there.versions()) == 1 and there.aliases() == {"champion": "1"}


CUTS: list[tuple[str, str]] = [
    ("create_run", "after"),
    ("log_batch", "after"),
    ("log_batch", "before"),
    ("set_terminated", "after"),
    ("create_registered_model", "after"),
    ("create_model_version", "before"),
    ("create_model_version", "after"),
    ("set_registered_model_alias", "after"),
]


@pytest.mark.parametrize(("call", "when"), CUTS)
def test_nothing_is_double_when_an_answer_is_lost(
    record: TrackingStore,
    mirror: MirrorWorker,
    there: There,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    when: str,
) -> None:
    """The server did it, and we never heard; or it never came there."""
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    registry = shelf(record, tmp_path)
    run_id = a_run(record)
    registry.promote(audited(registry, record.experiments.get(run_id)["id"]), by="ann")
    real: Callable[..., Any] = getattr(MlflowClient, call)

    def lost(self: Any, *args: Any, **options: Any) -> Any:
        if when == "after":
            real(self, *args, **options)
        raise MlflowException("the line went dead")

    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, call, lost)
        assert "the line went dead" in mirror.once(early=True).away
    assert mirror.once(early=True).away == "" and OutboxTopic(record.database).state()["waiting"] == 0
    (found,) = there.runs()
    assert there.history(found.info.run_id, "val/loss") == [(1 / (n + 1), n) for n in range(3)]
    assert found.info.status == "FINISHED"
    assert len(there.versions()) == 1 and there.aliases() == {"champion": "1"}


def test_two_runs_of_a_lost_answer_become_one(record: TrackingStore, mirror: MirrorWorker, there: There) -> None:
    """A slow server may make the run after we have asked again: the later one goes to the bin."""
    run = record.experiments.start("a run", "rules")
    server = TrackingServer(there.server.uri, there.experiment)
    first = server.create_run("a run", 1, {"assay.run_id": run.run_id})
    second = server.create_run("a run", 2, {"assay.run_id": run.run_id})
    record.experiments.finish(run)
    mirror.once()
    stages = {r.info.run_id: r.info.lifecycle_stage for r in there.runs()}
    assert stages == {first.info.run_id: "active", second.info.run_id: "deleted"}


def test_a_run_that_somebody_deleted_there_stays_deleted(
    record: TrackingStore, mirror: MirrorWorker, there: There
) -> None:
    run = record.experiments.start("a run", "rules")
    mirror.once()
    there.client.delete_run(there.runs()[0].info.run_id)
    record.experiments.finish(run)
    assert mirror.once() == Delivered(1, 0, "")
    assert [r.info.lifecycle_stage for r in there.runs()] == ["deleted"]


def test_the_same_market_of_two_exchanges_is_two_registered_models(
    record: TrackingStore, mirror: MirrorWorker, there: There, tmp_path: Path
) -> None:
    import sqlalchemy as sa

    from assay.track.schema.tables import MODELS

    registry = shelf(record, tmp_path)
    run = record.experiments.start("a run", "rules").id
    publish(registry, run)
    other = publish(registry, run, fast=7)
    with record.database.write() as connection:
        connection.execute(sa.update(MODELS).where(MODELS.c.id == other).values(exchange="kraken"))
    there.client.create_registered_model("sma_cross-X-1h")
    mirror.once()
    assert sorted(m.name for m in there.client.search_registered_models()) == [NAME, f"{NAME}-kraken", "sma_cross-X-1h"]
    assert len(there.versions()) == 1


def test_what_happened_while_the_server_was_away_is_caught_up(
    record: TrackingStore, there: There, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("assay.track.mirror.server.SECONDS", 1)
    waiting = OutboxTopic(record.database)
    with line_to(there.server) as line:
        mirror = MirrorWorker(record, TrackingServer(line.uri, there.experiment), Blobs(tmp_path))
        a_run(record)
        assert mirror.once() == Delivered(2, 0, "")
        for away in (line.cut, lambda: (line.up(), line.dead())):
            away()
            a_run(record)
            assert "does not answer" in mirror.once(early=True).away
            assert mirror.once() == Delivered(0, 0, "")  # it waits, and asks nobody
        assert waiting.state()["waiting"] == 4
        line.cut()
        line.up()
        assert mirror.once(early=True) == Delivered(4, 0, "")
    assert len({run.data.tags["assay.run_id"] for run in there.runs()}) == len(there.runs()) == 3
    assert all(run.info.status == "FINISHED" and len(run.data.metrics) == 2 for run in there.runs())


WORKER = """
import os, signal, sys
from pathlib import Path
import requests
from assay.track.model_files.artifact_store import Blobs
from assay.track.mirror.worker import MirrorWorker
from assay.track.mirror.server import TrackingServer
from assay.track.tracking_store import open_store

real, left = requests.Session.request, [int(sys.argv[5])]

def request(*args, **options):
    answer = real(*args, **options)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

requests.Session.request = request
with open_store(sys.argv[1]) as record:
    MirrorWorker(record, TrackingServer(sys.argv[2], sys.argv[3]), Blobs(Path(sys.argv[4]))).once(early=True)
"""


def test_a_mirror_that_is_killed_leaves_nothing_double(record: TrackingStore, there: There, tmp_path: Path) -> None:
    """Kill -9 right after the n-th answer, before anything was marked."""
    registry = shelf(record, tmp_path)
    for _ in range(3):
        run = record.experiments.get(a_run(record, points=20))["id"]
        publish(registry, run, fast=4 + run)
    places = [str(tmp_path / "record.db"), there.server.uri, there.experiment, str(registry.places.artifacts)]
    codes = [
        subprocess.run([sys.executable, "-c", WORKER, *places, str(n)], check=False).returncode for n in (4, 9, 16, 999)
    ]
    assert codes == [-signal.SIGKILL] * 3 + [0] and OutboxTopic(record.database).state()["waiting"] == 0
    runs = there.runs()
    assert len(runs) == 3 and len(there.versions()) == 3
    for run in runs:
        assert len(there.history(run.info.run_id, "val/loss")) == 20
