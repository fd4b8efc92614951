"""Deliver the outbox to the MLflow server: in order, until it is there, never twice, one process at a time."""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from assay.kernel.errors import AssayError, StoreError
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import MLFLOW, Database, Row, enqueue, rows
from assay.track.mirror.mirrored_runs import MirroredModels, MirroredRuns
from assay.track.mirror.server import Away, TrackingServer, redact
from assay.track.model_files.artifact_store import Blobs
from assay.track.registry.promotion import ModelSlot
from assay.track.schema.service import OUTBOX
from assay.track.schema.tables import ALIASES, EXPERIMENTS, MODELS
from assay.track.tracking_store import TrackingStore

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
        query = query if early else query.where(_O.next_attempt_at <= parse_instant(current_ms()))
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def mark_delivered(self, ids: Sequence[int]) -> None:
        """These were delivered."""
        with self._database.write() as connection:
            values = {"done_at": parse_instant(current_ms()), "last_error": None}
            connection.execute(sa.update(OUTBOX).where(_O.id.in_(ids)).values(values))

    def mark_failed(self, row: Row, error: str, *, all_wait: bool = False) -> int:
        """One was not delivered: it waits 1 s, 2 s, 4 s … 5 min before it is tried again; the wait in ms.

        all_wait: who is told does not answer at all: the rest waits as long.
        """
        wait = min(_FIRST_WAIT_MS * 2 ** min(int(row["attempts"]), 30), _LONGEST_WAIT_MS)
        until = parse_instant(current_ms() + wait)
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
        old = sa.delete(OUTBOX).where(_O.topic == self.topic, _O.done_at < parse_instant(current_ms() - days * _DAY_MS))
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

    def _waiting(self) -> sa.Select[*tuple[object, ...]]:
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


@contextmanager
def alone(database: Database, work: str) -> Iterator[None]:
    """Hold a piece of work on this record, whichever process asks. StoreError ``STORE_BUSY`` while another holds it.

    A process that dies lets go of it: a file lock beside a SQLite record, a session's advisory lock on PostgreSQL.
    """
    with _on_file(database, work) if database.dialect == "sqlite" else _on_server(database, work):
        yield


@contextmanager
def _on_file(database: Database, work: str) -> Iterator[None]:
    import filelock

    try:
        with filelock.FileLock(f"{database.path}.{work.replace(' ', '-')}.lock", timeout=0):
            yield
    except filelock.Timeout:
        raise _busy(database, work) from None


@contextmanager
def _on_server(database: Database, work: str) -> Iterator[None]:
    key = sa.func.hashtextextended(work, 0)
    with database.session() as connection:
        if not connection.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one():
            raise _busy(database, work)
        try:
            yield
        finally:
            connection.execute(sa.select(sa.func.pg_advisory_unlock(key)))


def _busy(database: Database, work: str) -> StoreError:
    return StoreError(
        f"another process is at the {work} of record {database.where}", code="STORE_BUSY", hint="One is enough."
    )


_LOG = logging.getLogger(__name__)
_POLL_SECONDS = 2.0
_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a pass did.

    rows: delivered.   failed: refused, to be tried again.   away: why the server could not be asked; empty if it could.
    """

    rows: int = 0
    failed: int = 0
    away: str = ""


class MirrorWorker:
    """Delivers one record's outbox to one server. Of all mirrors of a record one works at a time.

    A delivery reads what the record says by then, looks what the server has, and makes up the difference: cut off
    anywhere and repeated it leaves nothing double.
    """

    def __init__(self, record: TrackingStore, server: TrackingServer, blobs: Blobs) -> None:
        self._database = record.database
        self._waiting = OutboxTopic(record.database)
        self._runs = MirroredRuns(record, server)
        self._models = MirroredModels(record, server, self._runs, blobs)

    def once(self, *, early: bool = False) -> Delivered:
        """Deliver what is due, until nothing is left or the server is away. early: what waits after a failure, too.

        StoreError ``STORE_BUSY`` where another process mirrors this record already.
        """
        with alone(self._database, "mlflow mirror"):
            return self._pass(early=early)

    def forever(self, stop: threading.Event, *, poll_seconds: float = _POLL_SECONDS) -> None:
        """`once`, as long as `stop` is not set; looks every `poll_seconds`. A failing record is waited for, too."""
        with ExitStack() as holding:
            holding.enter_context(alone(self._database, "mlflow mirror"))
            while not stop.is_set():
                try:
                    done = self._pass(early=False)
                    if done.away:
                        _LOG.warning("the mirror waits: %s", done.away)
                except StoreError as error:
                    _LOG.error("the mirror cannot read the record: %s", error)
                stop.wait(poll_seconds)

    def _pass(self, *, early: bool) -> Delivered:
        rows, failed, tried = 0, 0, set[int]()
        while True:
            due = [row for row in self._waiting.due(limit=_AT_ONCE + len(tried), early=early) if row["id"] not in tried]
            if not due:
                self._waiting.forget()
                return Delivered(rows, failed)
            for same in _grouped(due):
                tried.update(row["id"] for row in same)
                try:
                    self._deliver(same[0])
                except Away as error:
                    self._waiting.mark_failed(same[0], error.message, all_wait=True)
                    return Delivered(rows, failed, error.message)
                except AssayError as error:
                    failed += 1
                    for row in same:
                        self._waiting.mark_failed(row, redact(f"{error.code}: {error.message}"))
                    continue
                rows += len(same)
                self._waiting.mark_delivered([row["id"] for row in same])

    def _deliver(self, row: Row) -> None:
        began = time.monotonic()
        self._act(row)()
        _LOG.info("mirrored %s in %.2f s", row["dedup_key"], time.monotonic() - began)

    def _act(self, row: Row) -> Callable[[], None]:
        document = row["payload"]
        if document["kind"] == "run":
            return partial(self._runs.bring, document["run_id"])
        if document["kind"] == "model":
            return partial(self._models.bring, int(document["id"]))
        if document["kind"] == "alias":
            post = ModelSlot(document["strategy_type"], document["exchange"], document["symbol"], document["timeframe"])
            return partial(self._models.bring_aliases, post)
        raise StoreError(f"outbox row {row['id']} is of kind {document['kind']}, which is unknown", code="STORE_VALUE")


def _grouped(due: list[Row]) -> list[list[Row]]:
    """Rows that tell of the same thing together, at the place of their first: one delivery brings all of it."""
    result: dict[str, list[Row]] = {}
    for row in due:
        document = row["payload"]
        names = {"run": ("run_id",), "model": ("id",)}.get(
            document["kind"], ("strategy_type", "exchange", "symbol", "timeframe")
        )
        key = "|".join([document["kind"], *(str(document.get(name)) for name in names)])
        result.setdefault(key, []).append(row)
    return list(result.values())
