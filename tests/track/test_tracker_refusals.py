"""What the tracking API answers to unknown things and absurd values."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import StoreError
from assay.track import DatasetManager, ExperimentTracker, MetricsLogger, MLDatabase, ModelRegistry
from tests.track.refusing import refused

WORDS = st.text(max_size=30)


_UNKNOWN: list[Any] = [
    lambda t, r, d, m: t.get_experiment(99),
    lambda t, r, d, m: t.get_experiment_summary(99),
    lambda t, r, d, m: t.compare_experiments([1, 99], "m"),
    lambda t, r, d, m: t.end_experiment(experiment_id=99),
    lambda t, r, d, m: t.delete_experiment(99),
    lambda t, r, d, m: t.start_experiment("child", parent_id=99),
    lambda t, r, d, m: r.register_model(99, "a"),
    lambda t, r, d, m: r.get_best_model(99),
    lambda t, r, d, m: r.get_model(99),
    lambda t, r, d, m: r.get_model("no-such"),
    lambda t, r, d, m: r.compare_models([99]),
    lambda t, r, d, m: r.mark_best_model(99),
    lambda t, r, d, m: d.link_dataset_to_experiment(99, 1, "train"),
    lambda t, r, d, m: d.link_dataset_to_experiment(1, 99, "train"),
    lambda t, r, d, m: d.lineage(99),
    lambda t, r, d, m: m.get_metric_timeseries(99, "m"),
    lambda t, r, d, m: m.get_metric_summary(99, "m"),
    lambda t, r, d, m: m.get_final_metrics(99),
]

_ABSURD: list[Any] = [
    lambda t, r, d, m: t.start_experiment(""),
    lambda t, r, d, m: t.start_experiment("n" * 201),
    lambda t, r, d, m: t.start_experiment("a\x00b"),
    lambda t, r, d, m: t.start_experiment("a", experiment_type="No Such Type!"),
    lambda t, r, d, m: t.start_experiment("a", tags="abc"),
    lambda t, r, d, m: t.start_experiment("a", random_seed=-1),
    lambda t, r, d, m: t.start_experiment("a", random_seed=1.5),
    lambda t, r, d, m: t.start_experiment("a", metadata={"a": object()}),
    lambda t, r, d, m: t.start_experiment("a", description="\ud800"),
    lambda t, r, d, m: t.log_metric("", 1),
    lambda t, r, d, m: t.log_metric("a\n", 1),
    lambda t, r, d, m: t.log_metric("a", "1"),
    lambda t, r, d, m: t.log_metric("a", [1]),
    lambda t, r, d, m: t.log_metric("a", 1, step=1.5),
    lambda t, r, d, m: t.log_metric("a", 1, step=2**63),
    lambda t, r, d, m: t.log_metric("a", 1, phase="dreaming"),
    lambda t, r, d, m: t.log_metric("a", 1, split=3),
    lambda t, r, d, m: t.log_metric("a", 1, value_json="{"),
    lambda t, r, d, m: t.log_metric("a", 1, metric_type="sound"),
    lambda t, r, d, m: t.log_metrics_batch({"a": 1, "b": None}),
    lambda t, r, d, m: t.log_hyperparameter("a", "x", param_type="int"),
    lambda t, r, d, m: t.add_artifact("log", "../x"),
    lambda t, r, d, m: t.add_artifact("log", "x\x00"),
    lambda t, r, d, m: t.list_experiments(limit=0),
    lambda t, r, d, m: t.list_experiments(limit=10_001),
    lambda t, r, d, m: t.list_experiments(status="done"),
    lambda t, r, d, m: t.get_experiment("1; DROP TABLE experiments"),
    lambda t, r, d, m: t.get_experiment(True),
    lambda t, r, d, m: t.search_experiments(order_by="id; DROP TABLE models"),
    lambda t, r, d, m: r.list_models(order_by="id; DROP TABLE models"),
    lambda t, r, d, m: r.list_models(limit=0),
    lambda t, r, d, m: r.register_model(1, "a\x00"),
    lambda t, r, d, m: r.register_model(1, ""),
    lambda t, r, d, m: r.register_model(1, "a", state_dim="x"),
    lambda t, r, d, m: r.register_model(1, "a", val_metric="good"),
    lambda t, r, d, m: r.register_model(1, "a", is_best="yes"),
    lambda t, r, d, m: d.register_dataset("a", start_date="2024-02-01", end_date="2024-01-01"),
    lambda t, r, d, m: d.register_dataset("a", start_date="soon"),
    lambda t, r, d, m: d.register_dataset("a", split_type="trian"),
    lambda t, r, d, m: d.register_dataset("a", num_samples=-1),
    lambda t, r, d, m: d.get_dataset(),
    lambda t, r, d, m: m.get_metric_timeseries(1, "m", max_points=3),
]


def doors(tracker: ExperimentTracker) -> tuple[Any, ...]:
    record = tracker.record
    return tracker, ModelRegistry(record), DatasetManager(record), MetricsLogger(record)


@pytest.mark.parametrize("call", range(len(_UNKNOWN)))
def test_unknown_things_are_not_found(tracker: ExperimentTracker, current: int, call: int) -> None:
    DatasetManager(tracker.record).register_dataset("there")
    with refused("STORE_NOT_FOUND"):
        _UNKNOWN[call](*doors(tracker))


def test_absurd_values_are_refused_and_leave_nothing(tracker: ExperimentTracker, current: int) -> None:
    for call, ask in enumerate(_ABSURD):
        with refused("STORE_VALUE"):
            ask(*doors(tracker))
            raise AssertionError(f"case {call} was taken")
    database = MLDatabase(tracker.record)
    for table in ("metrics", "models", "datasets", "hyperparameters", "artifacts"):
        assert database.execute_query(f"SELECT * FROM {table}") == []
    assert [row["id"] for row in tracker.list_experiments()] == [current]


@given(name=WORDS, split=WORDS, tag=WORDS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_text_is_kept_as_it_is_or_refused(tracker: ExperimentTracker, name: str, split: str, tag: str) -> None:
    try:
        run = tracker.start_experiment(name, tags=[tag], capture_git=False)
        tracker.log_metric(name, 1, split=split)
    except StoreError as error:
        assert error.code == "STORE_VALUE"
        return
    assert tracker.list_experiments(tags=[tag], limit=1)[0]["name"] == name
    assert MetricsLogger(tracker.record).get_metric_summary(run, name, split)["count"] == 1


def test_a_run_has_at_most_ten_thousand_metric_names(
    tracker: ExperimentTracker, current: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from assay.track.tracker import metric_queue as metric_points

    monkeypatch.setattr(metric_points, "NAMES_MOST", 2)
    tracker.log_metrics_batch({"a": 1, "b": 1})
    tracker.log_metric("a", 2)
    with refused("STORE_VALUE", "at most 2"):
        tracker.log_metric("c", 1)
