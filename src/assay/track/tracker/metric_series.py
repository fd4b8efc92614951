"""Statistics and charts of logged metrics: `MetricsLogger`."""

import math
from collections.abc import Collection, Iterable, Sequence
from typing import TypedDict

import numpy as np
import sqlalchemy as sa

from assay.kernel.arrays import FloatArray
from assay.track.codecs import Packed, unpack
from assay.track.database import not_found
from assay.track.schema.tables import EXPERIMENTS, METRICS
from assay.track.tracker.metric_queue import NON_FINITE
from assay.track.tracker.shared import TrackingClient
from assay.track.tracker.validators import check_id, check_name, refusal, texts, whole
from assay.track.tracking_store import TrackingStore

STATISTICS = ("mean", "std", "min", "max", "median", "q25", "q75", "final")
_M = METRICS.c
ORDER = (_M.step.asc().nulls_first(), _M.episode.asc().nulls_first(), _M.epoch.asc().nulls_first(), _M.id.asc())
_LAST = (_M.step.desc().nulls_last(), _M.episode.desc().nulls_last(), _M.epoch.desc().nulls_last(), _M.id.desc())
_PLACES = (_M.step, _M.episode, _M.epoch, _M.id)
Summary = dict[str, float]


def compare_series(
    record: TrackingStore, experiment_ids: Iterable[int], metric_name: str, split: str | None
) -> dict[int, Summary]:
    """A summary a run, in the order asked for; StoreError ``STORE_NOT_FOUND`` names the unknown ones."""
    if isinstance(experiment_ids, str | bytes | int) or not hasattr(experiment_ids, "__iter__"):
        raise refusal("experiment_ids is a list of run numbers", field="experiment_ids")
    runs = list(dict.fromkeys(check_id(run, "experiment_ids") for run in experiment_ids))
    if len(runs) > 10_000:
        raise refusal(f"{len(runs)} runs are compared, 10,000 at most", field="experiment_ids")
    return _summaries(record, runs, metric_name, split)


def demand_known(record: TrackingStore, runs: Sequence[int]) -> Sequence[int]:
    """The runs, all of them in the record."""
    e = EXPERIMENTS.c
    with record.database.read() as connection:
        _demand(runs, set(connection.execute(sa.select(e.id).where(e.id.in_(runs))).scalars()))
    return runs


def _demand(runs: Sequence[int], result: Collection[int]) -> None:
    missing = [run for run in runs if run not in result]
    if missing:
        raise not_found("run", missing[0], f"{len(missing)} of the {len(runs)} asked for are not in the record")


def summarize(record: TrackingStore, run: int, metric_name: str, split: str | None) -> Summary:
    """``count mean std min max median q25 q75 final non_finite`` of one metric."""
    return _summaries(record, [run], metric_name, split)[run]


class Timeseries(TypedDict):
    """Points of one metric, lists of one length."""

    episodes: list[int | None]
    steps: list[int | None]
    epochs: list[int | None]
    values: list[float]


