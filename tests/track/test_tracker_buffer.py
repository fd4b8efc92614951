"""Points on their way to the disk: none is lost in silence, whoever logs, forks, fails or is killed."""

import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from assay.kernel.errors import StoreError
from assay.track import ExperimentTracker, MetricsLogger, MLDatabase, open_store
from assay.track.tracker import metric_queue as buffering
from assay.track.tracker import shared as sharing
from assay.track.tracker.metric_queue import Point, PointBuffer, insert


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "record.db"
    sharing._at_exit()
    sharing._opened.clear()


@pytest.fixture
def tracker(file: Path) -> ExperimentTracker:
    opened = ExperimentTracker(file)
    opened.start_experiment("a", capture_git=False)
    return opened


@pytest.fixture
def either(place: str) -> Iterator[ExperimentTracker]:
    """A tracker on either database."""
    opened = ExperimentTracker(place)
    opened.start_experiment("a", capture_git=False)
    yield opened
    sharing._at_exit()
    sharing._opened.clear()


def points_in(place: Path) -> int:
    connection = sqlite3.connect(place)
    try:
        return int(connection.execute("SELECT COUNT(*) FROM metrics").fetchone()[0])
    finally:
        connection.close()


def point(run: int, step: int = 0, model: int | None = None) -> Point:
    where = (None, step, None, "train", "training", model, None, "2026-01-01T00:00:00.000Z")
    return (run, "m", 0.5, None, "scalar", None, *where)


def until(true: object) -> None:
    for _ in range(200):
        if true():  # type: ignore[operator]
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to pass in 10 s")


def test_points_wait_and_are_written_by_flush(tracker: ExperimentTracker, file: Path) -> None:
    tracker._shared._ending = True  # the background thread goes home
    tracker._shared._event.set()
    tracker._shared._thread.join()  # type: ignore[union-attr]
    tracker.log_metrics_batch({"a": 1, "b": 2})
    assert points_in(file) == 0
    tracker.flush()
    assert points_in(file) == 2
    tracker.log_metric("c", 3)
    assert len(MetricsLogger(file).get_all_metrics_for_experiment(1)) == 3  # any read writes first
    tracker._shared._thread = None


def test_points_are_written_after_a_second_and_at_a_thousand(tracker: ExperimentTracker, file: Path) -> None:
    tracker.log_metric("a", 1)
    until(lambda: points_in(file) == 1)
    for _ in range(1_000):
        tracker.log_metric("a", 1)
    until(lambda: points_in(file) == 1_001)


def test_a_refused_entry_is_told_and_the_others_are_written(either: ExperimentTracker) -> None:
    for step in range(30):
        either.log_metric("good", step, step=step)
        if step in (7, 21):
            either.log_metrics_batch({"x": 1, "y": 2}, model_id=99)
    with pytest.raises(StoreError, match="2 queued metric entries were refused") as told:
        either.flush()
    assert (told.value.code, told.value.facts["refused"]) == ("STORE_NOT_FOUND", 2)
    either.flush()
    assert MLDatabase(either.record).execute_query("SELECT COUNT(*) AS n FROM metrics") == [{"n": 30}]
    values = MetricsLogger(either.record).get_metric_timeseries(1, "good")["values"]
    assert values == [float(step) for step in range(30)]


def test_a_record_that_cannot_be_written_keeps_the_points_queued(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_store(path, busy_seconds=0.05) as record:
        run = record.experiments.start("a").id
        buffer = PointBuffer(record.database, lambda: None)
        buffer.put([point(run, 1), point(run, 2)])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError) as told:
            buffer.flush()
        assert told.value.code == "STORE_BUSY" and buffer.waiting == 2
        other.execute("ROLLBACK")
        other.close()
        buffer.put([point(run, 3)])
        buffer.flush()
        assert [row["step"] for row in record.metrics.read(run)] == [1, 2, 3] and buffer.waiting == 0


def test_points_that_were_taken_go_back_in_order_when_the_disk_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def failing(connection: object, points: list[Point]) -> None:
        calls.append(len(points))
        if len(calls) in (1, 5):  # the first try, and amid the halving of the second
            raise StoreError("the disk is full", code="STORE_FULL")
        insert(connection, points)  # type: ignore[arg-type]

    monkeypatch.setattr(buffering, "insert", failing)
    with open_store(tmp_path / "r.db") as record:
        run = record.experiments.start("a").id
        buffer = PointBuffer(record.database, lambda: None)
        for step in range(8):
            buffer.put([point(run, step, 99 if step == 5 else None)])
        for _ in range(2):
            with pytest.raises(StoreError, match="disk is full"):
                buffer.flush()
        buffer.put([point(run, 8)])
        with pytest.raises(StoreError, match="1 queued"):
            buffer.flush()
        written = MLDatabase(record).execute_query("SELECT step FROM metrics ORDER BY id")
        assert [row["step"] for row in written] == [0, 1, 2, 3, 4, 6, 7, 8] and buffer.waiting == 0
    assert calls[:5] == [8, 8, 8, 4, 4]
    sharing._injected.clear()


