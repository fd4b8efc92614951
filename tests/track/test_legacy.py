"""The old experiments.db comes over whole, once, with what is odd about it told."""

import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import DataError
from assay.track.codecs import canonical
from assay.track.migrate.legacy import COLUMNS, from_legacy
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.legacy_file import awkward, raw, reference
from tests.track.test_relics import rows_of


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return reference(tmp_path / "experiments.db")


def series(record: TrackingStore, name: str, run: int = 1) -> list[tuple[Any, ...]]:
    return [(row["episode"], row["value"], row["split"], row["phase"]) for row in record.metrics.read(run, name=name)]


def test_the_reference_shape(old: Path, record: TrackingStore, place: str) -> None:
    before = old.read_bytes()
    done = from_legacy(old, place)
    assert old.read_bytes() == before and not done.imported and done.runs == [1]
    assert dict(done.read) == {"experiments": 1, "episodes": 75, "hyperparameters": 5}
    points = 75 * 5 - 1 + 5 * 2
    assert +done.written == {"experiments": 1, "metrics": points, "hyperparameters": 6, "datasets": 2}
    assert +done.flagged == {"naive_time": 3 + 75, "blob_integer": 2 + 1 + 75 + 1, "legacy_zero_sharpe": 1}
    row = record.experiments.get(1)
    assert (row["name"], row["status"], row["experiment_type"], row["notes"]) == (
        "PPO Bitcoin", "completed", "rl", "fine",
    )  # fmt: skip
    assert row["start_time"] == row["created_at"] == datetime(2024, 3, 1, 10, tzinfo=UTC)
    assert (row["duration_seconds"], row["owner"]) == (9000.25, None)
    legacy = row["metadata"]["legacy"]
    assert (legacy["id"], legacy["state_dim"], legacy["action_dim"], legacy["final_episode"]) == (1, 43, 3, 74)
    assert (legacy["early_stopped"], legacy["best_test_sharpe"], legacy["best_episodes"]) == (True, 1.25, [14, 74])
    assert record.hyperparameters.read(1) == {
        "learning_rate": 3e-4, "gamma": 0.95, "layers": [64, 64], "seed": 42, "act": "relu", "on": True,
    }  # fmt: skip
    for name, count in (("train_return", 75), ("train_reward", 75), ("episode_length", 75), ("policy_loss", 74)):
        found = series(record, name)
        assert len(found) == count and {one[2:] for one in found} == {("train", "training")}
    assert series(record, "episode_length")[7] == (7, 107.0, "train", "training")
    assert [one[0] for one in series(record, "test_return")] == [14, 29, 44, 59, 74]
    suspects = {r["episode"]: r["metadata"] for r in record.metrics.read(1, name="test_sharpe") if r["metadata"]}
    assert suspects == {29: {"suspect": "legacy_zero_sharpe"}}
    (point, *_) = record.metrics.read(1, name="test_sharpe")
    assert point["timestamp"] == datetime(2024, 3, 1, 10, 0, 14, tzinfo=UTC) and point["phase"] == "evaluation"
    train, test = sorted(record.datasets.of_run(1), key=lambda held: held["usage_type"], reverse=True)
    assert (train["name"], train["version"], train["split_type"]) == (
        "legacy-PPO Bitcoin", "2023-01-01_2023-12-31", "train",
    )  # fmt: skip
    assert (test["start_date"], test["end_date"], test["usage_type"]) == ("2024-01-01", "2024-02-29", "test")
    assert record.models.recent(1) == []


def test_a_second_run_does_nothing(old: Path, place: str, tmp_path: Path) -> None:
    from_legacy(old, place)
    before = rows_of(place)
    (tmp_path / "moved").mkdir()
    again = from_legacy(old.rename(tmp_path / "moved" / "other.db"), place)
    assert again.imported and again.runs == [] and +again.written == {}
    assert rows_of(place) == before


def test_a_dry_run_touches_nothing(old: Path, tmp_path: Path) -> None:
    done = from_legacy(old, str(tmp_path / "none.db"), dry_run=True)
    assert done.written["metrics"] == 384 and not (tmp_path / "none.db").exists()