def chart_points(
    record: TrackingStore, run: int, metric_name: str, split: str | None, max_points: int | None
) -> Timeseries:
    """Places and values in order; with `max_points` the finite points that show each stretch."""
    demand_known(record, [run])
    chosen = sa.and_(*_chosen(metric_name, split), _M.experiment_id == run)
    query = sa.select(_M.episode, _M.step, _M.epoch, _M.value, _M.non_finite).order_by(*ORDER)
    with record.database.read() as connection:
        if max_points is None or not _more(connection, chosen, max_points):
            query = query.where(chosen)
        else:
            query = query.where(_M.id.in_(_extreme_points(connection, chosen, max_points // 4)))
        result = connection.execute(query).all()
    return {
        "episodes": [row[0] for row in result],
        "steps": [row[1] for row in result],
        "epochs": [row[2] for row in result],
        "values": [NON_FINITE[row[4]] if row[4] else math.nan if row[3] is None else row[3] for row in result],
    }


def stored_metric_names(record: TrackingStore, run: int) -> list[str]:
    """Names that the run has logged, sorted."""
    demand_known(record, [run])
    query = sa.select(_M.metric_name).where(_M.experiment_id == run).distinct()
    with record.database.read() as connection:
        return sorted(connection.execute(query).scalars())


def final_values(record: TrackingStore, run: int, names: Sequence[str] | None) -> dict[str, float]:
    """The last point of each metric, by the order of the chart; NaN and infinities as what they are."""
    result = {}
    for name in (
        stored_metric_names(record, run) if names is None else [check_name(name, "metric_name") for name in names]
    ):
        query = sa.select(_M.value, _M.non_finite).where(_M.experiment_id == run, _M.metric_name == name)
        with record.database.read() as connection:
            row = connection.execute(query.order_by(*_LAST).limit(1)).first()
        if row is not None:
            result[name] = NON_FINITE[row[1]] if row[1] else math.nan if row[0] is None else row[0]
    return result


def _chosen(metric_name: str, split: str | None) -> list[sa.ColumnElement[bool]]:
    result = [_M.metric_name == check_name(metric_name, "metric_name")]
    return result if split is None else [*result, _M.split == check_name(split, "split")]


def _more(connection: sa.Connection, chosen: sa.ColumnElement[bool], count: int) -> bool:
    return connection.execute(sa.select(_M.id).where(chosen).offset(count).limit(1)).first() is not None


def _extreme_points(connection: sa.Connection, chosen: sa.ColumnElement[bool], stretches: int) -> set[int]:
    """Ids of the first, last, lowest and highest finite point of each of `stretches` of equal width.

    The stretches divide the first place in which the points differ, as the columns of pixels of a chart do: a line
    through what is kept is the line through all (Jugel et al. 2014, M4). Points that lack that place are first.
    """
    finite = sa.select(*_PLACES).where(chosen, _M.value.is_not(None))
    first, last = (connection.execute(finite.order_by(*order).limit(1)).first() for order in (ORDER, _LAST))
    if first is None or last is None:
        return set()
    for column, low, high in zip(_PLACES, first, last, strict=True):
        if low is None and high is not None and stretches == 1:
            return _marked(connection, chosen, _M.id, [(0, 2**63 - 1)])
        if low is None and high is not None:
            lacking = _extreme_points(connection, chosen & column.is_(None), stretches // 2)
            return lacking | _extreme_points(connection, chosen & column.is_not(None), stretches - stretches // 2)
        if low != high:
            width = -((low - high - 1) // stretches)
            return _marked(
                connection, chosen, column, [(k, min(k + width - 1, high)) for k in range(low, high + 1, width)]
            )
        chosen &= column.is_(None) if low is None else column == low
    return {first.id}


def _marked(
    connection: sa.Connection,
    chosen: sa.ColumnElement[bool],
    column: sa.ColumnElement[int],
    stretches: Sequence[tuple[int, int]],
) -> set[int]:
    """Of each stretch of a column, both its ends in it: the extremes by one look, then where each was met first."""
    inside = sa.and_(chosen, _M.value.is_not(None), column.between(sa.bindparam("begin"), sa.bindparam("end")))
    extremes = sa.select(sa.func.min(_M.value), sa.func.max(_M.value)).where(inside)
    one = sa.select(_M.id).where(inside).limit(1)
    marks = sa.select(
        one.order_by(*ORDER).scalar_subquery(),
        one.order_by(*_LAST).scalar_subquery(),
        *(
            one.where(_M.value == sa.bindparam(value)).order_by(*ORDER).scalar_subquery()
            for value in ("lowest", "highest")
        ),
    )
    ids: set[int] = set()
    for begin, end in stretches:
        place = {"begin": begin, "end": end}
        low, high = connection.execute(extremes, place).one()
        if low is not None:
            ids.update(connection.execute(marks, place | {"lowest": low, "highest": high}).one())
    return ids


def _summaries(record: TrackingStore, runs: Sequence[int], metric_name: str, split: str | None) -> dict[int, Summary]:
    """By one query, which reads the points of each run once, and its last one by a look."""
    e = EXPERIMENTS.c
    of_run = [*_chosen(metric_name, split), _M.experiment_id == e.id]
    points = sa.select(Packed(_M.value)).where(*of_run).scalar_subquery()
    final = sa.select(_M.value).where(*of_run, _M.value.is_not(None)).order_by(*_LAST).limit(1).scalar_subquery()
    with record.database.read() as connection:
        result = connection.execute(sa.select(e.id, points, final).where(e.id.in_(runs))).all()
    document = {run: _summary(unpack(packed), last) for run, packed, last in result}
    _demand(runs, document)
    return {run: document[run] for run in runs}


def _summary(points: FloatArray, final: float | None) -> Summary:
    finite = points[np.isfinite(points)]
    document: Summary = {"count": len(finite), **dict.fromkeys(STATISTICS, math.nan)}
    if len(finite):
        low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75))
        document |= {
            "mean": float(finite.mean()),
            "std": float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
            "min": float(finite.min()),
            "max": float(finite.max()),
            "median": float(middle),
            "q25": float(low),
            "q75": float(high),
            "final": math.nan if final is None else final,
        }
    return document | {"non_finite": len(points) - len(finite)}


POINTS_MOST = 1_000_000


class MetricsLogger(TrackingClient):
    """Reads metrics: series, summaries, comparisons. An unknown run is StoreError ``STORE_NOT_FOUND``.

    Points are ordered by step, episode, epoch and the order in which they were logged; a missing place comes first.
    """

    def get_metric_timeseries(
        self, experiment_id: int, metric_name: str, split: str | None = None, *, max_points: int | None = None
    ) -> Timeseries:
        """``episodes steps epochs values``, lists of one length; values are NaN, inf or -inf where they were.

        max_points: about so many at most, at least 4: of each stretch first, last, lowest and highest stay.
        """
        most = whole(max_points, "max_points")
        if most is not None and not 4 <= most <= POINTS_MOST:
            raise refusal(f"max_points is {most}, 4 to {POINTS_MOST}", field="max_points")
        run = check_id(experiment_id, "experiment_id")
        return chart_points(self.record, run, metric_name, split, most)

    def get_metric_summary(self, experiment_id: int, metric_name: str, split: str | None = None) -> dict[str, float]:
        """``count mean std min max median q25 q75 final non_finite`` over finite points.

        std divides by n - 1, quantiles are linear, ``final`` is the last finite point, ``non_finite`` a count. Without
        points count is 0 and the statistics are NaN.
        """
        return summarize(self.record, check_id(experiment_id, "experiment_id"), metric_name, split)

    def get_all_metrics_for_experiment(self, experiment_id: int) -> list[str]:
        """Names of the metrics that the run has logged, sorted."""
        return stored_metric_names(self.record, check_id(experiment_id, "experiment_id"))

    def get_metrics_for_experiment(self, experiment_id: int) -> list[str]:
        """The same as `get_all_metrics_for_experiment`."""
        return self.get_all_metrics_for_experiment(experiment_id)

    def compare_metrics_across_experiments(
        self, experiment_ids: Iterable[int], metric_name: str, split: str | None = None
    ) -> dict[int, dict[str, float]]:
        """A summary a run, by id in the order asked for, also for runs without such a point."""
        return compare_series(self.record, experiment_ids, metric_name, split)

    def get_final_metrics(self, experiment_id: int, metric_names: Iterable[str] | None = None) -> dict[str, float]:
        """The last value of each metric, or of those named; a name without points is absent."""
        names = None if metric_names is None else texts(metric_names, "metric_names")
        return final_values(self.record, check_id(experiment_id, "experiment_id"), names)
