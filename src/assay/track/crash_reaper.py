"""Mark runs of dead processes as crashed."""

import logging
import threading
import time

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.timestamps import now_ms
from assay.track.database import Database
from assay.track.liveness import is_gone
from assay.track.outbox import enqueue
from assay.track.schema.run_tables import EXPERIMENTS
from assay.track.timestamps import parse_instant

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
                    .values(status="crashed", end_time=parse_instant(end), updated_at=parse_instant(now_ms()))
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
