"""The old ``experiments.db`` becomes runs of the record: its episodes metric points, its settings hyperparameters."""

import hashlib
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import inf
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from assay.kernel.timestamps import now_ms
from assay.track.artifacts import Artifacts
from assay.track.canonical_json import canonical
from assay.track.database import hold
from assay.track.experiments import STATUSES
from assay.track.migrate.relic import COLUMNS, Relic, Row, differs, finite, infer, is_suspect, open_relic, text_of
from assay.track.model_files.artifact_store import Blobs
from assay.track.schema.run_tables import EXPERIMENTS
from assay.track.timestamps import parse_instant
from assay.track.tracking_store import TrackingStore, open_store

_TRAIN = {
    "train_return": "train_return",
    "train_reward": "train_reward",
    "episode_length": "episode_length",
    "avg_policy_loss": "policy_loss",
    "avg_value_loss": "value_loss",
}
_EXTRA_FIELDS = ("state_dim", "action_dim", "best_test_sharpe", "best_test_return", "final_episode")
_REGIME = tuple(COLUMNS["regime_analysis"].split()[3:])
_AT_ONCE = 5_000


@dataclass(slots=True)
class Imported:
    """sha256: of the old file.   read, written, flagged: rows by table, by table, and oddities by word.
    runs: new ids.   imported: whether the file had been imported before; then nothing is written.
    """

    sha256: str
    read: Counter[str]
    flagged: Counter[str]
    written: Counter[str] = field(default_factory=Counter)
    runs: list[int] = field(default_factory=list)
    imported: bool = False


def from_legacy(file: Path, url: str, *, dry_run: bool = False, blobs: Blobs | None = None) -> Imported:
    """Import the old database at `file` into the record at `url`, in one transaction; a second time does nothing.

    The old file is opened read only. dry_run: everything is read and written to a record that is thrown away.
    blobs: where the JSON of each regime analysis is kept as a file; its content stands in the record in any case.

    DataError ``DATA_PATH DATA_SCHEMA DATA_TIME DATA_NUMBER`` naming table, column and rowid; StoreError as
    `open_store`. Then nothing is written.
    """
    with open_relic(file) as relic:
        if not dry_run:
            with open_store(url) as record:
                return _Import(relic, record, blobs).all()
        with tempfile.TemporaryDirectory() as folder, open_store(Path(folder) / "dry.db") as record:
            return _Import(relic, record, None).all()


