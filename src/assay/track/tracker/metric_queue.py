"""Metric points on their way to the record."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from assay.kernel.errors import StoreError
from assay.track.database import Database
from assay.track.tracker.metric_points import Point, insert

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
