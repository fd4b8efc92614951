"""What the tracking API promises beyond its published examples."""

import math
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.track import DatasetManager, ExperimentTracker, MetricsLogger, MLDatabase, ModelRegistry, open_store
from assay.track.tracker import shared as sharing
from tests.track.refusing import refused


def test_both_names_are_one_thing() -> None:
    import ml_persistence
    from ml_persistence import core

    for name in ("ExperimentTracker", "ModelRegistry", "DatasetManager", "MetricsLogger", "MLDatabase"):
        import assay.track

        assert getattr(ml_persistence, name) is getattr(assay.track, name) is getattr(core, name)


def test_undefined_numbers_are_kept_shown_as_null_and_never_best(tracker: ExperimentTracker, current: int) -> None:
    for step, value in enumerate((1.0, math.nan, math.inf, -math.inf, np.float32(0.5), np.array(2), True)):
        tracker.log_metric("m", value, step=step)
    logger = MetricsLogger(tracker.record)
    assert str(logger.get_metric_timeseries(current, "m")["values"]) == "[1.0, nan, inf, -inf, 0.5, 2.0, 1.0]"
    summary = logger.get_metric_summary(current, "m")
    assert (summary["count"], summary["non_finite"], summary["max"], summary["final"]) == (4, 3, 2.0, 1.0)
    stored = MLDatabase(tracker.record).execute_query("SELECT value, non_finite FROM metrics ORDER BY id")
    assert [tuple(row.values()) for row in stored[:4]] == [(1.0, None), (None, "nan"), (None, "inf"), (None, "-inf")]
    registry = ModelRegistry(tracker.record)
    ids = [registry.register_model(current, "a", val_metric=v) for v in (math.nan, -1.0, math.inf, 0.0)]
    best = registry.get_best_model(current)
    assert best is not None and best["id"] == ids[3]
    assert [row["id"] for row in registry.list_models()] == [ids[3], ids[1], ids[0], ids[2]]
    assert [row["id"] for row in registry.list_models(ascending=True)] == [ids[1], ids[3], ids[0], ids[2]]
    compared = registry.compare_models(ids)
    assert (compared["best_val"]["id"], compared["best_train"]) == (ids[3], None)
    with refused("STORE_VALUE"):
        registry.register_model(current, "b", val_metric=math.nan, is_best=True)


def test_a_summary_by_hand(tracker: ExperimentTracker, current: int) -> None:
    for step, value in ((3, 4.0), (1, 1.0), (2, 2.0), (0, 3.0), (None, 10.0)):
        tracker.log_metric("m", value, step=step, split="val")
    told = MetricsLogger(tracker.record).get_metric_summary(current, "m", "val")
    assert told == {
        "count": 5, "mean": 4.0, "std": math.sqrt(12.5), "min": 1.0, "max": 10.0, "median": 3.0, "q25": 2.0, "q75": 4.0,
        "final": 4.0, "non_finite": 0,
    }  # fmt: skip
    assert tracker.compare_experiments([current], "m", "val") == {current: told}
    empty = MetricsLogger(tracker.record).get_metric_summary(current, "m", "train")
    assert empty["count"] == 0 and all(math.isnan(empty[name]) for name in ("mean", "std", "median", "final"))


def test_series_final_values_and_names(tracker: ExperimentTracker, current: int) -> None:
    tracker.log_metrics_batch({"b": 2, "a": 1}, step=1, epoch=0)
    tracker.log_metrics_batch({"a": 5}, step=0, episode=7)
    logger = MetricsLogger(tracker.record)
    assert logger.get_metric_timeseries(current, "a") == {
        "episodes": [7, None], "steps": [0, 1], "epochs": [None, 0], "values": [5.0, 1.0]
    }  # fmt: skip
    assert logger.get_final_metrics(current) == {"a": 1.0, "b": 2.0}
    assert logger.get_final_metrics(current, ["b", "none"]) == {"b": 2.0}
    assert logger.get_all_metrics_for_experiment(current) == logger.get_metrics_for_experiment(current) == ["a", "b"]


def test_a_thinned_chart_keeps_ends_and_extremes(tracker: ExperimentTracker, current: int) -> None:
    values = np.random.default_rng(1).standard_normal(1000)
    for step in np.random.default_rng(2).permutation(1000):
        tracker.log_metric("m", values[step], step=step)
    chart = MetricsLogger(tracker.record).get_metric_timeseries(current, "m", max_points=40)
    steps = chart["steps"]
    assert len(steps) <= 40 and steps == sorted(steps) and chart["values"] == [values[step] for step in steps]
    for stretch in np.array_split(np.arange(1000), 10):
        wanted = {stretch[0], stretch[-1], stretch[values[stretch].argmin()], stretch[values[stretch].argmax()]}
        assert wanted <= set(steps)


