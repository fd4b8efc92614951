"""Metrics of runs, read."""

from collections.abc import Iterable
from typing import Any

from assay.track.tracker import metric_series
from assay.track.tracker.shared import TrackingClient
from assay.track.tracker.validators import check_id, refusal, texts, whole

POINTS_MOST = 1_000_000


class MetricsLogger(TrackingClient):
    """Reads metrics: series, summaries, comparisons. An unknown run is StoreError ``STORE_NOT_FOUND``.

    Points are ordered by step, episode, epoch and the order in which they were logged; a missing place comes first.
    """

    def get_metric_timeseries(
        self, experiment_id: int, metric_name: str, split: str | None = None, *, max_points: int | None = None
    ) -> dict[str, list[Any]]:
        """``episodes steps epochs values``, lists of one length; values are NaN, inf or -inf where they were.

        max_points: about so many at most, at least 4: of each stretch first, last, lowest and highest stay.
        """
        most = whole(max_points, "max_points")
        if most is not None and not 4 <= most <= POINTS_MOST:
            raise refusal(f"max_points is {most}, 4 to {POINTS_MOST}", field="max_points")
        run = check_id(experiment_id, "experiment_id")
        return metric_series.chart_points(self.record, run, metric_name, split, most)

    def get_metric_summary(self, experiment_id: int, metric_name: str, split: str | None = None) -> dict[str, float]:
        """``count mean std min max median q25 q75 final non_finite`` over finite points.

        std divides by n - 1, quantiles are linear, ``final`` is the last finite point, ``non_finite`` a count. Without
        points count is 0 and the statistics are NaN.
        """
        return metric_series.summarize(self.record, check_id(experiment_id, "experiment_id"), metric_name, split)

    def get_all_metrics_for_experiment(self, experiment_id: int) -> list[str]:
        """Names of the metrics that the run has logged, sorted."""
        return metric_series.metric_names(self.record, check_id(experiment_id, "experiment_id"))

    def get_metrics_for_experiment(self, experiment_id: int) -> list[str]:
        """The same as `get_all_metrics_for_experiment`."""
        return self.get_all_metrics_for_experiment(experiment_id)

    def compare_metrics_across_experiments(
        self, experiment_ids: Iterable[int], metric_name: str, split: str | None = None
    ) -> dict[int, dict[str, float]]:
        """A summary a run, by id in the order asked for, also for runs without such a point."""
        return metric_series.compare_series(self.record, experiment_ids, metric_name, split)

    def get_final_metrics(self, experiment_id: int, metric_names: Iterable[str] | None = None) -> dict[str, float]:
        """The last value of each metric, or of those named; a name without points is absent."""
        names = None if metric_names is None else texts(metric_names, "metric_names")
        return metric_series.final_values(self.record, check_id(experiment_id, "experiment_id"), names)
