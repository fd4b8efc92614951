"""Runs in the record: how they begin, beat and end, and what becomes of those whose process died."""

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.track import liveness
from assay.track.engines import SqliteFile
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.coded import coded


def test_a_run_from_start_to_end(record: TrackingStore) -> None:
    run = record.experiments.start(
        "name", "rules", spec={"a": 1}, spec_hash="1" * 64, data_digest="2" * 64, seed=3, tags=["x", "y"]
    )
    assert record.experiments.get(run.run_id) == record.experiments.get(run.id) == record.experiments.get(str(run.id))
    assert record.experiments.find_completed("1" * 64, "2" * 64) is None
    record.experiments.finish(run, notes="done")
    record.experiments.finish(run)
    with coded("STORE_CONFLICT"):
        record.experiments.finish(run, "failed")
    row = record.experiments.find_completed("1" * 64, "2" * 64)
    assert row is not None
    assert (row["id"], row["status"], row["spec"], row["tags"], row["notes"]) == (
        run.id, "completed", {"a": 1}, ["x", "y"], "done",
    )  # fmt: skip
    assert row["end_time"].tzinfo is UTC and row["duration_seconds"] >= 0
    assert record.experiments.find_completed("1" * 64, "2" * 64, git_commit="c" * 40) is None


def test_unknown_runs_name_what_there_is(record: TrackingStore) -> None:
    with pytest.raises(StoreError, match="no run yet"):
        record.experiments.get(1)
    record.experiments.start("a", "rules")
    for asked in (7, "7", "no-such-uuid"):
        with pytest.raises(StoreError, match="holds 1 runs, ids 1 to 1") as told:
            record.experiments.get(asked)
        assert told.value.code == "STORE_NOT_FOUND"


def test_recent_runs_are_filtered_and_newest_first(record: TrackingStore) -> None:
    ids = [record.experiments.start(f"r{i}", kind, tags=[kind, "all"]).id for i, kind in enumerate("aba")]
    record.experiments.finish(ids[0])
    found = record.experiments.recent
    assert [row["id"] for row in found()] == ids[::-1]
    assert found()[0].keys() == record.experiments.get(ids[0]).keys() - {"environment"}
    assert [row["id"] for row in found(1)] == [ids[2]]
    assert [row["id"] for row in found(experiment_type="a")] == [ids[2], ids[0]]
    assert [row["id"] for row in found(status="completed")] == [ids[0]]
    assert [row["id"] for row in found(tags=["b", "all"])] == [ids[1]]
    with coded("STORE_VALUE"):
        found(status="done")
    with coded("STORE_VALUE"):
        found(0)


@pytest.mark.parametrize(
    "wrong",
    [{"name": ""}, {"name": "n" * 201}, {"experiment_type": "Rules!"}, {"tags": "abc"}, {"seed": -1}, {"seed": 2**32},
     {"no_such_column": 1}, {"spec": {"a": {1, 2}}}, {"spec_hash": "abc"}, {"notes": "\ud800"}],
    ids=str,
)  # fmt: skip
def test_bad_starts_are_refused(record: TrackingStore, wrong: dict[str, Any]) -> None:
    with coded("STORE_VALUE"):
        record.experiments.start(**({"name": "n", "experiment_type": "rules"} | wrong))
    assert record.experiments.recent() == []


def test_running_ends_the_run(record: TrackingStore) -> None:
    with record.experiments.keep_alive(record.experiments.start("fine", "rules")) as run:
        pass
    assert record.experiments.get(run)["status"] == "completed"
    with pytest.raises(ValueError), record.experiments.keep_alive(record.experiments.start("bad", "rules")) as run:
        raise ValueError("why")
    row = record.experiments.get(run)
    assert (row["status"], row["notes"]) == ("failed", "ValueError: why")
    with pytest.raises(KeyboardInterrupt), record.experiments.keep_alive(record.experiments.start("c", "rules")) as run:
        raise KeyboardInterrupt
    assert record.experiments.get(run)["status"] == "stopped"
    with record.experiments.keep_alive(record.experiments.start("own", "rules")) as run:
        record.experiments.finish(run, "stopped", "enough")
    assert record.experiments.get(run)["status"] == "stopped"


def test_a_beat_that_waited_for_the_end_of_its_run_says_nothing(
    record: TrackingStore, caplog: pytest.LogCaptureFixture
) -> None:
    run = record.experiments.start("long")
    with record.experiments.keep_alive(run, beat_seconds=0.01):
        with record.together():
            time.sleep(0.1)  # beats queue behind the transaction that ends the run
            record.experiments.finish(run)
        time.sleep(0.1)
    assert caplog.records == []
    assert record.experiments.get(run)["status"] == "completed"


