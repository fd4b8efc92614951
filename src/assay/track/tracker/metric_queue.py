"""Metric points of the tracking API: validated, queued, written in the background."""

import math
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.kernel.timeframe import current_ms, iso
from assay.track.codecs import canonical, decode
from assay.track.database import Database, number, store_error
from assay.track.tracker.validators import check_name, whole

PHASES = ("training", "evaluation", "inference")
METRIC_TYPES = ("scalar", "distribution", "image", "text")
NAMES_MOST = 10_000
NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
COLUMNS = (
    "experiment_id",
    "metric_name",
    "value",
    "non_finite",
    "metric_type",
    "value_json",
    "episode",
    "step",
    "epoch",
    "split",
    "phase",
    "model_id",
    "metadata",
    "timestamp",
)
Point = tuple[object, ...]

_TOGETHER = (500, 50, 1)  # rows a statement: the more, the fewer hand-overs between this thread and the caller's
_ROW = f"({', '.join('?' * len(COLUMNS))})"
_INSERT = f"INSERT INTO metrics ({', '.join(COLUMNS)}) VALUES "
_INSERTS = {count: _INSERT + ", ".join([_ROW] * count) for count in _TOGETHER}
_COPY = f"COPY metrics ({', '.join(COLUMNS)}) FROM STDIN"


class Names:
    """The metric names of one run that were found fit; at most 10,000 of them."""

    def __init__(self) -> None:
        self._names: set[str] = set()

    def check(self, name: str) -> None:
        """StoreError ``STORE_VALUE`` unless the name is 1 to 200 printable characters and not one too many."""
        if type(name) is str and name in self._names:
            return
        if not (isinstance(name, str) and 1 <= len(name) <= 200 and name.isprintable()):
            raise StoreError(f"metric name {printable(name)} is not 1 to 200 printable characters", code="STORE_VALUE")
        if len(self._names) >= NAMES_MOST:
            raise StoreError(
                f"metric {printable(name)} would be name {NAMES_MOST + 1} of this run; a run has at most {NAMES_MOST}",
                code="STORE_VALUE",
                hint="Put what varies into step, episode, split or metadata instead of into the name.",
            )
        self._names.add(name)


class Clock:
    """The wall clock as 24 characters; the text of a millisecond is made once."""

    def __init__(self) -> None:
        self._last = (-1, "")

    def text(self) -> str:
        """Now."""
        last, now = self._last, current_ms()
        if last[0] != now:
            self._last = last = (now, iso(now))
        return last[1]


def place(
    episode: object,
    step: object,
    epoch: object,
    split: str,
    phase: str,
    model_id: object,
    metadata: object,
) -> tuple[object, ...]:
    """The columns from ``episode`` to ``metadata``, checked."""
    if phase not in PHASES:
        raise StoreError(f"phase is {printable(phase)}, one of {', '.join(PHASES)}", code="STORE_VALUE")
    return (
        episode if type(episode) is int and -(2**63) <= episode < 2**63 else whole(episode, "episode"),
        step if type(step) is int and -(2**63) <= step < 2**63 else whole(step, "step"),
        epoch if epoch is None else whole(epoch, "epoch"),
        split if split == "train" else check_name(split, "split"),
        phase,
        model_id if model_id is None else whole(model_id, "model_id"),
        metadata if metadata is None else canonical(metadata),
    )


def check_metric(name: str, value: object) -> tuple[float | None, str | None]:
    """``value`` and ``non_finite``; anything but a number is StoreError ``STORE_VALUE``."""
    result = value if type(value) is float else number(value, f"metric {printable(name)}")
    if math.isfinite(result):
        return result, None
    return None, "nan" if math.isnan(result) else "inf" if result > 0 else "-inf"


def encode_value(value_json: object, metric_type: str | None) -> tuple[str, str | None]:
    """``metric_type`` and ``value_json``: JSON text or a JSON-able object, written canonically."""
    kind = metric_type or ("scalar" if value_json is None else "distribution")
    if kind not in METRIC_TYPES:
        raise StoreError(f"metric_type is {printable(kind)}, one of {', '.join(METRIC_TYPES)}", code="STORE_VALUE")
    if value_json is None:
        return kind, None
    if isinstance(value_json, str):
        try:
            value_json = decode(value_json)
        except (ValueError, RecursionError) as error:
            raise StoreError(f"value_json is no JSON: {error}", code="STORE_VALUE") from None
    return kind, canonical(value_json)


def insert(connection: sa.Connection, points: Sequence[Point]) -> None:
    """All points in the connection's transaction."""
    if not points:
        return
    if connection.dialect.name != "sqlite":
        _copy(connection, points)
        return
    first = 0
    for count in _TOGETHER:
        while len(points) - first >= count:
            values = tuple(chain.from_iterable(points[first : first + count]))
            connection.exec_driver_sql(_INSERTS[count], values)
            first += count


