"""Metric points."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.kernel.timestamps import now_ms
from assay.track.canonical_json import decode
from assay.track.database import Database
from assay.track.retry import writes
from assay.track.rows import Row, nan_for_null, number, rows
from assay.track.schema.run_tables import METRICS
from assay.track.timestamps import parse_instant

_NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


class Metrics:
    """Named numbers of a run. NaN and infinities are kept as what they are and are never a number in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(
        self,
        run: int,
        values: Mapping[str, object],
        *,
        step: int | None = None,
        episode: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        """One point for each name, with one timestamp: all or nothing.

        StoreError ``STORE_VALUE`` for a value that is no number or a name that is not 1 to 200 printable characters,
        ``STORE_NOT_FOUND`` for an unknown run.
        """
        shared = {
            "experiment_id": run,
            "step": step,
            "episode": episode,
            "epoch": epoch,
            "split": split,
            "phase": phase,
            "model_id": model_id,
            "metadata": None if metadata is None else dict(metadata),
            "timestamp": parse_instant(now_ms()),
        }
        self.log_points([shared | _point(name, value) for name, value in values.items()])

    def log_distribution(self, run: int, name: str, value_json: object, **place: Any) -> None:
        """A point that is a JSON-able object (or JSON text), type ``distribution``, value 0; `place` as in `log`."""
        decoded = _decoded(value_json) if isinstance(value_json, str) else value_json
        shared = {"experiment_id": run, "metric_type": "distribution", "value_json": decoded}
        self.log_points([shared | _point(name, 0.0) | {"timestamp": parse_instant(now_ms())} | place])

    @writes
    def log_points(self, points: Sequence[Row]) -> None:
        """Finished rows of the metrics table, in one transaction; all must have the same columns."""
        if points:
            with self._database.write() as connection:
                connection.execute(sa.insert(METRICS), points)

    def read(self, run: int, *, name: str | None = None, split: str | None = None) -> list[Row]:
        """Points by step, episode, epoch, id; ``value`` is NaN, inf or -inf where it was, never None."""
        m = METRICS.c
        query = sa.select(METRICS).where(m.experiment_id == run)
        query = query if name is None else query.where(m.metric_name == name)
        query = query if split is None else query.where(m.split == split)
        with self._database.read() as connection:
            order = [place.nulls_first() for place in (m.step, m.episode, m.epoch)]
            result = rows(connection.execute(query.order_by(*order, m.id)))
        return [nan_for_null(_restored(row), ["value"]) for row in result]

    def last(self, run: int, *, split: str | None = None) -> dict[str, float]:
        """The last value of each metric, by the order of `read`; names sorted."""
        result = {row["metric_name"]: row["value"] for row in self.read(run, split=split)}
        return dict(sorted(result.items()))


def _decoded(text: str) -> Any:
    try:
        return decode(text)
    except ValueError as error:
        raise StoreError(f"value_json is no JSON: {error}", code="STORE_VALUE") from None


def _point(name: object, value: object) -> Row:
    if not (isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable()):
        raise StoreError(f"metric name {printable(name)} is not 1 to 200 printable characters", code="STORE_VALUE")
    result = number(value, f"metric {printable(name)}")
    if math.isfinite(result):
        return {"metric_name": name, "value": result, "non_finite": None}
    kind = "nan" if math.isnan(result) else "inf" if result > 0 else "-inf"
    return {"metric_name": name, "value": None, "non_finite": kind}


def _restored(row: Row) -> Row:
    kind = row["non_finite"]
    return row if kind is None else row | {"value": _NON_FINITE[kind]}