def test_the_heartbeat_beats(record: TrackingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = threading.Event()
    real = record.experiments.heartbeat
    monkeypatch.setattr(record.experiments, "heartbeat", lambda run: (real(run), beaten.set()))
    with record.experiments.keep_alive(record.experiments.start("a", "rules"), beat_seconds=0.01) as run:
        assert beaten.wait(20)
    row = record.experiments.get(run)
    assert row["heartbeat_at"] >= row["start_time"]
    with coded("STORE_CONFLICT"):
        real(run)


KILLED = """
import sys, time
from assay.testing.store_contract import a_trade
from assay.track.tracking_store import open_store
record = open_store(sys.argv[1])
run = record.experiments.start("killed", "rules")
record.metrics.log(run.id, {"a": 1.5})
with record.together():
    record.trades.add(run.id, [{trade}] * 50)
    record.metrics.log(run.id, {"half": 1.0})
    print("ready", flush=True)
    time.sleep(60)
""".replace("{trade}", "a_trade()")


def test_kill_9_leaves_a_crashed_run_and_nothing_half_written(place: str) -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED, place], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    with open_store(place, check=True) as record:
        (row,) = record.experiments.recent()
        assert (row["status"], row["end_time"]) == ("crashed", row["heartbeat_at"])
        assert record.metrics.last(row["id"]) == {"a": 1.5}
        assert record.trades.read(row["id"]) == []


def left_by_the_dead(record: TrackingStore) -> int:
    run = record.experiments.start("dead", "rules").id
    with record.database.write() as connection:
        beat = "2020-01-01 00:00:00+00" if record.database.dialect == "postgresql" else "2020-01-01T00:00:00.000Z"
        connection.exec_driver_sql(f"UPDATE experiments SET owner = NULL, heartbeat_at = '{beat}'")
    return run


def test_a_clock_that_was_set_back_does_not_bar_the_record(place: str, record: TrackingStore) -> None:
    run = left_by_the_dead(record)
    with open_store(place) as again:
        row = again.experiments.get(run)
    assert (row["status"], row["end_time"]) == ("crashed", row["start_time"])


def test_the_dead_do_not_bar_a_record_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = str(tmp_path / "record.db")
    with open_store(place) as record:
        run = left_by_the_dead(record)
    monkeypatch.setattr(SqliteFile, "writer", lambda _, engine: engine)
    monkeypatch.setattr(SqliteFile, "engine", _read_only)
    with open_store(place) as record:
        assert record.experiments.get(run)["status"] == "running"
        with coded("STORE_READ_ONLY"):
            record.experiments.start("a", "rules")
    assert f"cannot be marked crashed: {run} (" in caplog.text


def _read_only(file: SqliteFile, seconds: float) -> sa.Engine:
    uri = f"file:{file.path}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=seconds))


def test_a_living_run_is_not_swept(place: str, record: TrackingStore, run: int) -> None:
    assert record.experiments.sweep() == []
    with open_store(place) as again:
        assert again.experiments.get(run)["status"] == "running"


@pytest.mark.parametrize("wrong", ["another start", "another host, long silent", "no owner, long silent"])
def test_whose_process_is_gone(wrong: str) -> None:
    host, pid, start, word = liveness.this_process().rsplit("/", 3)
    now = int(datetime.now(UTC).timestamp() * 1000)
    assert not liveness.is_gone(liveness.this_process(), 0)
    assert not liveness.is_gone(f"elsewhere/{pid}/{start}/{word}", now)
    names = {
        "another start": f"{host}/{pid}/{int(start) - 60_000}/{word}",
        "another host, long silent": f"elsewhere/{pid}/{start}/{word}",
        "no owner, long silent": None,
    }
    assert liveness.is_gone(names[wrong], 0 if "silent" in wrong else now)


def test_a_run_taken_for_crashed_runs_again(record: TrackingStore, caplog: pytest.LogCaptureFixture) -> None:
    run = record.experiments.start("a", "rules")
    with record.database.write() as connection:
        connection.exec_driver_sql("UPDATE experiments SET status = 'crashed', end_time = start_time")
    record.experiments.heartbeat(run)
    row = record.experiments.get(run)
    assert (row["status"], row["end_time"]) == ("running", None)
    assert "taken for crashed" in caplog.text