def test_blocks_and_decorators_are_runs(tracker: ExperimentTracker) -> None:
    with tracker.experiment("outer") as outer:
        with pytest.raises(ValueError), tracker.experiment("inner") as inner:
            tracker.log_metric("m", 1)
            raise ValueError("why")
        tracker.log_metric("m", 2)

    @tracker.experiment("decorated", tags=["d"])
    def train(value: float) -> int | None:
        tracker.log_metric("m", value)
        return tracker.current_experiment_id

    first, second = train(3), train(4)
    rows = {row["id"]: row for row in tracker.list_experiments()}
    assert [rows[k]["status"] for k in (outer, inner, first, second)] == ["completed", "failed"] + ["completed"] * 2
    assert rows[inner]["notes"] == "ValueError: why"
    assert [tracker.get_experiment(k)["parent_id"] for k in (outer, inner, first)] == [None, outer, None]
    finals = [MetricsLogger(tracker.record).get_final_metrics(k)["m"] for k in (outer, inner, first, second)]
    assert finals == [2, 1, 3, 4]
    with refused("STORE_NO_EXPERIMENT", "no experiment is current"):
        tracker.log_metric("m", 1)


def test_leaving_with_by_an_exception_fails_the_run(tracker: ExperimentTracker, place: str) -> None:
    with pytest.raises(KeyError), ExperimentTracker(place) as tracker:
        tracker.start_experiment("a", capture_git=False)
        raise KeyError("x")
    with ExperimentTracker(place) as tracker:
        tracker.start_experiment("b", capture_git=False)
    assert [row["status"] for row in ExperimentTracker(place).list_experiments()] == ["running", "failed"]


def test_ends(tracker: ExperimentTracker, current: int) -> None:
    other = tracker.start_experiment("other", capture_git=False)
    tracker.end_experiment("stopped", notes="enough", experiment_id=current)
    assert tracker.current_experiment_id == other
    tracker.end_experiment("stopped", experiment_id=current)
    with refused("STORE_CONFLICT"):
        tracker.end_experiment("completed", experiment_id=current)
    with refused("STORE_VALUE", "did you|one of"):
        tracker.end_experiment("crashed")
    tracker.end_experiment()
    assert tracker.get_experiment_summary(other)["status"] == "completed"
    with refused("STORE_NO_EXPERIMENT"):
        tracker.end_experiment()


def test_metadata_settings_and_files(tracker: ExperimentTracker, current: int, tmp_path: Path) -> None:
    tracker.update_experiment_metadata({"a": 1})
    tracker.update_experiment_metadata({"b": [2]}, merge=True)
    tracker.log_hyperparameter("n", "3", param_type="int")
    tracker.log_hyperparameters_batch({"n": 3, "flag": np.bool_(True), "none": None, "list": [1, "x"]})
    with refused("STORE_CONFLICT"):
        tracker.log_hyperparameter("n", 4)
    (tmp_path / "plot.txt").write_text("x")
    tracker.add_artifact("plot", tmp_path / "plot.txt", description="d")
    row = tracker.get_experiment(current)
    assert row["metadata"] == {"a": 1, "b": [2]}
    assert row["hyperparameters"] == {"flag": True, "list": [1, "x"], "n": 3, "none": None}
    assert tracker.record.artifacts.read(current)[0]["file_size_mb"] == 1 / 2**20
    tracker.update_experiment_metadata({"c": 0})
    assert tracker.get_experiment(current)["metadata"] == {"c": 0}


def test_deleting_hides_and_restoring_shows(tracker: ExperimentTracker, current: int) -> None:
    with refused("STORE_CONFLICT", "running"):
        tracker.delete_experiment(current)
    tracker.end_experiment()
    ModelRegistry(tracker.record).register_model(current, "a")
    tracker.delete_experiment(current)
    tracker.delete_experiment(current)
    assert tracker.list_experiments() == tracker.search_experiments() == []
    row = tracker.get_experiment(current)
    assert row["deleted_at"] is not None and row["num_models"] == 1
    tracker.restore_experiment(current)
    assert [row["id"] for row in tracker.list_experiments()] == [current]


def test_lists_are_filtered(tracker: ExperimentTracker) -> None:
    for name, kind, tags in (("a", "rl", ["x"]), ("b", "rules", ["x", "y"]), ("c", "rl", ["y'%"])):
        tracker.start_experiment(name, kind, tags=tags, capture_git=False)
    tracker.end_experiment()

    def names(**given: Any) -> list[str]:
        return [row["name"] for row in tracker.list_experiments(**given)]

    assert names() == ["c", "b", "a"] and names(limit=1, offset=1) == ["b"]
    assert names(tags=["x"]) == ["b", "a"] and names(tags=["x", "y"]) == ["b"] and names(tags=["y'%"]) == ["c"]
    assert names(experiment_type="rl", status="completed") == ["c"]


