import math
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError, StoreError
from assay.testing.record import a_trade
from assay.track import owner
from assay.track.instants import instant_text
from assay.track.record import Record, open_record
from assay.track.sqlite import SqliteFile

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)


def coded(code: str) -> Any:
    return pytest.raises(StoreError, match="") if code == "" else _Coded(code)


class _Coded:
    def __init__(self, code: str) -> None:
        self.code = code

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        assert isinstance(error, StoreError), error
        assert error.code == self.code, error
        return True


def same(a: object, b: object) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


def test_a_run_from_start_to_end(record: Record) -> None:
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


def test_unknown_runs_name_what_there_is(record: Record) -> None:
    with pytest.raises(StoreError, match="no run yet"):
        record.experiments.get(1)
    record.experiments.start("a", "rules")
    for asked in (7, "7", "no-such-uuid"):
        with pytest.raises(StoreError, match="holds 1 runs, ids 1 to 1") as told:
            record.experiments.get(asked)
        assert told.value.code == "STORE_NOT_FOUND"


def test_recent_runs_are_filtered_and_newest_first(record: Record) -> None:
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
def test_bad_starts_are_refused(record: Record, wrong: dict[str, Any]) -> None:
    with coded("STORE_VALUE"):
        record.experiments.start(**({"name": "n", "experiment_type": "rules"} | wrong))
    assert record.experiments.recent() == []


def test_running_ends_the_run(record: Record) -> None:
    with record.experiments.running(record.experiments.start("fine", "rules")) as run:
        pass
    assert record.experiments.get(run)["status"] == "completed"
    with pytest.raises(ValueError), record.experiments.running(record.experiments.start("bad", "rules")) as run:
        raise ValueError("why")
    row = record.experiments.get(run)
    assert (row["status"], row["notes"]) == ("failed", "ValueError: why")
    with pytest.raises(KeyboardInterrupt), record.experiments.running(record.experiments.start("c", "rules")) as run:
        raise KeyboardInterrupt
    assert record.experiments.get(run)["status"] == "stopped"
    with record.experiments.running(record.experiments.start("own", "rules")) as run:
        record.experiments.finish(run, "stopped", "enough")
    assert record.experiments.get(run)["status"] == "stopped"


def test_a_beat_that_waited_for_the_end_of_its_run_says_nothing(
    record: Record, caplog: pytest.LogCaptureFixture
) -> None:
    run = record.experiments.start("long")
    with record.experiments.running(run, beat_seconds=0.01):
        with record.together():
            time.sleep(0.1)  # beats queue behind the transaction that ends the run
            record.experiments.finish(run)
        time.sleep(0.1)
    assert caplog.records == []
    assert record.experiments.get(run)["status"] == "completed"


