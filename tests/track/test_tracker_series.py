"""Charts and summaries of metrics against the same made by hand from all points."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.track import ExperimentTracker, MetricsLogger

PLACES = st.none() | st.integers(-50, 50) | st.sampled_from((-(2**63), 2**63 - 1))
POINTS = st.lists(  # a zero loses its sign in SQLite
    st.tuples(PLACES, PLACES, PLACES, st.floats(width=32).map(lambda value: value + 0.0)), min_size=1, max_size=60
)


def key(point: tuple[Any, ...]) -> tuple[Any, ...]:
    """The documented order; a place that is lacking comes first, equal ones stay as they were logged."""
    return tuple((place is not None, place or 0) for place in point[:3])


@given(POINTS, st.integers(4, 50))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_chart_and_a_summary_are_those_of_all_points(
    tracker: ExperimentTracker, logged: list[tuple[Any, ...]], most: int
) -> None:
    run = tracker.start_experiment("a run", capture_git=False)
    for step, episode, epoch, value in logged:
        tracker.log_metric("m", value, step=step, episode=episode, epoch=epoch)
    told = MetricsLogger(tracker.record)
    chart = told.get_metric_timeseries(run, "m", max_points=most)
    shown = list(zip(chart["steps"], chart["episodes"], chart["epochs"], chart["values"], strict=True))
    ordered = sorted(logged, key=key)
    finite = [point for point in ordered if math.isfinite(point[3])]
    if len(logged) <= most:
        assert str(shown) == str(ordered)
        return
    assert len(shown) <= most and shown == sorted(shown, key=key) and set(shown) <= set(finite)
    assert bool(shown) == bool(finite)
    if finite:
        values = [point[3] for point in finite]
        assert (shown[0], shown[-1]) == (finite[0], finite[-1])
        assert {min(values), max(values)} <= {point[3] for point in shown}


@pytest.mark.parametrize("axis", ["step", "episode", "epoch", None])
def test_each_stretch_shows_its_ends_and_extremes(tracker: ExperimentTracker, current: int, axis: str | None) -> None:
    values = np.random.default_rng(1).integers(0, 50, 1000).astype(float)  # with many equal ones
    for k in np.arange(1000) if axis is None else np.random.default_rng(2).permutation(1000):
        tracker.log_metric("m", values[k], **({} if axis is None else {axis: int(k)}))
    chart = MetricsLogger(tracker.record).get_metric_timeseries(current, "m", max_points=40)
    assert len(chart["values"]) <= 40
    if axis is None:
        assert [chart[name][0] for name in ("steps", "episodes", "epochs")] == [None, None, None]
        assert (chart["values"][0], chart["values"][-1]) == (values[0], values[-1])
        return
    shown = chart[f"{axis}s"]
    assert shown == sorted(shown) and chart["values"] == [values[k] for k in shown]
    for stretch in np.array_split(np.arange(1000), 10):
        wanted = {stretch[0], stretch[-1], stretch[values[stretch].argmin()], stretch[values[stretch].argmax()]}
        assert wanted <= set(shown)


def test_points_without_the_place_of_the_others_are_a_chart_of_their_own(
    tracker: ExperimentTracker, current: int
) -> None:
    for k in range(200):
        tracker.log_metric("m", k, episode=k)
        tracker.log_metric("m", -k, step=k, episode=5)
    chart = MetricsLogger(tracker.record).get_metric_timeseries(current, "m", max_points=40)
    lacking = [value for step, value in zip(chart["steps"], chart["values"], strict=True) if step is None]
    stepped = [value for step, value in zip(chart["steps"], chart["values"], strict=True) if step is not None]
    assert (lacking[0], lacking[-1], stepped[0], stepped[-1]) == (0.0, 199.0, 0.0, -199.0)
    assert chart["values"] == lacking + stepped and len(lacking) >= 10 <= len(stepped)


def test_summaries_of_many_runs_are_those_of_each(tracker: ExperimentTracker) -> None:
    wanted = {}
    for count in (3, 0, 1):
        run = tracker.start_experiment("a run", capture_git=False)
        values = np.random.default_rng(count).standard_normal(count) * 1e3
        for step, value in enumerate(values):
            tracker.log_metric("m", value, step=count - step)
            tracker.log_metric("m", math.nan, step=count - step)
        wanted[run] = (count, count, float(values[0]) if count else math.nan, float(np.sort(values).sum()))
    told = tracker.compare_experiments(reversed(wanted), "m")
    assert list(told) == list(reversed(wanted))
    for run, (count, broken, final, total) in wanted.items():
        row = told[run]
        assert (row["count"], row["non_finite"], str(row["final"])) == (count, broken, str(final))
        assert row["mean"] * count == pytest.approx(total) or not count
        assert str(row) == str(MetricsLogger(tracker.record).get_metric_summary(run, "m"))
        assert math.isnan(row["std"]) == (count < 2)