def test_datasets(tracker: ExperimentTracker, current: int, tmp_path: Path) -> None:
    datasets = DatasetManager(tracker.record)
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a.csv").write_text("1")
    given: dict[str, Any] = {"name": "n", "data_path": tmp_path / "d", "start_date": date(2024, 1, 1)}
    first = datasets.register_dataset(**given, end_date=datetime(2024, 2, 1, tzinfo=UTC), num_samples=np.int64(3))
    assert datasets.register_dataset(**given) == first
    (tmp_path / "d" / "a.csv").write_text("2")
    second = datasets.register_dataset(**given)
    assert second != first and datasets.get_dataset("n")["revision"] == 2  # type: ignore[index]
    for dataset in (first, second):
        datasets.link_dataset_to_experiment(current, dataset, "train")
    datasets.link_dataset_to_experiment(current, first, "train")
    linked = datasets.get_experiment_datasets(current)
    assert linked["train"]["id"] == first and [row["id"] for row in linked["train"]["also"]] == [second]
    model = ModelRegistry(tracker.record).register_model(current, "m")
    lineage = datasets.lineage(model)
    assert (lineage["run"]["id"], len(lineage["datasets"]), lineage["trades"]) == (current, 2, 0)
    assert datasets.get_dataset("unknown") is None and datasets.get_dataset(dataset_id=99) is None


def test_models_are_hashed_and_one_is_best(tracker: ExperimentTracker, current: int, tmp_path: Path) -> None:
    registry = ModelRegistry(tracker.record)
    (tmp_path / "m.pth").write_bytes(b"abc")
    first = registry.register_model(current, tmp_path / "m.pth", is_best=True, global_step=5)
    second = registry.register_model(current, "gone.pth", is_best=np.bool_(True), architecture_type="ppo")
    rows = {row["id"]: row for row in registry.list_models(current, order_by="id", ascending=True)}
    assert rows[first]["content_sha256"].startswith("ba7816bf") and rows[second]["integrity"] == "missing"
    assert (rows[first]["name"], rows[second]["name"]) == (f"model_exp{current}_step5", f"ppo_exp{current}_2")
    assert [row["id"] for row in registry.list_models(is_best=True)] == [second]
    registry.mark_best_model(rows[first]["model_id"])
    assert registry.get_best_model(current)["id"] == first  # type: ignore[index]
    registry.mark_best_model(second)
    registry.register_model(current, "x", name="n")
    assert registry.get_model(registry.register_model(current, "x", name="n"))["version"] == "2"


def test_statements_bind_and_roll_back(tracker: ExperimentTracker, current: int) -> None:
    database = MLDatabase(tracker.record)
    hostile = "x'); DROP TABLE models; --"
    with database.get_connection() as statements:
        statements.execute("UPDATE experiments SET notes = ? WHERE id = ?", (hostile, current))
    with pytest.raises(ValueError), database.get_connection() as statements:
        statements.execute("UPDATE experiments SET notes = 'lost'")
        raise ValueError
    (row,) = database.execute_query("SELECT notes, tags, start_time, 1 AS x FROM experiments WHERE id = ?", [current])
    assert (row["notes"], row["tags"], row["x"]) == (hostile, [], 1) and row["start_time"].tzinfo is UTC
    insert = "INSERT INTO datasets (name) VALUES (?)"
    assert database.execute_update(insert, ("a",)) + 1 == database.execute_update(insert, ("b",))
    with refused("STORE_VALUE", "nonsense"):
        database.execute_query("SELECT nonsense")


def test_an_open_record_is_a_door_and_its_transaction_holds(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.db") as record:
        tracker = ExperimentTracker(record)
        run = tracker.start_experiment("a", capture_git=False)
        with pytest.raises(ValueError), record.together():
            tracker.log_metric("m", 1)
            tracker.flush()
            raise ValueError
        assert MetricsLogger(record).get_all_metrics_for_experiment(run) == []
        tracker.end_experiment()
    sharing._injected.clear()


def test_a_record_that_was_removed_is_laid_anew(tmp_path: Path) -> None:
    place = tmp_path / "r.db"
    with ExperimentTracker(place) as tracker:
        tracker.start_experiment("a", capture_git=False)
        tracker.end_experiment()
    place.unlink()
    with ExperimentTracker(place) as tracker:
        assert tracker.list_experiments() == []
    sharing._opened.clear()
