"""The outbox as a queue of one topic."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from assay.kernel.timestamps import now_ms
from assay.track.database import MLFLOW, Database, Row, enqueue, rows
from assay.track.schema.service import OUTBOX
from assay.track.schema.tables import ALIASES, EXPERIMENTS, MODELS
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


_POST = ("strategy_type", "exchange", "symbol", "timeframe")


def backfill(database: Database) -> int:
    """Leave word of every run, model and champion of the record that none was left of; how many rows that made.

    Runs that are deleted are left out. Rows as they are now: what is already on the server is found there.
    """
    r, m = EXPERIMENTS.c, MODELS.c
    runs = sa.select(r.run_id, r.status).where(r.deleted_at.is_(None)).order_by(r.id)
    models = sa.select(m.id).where(m.manifest_sha256.is_not(None), m.deleted_at.is_(None)).order_by(m.id)
    with database.write() as connection:
        before = _count(connection)
        for row in _all(connection, runs):
            enqueue(connection, "run", f"{row['run_id']}:{row['status']}", run_id=row["run_id"])
        for row in _all(connection, models):
            enqueue(connection, "model", str(row["id"]), id=row["id"])
        for row in _all(connection, sa.select(ALIASES).where(ALIASES.c.alias != "previous")):
            post = {name: row[name] for name in _POST}
            key = "|".join([*post.values(), row["alias"], str(row["version"])])
            enqueue(connection, "alias", key, alias=row["alias"], model_id=row["model_id"], **post)
        return _count(connection) - before


def _all(connection: sa.Connection, query: sa.Select[tuple[object, ...]]) -> list[Row]:
    return rows(connection.execute(query))


def _count(connection: sa.Connection) -> int:
    query = sa.select(sa.func.count()).select_from(OUTBOX).where(OUTBOX.c.topic == MLFLOW)
    return int(connection.execute(query).scalar_one())
