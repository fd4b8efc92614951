"""Reading the old ``experiments.db``: its tables, and what its values were meant to be."""

import hashlib
import json
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from assay.kernel.errors import DataError, printable

Row = dict[str, Any]
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

    def _decoded(self, value: Any, table: str, column: str, rowid: int) -> Any:
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


def finite(value: Any) -> Any:
    """The value, with None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _wrong(code: str, path: Path, table: str, column: str, rowid: int, value: Any, due: str) -> DataError:
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


def infer(value: Any) -> Any:
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


def _float(text: str, value: str) -> Any:
    if re.fullmatch(r"0\d+", text) or "_" in text:  # a code or a name
        return value
    try:
        return float(text)
    except ValueError:
        return value


def text_of(value: Any) -> str | None:
    """The value as text; None for NULL."""
    return None if value is None else str(value)


def differs(row: Row) -> bool:
    """Whether the difference that a regime row tells is not that of its two shares, to 1e-9."""
    bull, bear, document = (row[name] for name in ("bull_buy_prob", "bear_buy_prob", "buy_prob_difference"))
    try:
        return None not in (bull, bear, document) and not abs(float(bull) - float(bear) - float(document)) <= 1e-9
    except (TypeError, ValueError):
        return True