def test_a_full_queue_writes_in_the_callers_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buffering, "QUEUE_MOST", 10)
    with open_store(tmp_path / "r.db") as record:
        run = record.experiments.start("a").id
        buffer = PointBuffer(record.database, lambda: None)
        for step in range(25):
            buffer.put([point(run, step)])
            assert buffer.waiting <= 10
        assert len(record.metrics.read(run)) == 20


def test_threads_share_a_tracker(either: ExperimentTracker) -> None:
    ids = {}

    def work(name: str) -> None:
        with either.experiment(name, capture_git=False) as run:
            ids[name] = run
            for step in range(300):
                either.log_metric(name, step, step=step)
                if step % 100 == 0:
                    either.flush()

    threads = [threading.Thread(target=work, args=(f"m{k}",)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logger = MetricsLogger(either.record)
    for name, run in ids.items():
        assert logger.get_all_metrics_for_experiment(run) == [name]
        assert logger.get_metric_timeseries(run, name)["values"] == [float(step) for step in range(300)]


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_may_not_use_the_tracker_and_makes_its_own(tracker: ExperimentTracker, file: Path) -> None:
    tracker.log_metric("before", 1)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            try:
                tracker.log_metric("forked", 1)
            except StoreError as error:
                code = 2 if error.code == "STORE_FORKED" else 3
            own = ExperimentTracker(file)
            own.start_experiment("own", capture_git=False)
            own.log_metric("own", 1)
            own.end_experiment()
        except BaseException:
            code = 4
            raise
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    rows = MLDatabase(file).execute_query("SELECT DISTINCT metric_name FROM metrics ORDER BY 1")
    assert [row["metric_name"] for row in rows] == ["before", "own"]
    assert [row["status"] for row in tracker.list_experiments()] == ["completed", "running"]


def _log(place: Path, name: str) -> None:
    with ExperimentTracker(place) as tracker:
        tracker.start_experiment(name, capture_git=False)
        for step in range(200):
            tracker.log_metric(name, step, step=step)
        tracker.end_experiment()


@pytest.mark.slow
def test_processes_write_at_once(file: Path) -> None:
    ExperimentTracker(file).close()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_log, args=(file, f"p{k}")) for k in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0] and points_in(file) == 600
    assert {row["status"] for row in ExperimentTracker(file).list_experiments()} == {"completed"}


_KILLED = """
import sys, time
from assay.track import ExperimentTracker
tracker = ExperimentTracker("r.db")
run = tracker.start_experiment("killed", capture_git=False)
step, told = 0, 0.0
while True:
    tracker.log_metric("m", step, step=step)
    step += 1
    time.sleep(0.001)
    if time.monotonic() > told + 0.1:
        told = time.monotonic()
        print(step, told, flush=True)
"""


@pytest.mark.slow
def test_a_killed_process_loses_two_seconds_at_most_and_its_run_becomes_crashed(tmp_path: Path) -> None:
    for lived in (0.3, 2.5):
        worker = subprocess.Popen([sys.executable, "-c", _KILLED], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        assert worker.stdout is not None
        told = [worker.stdout.readline().split()]
        while float(told[-1][1]) - float(told[0][1]) < lived:
            told.append(worker.stdout.readline().split())
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        with ExperimentTracker(tmp_path / "r.db") as tracker:
            (row,) = tracker.list_experiments(limit=1)
            values = MetricsLogger(tracker.record).get_metric_timeseries(row["id"], "m")["values"]
        assert row["status"] == "crashed"
        assert values == [float(step) for step in range(len(values))]
        due = [int(step) for step, moment in told if float(moment) < float(told[-1][1]) - 2.0]
        assert len(values) >= max(due, default=0)
        sharing._opened.clear()


@pytest.mark.parametrize(
    ("ending", "status"),
    [("", "stopped"), ("raise ValueError", "stopped"), ("tracker.end_experiment()", "completed")],
)
def test_at_the_interpreters_end_all_is_written(tmp_path: Path, ending: str, status: str) -> None:
    script = (
        "import sys\nfrom assay.track import ExperimentTracker\ntracker = ExperimentTracker('r.db')\n"
        f"tracker.start_experiment('a', capture_git=False)\ntracker.log_metric('m', 1)\n{ending}\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, check=False, timeout=60)
    assert points_in(tmp_path / "r.db") == 1
    with ExperimentTracker(tmp_path / "r.db") as tracker:
        assert tracker.list_experiments()[0]["status"] == status
    sharing._opened.clear()


def test_a_run_that_was_taken_for_dead_runs_again(tracker: ExperimentTracker, caplog: pytest.LogCaptureFixture) -> None:
    MLDatabase(tracker.record).execute_update(
        "UPDATE experiments SET status = 'crashed', end_time = start_time WHERE id = ?", (1,)
    )
    tracker._shared._beat()
    assert tracker.get_experiment(1)["status"] == "running" and "it runs again" in caplog.text
