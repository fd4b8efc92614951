"""The query language over runs: it finds what it says, and nothing becomes SQL."""

import math
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import StoreError
from assay.track import ExperimentTracker
from assay.track.tracker import shared as sharing


@pytest.fixture(scope="module")
def tracker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExperimentTracker]:
    opened = ExperimentTracker(tmp_path_factory.mktemp("search") / "r.db")
    settings_of = [(1.0, 0.99, "adam", True), (2.0, 0.9, "sgd", False), (math.nan, 1, "100%", True)]
    for number, (score, gamma, optimizer, flag) in enumerate(settings_of):
        opened.start_experiment(f"Run {number}", "rl" if number else "rules", tags=["all", f"t{number}"])
        opened.log_hyperparameters_batch({"gamma": gamma, "optimizer": optimizer, "flag": flag})
        opened.log_metric("val/sharpe", 9.0, step=0)
        opened.log_metric("val/sharpe", score, step=1)
    opened.end_experiment("failed", notes='it\'s "odd"')
    yield opened
    sharing._at_exit()
    sharing._opened.clear()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", "210"),
        ("metric.val/sharpe > 1", "21"),  # of the third run the last finite value counts
        ("metric.`val/sharpe` >= 1 AND metric.val/sharpe<5", "10"),
        ("metric.none > 0", ""),
        ("param.gamma < 1", "10"),
        ("param.gamma = 1", "2"),
        ("param.gamma >= 1e-3 and param.optimizer != 'sgd'", "20"),
        ("param.flag = true", "20"),
        ("param.optimizer ~ '%'", "2"),
        ("param.optimizer > 5", ""),
        ("tag = \"t1\"", "1"),
        ("tag = 'all' and tag != 't1'", "20"),
        ("name ~ 'run'", "210"),
        ("name = 'Run 1'", "1"),
        ("name = 'run 1'", ""),
        ("status = 'failed' and notes ~ \"it's\"", "2"),
        ("experiment_type != 'rl'", "0"),
        ("start_time > \"2020-01-01\" and start_time < '2999-01-01T00:00:00Z'", "210"),
        ("num_checkpoints = 0 and id <= 2", "10"),
        ("name = '; DROP TABLE experiments'", ""),
        ("name = 'x OR 1=1'", ""),
    ],
)  # fmt: skip
def test_queries(tracker: ExperimentTracker, query: str, found: str) -> None:
    assert "".join(row["name"][-1] for row in tracker.search_experiments(query)) == found


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("name", "character 1"),
        ("name = x", "character 1"),
        ("name = 'a' or name = 'b'", "character 11.*joined by 'and'"),
        ("name = 'a'; DROP TABLE runs", "character"),
        ("name = 'a' -- b", "character"),
        ("metrc.x > 1", "no field 'metrc.x'"),
        ("metric > 1", "no field"),
        ("name.x = 'a'", "no field"),
        ("sqlite_master = 'a'", "no field"),
        ("status > 3", "quoted text"),
        ("metric.x = 'a'", "with a number"),
        ("tag ~ 'a'", "by = or !="),
        ("start_time > 'soon'", "no time"),
        ("start_time > 3", "a time such as"),
        ("id = 99999999999999999999 and id = 1e999", ""),
        (" and ".join(["id = 1"] * 21), "20 clauses"),
        ("x" * 1001, "1000 characters"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(tracker: ExperimentTracker, query: str, text: str) -> None:
    if text:
        with pytest.raises(StoreError, match=text) as told:
            tracker.search_experiments(query)
        assert told.value.code == "STORE_VALUE"
    else:
        assert tracker.search_experiments(query) == []


def test_order(tracker: ExperimentTracker) -> None:
    def names(order_by: str, ascending: bool = False) -> str:
        return "".join(row["name"][-1] for row in tracker.search_experiments(order_by=order_by, ascending=ascending))

    assert (names("metric.val/sharpe"), names("metric.val/sharpe", True)) == ("210", "012")
    assert (names("name"), names("id", True), names("best_val_metric", True)) == ("210", "012", "012")
    assert names("duration_seconds")[0] == "2" and names("duration_seconds", True)[0] == "2"
    for wrong in ("id; DROP TABLE models", "nam", "metric.", "metric.`x", "random()", "1"):
        with pytest.raises(StoreError, match="order_by is") as told:
            tracker.search_experiments(order_by=wrong)
        assert told.value.code == "STORE_VALUE"


WORDS = ["name", "metric.x", "param.y", "tag", "'a'", "1", "and", "true"]
PIECES = st.sampled_from([*WORDS, "=", "~", ">", '"', "'", ";", "--", "("])


@given(st.lists(PIECES, max_size=9).map(" ".join) | st.text(max_size=40))
@example("name = '\x00'")
@example("name = '\ud800'")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_any_text_is_answered_or_refused(tracker: ExperimentTracker, query: str) -> None:
    try:
        tracker.search_experiments(query)
    except StoreError as error:
        assert error.code == "STORE_VALUE"
    assert len(tracker.list_experiments()) == 3
