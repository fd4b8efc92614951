"""Migrate a legacy ``experiments.db``: its episodes become metric points, its settings hyperparameters."""

import hashlib
import json
import math
import re
import sqlite3
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from math import inf
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from assay.kernel.errors import DataError, printable
from assay.kernel.parse import JsonValue
from assay.kernel.timeframe import current_ms
from assay.track.artifacts import Artifacts
from assay.track.codecs import canonical, parse_instant
from assay.track.database import Row, hold
from assay.track.experiments import STATUSES
from assay.track.model_files.artifact_store import Blobs
from assay.track.schema.tables import EXPERIMENTS
from assay.track.tracking_store import TrackingStore, open_store

Cell = int | float | str | bytes | None  # what SQLite gives
COLUMNS = {
    "experiments": "id name description start_time end_time status state_dim action_dim learning_rate gamma "
    "train_start_date train_end_date test_start_date test_end_date best_test_sharpe best_test_return final_episode "
    "early_stopped notes created_at",
    "episodes": "id experiment_id episode_num train_return train_reward episode_length test_return test_sharpe "
    "is_best_model avg_policy_loss avg_value_loss timestamp",
    "regime_analysis": "id experiment_id analysis_date final_value total_return total_steps bull_steps bear_steps "
    "neutral_steps bull_buy_prob bear_buy_prob neutral_buy_prob buy_prob_difference",
    "hyperparameters": "id experiment_id param_name param_value",
}
_INTEGER = re.compile(r"[+-]?(0|[1-9]\d*)")
_NEEDED = ("experiments", "episodes")


class Relic:
    """An open old file, never written to. flagged counts, by word, what was not as it should be."""

    def __init__(self, path: Path, connection: sqlite3.Connection, sha256: str) -> None:
        self.path = path
        self.sha256 = sha256
        self.flagged: Counter[str] = Counter()
        self.read: Counter[str] = Counter()
        self._connection = connection
        self._there = self._checked()

    def rows(self, table: str, order: str = "id") -> Iterator[Row]:
        """Rows with integers that were bound raw decoded; DataError ``DATA_SCHEMA`` for a BLOB that is none."""
        if table not in self._there:
            return
        names = COLUMNS[table].split()
        query = f"SELECT rowid, {', '.join(names)} FROM {table} ORDER BY {order}"
        for rowid, *values in self._connection.execute(query):
            self.read[table] += 1
            yield {"rowid": rowid} | {
                name: self._decoded(value, table, name, rowid) for name, value in zip(names, values, strict=True)
            }

    def time(self, row: Row, table: str, column: str) -> datetime | None:
        """An aware UTC time; a naive one is taken as UTC and flagged. DataError ``DATA_TIME`` for text that is none."""
        value = row[column]
        if value is None:
            return None
        try:
            moment = datetime.fromisoformat(str(value).strip())
        except ValueError:
            raise _wrong("DATA_TIME", self.path, table, column, row["rowid"], value, "a time") from None
        if moment.tzinfo is None:
            self.flagged["naive_time"] += 1
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)

    def number(self, row: Row, table: str, column: str) -> float | None:
        """A number, or None for NULL; DataError ``DATA_NUMBER`` for anything else."""
        value = row[column]
        if value is None or isinstance(value, int | float):
            return None if value is None else float(value)
        try:
            return float(value)
        except ValueError:
            raise _wrong("DATA_NUMBER", self.path, table, column, row["rowid"], value, "a number") from None

    def whole(self, row: Row, table: str, column: str) -> int:
        """A whole number that must be there; else DataError ``DATA_NUMBER``."""
        result = self.number(row, table, column)
        if result is None or result != result // 1:
            raise _wrong("DATA_NUMBER", self.path, table, column, row["rowid"], row[column], "a whole number")
        return int(result)

    def _decoded(self, value: Cell, table: str, column: str, rowid: int) -> Cell:
        if not isinstance(value, bytes):
            return value
        if len(value) != 8:
            raise _wrong("DATA_SCHEMA", self.path, table, column, rowid, value, "an integer in a BLOB of 8 bytes")
        self.flagged["blob_integer"] += 1
        return int.from_bytes(value, "little", signed=True)

    def _checked(self) -> set[str]:
        tables = {str(n) for (n,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        lacking = [name for name in _NEEDED if name not in tables]
        for table in tables & set(COLUMNS):
            holding = {str(row[1]) for row in self._connection.execute(f"PRAGMA table_info({table})")}
            lacking += [f"{table}.{name}" for name in COLUMNS[table].split() if name not in holding]
        if lacking:
            raise DataError(
                f"{printable(str(self.path))} is no old experiment database: it lacks {', '.join(lacking)}",
                code="DATA_SCHEMA",
                missing=lacking,
            )
        return tables & set(COLUMNS)


@contextmanager
def open_relic(path: Path) -> Iterator[Relic]:
    """The file, opened read only. DataError ``DATA_PATH`` where none is, ``DATA_SCHEMA`` for another kind of file."""
    if not path.is_file():
        raise DataError(f"there is no file {printable(str(path))}", code="DATA_PATH")
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)) as connection:
            connection.execute("BEGIN")
            yield Relic(path, connection, sha256)
    except sqlite3.DatabaseError as error:
        raise DataError(f"{printable(str(path))} cannot be read: {error}", code="DATA_SCHEMA") from error