def test_what_is_odd_is_kept_and_told(tmp_path: Path, record: TrackingStore, place: str) -> None:
    blobs = Blobs(tmp_path / "artifacts")
    done = from_legacy(awkward(tmp_path / "old.db"), place, blobs=blobs)
    wanted = {"running": 1, "unknown_status": 1, "name": 2, "orphan": 2, "parameter_twice": 1, "dates_reversed": 1,
              "end_before_start": 1, "no_time": 1, "buy_prob_difference": 1, "legacy_zero_sharpe": 1}  # fmt: skip
    assert {k: v for k, v in done.flagged.items() if k in wanted} == wanted
    assert (done.read["episodes"], done.read["regime_analysis"], done.written["artifacts"]) == (78, 2, 2)
    crashed, unknown, third = (record.experiments.get(run) for run in done.runs[1:])
    assert (crashed["status"], len(crashed["name"]), crashed["metadata"]["legacy"]["status"]) == (
        "crashed", 200, "running",
    )  # fmt: skip
    assert crashed["start_time"] == datetime(2024, 3, 31, 22, tzinfo=UTC)
    assert crashed["end_time"] == datetime(2024, 4, 1, 5, tzinfo=UTC)
    assert (unknown["status"], unknown["name"], unknown["metadata"]["legacy"]["status"]) == (
        "stopped",
        "legacy 6",
        "done",
    )
    assert unknown["end_time"] == unknown["start_time"] == datetime(2024, 5, 1, tzinfo=UTC)
    first, second = record.metrics.read(crashed["id"])
    assert (first["value"], first["non_finite"]) == (float("inf"), "inf")
    assert second["timestamp"] == crashed["start_time"]
    assert record.hyperparameters.read(crashed["id"]) == {"learning_rate": float("inf")}
    assert record.hyperparameters.read(1)["act"] == "relu"
    (shared,) = record.datasets.of_run(third["id"])
    assert shared["id"] in {held["id"] for held in record.datasets.of_run(1)}
    found = record.metrics.read(1, name="regime/buy_prob_difference")
    assert [(r["value"], r["metadata"], r["split"], r["phase"]) for r in found] == [
        (0.5, None, "test", "evaluation"), (0.9, {"suspect": "legacy_difference"}, "test", "evaluation"),
    ]  # fmt: skip
    assert found[0]["timestamp"] == datetime(2024, 3, 2, tzinfo=UTC)
    assert record.metrics.read(1, name="regime/neutral_steps") == []
    first, _ = record.artifacts.read(1)
    assert (first["artifact_type"], first["artifact_name"]) == ("regime_analysis", "regime_analysis_1.json")
    assert blobs.get(first["sha256"]).decode() == canonical(first["metadata"]["row"])
    assert first["metadata"]["row"]["total_steps"] == 60


BROKEN = {
    "short blob": ("UPDATE experiments SET action_dim = x'0300'", "DATA_SCHEMA", "experiments.action_dim of rowid 1"),
    "text": ("UPDATE episodes SET train_return = 'much' WHERE id = 3", "DATA_NUMBER", "train_return of rowid 3"),
    "no number": ("UPDATE episodes SET episode_num = NULL WHERE id = 4", "DATA_NUMBER", "episode_num of rowid 4"),
    "time": ("UPDATE episodes SET timestamp = 'soon' WHERE id = 75", "DATA_TIME", "timestamp of rowid 75"),
    "table": ("DROP TABLE episodes", "DATA_SCHEMA", "episodes"),
    "column": ("ALTER TABLE experiments DROP COLUMN gamma", "DATA_SCHEMA", "experiments.gamma"),
}


@pytest.mark.parametrize(("fault", "code", "said"), BROKEN.values(), ids=BROKEN.keys())
def test_a_fault_is_named_and_nothing_is_written(
    old: Path, record: TrackingStore, place: str, fault: str, code: str, said: str
) -> None:
    with sqlite3.connect(old) as held:
        held.execute(fault)
    held.close()
    with pytest.raises(DataError, match=said) as told:
        from_legacy(old, place)
    assert told.value.code == code
    assert not any(rows for name, rows in rows_of(place).items() if name not in ("job_slots", "ledger_chain"))


def test_what_is_no_old_database_is_refused(tmp_path: Path, place: str) -> None:
    (tmp_path / "rubbish").write_bytes(b"rubbish " * 500)
    sqlite3.connect(tmp_path / "empty").close()
    (tmp_path / "folder").mkdir()
    for name, code in (
        ("rubbish", "DATA_SCHEMA"),
        ("empty", "DATA_SCHEMA"),
        ("folder", "DATA_PATH"),
        ("no", "DATA_PATH"),
    ):
        with pytest.raises(DataError) as told:
            from_legacy(tmp_path / name, place)
        assert told.value.code == code


def test_tables_that_are_not_there_are_empty(old: Path, record: TrackingStore, place: str) -> None:
    with sqlite3.connect(old) as held:
        held.execute("DROP TABLE regime_analysis")
        held.execute("DROP TABLE hyperparameters")
    held.close()
    assert from_legacy(old, place).written["hyperparameters"] == 2
    assert record.hyperparameters.read(1) == {"gamma": 0.99, "learning_rate": 3e-4}


@pytest.mark.slow
def test_two_imports_at_once_are_one(old: Path, place: str) -> None:
    open_store(place).close()
    code = "import sys; from pathlib import Path; from assay.track.migrate.legacy import from_legacy as f; "
    code += "f(Path(sys.argv[1]), sys.argv[2])"
    started = [subprocess.Popen([sys.executable, "-c", code, str(old), place]) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    with open_store(place) as record:
        assert len(record.experiments.recent()) == 1


def test_the_trap_by_hand() -> None:
    assert raw(3) == bytes.fromhex("0300000000000000") and set(COLUMNS) == {
        "experiments", "episodes", "regime_analysis", "hyperparameters",
    }  # fmt: skip
