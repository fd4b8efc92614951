"""The outbox as a queue of one topic."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from assay.kernel.timestamps import now_ms
from assay.track.database import Database
from assay.track.outbox import MLFLOW
from assay.track.rows import Row, rows
from assay.track.schema.service import OUTBOX
from assay.track.timestamps import parse_instant

KEPT_DAYS = 7
_FIRST_WAIT_MS, _LONGEST_WAIT_MS = 1_000, 300_000
_DAY_MS = 86_400_000
_ERROR_MOST = 500
_O = OUTBOX.c


class OutboxTopic:
    """One topic of the outbox, for who delivers it."""

    def __init__(self, database: Database, topic: str = MLFLOW) -> None:
        self._database = database
        self.topic = topic

    def due(self, *, limit: int = 100, early: bool = False) -> list[Row]:
        """Rows that may be tried now, in the order in which they were written; with `early` those that wait, too."""
        query = self._waiting().order_by(_O.id).limit(limit)
        query = query if early else query.where(_O.next_attempt_at <= parse_instant(now_ms()))
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def mark_delivered(self, ids: Sequence[int]) -> None:
        """These were delivered."""
        with self._database.write() as connection:
            values = {"done_at": parse_instant(now_ms()), "last_error": None}
            connection.execute(sa.update(OUTBOX).where(_O.id.in_(ids)).values(values))

    def mark_failed(self, row: Row, error: str, *, all_wait: bool = False) -> int:
        """One was not delivered: it waits 1 s, 2 s, 4 s … 5 min before it is tried again; the wait in ms.

        all_wait: who is told does not answer at all: the rest waits as long.
        """
        wait = min(_FIRST_WAIT_MS * 2 ** min(int(row["attempts"]), 30), _LONGEST_WAIT_MS)
        until = parse_instant(now_ms() + wait)
        with self._database.write() as connection:
            values = {"attempts": _O.attempts + 1, "next_attempt_at": until, "last_error": error[:_ERROR_MOST]}
            connection.execute(sa.update(OUTBOX).where(_O.id == row["id"]).values(values))
            if all_wait:
                behind = sa.update(OUTBOX).where(
                    _O.topic == self.topic, _O.done_at.is_(None), _O.next_attempt_at < until
                )
                connection.execute(behind.values(next_attempt_at=until))
        return wait

    def forget(self, *, days: int = KEPT_DAYS) -> int:
        """Delete the rows that were delivered longer ago; how many."""
        old = sa.delete(OUTBOX).where(_O.topic == self.topic, _O.done_at < parse_instant(now_ms() - days * _DAY_MS))
        with self._database.write() as connection:
            return int(connection.execute(old).rowcount)

    def state(self) -> Row:
        """``waiting``, ``since`` (of the oldest that waits), ``next_attempt_at``, ``attempts``, ``last_error``."""
        counted = sa.select(
            sa.func.count().label("waiting"),
            sa.func.min(_O.created_at, type_=_O.created_at.type).label("since"),
            sa.func.min(_O.next_attempt_at, type_=_O.created_at.type).label("next_attempt_at"),
            sa.func.coalesce(sa.func.max(_O.attempts), 0).label("attempts"),
        ).where(_O.topic == self.topic, _O.done_at.is_(None))
        worst = self._waiting().where(_O.last_error.is_not(None)).order_by(_O.attempts.desc(), _O.id).limit(1)
        last = sa.select(sa.func.max(_O.done_at, type_=_O.created_at.type)).where(_O.topic == self.topic)
        with self._database.read() as connection:
            result = rows(connection.execute(counted))[0]
            failed = rows(connection.execute(worst))
            result["last_delivery"] = connection.execute(last).scalar_one()
        return result | {"last_error": failed[0]["last_error"] if failed else None}

    def _waiting(self) -> sa.Select[Any]:
        return sa.select(OUTBOX).where(_O.topic == self.topic, _O.done_at.is_(None))
