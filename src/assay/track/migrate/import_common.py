"""Runs that happened elsewhere, as ended runs of the record; each is written once, whoever imports it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import sqlalchemy as sa

from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, hold
from assay.track.schema.column_types import HoldsText
from assay.track.schema.tables import ARTIFACTS, EXPERIMENTS
from assay.track.tracking_store import TrackingStore

IMPORTED = "imported"
_NAME_MOST = 200


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, counted by kind (``runs``, ``points``, ``models`` …).

    read:    there.   written: new here.
    flagged: in words, what is not here as it was there; how often.
    """

    read: Mapping[str, int]
    written: Mapping[str, int]
    flagged: Mapping[str, int]


@dataclass(slots=True)
class Tally:
    """Counts while an import goes on."""

    read: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)
    flagged: dict[str, int] = field(default_factory=dict)

    def saw(self, kind: str, count: int = 1) -> None:
        """So many were there."""
        self.read[kind] = self.read.get(kind, 0) + count

    def wrote(self, kind: str, count: int = 1) -> None:
        """So many are new here."""
        self.written[kind] = self.written.get(kind, 0) + count

    def flag(self, what: str) -> None:
        """Something is not as it was; equal words are counted."""
        self.flagged[what] = self.flagged.get(what, 0) + 1

    def end(self) -> Imported:
        """The counts."""
        return Imported(dict(self.read), {kind: self.written.get(kind, 0) for kind in self.read}, dict(self.flagged))


@dataclass(frozen=True, slots=True)
class ForeignRun:
    """A run of another tool. key: names it for ever in that tool.  points, files: rows without their run's id."""

    origin: str
    key: str
    name: str
    experiment_type: str
    status: str
    start_ms: int
    end_ms: int | None
    metadata: Mapping[str, object]
    tags: tuple[str, ...] = ()
    description: str = ""
    params: Mapping[str, object] = field(default_factory=dict)
    points: Sequence[Row] = ()
    files: Sequence[Row] = ()
    parent_id: int | None = None


def list_imported_runs(database: Database, origin: str) -> dict[str, int]:
    """Ids of the runs that were imported from a tool, by their key there; deleted ones too: they stay deleted."""
    e = EXPERIMENTS.c
    with database.read() as connection:
        result = connection.execute(sa.select(e.id, e.metadata).where(HoldsText(e.tags, sa.literal(origin, sa.Text()))))
        marked = [(int(row[0]), row[1].get(IMPORTED)) for row in result]
    return {mark["key"]: run for run, mark in marked if isinstance(mark, dict) and mark.get("from") == origin}


def add(record: TrackingStore, run: ForeignRun) -> int:
    """Write a run with all that hangs on it, in one transaction; its id. The one that is there, if it is."""
    with record.database.write() as connection:
        hold(connection, f"import {run.origin}")
        there = list_imported_runs(record.database, run.origin).get(run.key)
        if there is not None:
            return there
        made = connection.execute(sa.insert(EXPERIMENTS).values(_row(run)).returning(EXPERIMENTS.c.id)).scalar_one()
        record.hyperparameters.log(made, run.params)
        record.metrics.log_points([{"experiment_id": made, **point} for point in run.points])
        if run.files:
            connection.execute(sa.insert(ARTIFACTS), [{"experiment_id": made, **file} for file in run.files])
        return int(made)


def _row(run: ForeignRun) -> Row:
    start = parse_instant(run.start_ms)
    end = None if run.end_ms is None else max(start, parse_instant(run.end_ms))
    now = parse_instant(current_ms())
    return {
        "run_id": str(uuid4()),
        "name": (run.name or run.key)[:_NAME_MOST],
        "description": run.description,
        "experiment_type": run.experiment_type,
        "status": run.status,
        "start_time": start,
        "end_time": end,
        "duration_seconds": None if end is None else (end - start).total_seconds(),
        "tags": [run.origin, *(tag for tag in run.tags if tag != run.origin)],
        "metadata": {**run.metadata, IMPORTED: {"from": run.origin, "key": run.key}},
        "parent_id": run.parent_id,
        "created_at": now,
        "updated_at": now,
    }


def point(name: str, value: float, at_ms: int, **place: object) -> Row:
    """A metric's row; NaN and infinities stay what they are. place: ``step``, ``split``, ``phase``."""
    kind = None if abs(value) <= 1.7976931348623157e308 else "nan" if value != value else "inf" if value > 0 else "-inf"
    return {
        "metric_name": name[:_NAME_MOST],
        "value": float(value) if kind is None else None,
        "non_finite": kind,
        "timestamp": parse_instant(at_ms),
        "step": None,
        "split": "train",
        "phase": "training",
    } | place