def finite(value: Cell) -> Cell:
    """The value, with None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrong(code: str, path: Path, table: str, column: str, rowid: int, value: Cell, due: str) -> DataError:
    return DataError(
        f"{printable(str(path))}: {table}.{column} of rowid {rowid} is {printable(value)}, must be {due}",
        code=code,
        table=table,
        column=column,
        rowid=rowid,
    )


def is_suspect(row: Row) -> bool:
    """Whether a Sharpe of exactly 0 stands beside a return that is not: the old program wrote 0 for unknown."""
    return row["test_sharpe"] == 0.0 and row["test_return"] not in (None, 0.0)


def infer(value: Cell) -> Cell | JsonValue:
    """The int, float, bool, JSON value or text that the old table's text means.

    >>> [infer(text) for text in ("3", "0.99", "True", "[1, 2]", "007", "relu")]
    [3, 0.99, True, [1, 2], '007', 'relu']
    """
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if _INTEGER.fullmatch(text):
        return int(text)
    if text[:1] in "[{" and text:
        try:
            return json.loads(text)
        except ValueError:
            return value
    return _float(text, value)


def _float(text: str, value: str) -> float | str:
    if re.fullmatch(r"0\d+", text) or "_" in text:  # a code or a name
        return value
    try:
        return float(text)
    except ValueError:
        return value


def text_of(value: Cell) -> str | None:
    """The value as text; None for NULL."""
    return None if value is None else str(value)


def differs(row: Row) -> bool:
    """Whether the difference that a regime row tells is not that of its two shares, to 1e-9."""
    bull, bear, document = (row[name] for name in ("bull_buy_prob", "bear_buy_prob", "buy_prob_difference"))
    try:
        return None not in (bull, bear, document) and not abs(float(bull) - float(bear) - float(document)) <= 1e-9
    except (TypeError, ValueError):
        return True


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
        self._runs: dict[Cell, int] = {}
        self._starts: dict[Cell, datetime] = {}

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

    def _experiment(
        self, connection: sa.Connection, row: Row, best: list[int], span: tuple[datetime, datetime] | None
    ) -> None:
        times = {name: self._relic.time(row, "experiments", name) for name in ("start_time", "end_time", "created_at")}
        start = times["start_time"] or times["created_at"] or (span[0] if span else None)
        if start is None:
            self._done.flagged["no_time"] += 1
            start = parse_instant(current_ms())
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

    def _parameters(self) -> dict[Cell, dict[str, Cell | JsonValue]]:
        """Settings by experiment, each with its inferred type; the first of two of one name counts."""
        result: dict[Cell, dict[str, Cell | JsonValue]] = {}
        for row in self._relic.rows("hyperparameters"):
            holding = result.setdefault(row["experiment_id"], {})
            if row["param_name"] in holding:
                self._done.flagged["parameter_twice"] += 1
            holding.setdefault(str(row["param_name"]), infer(row["param_value"]))
        return result

    def _settings(self, row: Row, parameters: dict[str, Cell | JsonValue]) -> None:
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

    def _looked_at_episodes(self) -> tuple[dict[Cell, list[int]], dict[Cell, tuple[datetime, datetime]]]:
        """By experiment: its best episodes, those of a suspect Sharpe left out, and its first and last time."""
        best: dict[Cell, list[int]] = {}
        spans: dict[Cell, tuple[datetime, datetime]] = {}
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

    def _flag_orphans(self, parameters: dict[Cell, dict[str, Cell | JsonValue]]) -> None:
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
