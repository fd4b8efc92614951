"""Finding the runs whose process died without a word."""

import threading
import time

import sqlalchemy as sa

from assay.kernel.clock import now_ms
from assay.track.database import Database
from assay.track.instants import instant
from assay.track.outbox import announce
from assay.track.owner import is_gone
from assay.track.schema.runs import EXPERIMENTS

EVERY_SECONDS = 15.0


class Sweep:
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
        """Ids of the runs that it marked. Looks without a lock first: mostly there is nothing to do."""
        with self._database.read() as connection:
            suspects = _crashed(connection)
        if not suspects:
            return []
        with self._database.write() as connection:
            found = _crashed(connection, locked=True)
            for run, run_id, end in found:
                connection.execute(
                    sa.update(EXPERIMENTS)
                    .where(EXPERIMENTS.c.id == run)
                    .values(status="crashed", end_time=instant(end), updated_at=instant(now_ms()))
                )
                announce(connection, "run", f"{run_id}:crashed:{end}", run_id=run_id)
        return [run for run, *_ in found]


def _crashed(connection: sa.Connection, *, locked: bool = False) -> list[tuple[int, str, int]]:
    """Ids, run_ids and last heartbeats (ms) of the running runs whose owner is gone."""
    e = EXPERIMENTS.c
    query = sa.select(e.id, e.run_id, e.owner, sa.func.coalesce(e.heartbeat_at, e.start_time, type_=e.start_time.type))
    query = query.where(e.status == "running").order_by(e.id)
    found = []
    for run, run_id, owner, beat in connection.execute(query.with_for_update(key_share=True) if locked else query):
        last = round(beat.timestamp() * 1000)
        if is_gone(owner, last):
            found.append((int(run), str(run_id), last))
    return found