def test_the_heartbeat_beats(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    beaten = threading.Event()
    real = record.experiments.heartbeat
    monkeypatch.setattr(record.experiments, "heartbeat", lambda run: (real(run), beaten.set()))
    with record.experiments.running(record.experiments.start("a", "rules"), beat_seconds=0.01) as run:
        assert beaten.wait(20)
    row = record.experiments.get(run)
    assert row["heartbeat_at"] >= row["start_time"]
    with coded("STORE_CONFLICT"):
        real(run)


KILLED = """
import sys, time
from assay.testing.record import a_trade
from assay.track.record import open_record
record = open_record(sys.argv[1])
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
    with open_record(place, check=True) as record:
        (row,) = record.experiments.recent()
        assert (row["status"], row["end_time"]) == ("crashed", row["heartbeat_at"])
        assert record.metrics.last(row["id"]) == {"a": 1.5}
        assert record.trades.read(row["id"]) == []


def left_by_the_dead(record: Record) -> int:
    run = record.experiments.start("dead", "rules").id
    with record.database.write() as connection:
        beat = "2020-01-01 00:00:00+00" if record.database.dialect == "postgresql" else "2020-01-01T00:00:00.000Z"
        connection.exec_driver_sql(f"UPDATE experiments SET owner = NULL, heartbeat_at = '{beat}'")
    return run


def test_a_clock_that_was_set_back_does_not_bar_the_record(place: str, record: Record) -> None:
    run = left_by_the_dead(record)
    with open_record(place) as again:
        row = again.experiments.get(run)
    assert (row["status"], row["end_time"]) == ("crashed", row["start_time"])


def test_the_dead_do_not_bar_a_record_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = str(tmp_path / "record.db")
    with open_record(place) as record:
        run = left_by_the_dead(record)
    monkeypatch.setattr(SqliteFile, "writer", lambda _, engine: engine)
    monkeypatch.setattr(SqliteFile, "engine", _read_only)
    with open_record(place) as record:
        assert record.experiments.get(run)["status"] == "running"
        with coded("STORE_READ_ONLY"):
            record.experiments.start("a", "rules")
    assert f"cannot be marked crashed: {run} (" in caplog.text


def _read_only(file: SqliteFile, seconds: float) -> sa.Engine:
    uri = f"file:{file.path}?mode=ro"
    return sa.create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=seconds))


def test_a_living_run_is_not_swept(place: str, record: Record, run: int) -> None:
    assert record.experiments.sweep() == []
    with open_record(place) as again:
        assert again.experiments.get(run)["status"] == "running"


@pytest.mark.parametrize("wrong", ["another start", "another host, long silent", "no owner, long silent"])
def test_whose_process_is_gone(wrong: str) -> None:
    host, pid, start, word = owner.this_process().rsplit("/", 3)
    now = int(datetime.now(UTC).timestamp() * 1000)
    assert not owner.is_gone(owner.this_process(), 0)
    assert not owner.is_gone(f"elsewhere/{pid}/{start}/{word}", now)
    names = {
        "another start": f"{host}/{pid}/{int(start) - 60_000}/{word}",
        "another host, long silent": f"elsewhere/{pid}/{start}/{word}",
        "no owner, long silent": None,
    }
    assert owner.is_gone(names[wrong], 0 if "silent" in wrong else now)


def test_a_run_taken_for_crashed_runs_again(record: Record, caplog: pytest.LogCaptureFixture) -> None:
    run = record.experiments.start("a", "rules")
    with record.database.write() as connection:
        connection.exec_driver_sql("UPDATE experiments SET status = 'crashed', end_time = start_time")
    record.experiments.heartbeat(run)
    row = record.experiments.get(run)
    assert (row["status"], row["end_time"]) == ("running", None)
    assert "taken for crashed" in caplog.text


@SHARED
@given(st.dictionaries(NAMES, st.floats() | st.integers(-(2**60), 2**60) | st.booleans(), max_size=8))
def test_metrics_come_back_as_they_went_in(record: Record, values: dict[str, float]) -> None:
    run = record.experiments.start("m", "rules").id
    record.metrics.log(run, values, step=1)
    found = record.metrics.last(run)
    assert found.keys() == values.keys()
    assert all(found[k] == float(v) or (math.isnan(found[k]) and math.isnan(v)) for k, v in values.items())


@SHARED
@given(st.dictionaries(NAMES, SCALARS | st.lists(st.integers(), max_size=3), max_size=6))
def test_hyperparameters_keep_their_type(record: Record, values: dict[str, Any]) -> None:
    run = record.experiments.start("h", "rules").id
    record.hyperparameters.log(run, values)
    record.hyperparameters.log(run, values)
    found = record.hyperparameters.read(run)
    assert found.keys() == values.keys()
    assert all(same(found[name], values[name]) for name in values)


def test_a_hyperparameter_has_one_value(record: Record, run: int) -> None:
    record.hyperparameters.log(run, {"a": np.float64(1.0), "b": np.bool_(True)})
    with coded("STORE_CONFLICT"):
        record.hyperparameters.log(run, {"c": 1, "a": 2.0})
    with coded("STORE_CONFLICT"):
        record.hyperparameters.log(run, {"a": 1})
    assert record.hyperparameters.read(run) == {"a": 1.0, "b": True}


def test_datasets_are_kept_once(record: Record, run: int, caplog: pytest.LogCaptureFixture) -> None:
    add = record.datasets.add
    first = add("n", "v", "train", num_samples=3)
    assert add("n", "v", "train", num_samples=3, start_date="2024-01-01") == first
    assert add("n", "v", "train", data_hash="a" * 64) == first
    assert add("n", "v", "train", data_hash="a" * 64, num_samples=4) == first
    row = record.datasets.get("n", "v", "train")
    assert row is not None and (row["num_samples"], row["start_date"], row["data_hash"]) == (3, "2024-01-01", "a" * 64)
    second = add("n", "v", "train", data_hash="b" * 64)
    assert second != first and "revision 2" in caplog.text
    assert add("n", "v", "train", data_hash="a" * 64) == first
    assert add("n", "v", "test") not in (first, second)
    record.datasets.link(run, first, "train")
    record.datasets.link(run, first, "train")
    assert [(d["id"], d["usage_type"]) for d in record.datasets.of_run(run)] == [(first, "train")]
    with coded("STORE_NOT_FOUND"):
        record.datasets.link(run, 99, "train")
    with coded("STORE_VALUE"):
        add("n", start_date="2024-02-01", end_date="2024-01-01")


def test_artifacts(record: Record, run: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    record.artifacts.add(run, "log", tmp_path / "a.txt")
    record.artifacts.add(run, "log", "missing.txt")
    held, missing = record.artifacts.read(run)
    assert held["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (held["artifact_name"], held["file_size_mb"]) == ("a.txt", 3 / 2**20)
    assert (missing["sha256"], missing["file_size_mb"]) == (None, None) and "missing.txt" in caplog.text
    with coded("STORE_VALUE"):
        record.artifacts.add(run, "log", "../x")


def test_trades(record: Record, run: int) -> None:
    assert record.trades.add(run, [a_trade(), a_trade(side="SHORT", exit_reason="SL")], fold=2) == 2
    first, second = record.trades.read(run)
    assert (first["fold"], first["entry_time"], second["side"]) == (2, datetime(1970, 1, 1, 1, tzinfo=UTC), "SHORT")
    with record.database.read() as connection:
        view = connection.exec_driver_sql("SELECT pattern_name, pnl_percentage FROM backtest_results").first()
    assert view == ("crossover", pytest.approx(9.8))
    for wrong in ({"side": "UP"}, {"exit_time": 0}, {"quantity": math.inf}, {"entry_time": "2024-01-01T00:00:00"}):
        with coded("STORE_VALUE"):
            record.trades.add(run, [a_trade(**wrong)])


def test_times_are_24_characters() -> None:
    assert instant_text("2024-01-01T01:00:00+01:00") == "2024-01-01T00:00:00.000Z"
    assert instant_text(1) == "1970-01-01T00:00:00.001Z"
    for wrong in ("2024-01-01", "soon"):
        with coded("STORE_VALUE"):
            instant_text(wrong)


def test_places_that_are_no_record(tmp_path: Path) -> None:
    with coded("STORE_OPEN"):
        open_record(tmp_path)
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to have a header" * 20)
    with coded("STORE_CORRUPT"):
        open_record(tmp_path / "text.db")
    (tmp_path / "file").write_text("x")
    with coded("STORE_OPEN"):
        open_record(tmp_path / "file" / "r.db")
    wrong = ["mysql://u:secret@h/db", "postgresql+asyncpg://u:secret@h/db", "postgresql://u:secret@h"]
    for url in (*wrong, "postgresql://u:secret@h:port/db", "sqlite://", "sqlite:///"):
        with pytest.raises(ConfigError) as told:
            open_record(url)
        assert told.value.code == "CONFIG_RECORD_URL" and "secret" not in str(told.value)


def test_a_flipped_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    open_record(path).close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 3 + 200] = bytes(200)
    path.write_bytes(data)
    with coded("STORE_CORRUPT"):
        open_record(path, check=True)


def test_a_locked_record_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_record(path, busy_seconds=0.05) as record:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with coded("STORE_BUSY"):
            record.experiments.start("a", "rules")
        other.execute("ROLLBACK")
        other.close()
        record.experiments.start("a", "rules")


def test_a_write_holds_the_lock_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_record(path) as first, open_record(path, busy_seconds=0.05) as second:
        with first.together():
            with coded("STORE_BUSY"):
                second.experiments.start("b", "rules")
            assert second.experiments.recent() == []
            first.experiments.start("a", "rules")
        assert [row["name"] for row in second.experiments.recent()] == ["a"]


def test_a_full_or_read_only_disk(tmp_path: Path) -> None:
    with open_record(tmp_path / "r.db") as record:
        run = record.experiments.start("a", "rules").id
        for pragma, code in (("max_page_count=1", "STORE_FULL"), ("query_only=ON", "STORE_READ_ONLY")):
            with record.database.read() as connection:
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            with coded(code):
                record.trades.add(run, [a_trade()] * 5000)
        record.database.close()  # a new connection has neither limit
        assert record.trades.add(run, [a_trade()]) == 1
        assert len(record.trades.read(run)) == 1


def test_a_fork_may_not_use_the_record(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with coded("STORE_FORKED"):
        record.experiments.recent()


def test_threads_share_a_record(record: Record, run: int) -> None:
    def write(k: int) -> None:
        for i in range(20):
            record.metrics.log(run, {f"m{k}": i}, step=i)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record.metrics.last(run) == {f"m{k}": 19.0 for k in range(4)}
    assert len(record.metrics.read(run)) == 80


def test_a_distribution_is_decoded(record: Record, run: int) -> None:
    record.metrics.log_distribution(run, "actions", '{"buy": 0.5, "sell": NaN}', episode=3, split="test")
    (row,) = record.metrics.read(run, name="actions", split="test")
    assert (row["metric_type"], row["value"], row["episode"]) == ("distribution", 0.0, 3)
    assert row["value_json"] == {"buy": 0.5, "sell": None}
    with coded("STORE_VALUE"):
        record.metrics.log_distribution(run, "actions", "{")
