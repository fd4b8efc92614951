"""Statistics and charts of logged metrics."""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import numpy as np
import sqlalchemy as sa

from assay.track.record import Record
from assay.track.rows import not_found
from assay.track.schema.runs import EXPERIMENTS, METRICS
from assay.track.tracker.points import NON_FINITE
from assay.track.tracker.words import known_id, named, refused

STATISTICS = ("mean", "std", "min", "max", "median", "q25", "q75", "final")
_M = METRICS.c
ORDER = (_M.step.asc().nulls_first(), _M.episode.asc().nulls_first(), _M.epoch.asc().nulls_first(), _M.id.asc())
_LAST = (_M.step.desc().nulls_last(), _M.episode.desc().nulls_last(), _M.epoch.desc().nulls_last(), _M.id.desc())
Summary = dict[str, float]


def compared(record: Record, experiment_ids: Iterable[int], metric_name: str, split: str | None) -> dict[int, Summary]:
    """A summary a run, in the order asked for; StoreError ``STORE_NOT_FOUND`` names the unknown ones."""
    if isinstance(experiment_ids, str | bytes | int) or not hasattr(experiment_ids, "__iter__"):
        raise refused("experiment_ids is a list of run numbers", field="experiment_ids")
    runs = list(dict.fromkeys(known_id(run, "experiment_ids") for run in experiment_ids))
    if len(runs) > 10_000:
        raise refused(f"{len(runs)} runs are compared, 10,000 at most", field="experiment_ids")
    known = demand_known(record, runs)
    values: dict[int, list[float | None]] = {run: [] for run in known}
    query = sa.select(_M.experiment_id, _M.value).where(*_chosen(metric_name, split), _M.experiment_id.in_(runs))
    with record.database.read() as connection:
        for run, value in connection.execute(query.order_by(*ORDER)):
            values[run].append(value)
    return {run: _listed(values[run]) for run in runs}


def demand_known(record: Record, runs: Sequence[int]) -> Sequence[int]:
    """The runs, all of them in the record."""
    e = EXPERIMENTS.c
    with record.database.read() as connection:
        found = set(connection.execute(sa.select(e.id).where(e.id.in_(runs))).scalars())
    missing = [run for run in runs if run not in found]
    if missing:
        raise not_found("run", missing[0], f"{len(missing)} of the {len(runs)} asked for are not in the record")
    return runs


def summarised(record: Record, run: int, metric_name: str, split: str | None) -> Summary:
    """``count mean std min max median q25 q75 final non_finite`` of one metric."""
    demand_known(record, [run])
    chosen = [*_chosen(metric_name, split), _M.experiment_id == run]
    finite = sa.select(_M.value).where(*chosen, _M.value.is_not(None))
    broken = sa.select(sa.func.count()).select_from(METRICS).where(*chosen, _M.value.is_(None))
    with record.database.read() as connection:
        values = np.fromiter(chain.from_iterable(_raw(connection, finite)), np.float64)
        final = connection.execute(finite.order_by(*_LAST).limit(1)).scalar()
        return _summary(values, final, int(connection.execute(broken).scalar_one()))


def charted(
    record: Record, run: int, metric_name: str, split: str | None, max_points: int | None
) -> dict[str, list[Any]]:
    """Places and values in order; with `max_points` the finite points that show each stretch."""
    demand_known(record, [run])
    chosen = sa.and_(*_chosen(metric_name, split), _M.experiment_id == run)
    query = sa.select(_M.episode, _M.step, _M.epoch, _M.value, _M.non_finite).where(chosen)
    with record.database.read() as connection:
        if max_points is not None:
            count = connection.execute(sa.select(sa.func.count()).select_from(METRICS).where(chosen)).scalar_one()
            if count > max_points:
                query = query.where(_M.id.in_(_kept(connection, chosen, max_points // 4)))
        found = connection.execute(query.order_by(*ORDER)).all()
    return {
        "episodes": [row[0] for row in found],
        "steps": [row[1] for row in found],
        "epochs": [row[2] for row in found],
        "values": [NON_FINITE[row[4]] if row[4] else math.nan if row[3] is None else row[3] for row in found],
    }


def metric_names(record: Record, run: int) -> list[str]:
    """Names that the run has logged, sorted."""
    demand_known(record, [run])
    query = sa.select(_M.metric_name).where(_M.experiment_id == run).distinct()
    with record.database.read() as connection:
        return sorted(connection.execute(query).scalars())


def final_values(record: Record, run: int, names: Sequence[str] | None) -> dict[str, float]:
    """The last point of each metric, by the order of the chart; NaN and infinities as what they are."""
    found = {}
    for name in metric_names(record, run) if names is None else [named(name, "metric_name") for name in names]:
        query = sa.select(_M.value, _M.non_finite).where(_M.experiment_id == run, _M.metric_name == name)
        with record.database.read() as connection:
            row = connection.execute(query.order_by(*_LAST).limit(1)).first()
        if row is not None:
            found[name] = NON_FINITE[row[1]] if row[1] else math.nan if row[0] is None else row[0]
    return found


def _chosen(metric_name: str, split: str | None) -> list[sa.ColumnElement[bool]]:
    found = [_M.metric_name == named(metric_name, "metric_name")]
    return found if split is None else [*found, _M.split == named(split, "split")]


def _kept(connection: sa.Connection, chosen: sa.ColumnElement[bool], buckets: int) -> list[int]:
    """Ids of the first, last, lowest and highest finite point of each of `buckets` stretches of equal count."""
    query = sa.select(_M.id, _M.value).where(chosen, _M.value.is_not(None)).order_by(*ORDER)
    found = np.fromiter(_raw(connection, query), np.dtype([("id", np.int64), ("value", np.float64)]))
    ids: set[int] = set()
    for stretch in np.array_split(found, buckets):
        if len(stretch):
            marks = (0, -1, stretch["value"].argmin(), stretch["value"].argmax())
            ids.update(int(stretch["id"][mark]) for mark in marks)
    return sorted(ids)


def _raw(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[tuple[Any, ...]]:
    """The driver's own tuples: a row object for each of a million points is most of the time that they take."""
    cursor: Any = connection.execute(query).cursor  # DB-API leaves iteration out of what it promises; both drivers do
    return iter(()) if cursor is None else iter(cursor)


def _summary(finite: "np.ndarray[Any, np.dtype[np.float64]]", final: float | None, non_finite: int) -> Summary:
    told: Summary = {"count": len(finite), **dict.fromkeys(STATISTICS, math.nan)}
    if len(finite):
        low, middle, high = np.quantile(finite, (0.25, 0.5, 0.75))
        told |= {
            "mean": float(finite.mean()),
            "std": float(finite.std(ddof=1)) if len(finite) > 1 else math.nan,
            "min": float(finite.min()),
            "max": float(finite.max()),
            "median": float(middle),
            "q25": float(low),
            "q75": float(high),
            "final": math.nan if final is None else final,
        }
    return told | {"non_finite": non_finite}


def _listed(values: Sequence[float | None]) -> Summary:
    finite = [value for value in values if value is not None]
    return _summary(np.array(finite, dtype=np.float64), finite[-1] if finite else None, len(values) - len(finite))
