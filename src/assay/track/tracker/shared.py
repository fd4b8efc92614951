"""State that all tracking objects of a process share on one record: queue, open runs, one thread."""

import atexit
import logging
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from assay.kernel.errors import StoreError
from assay.track.experiments import ENDS, Run
from assay.track.liveness import CrashReaper
from assay.track.tracker.metric_queue import PointBuffer
from assay.track.tracker.validators import path_text
from assay.track.tracking_store import TrackingStore, open_store

_LOG = logging.getLogger(__name__)
BEAT_SECONDS = 15.0
WRITE_SECONDS = 1.0


class Shared:
    """A record in use: threads may share it, a fork may not (``STORE_FORKED``).

    One background thread, begun with the first run, writes queued points (at 1,000 or after 1 s) and keeps the open
    runs alive (every 15 s). At a normal end of the interpreter all points are written and open runs end ``stopped``.
    """

    def __init__(self, record: TrackingStore) -> None:
        self.record = record
        self.place = str(record.database.path)  # without a password
        self.pid = os.getpid()
        self.buffer = PointBuffer(record.database, self._wake)
        self.sweep = CrashReaper(record.database)
        self._runs: dict[int, Run] = {}
        self._event = threading.Event()
        self._ending = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._beat_at = time.monotonic() + BEAT_SECONDS

    def check_owner(self) -> None:
        """StoreError ``STORE_FORKED`` in any process but the one that opened it."""
        if os.getpid() != self.pid:
            raise StoreError(
                f"record {self.place} was opened by process {self.pid} and is used by its fork {os.getpid()}",
                code="STORE_FORKED",
                hint="Make a new tracker in the new process.",
            )

    def begin(self, run: Run) -> None:
        """Keep this run alive until it is let go."""
        with self._lock:
            self._runs[run.id] = run
            if self._thread is None:
                self._thread = threading.Thread(target=self._loop, name="assay-tracker", daemon=True)
                self._thread.start()

    def find_run(self, run_id: int) -> Run | None:
        """The object with which an open run was begun in this process."""
        return self._runs.get(run_id)

    def let_go(self, run_id: int) -> None:
        """The run has ended, wherever it was begun."""
        with self._lock:
            self._runs.pop(run_id, None)

    def settle(self) -> None:
        """Everything that this process has logged to this record is on disk, and refusals are raised."""
        self.check_owner()
        for other in _all_shared():
            if other.place == self.place and (other is self or other.buffer.waiting):
                other.buffer.flush()

    def close(self) -> None:
        """Write what waits and give the connections back; using it again opens new ones."""
        self.settle()
        self.record.close()

    def end(self) -> None:
        """The process ends: write all, end the open runs ``stopped``."""
        if os.getpid() != self.pid:
            return
        self._ending = True
        self._event.set()
        if self._thread is not None:
            self._thread.join(timeout=60.0)
        try:
            self.buffer.flush()
            for run in list(self._runs.values()):
                self._stop(run)
            self.record.close()
        except StoreError as error:
            _LOG.error("record %s was not finished: %s (%d metric points lost)", self.place, error, self.buffer.waiting)

    def _stop(self, run: Run) -> None:
        row = self.record.experiments.get(run)
        if row["status"] not in ENDS:
            self.record.experiments.finish(run, "stopped", row["notes"] or "the program ended without ending the run")

    def _wake(self) -> None:
        self._event.set()

    def _loop(self) -> None:
        while not self._ending:
            self._event.wait(WRITE_SECONDS)
            self._event.clear()
            try:
                if self.buffer.waiting:
                    self.buffer.drain()
                if time.monotonic() >= self._beat_at:
                    self._beat_at = time.monotonic() + BEAT_SECONDS
                    self._beat()
            except StoreError as error:  # the points stay queued; the next flush or full queue raises this
                _LOG.warning("record %s cannot be written now: %s", self.place, error)
                time.sleep(WRITE_SECONDS)

    def _beat(self) -> None:
        for run in list(self._runs.values()):
            try:
                self.record.experiments.heartbeat(run)
            except StoreError as error:
                if error.code not in ("STORE_CONFLICT", "STORE_NOT_FOUND"):
                    raise
                self.let_go(run.id)  # ended by another object or process


_opened: dict[str, Shared] = {}
_injected: dict[int, Shared] = {}
_opening = threading.Lock()


def share_for(db_path: str | os.PathLike[str] | TrackingStore) -> Shared:
    """The process's one `Shared` for a path, URL or open record; opened, and laid, when it is not there.

    Errors as `assay.track.tracking_store.open_store`.
    """
    with _opening:
        if isinstance(db_path, TrackingStore):
            return _injected.setdefault(id(db_path), Shared(db_path))
        place = _place(path_text(db_path, "db_path"))
        result = _opened.get(_identity(place))
        if result is None:
            record = open_store(place)
            result = _opened[_identity(place)] = Shared(record)
        return result


def _place(url: str) -> str:
    """A URL as it is, a path made absolute: a later change of the working directory moves nothing."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return str(Path(url).resolve())
    if scheme == "sqlite" and rest.startswith("/") and rest != "/":
        return str(Path(rest[1:]).resolve())
    return url


def _identity(place: str) -> str:
    """The file behind a path: one that was deleted and made anew is another record."""
    try:
        result = Path(place).stat()
    except OSError:
        return place
    return f"{place}:{result.st_dev}:{result.st_ino}"


def _all_shared() -> list[Shared]:
    return [*_opened.values(), *_injected.values()]


def _after_fork() -> None:
    global _opening
    _opening = threading.Lock()
    _opened.clear()
    _injected.clear()


def _at_exit() -> None:
    for each in _all_shared():
        each.end()


atexit.register(_at_exit)
os.register_at_fork(after_in_child=_after_fork)


DEFAULT = "ml_experiments.db"
Where = str | os.PathLike[str] | TrackingStore


class TrackingClient:
    """A record, opened and laid when it is not there. Objects of one process on one record share its connections.

    db_path: a path, ``sqlite:///…``, ``postgresql://…``, or an open record.
    """

    def __init__(self, db_path: Where = DEFAULT) -> None:
        self._shared: Shared = share_for(db_path)

    @property
    def record(self) -> TrackingStore:
        """The record, with everything that this process has logged to it on disk."""
        self._shared.settle()
        return self._shared.record

    def flush(self) -> None:
        """Return when all metric points of this process are on disk; StoreError for points that were refused."""
        self._shared.settle()

    def close(self) -> None:
        """Flush and give the connections back. Using it again opens new ones."""
        self._shared.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
