"""Liveness of the process that writes a run: its heartbeat, and runs of dead processes marked as crashed."""

import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from functools import cache
from types import TracebackType

import psutil
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Database, enqueue
from assay.track.schema.tables import EXPERIMENTS

_TOLERANCE_MS = 2_000  # the kernel derives start times from a boot time that moves a little with the clock
ELSEWHERE_MS = 60_000


def this_process() -> str:
    """``host/pid/process-start-ms/uuid4``; one for each process, also after a fork."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    return f"{socket.gethostname()}/{pid}/{_started(pid)}/{uuid.uuid4()}"


def is_gone(owner: str | None, heartbeat_ms: int) -> bool:
    """Whether the owner has died.

    On this host: its pid does not run, or runs a process with another start. Elsewhere, or without an owner: no
    heartbeat for 60 s.
    """
    host, pid, start = _parts(owner)
    if host != socket.gethostname():
        return current_ms() - heartbeat_ms > ELSEWHERE_MS
    result = _started(pid)
    return result is None or abs(result - start) > _TOLERANCE_MS


def _parts(owner: str | None) -> tuple[str, int, int]:
    parts = (owner or "").rsplit("/", 3)
    if len(parts) == 4 and parts[1].isdecimal() and parts[2].isdecimal():
        return parts[0], int(parts[1]), int(parts[2])
    return "", 0, 0


def _started(pid: int) -> int | None:
    """Start of a living process in ms; None when there is none (a zombie lives no more)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return round(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None


EVERY_SECONDS = 15.0
_UNMARKED = ("STORE_READ_ONLY", "STORE_FULL")
_LOG = logging.getLogger(__name__)


class CrashReaper:
    """Marks ``running`` runs of dead processes ``crashed``, their end their last heartbeat."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = 0.0
        self._lock = threading.Lock()

    def when_due(self) -> None:
        """`now`, at most once in 15 s."""
        with self._lock:
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + EVERY_SECONDS
        self.now()

    def now(self) -> list[int]:
        """Ids of the runs that it marked. Looks without a lock first: mostly there is nothing to do.

        A record that cannot be written is still read: the runs stay as they are, and a warning names them.
        """
        with self._database.read() as connection:
            suspects = _crashed(connection)
        if not suspects:
            return []
        try:
            return self._mark()
        except StoreError as error:
            if error.code not in _UNMARKED:
                raise
            dead = ", ".join(str(run) for run, *_ in suspects)
            _LOG.warning("the processes of these runs are gone, they cannot be marked crashed: %s (%s)", dead, error)
            return []

    def _mark(self) -> list[int]:
        with self._database.write() as connection:
            result = _crashed(connection, locked=True)
            for run, run_id, end in result:
                connection.execute(
                    sa.update(EXPERIMENTS)
                    .where(EXPERIMENTS.c.id == run)
                    .values(status="crashed", end_time=parse_instant(end), updated_at=parse_instant(current_ms()))
                )
                enqueue(connection, "run", f"{run_id}:crashed:{end}", run_id=run_id)
        return [run for run, *_ in result]


def _crashed(connection: sa.Connection, *, locked: bool = False) -> list[tuple[int, str, int]]:
    """Ids, run_ids and last heartbeats (ms) of the running runs whose owner is gone."""
    e = EXPERIMENTS.c
    beaten = sa.func.coalesce(e.heartbeat_at, e.start_time, type_=e.start_time.type)
    query = sa.select(e.id, e.run_id, e.owner, e.start_time, beaten)
    query = query.where(e.status == "running").order_by(e.id)
    result = []
    request = query.with_for_update(key_share=True) if locked else query
    for run, run_id, owner, start, beat in connection.execute(request):
        last = round(beat.timestamp() * 1000)
        if is_gone(owner, last):
            # A clock that was set back puts a heartbeat before the start; no run ends there.
            result.append((int(run), str(run_id), max(last, round(start.timestamp() * 1000))))
    return result


class Heartbeat:
    """Calls `beat` every `seconds` while its block runs. A beat that the record refuses is logged and tried again."""

    def __init__(self, beat: Callable[[], None], seconds: float) -> None:
        self._beat = beat
        self._seconds = seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="assay-heartbeat", daemon=True)

    def __enter__(self) -> "Heartbeat":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                self._beat()
            except StoreError as error:
                _LOG.warning("a heartbeat was not written: %s", error)
