"""Runs: start, heartbeat, end, lookup."""

import logging
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant
from assay.track.database import Database, Row, check_fields, enqueue, not_found, rows, writes
from assay.track.liveness import CrashReaper, Heartbeat, this_process
from assay.track.schema.column_types import HoldsText
from assay.track.schema.tables import EXPERIMENTS

_LOG = logging.getLogger(__name__)
_TYPE = re.compile(r"[a-z0-9_-]{1,40}")
STATUSES = ("running", "completed", "failed", "stopped", "crashed")
ENDS = ("completed", "failed", "stopped")
LIST_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Run:
    """A run that this process began: ``id`` inside the record, ``run_id`` (UUID4) anywhere."""

    id: int
    run_id: str
    began: float = field(default_factory=time.monotonic, compare=False, repr=False)


class Experiments:
    """The experiments table. A run is ``running`` until it is finished, or until its process is found gone."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sweep = CrashReaper(database)

    @writes
    def start(
        self,
        name: str,
        experiment_type: str = "rl",
        *,
        description: str = "",
        spec: Mapping[str, object] | None = None,
        spec_hash: str | None = None,
        data_digest: str | None = None,
        seed: int | None = None,
        tags: Sequence[str] = (),
        environment: Mapping[str, object] | None = None,
        metadata: Mapping[str, object] | None = None,
        parent_id: int | None = None,
        reproduces_id: int | None = None,
        **captured: object,
    ) -> Run:
        """A new row, ``running``, owned by this process.

        captured: further columns by name: ``git_commit git_branch git_dirty git_diff_hash lock_hash python_version``
                  (`assay.track.environment.capture_provenance` gives them all).
        StoreError ``STORE_VALUE`` for a name, type, tag, seed or column that the record does not take.
        """
        _check_words(name, experiment_type, tags)
        run_id, now = str(uuid.uuid4()), parse_instant(current_ms())
        values = check_fields(captured, EXPERIMENTS) | {
            "run_id": run_id,
            "name": name,
            "description": description,
            "experiment_type": experiment_type,
            "spec": None if spec is None else dict(spec),
            "spec_hash": spec_hash,
            "data_digest": data_digest,
            "random_seed": seed,
            "tags": list(tags),
            "environment": dict(environment or {}),
            "metadata": dict(metadata or {}),
            "parent_id": parent_id,
            "reproduces_id": reproduces_id,
            "owner": this_process(),
        }
        values |= dict.fromkeys(("start_time", "heartbeat_at", "created_at", "updated_at"), now)
        with self._database.write() as connection:
            result = connection.execute(sa.insert(EXPERIMENTS).values(values).returning(EXPERIMENTS.c.id))
            enqueue(connection, "run", f"{run_id}:running", run_id=run_id)
            return Run(int(result.scalar_one()), run_id)

    @writes
    def heartbeat(self, run: Run | int) -> None:
        """Say that the run lives. One that was taken for crashed runs again (WARN); an ended one is STORE_CONFLICT."""
        with self._database.write() as connection:
            row = self._row(connection, _id(run), locked=True)
            if row["status"] in ENDS or row["owner"] != this_process():
                raise StoreError(
                    f"run {row['id']} is {row['status']} and owned by {row['owner']}; it cannot beat",
                    code="STORE_CONFLICT",
                    status=row["status"],
                )
            if row["status"] == "crashed":
                _LOG.warning("run %d was taken for crashed but its process lives; it runs again", row["id"])
                enqueue(connection, "run", f"{row['run_id']}:running:{current_ms()}", run_id=row["run_id"])
            self._set(connection, row["id"], status="running", end_time=None, heartbeat_at=parse_instant(current_ms()))

    @writes
    def finish(self, run: Run | int, status: str = "completed", notes: str | None = None) -> None:
        """End a run: ``completed``, ``failed`` or ``stopped``.

        The same end twice does nothing; another end is StoreError ``STORE_CONFLICT``.
        """
        if status not in ENDS:
            raise StoreError(f"a run ends {', '.join(ENDS)}, not {printable(status)}", code="STORE_VALUE")
        with self._database.write() as connection:
            row = self._row(connection, _id(run), locked=True)
            if row["status"] == status:
                return
            if row["status"] in ENDS:
                raise StoreError(
                    f"run {row['id']} has already ended {row['status']}, it cannot end {status}", code="STORE_CONFLICT"
                )
            end = max(parse_instant(current_ms()), row["start_time"])  # the wall clock may have been set back
            seconds = (
                time.monotonic() - run.began if isinstance(run, Run) else (end - row["start_time"]).total_seconds()
            )
            document = {} if notes is None else {"notes": notes}
            self._set(connection, row["id"], status=status, end_time=end, duration_seconds=seconds, **document)
            enqueue(connection, "run", f"{row['run_id']}:{status}", run_id=row["run_id"])

    @contextmanager
    def keep_alive(self, run: Run, *, beat_seconds: float = 15.0) -> Iterator[Run]:
        """Keep the run alive by a thread, and end it.

        ``completed`` when the block ends, ``failed`` with the exception's text in the notes when it raises, ``stopped``
        on KeyboardInterrupt; an end that the block has given itself stays.
        """
        try:
            with Heartbeat(lambda: self._beat(run), beat_seconds):
                yield run
        except KeyboardInterrupt:
            self._end_if_running(run, "stopped", None)
            raise
        except BaseException as error:
            self._end_if_running(run, "failed", f"{type(error).__name__}: {error}"[:2000])
            raise
        self._end_if_running(run, "completed", None)

    def get(self, run: Run | int | str) -> Row:
        """The row by id or run_id. StoreError ``STORE_NOT_FOUND`` says which runs there are."""
        with self._database.read() as connection:
            return self._row(connection, run.id if isinstance(run, Run) else run)

    def find_completed(self, spec_hash: str, data_digest: str, *, git_commit: str | None = None) -> Row | None:
        """The newest completed run of the same spec on the same data (and commit, when one is given), or None.

        Reproductions are none: they published nothing.
        """
        e = EXPERIMENTS.c
        query = sa.select(EXPERIMENTS).where(
            e.spec_hash == spec_hash, e.data_digest == data_digest, e.status == "completed", e.deleted_at.is_(None),
            e.reproduces_id.is_(None),
        )  # fmt: skip
        if git_commit is not None:
            query = query.where(e.git_commit == git_commit)
        with self._database.read() as connection:
            result = rows(connection.execute(query.order_by(e.id.desc()).limit(1)))
        return result[0] if result else None

    def recent(
        self,
        limit: int = 50,
        *,
        status: str | None = None,
        experiment_type: str | None = None,
        tags: Sequence[str] = (),
        offset: int = 0,
    ) -> list[Row]:
        """Rows without the long ``environment``, newest first, deleted ones hidden.

        All of `tags` must be there. 1 <= limit <= 10,000.
        """
        if not (1 <= limit <= LIST_MOST and offset >= 0):
            raise StoreError(f"limit is {limit}, must be in 1..{LIST_MOST}; offset >= 0", code="STORE_VALUE")
        if status is not None and status not in STATUSES:
            raise StoreError(f"status is {printable(status)}, one of {', '.join(STATUSES)}", code="STORE_VALUE")
        self._sweep.when_due()
        e = EXPERIMENTS.c
        query = sa.select(*(c for c in e if c is not e.environment)).where(e.deleted_at.is_(None))
        if status is not None:
            query = query.where(e.status == status)
        if experiment_type is not None:
            query = query.where(e.experiment_type == experiment_type)
        for tag in tags:
            query = query.where(HoldsText(e.tags, sa.literal(tag, sa.Text())))
        query = query.order_by(e.start_time.desc(), e.id.desc()).limit(limit).offset(offset)
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def sweep(self) -> list[int]:
        """Mark the running runs whose process is gone as ``crashed``, ended at their last heartbeat; their ids."""
        return self._sweep.now()

    def _beat(self, run: Run) -> None:
        """Beat, unless the run has ended: a beat may have waited for the very transaction that ended it."""
        try:
            self.heartbeat(run)
        except StoreError as error:
            if error.facts.get("status") not in ENDS:
                raise

    def _end_if_running(self, run: Run, status: str, notes: str | None) -> None:
        if self.get(run)["status"] not in ENDS:
            self.finish(run, status, notes)

    def _row(self, connection: sa.Connection, request: int | str, *, locked: bool = False) -> Row:
        e = EXPERIMENTS.c
        wanted = e.run_id == request if isinstance(request, str) else e.id == int(request)
        query = sa.select(EXPERIMENTS).where(wanted)
        result = rows(connection.execute(query.with_for_update(key_share=True) if locked else query))
        if result:
            return result[0]
        if isinstance(request, str) and request.isdecimal() and len(request) < 19:
            return self._row(connection, int(request), locked=locked)
        raise not_found("run", request, _known_runs(connection))

    def _set(self, connection: sa.Connection, run: int, **values: object) -> None:
        changed = values | {"updated_at": parse_instant(current_ms())}
        connection.execute(sa.update(EXPERIMENTS).where(EXPERIMENTS.c.id == run).values(changed))


def _id(run: Run | int) -> int:
    return run.id if isinstance(run, Run) else run


def _known_runs(connection: sa.Connection) -> str:
    e = EXPERIMENTS.c
    count, first, last = connection.execute(sa.select(sa.func.count(), sa.func.min(e.id), sa.func.max(e.id))).one()
    return f"the record holds {count} runs, ids {first} to {last}" if count else "the record holds no run yet"


def _check_words(name: str, experiment_type: str, tags: Sequence[str]) -> None:
    if not 1 <= len(name) <= 200:
        raise StoreError(f"a run's name has 1 to 200 characters, {printable(name)} has {len(name)}", code="STORE_VALUE")
    if not _TYPE.fullmatch(experiment_type):
        raise StoreError(
            f"experiment_type is {printable(experiment_type)}; use small letters, digits, '_' and '-'",
            code="STORE_VALUE",
        )
    if isinstance(tags, str) or not all(isinstance(tag, str) for tag in tags):
        raise StoreError(f"tags are a list of texts, not {printable(tags)}", code="STORE_VALUE")
