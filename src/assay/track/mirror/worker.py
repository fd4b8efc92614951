"""The outbox brought to the MLflow server: in order, again and again until it is there, and never twice."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from assay.kernel.errors import AssayError, StoreError
from assay.track.database import Database, Row
from assay.track.mirror.mirrored_runs import MirroredModels, MirroredRuns
from assay.track.mirror.mlflow_names import redact
from assay.track.mirror.outbox_queue import OutboxTopic
from assay.track.mirror.server import Away, TrackingServer
from assay.track.model_files.artifact_store import Blobs
from assay.track.registry.aliases import ModelSlot
from assay.track.tracking_store import TrackingStore


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