class _Import:
    def __init__(self, relic: Relic, record: TrackingStore, blobs: Blobs | None) -> None:
        self._relic = relic
        self._record = record
        self._blobs = blobs
        self._done = Imported(relic.sha256, relic.read, relic.flagged)
        self._runs: dict[Any, int] = {}
        self._starts: dict[Any, datetime] = {}

    def all(self) -> Imported:
        with self._record.database.write() as connection:
            hold(connection, f"legacy {self._relic.sha256}")
            if self._is_known(connection):
                self._done.imported = True
                return self._done
            parameters = self._parameters()
            best, spans = self._looked_at_episodes()
            for row in self._relic.rows("experiments"):
                self._experiment(connection, row, best.get(row["id"], []), spans.get(row["id"]))
                self._settings(row, parameters.get(row["id"], {}))
                self._datasets(row)
            self._flag_orphans(parameters)
            self._points(self._episodes())
            self._points(self._regimes())
        return self._done

    def _is_known(self, connection: sa.Connection) -> bool:
        query = sa.text("SELECT COUNT(*) FROM experiments WHERE metadata->'legacy'->>'sha256' = :sha256")
        return bool(connection.execute(query, {"sha256": self._relic.sha256}).scalar_one())

    def _experiment(self, connection: sa.Connection, row: Row, best: list[int], span: Any) -> None:
        times = {name: self._relic.time(row, "experiments", name) for name in ("start_time", "end_time", "created_at")}
        start = times["start_time"] or times["created_at"] or (span[0] if span else None)
        if start is None:
            self._done.flagged["no_time"] += 1
            start = parse_instant(now_ms())
        status, end, name = self._status(row), times["end_time"], _name(row)
        self._done.flagged["name"] += name != row["name"]
        if end is None and status != "completed":
            end = span[1] if span else start
        if end is not None and end < start:
            self._done.flagged["end_before_start"] += 1
            end = start
        legacy = {"sha256": self._relic.sha256, "id": row["id"], "status": row["status"], "best_episodes": best}
        legacy |= {name: finite(row[name]) for name in _EXTRA_FIELDS}
        legacy["early_stopped"] = None if row["early_stopped"] is None else bool(row["early_stopped"])
        values: Row = {
            "run_id": str(uuid.uuid4()),
            "name": name,
            "description": text_of(row["description"]) or "",
            "experiment_type": "rl",
            "status": status,
            "start_time": start,
            "end_time": end,
            "duration_seconds": None if end is None else (end - start).total_seconds(),
            "notes": text_of(row["notes"]),
            "metadata": {"legacy": legacy},
            "created_at": times["created_at"] or start,
        }
        made = connection.execute(sa.insert(EXPERIMENTS).values(values).returning(EXPERIMENTS.c.id))
        self._runs[row["id"]], self._starts[row["id"]] = int(made.scalar_one()), start
        self._done.runs.append(self._runs[row["id"]])
        self._done.written["experiments"] += 1

    def _status(self, row: Row) -> str:
        if row["status"] == "running":
            self._done.flagged["running"] += 1
            return "crashed"
        if row["status"] in STATUSES:
            return str(row["status"])
        self._done.flagged["unknown_status"] += 1
        return "stopped"

    def _parameters(self) -> dict[Any, dict[str, Any]]:
        """Settings by experiment, each with its inferred type; the first of two of one name counts."""
        result: dict[Any, dict[str, Any]] = {}
        for row in self._relic.rows("hyperparameters"):
            holding = result.setdefault(row["experiment_id"], {})
            if row["param_name"] in holding:
                self._done.flagged["parameter_twice"] += 1
            holding.setdefault(str(row["param_name"]), infer(row["param_value"]))
        return result

    def _settings(self, row: Row, parameters: dict[str, Any]) -> None:
        own = {name: row[name] for name in ("learning_rate", "gamma") if row[name] is not None}
        values = {name: infer(value) for name, value in own.items()} | parameters
        self._record.hyperparameters.log(self._runs[row["id"]], values)
        self._done.written["hyperparameters"] += len(values)

    def _datasets(self, row: Row) -> None:
        for split in ("train", "test"):
            start, end = (text_of(row[f"{split}_{edge}_date"]) for edge in ("start", "end"))
            if start is None and end is None:
                continue
            document: Row = {"start_date": start, "end_date": end}
            if start is not None and end is not None and start > end:
                self._done.flagged["dates_reversed"] += 1
                document = {}
            name, version = f"legacy-{_name(row)}", f"{start or ''}_{end or ''}"
            fresh = self._record.datasets.get(name, version, split) is None
            dataset = self._record.datasets.add(name, version, split, **document)
            self._record.datasets.link(self._runs[row["id"]], dataset, split)
            self._done.written["datasets"] += fresh

    def _looked_at_episodes(self) -> tuple[dict[Any, list[int]], dict[Any, tuple[datetime, datetime]]]:
        """By experiment: its best episodes, those of a suspect Sharpe left out, and its first and last time."""
        best: dict[Any, list[int]] = {}
        spans: dict[Any, tuple[datetime, datetime]] = {}
        read, flagged = self._relic.read.copy(), self._relic.flagged.copy()
        for row in self._relic.rows("episodes", "experiment_id, episode_num"):
            if row["is_best_model"] and not is_suspect(row):
                best.setdefault(row["experiment_id"], []).append(row["episode_num"])
            moment = self._relic.time(row, "episodes", "timestamp")
            if moment is not None:
                first, last = spans.get(row["experiment_id"], (moment, moment))
                spans[row["experiment_id"]] = min(first, moment), max(last, moment)
        for counter, before in ((self._relic.read, read), (self._relic.flagged, flagged)):
            counter.clear()  # these rows are read again, and counted then
            counter.update(before)
        return best, spans

    def _flag_orphans(self, parameters: dict[Any, dict[str, Any]]) -> None:
        self._done.flagged["orphan"] += sum(len(v) for key, v in parameters.items() if key not in self._runs)

    def _points(self, points: Iterable[Row]) -> None:
        waiting = iter(points)
        while part := list(islice(waiting, _AT_ONCE)):
            self._record.metrics.log_points(part)
            self._done.written["metrics"] += len(part)

    def _episodes(self) -> Iterator[Row]:
        for row in self._relic.rows("episodes", "experiment_id, episode_num"):
            place = self._place(row, "episodes", "timestamp")
            if place is None:
                continue
            place["episode"] = self._relic.whole(row, "episodes", "episode_num")
            for column, name in _TRAIN.items():
                yield from self._point(row, "episodes", column, name, place | {"split": "train", "phase": "training"})
            suspect = is_suspect(row)
            self._done.flagged["legacy_zero_sharpe"] += suspect
            for name in ("test_return", "test_sharpe"):
                marked = {"suspect": "legacy_zero_sharpe"} if suspect and name == "test_sharpe" else None
                test = place | {"split": "test", "phase": "evaluation", "metadata": marked}
                yield from self._point(row, "episodes", name, name, test)

    def _regimes(self) -> Iterator[Row]:
        for row in self._relic.rows("regime_analysis"):
            place = self._place(row, "regime_analysis", "analysis_date")
            if place is None:
                continue
            wrong = differs(row)
            self._done.flagged["buy_prob_difference"] += wrong
            place |= {"episode": None, "split": "test", "phase": "evaluation"}
            for name in _REGIME:
                marked = {"suspect": "legacy_difference"} if wrong and name == "buy_prob_difference" else None
                yield from self._point(row, "regime_analysis", name, f"regime/{name}", place | {"metadata": marked})
            self._artifact(row, place)

    def _place(self, row: Row, table: str, column: str) -> Row | None:
        run = self._runs.get(row["experiment_id"])
        if run is None:
            self._done.flagged["orphan"] += 1
            return None
        moment = self._relic.time(row, table, column)
        if moment is None:
            self._done.flagged["no_time"] += 1
        return {"experiment_id": run, "timestamp": moment or self._starts[row["experiment_id"]], "metadata": None}

    def _point(self, row: Row, table: str, column: str, name: str, place: Row) -> Iterator[Row]:
        value = self._relic.number(row, table, column)
        if value is not None:  # SQLite keeps NaN as NULL, and infinities
            inf_word = {inf: "inf", -inf: "-inf"}.get(value)
            yield place | {"metric_name": name, "value": value if inf_word is None else None, "non_finite": inf_word}

    def _artifact(self, row: Row, place: Row) -> None:
        holding = {name: finite(value) for name, value in row.items() if name != "rowid"}
        raw = canonical(holding).encode()
        sha256 = hashlib.sha256(raw).hexdigest()
        if self._blobs is not None:
            self._blobs.put(raw)
        name = f"regime_analysis_{row['id']}.json"
        artifacts: Artifacts = self._record.artifacts
        metadata = {"row": holding, "bytes": len(raw)}
        artifacts.add(place["experiment_id"], "regime_analysis", sha256, name=name, sha256=sha256, metadata=metadata)
        self._done.written["artifacts"] += 1


def _name(row: Row) -> str:
    """The old name, made to fit."""
    return (text_of(row["name"]) or "").strip()[:200] or f"legacy {row['id']}"