def _copy(connection: sa.Connection, points: Sequence[Point]) -> None:
    """Through PostgreSQL's COPY, whose rows need no parsing of SQL."""
    import psycopg

    driver: Any = connection.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
            for point in points:
                copy.write_row(point)
    except psycopg.Error as error:  # past SQLAlchemy, so it is not put into its words
        document = store_error(error, connection.engine.url.render_as_string())
        if document is None:
            raise
        raise document from error


WAKE_POINTS = 1_000
QUEUE_MOST = 100_000
_TAKE_MOST = 20_000
_PASSING = {"STORE_BUSY", "STORE_FULL", "STORE_IO", "STORE_READ_ONLY", "STORE_OPEN", "STORE_CORRUPT"}
Entry = Sequence[Point]


class PointBuffer:
    """A bounded queue of points; whoever calls `flush` has all that came before on disk when it returns.

    An entry is all or nothing. When the database refuses one (an unknown model, say), the others are written and the
    refusal is raised by the next `put` or `flush`. When the database cannot be written at all (locked, full), the
    points stay queued. At 100,000 queued points `put` writes in the caller's own thread, and refuses the entry if that
    fails: nothing is dropped in silence.

    wake: called when 1,000 points wait.
    """

    def __init__(self, database: Database, wake: Callable[[], None]) -> None:
        self._database = database
        self._wake = wake
        self._lock = threading.Lock()  # never held while the database is waited for
        self._writing = threading.RLock()  # taken inside a transaction: always after the database's own lock
        self._entries: list[Entry] = []
        self._put = 0
        self._done = 0  # points on disk, or refused
        self._refusals: list[StoreError] = []

    @property
    def waiting(self) -> int:
        """Points that are not on disk yet."""
        return self._put - self._done

    def put(self, entry: Entry) -> None:
        """Queue the points of an entry; an older refusal is raised afterwards."""
        if self._put - self._done >= QUEUE_MOST:
            self.drain()
        with self._lock:
            self._entries.append(entry)
            self._put += len(entry)
            waiting = self._put - self._done
        if waiting >= WAKE_POINTS > waiting - len(entry):
            self._wake()
        if self._refusals:
            self._report()

    def flush(self) -> None:
        """Write what waits; raise what was refused since the last call."""
        self.drain()
        if self._refusals:
            self._report()

    def drain(self) -> None:
        """Write what waits now; a refusal is kept for the next `put` or `flush`."""
        target = self._put
        while self._done < target:
            self._write_some()

    def _write_some(self) -> None:
        with ExitStack() as until_committed:
            left: list[list[Entry]] = []
            try:
                with self._database.write() as connection:
                    until_committed.enter_context(self._writing)
                    left = [self._take()]
                    insert(connection, _points(left[0]))
                self._written(left.pop())
            except StoreError as refusal:
                if not left or refusal.code in _PASSING:
                    raise
                self._write_apart(left)
            finally:
                self._put_back(left)

    def _write_apart(self, left: list[list[Entry]]) -> None:
        """Halve what was refused until the entries at fault are alone; `left` always has what is not settled."""
        while left:
            part = left.pop()
            try:
                with self._database.write() as connection:
                    insert(connection, _points(part))
            except StoreError as error:
                if error.code in _PASSING:
                    left.append(part)
                    raise
                if len(part) > 1:
                    middle = len(part) // 2
                    left.extend((part[middle:], part[:middle]))
                    continue
                self._refusals.append(error)
            self._written(part)

    def _take(self) -> list[Entry]:
        with self._lock:
            taken, points = 0, 0
            for entry in self._entries:
                taken, points = taken + 1, points + len(entry)
                if points >= _TAKE_MOST:
                    break
            entries, self._entries = self._entries[:taken], self._entries[taken:]
            return entries

    def _written(self, entries: list[Entry]) -> None:
        with self._lock:
            self._done += sum(map(len, entries))

    def _put_back(self, left: list[list[Entry]]) -> None:
        if left:
            with self._lock:
                self._entries = [entry for part in reversed(left) for entry in part] + self._entries

    def _report(self) -> None:
        with self._lock:
            document, self._refusals = self._refusals, []
        if document:
            first = document[0]
            raise StoreError(
                f"{len(document)} queued metric entries were refused and are lost; the first: {first.message}",
                code=first.code,
                hint=first.hint,
                refused=len(document),
            )


def _points(entries: list[Entry]) -> list[Point]:
    return [point for entry in entries for point in entry]
