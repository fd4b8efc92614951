"""Experiment tracker of the tracking API: begin, log, end, list, compare."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict, Unpack

import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import current_ms
from assay.track.codecs import parse_instant, sha256_of
from assay.track.database import Row
from assay.track.environment import WORKING_FOLDER, capture_provenance
from assay.track.experiments import ENDS, STATUSES, Run
from assay.track.model_files.artifact_store import Blobs
from assay.track.schema.tables import EXPERIMENTS, MODELS
from assay.track.tracker.metric_queue import Clock, Names, check_metric, encode_value, place
from assay.track.tracker.metric_series import compare_series
from assay.track.tracker.search import SUMMARY, Condition, HoldsText, conditions, order_columns, summaries, summary
from assay.track.tracker.shared import DEFAULT, TrackingClient, Where
from assay.track.tracker.validators import (
    among,
    check_id,
    check_name,
    check_page,
    free_text,
    mapping,
    path_text,
    refusal,
    texts,
    whole,
)
from assay.track.tracking_store import TrackingStore

_LOG = logging.getLogger(__name__)
_NOTES_MOST = 2_000


def set_metadata(record: TrackingStore, run: int, metadata: JsonObject, *, merge: bool) -> None:
    """Replace the object, or update it key by key, in one transaction."""
    with record.database.write() as connection:
        holding = record.experiments.get(run)["metadata"] if merge else {}
        _set(connection, run, metadata=holding | metadata)


def hide(record: TrackingStore, run: int) -> None:
    """Soft deletion: lists and views hide the run, its rows stay. A running one is StoreError ``STORE_CONFLICT``."""
    with record.database.write() as connection:
        row = record.experiments.get(run)
        if row["status"] == "running":
            raise StoreError(f"run {run} is running and cannot be deleted", code="STORE_CONFLICT", hint="End it first.")
        if row["deleted_at"] is None:
            _set(connection, run, deleted_at=parse_instant(current_ms()))


def unhide(record: TrackingStore, run: int) -> None:
    """Undo `hide`."""
    with record.database.write() as connection:
        if record.experiments.get(run)["deleted_at"] is not None:
            _set(connection, run, deleted_at=None)


def _set(connection: sa.Connection, run: int, **values: object) -> None:
    changed = values | {"updated_at": parse_instant(current_ms())}
    connection.execute(sa.update(EXPERIMENTS).where(EXPERIMENTS.c.id == run).values(changed))


_KINDS = {"float": float, "int": int, "str": str, "bool": bool, "json": None, "none": None}


def _typed(value: Any, kind: str | None) -> object:
    """The value brought to the type that the caller names."""
    if kind is None:
        return value
    make = _KINDS[among(kind, tuple(_KINDS), "param_type")]
    if kind == "none" and value is not None:
        raise refusal(f"param_type is 'none' and the value is {value!r:.64}", field="param_type")
    if kind == "bool" and value not in (True, False, "True", "False", "true", "false"):
        raise refusal(f"param_type is 'bool' and the value is {value!r:.64}", field="param_type")
    if kind == "bool":
        return value in (True, "True", "true")
    try:
        return value if make is None else make(value)
    except (TypeError, ValueError, OverflowError):
        raise refusal(f"param_type is {kind!r} and the value is {value!r:.64}", field="param_type") from None


class RunOptions(TypedDict, total=False):
    """Options of `ExperimentTracker.start_experiment` but for name and type."""

    description: str
    tags: Iterable[str] | None
    random_seed: int | None
    capture_git: bool
    metadata: Mapping[str, object] | None
    spec: Mapping[str, object] | None
    parent_id: int | None


class ExperimentTracker(TrackingClient):
    """Keeps what a training script does: runs, their settings, metrics and files.

    Threads may share a tracker; a process forked from its own may not (``STORE_FORKED``), it makes its own. Metrics are
    queued and written in the background: after 1,000 points or 1 s, at `flush`, `end_experiment`, `close`, before any
    read by an object of this process, and at the interpreter's normal end, where runs that are still open end
    ``stopped``. A process that is killed loses at most the points of its last 2 s, and its runs become ``crashed``.
    As a context manager it ends the current run ``failed`` when the block raises; it never ends one ``completed``.

    db_path: a path, ``sqlite:///…``, ``postgresql://…``, or an open record; made and laid when it is not there.
    """

    def __init__(self, db_path: Where = DEFAULT) -> None:
        super().__init__(db_path)
        self._pid = os.getpid()
        self._latest: tuple[int, Names] | None = None
        self._blocks = threading.local()
        self._clock = Clock()

    def start_experiment(
        self,
        name: str,
        experiment_type: str = "rl",
        description: str = "",
        tags: Iterable[str] | None = None,
        random_seed: int | None = None,
        capture_git: bool = True,
        metadata: Mapping[str, object] | None = None,
        *,
        spec: Mapping[str, object] | None = None,
        parent_id: int | None = None,
    ) -> int:
        """A new run, ``running`` and current; its id. A run begun earlier goes on, but is no longer current.

        capture_git: keep commit, branch and uncommitted changes of the working folder, too, the changes as an artifact
                     ``git_diff`` in ``artifacts`` beside the record's file; libraries, Python and machine are always
                     kept.
        parent_id:   the run that this one is a part of (a fold, a search).
        StoreError ``STORE_VALUE`` for a name, type, tag, seed or metadata that the record does not take,
        ``STORE_NOT_FOUND`` for an unknown parent.
        """
        self._shared.check_owner()
        experiments = self._shared.record.experiments
        if parent_id is not None:
            experiments.get(check_id(parent_id, "parent_id"))
        seed = whole(random_seed, "random_seed")
        plan = None if spec is None else mapping(spec, "spec")
        code = capture_provenance({WORKING_FOLDER: Path.cwd()}, git=bool(capture_git))
        run = experiments.start(
            check_name(name, "name"),
            check_name(experiment_type, "experiment_type"),
            description=free_text(description, "description"),
            spec=plan,
            spec_hash=None if plan is None else sha256_of(plan),
            seed=seed,
            tags=texts(tags, "tags"),
            metadata=mapping(metadata, "metadata"),
            parent_id=parent_id,
            **code.columns,
        )
        if isinstance(self._shared.record.database.path, Path):  # a server has no folder for files
            code.keep(self._shared.record, run.id, Blobs(self._shared.record.database.path.parent / "artifacts"))
        self._shared.begin(run)
        self._make_current((run.id, Names()))
        return run.id

    def end_experiment(
        self, status: str = "completed", notes: str | None = None, experiment_id: int | None = None
    ) -> None:
        """End a run, by default the current one: ``completed``, ``failed`` or ``stopped``; its points are on disk then.

        The same end twice does nothing, another is StoreError ``STORE_CONFLICT``.
        """
        among(status, ENDS, "status")
        document = None if notes is None else free_text(notes, "notes")
        run = self._run()[0] if experiment_id is None else check_id(experiment_id, "experiment_id")
        try:
            self._shared.settle()
        finally:
            self._finish(run, status, document)

    @property
    def current_experiment_id(self) -> int | None:
        """The run that `log_metric` would log to here."""
        result = self._current_block()
        return None if result is None else result[0]

    @contextmanager
    def experiment(
        self, name: str | None = None, experiment_type: str = "rl", **options: Unpack[RunOptions]
    ) -> Iterator[int]:
        """A block, or a function, that is a run: ``with tracker.experiment("fold 3") as run:`` or
        ``@tracker.experiment("train")``, which begins a run at each call.

        It ends ``completed``, ``failed`` with the exception's text in its notes, or ``stopped`` by KeyboardInterrupt;
        an end given inside stays. Inside another such block of this thread it is that run's child, and afterwards that
        one is current again. options: as of `start_experiment`.
        """
        outer, latest = getattr(self._blocks, "current", None), self._latest
        options.setdefault("parent_id", None if outer is None else outer[0])
        run = self.start_experiment("a run" if name is None else name, experiment_type, **options)
        self._blocks.current = self._latest
        try:
            yield run
        except BaseException as error:
            self._end_by(error, run)
            raise
        else:
            self._end_if_open(run, "completed", None)
        finally:
            self._blocks.current, self._latest = outer, latest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        current = self._current_block()
        if error is not None and current is not None:
            self._end_by(error, current[0])
        self.close()

    def log_metric(
        self,
        metric_name: str,
        value: object,
        episode: int | None = None,
        step: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        value_json: object = None,
        metadata: Mapping[str, object] | None = None,
        metric_type: str | None = None,
    ) -> None:
        """Queue one point; some microseconds, and no disk until 100,000 points wait.

        value:      a number of Python or numpy, or a 0-d tensor; NaN and infinities are kept as what they are, read as
                    null in SQL, and are never best.
        value_json: JSON text or a JSON-able object; the point is then a ``distribution`` unless `metric_type` says
                    ``image`` or ``text``.
        phase:      ``training``, ``evaluation`` or ``inference``; `split` is a free word.
        StoreError ``STORE_VALUE`` for a value, name or place that the record does not take. What only the database can
        refuse (an unknown `model_id`) is raised by a later call or by `flush`.
        """
        run, names = self._run()
        names.check(metric_name)
        plain = value_json is None and metric_type is None
        kind, text = ("scalar", None) if plain else encode_value(value_json, metric_type)
        where = place(episode, step, epoch, split, phase, model_id, metadata)
        point = (run, metric_name, *check_metric(metric_name, value), kind, text, *where, self._clock.text())
        self._shared.buffer.put((point,))

    def log_metrics_batch(
        self,
        metrics: Mapping[str, object],
        episode: int | None = None,
        step: int | None = None,
        epoch: int | None = None,
        split: str = "train",
        phase: str = "training",
        model_id: int | None = None,
        metadata: Mapping[str, object] | None = None,
    ) -> None:
        """Queue one point a name, with one timestamp: all or nothing. Values and errors as in `log_metric`."""
        run, names = self._run()
        if not isinstance(metrics, Mapping):
            raise refusal("metrics are a dict of name to number", field="metrics")
        where = ("scalar", None, *place(episode, step, epoch, split, phase, model_id, metadata), self._clock.text())
        points = []
        for name, value in metrics.items():
            names.check(name)
            points.append((run, name, *check_metric(name, value), *where))
        if points:
            self._shared.buffer.put(points)

    def log_hyperparameter(
        self, param_name: str, param_value: object, param_type: str | None = None, model_id: int | None = None
    ) -> None:
        """Keep one setting of the run, or of a model of it.

        param_type: ``float int str bool json none``, inferred when not given; the value is brought to it. The same
        value again does nothing, another one is StoreError ``STORE_CONFLICT`` with both.
        """
        self.log_hyperparameters_batch({param_name: _typed(param_value, param_type)}, model_id)

    def log_hyperparameters_batch(self, hyperparams: Mapping[str, object], model_id: int | None = None) -> None:
        """Keep settings, all or nothing; see `log_hyperparameter`."""
        run, _ = self._run()
        checked = {check_name(name, "param_name"): value for name, value in hyperparams.items()}
        self._shared.record.hyperparameters.log(run, checked, model_id=whole(model_id, "model_id"))

    def add_artifact(
        self,
        artifact_type: str,
        artifact_path: str | os.PathLike[str],
        artifact_name: str | None = None,
        description: str = "",
        metadata: Mapping[str, object] | None = None,
        model_id: int | None = None,
    ) -> int:
        """Keep where a file of the run lies, with size and SHA-256 when it is there (a WARN when not); the id.

        The file itself is neither copied nor parsed. A path with ``..`` or NUL is StoreError ``STORE_VALUE``.
        """
        run, _ = self._run()
        return self._shared.record.artifacts.add(
            run,
            check_name(artifact_type, "artifact_type"),
            path_text(artifact_path, "artifact_path"),
            name=None if artifact_name is None else check_name(artifact_name, "artifact_name"),
            description=free_text(description, "description"),
            metadata=mapping(metadata, "metadata"),
            model_id=whole(model_id, "model_id"),
        )

    def update_experiment_metadata(self, metadata: Mapping[str, object], merge: bool = False) -> None:
        """Replace the current run's metadata, or add to it key by key."""
        set_metadata(self._shared.record, self._run()[0], mapping(metadata, "metadata"), merge=merge)

    def get_experiment(self, experiment_id: int) -> Row:
        """The whole row, with ``hyperparameters`` (dict), ``datasets`` (rows) and ``num_models``; deleted ones, too.

        StoreError ``STORE_NOT_FOUND`` says which runs there are.
        """
        record, run = self.record, check_id(experiment_id, "experiment_id")
        row = record.experiments.get(run)
        return row | {
            "hyperparameters": record.hyperparameters.read(run),
            "datasets": record.datasets.of_run(run),
            "num_models": _models(record, run),
        }

    def get_experiment_summary(self, experiment_id: int | None = None) -> Row:
        """The row of ``experiment_summary``, by default of the current run; undefined numbers are NaN."""
        run = self._run()[0] if experiment_id is None else check_id(experiment_id, "experiment_id")
        return summary(self.record.database, run)

    def list_experiments(
        self,
        experiment_type: str | None = None,
        status: str | None = None,
        tags: Iterable[str] | None = None,
        limit: int = 50,
        *,
        offset: int = 0,
    ) -> list[Row]:
        """Rows of ``experiment_summary``, newest first, deleted ones hidden; all of `tags` must be there.

        1 <= limit <= 10,000. StoreError ``STORE_VALUE``.
        """
        s = SUMMARY.c
        where: list[Condition] = [HoldsText(s.tags, tag) for tag in texts(tags, "tags")]
        if experiment_type is not None:
            where.append(s.experiment_type == check_name(experiment_type, "experiment_type"))
        if status is not None:
            where.append(s.status == among(status, STATUSES, "status"))
        most, skipped = check_page(limit, offset)
        record = self.record
        self._shared.sweep.when_due()
        return summaries(record.database, where, limit=most, offset=skipped)

    def search_experiments(
        self,
        query: str = "",
        *,
        order_by: str = "start_time",
        ascending: bool = False,
        limit: int = 50,
        offset: int = 0,
    ) -> list[Row]:
        """Rows of ``experiment_summary`` that a query finds, such as ``metric.val_sharpe > 1 and tag = "ppo"``.

        query:    clauses ``field operator value`` joined by ``and``; fields are those of `search.FIELDS`,
                  ``metric.NAME`` (its last finite value) and ``param.NAME``; operators ``= != < <= > >= ~`` (contains,
                  case ignored); values are numbers, quoted texts, true and false. It is never pasted into SQL.
        order_by: a column of the result, or ``metric.NAME``; undefined comes last either way, ties by id.
        StoreError ``STORE_VALUE`` names the place of what cannot be read.
        """
        most, skipped = check_page(limit, offset)
        where = conditions(query)
        order = order_columns(order_by, ascending=ascending)
        record = self.record
        self._shared.sweep.when_due()
        return summaries(record.database, where, order, limit=most, offset=skipped)

    def compare_experiments(
        self, experiment_ids: Iterable[int], metric_name: str, split: str | None = None
    ) -> dict[int, dict[str, float]]:
        """As `MetricsLogger.compare_metrics_across_experiments`."""
        return compare_series(self.record, experiment_ids, metric_name, split)

    def delete_experiment(self, experiment_id: int) -> None:
        """Hide a run from lists, searches and views; nothing is lost. A running one: StoreError ``STORE_CONFLICT``."""
        hide(self.record, check_id(experiment_id, "experiment_id"))

    def restore_experiment(self, experiment_id: int) -> None:
        """Show a deleted run again."""
        unhide(self.record, check_id(experiment_id, "experiment_id"))

    def _end_by(self, error: BaseException, run: int) -> None:
        status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
        try:
            self._end_if_open(run, status, f"{type(error).__name__}: {error}"[:_NOTES_MOST])
        except StoreError as fault:  # the first error is the one that people must see
            _LOG.error("run %d could not be ended %s: %s", run, status, fault)

    def _end_if_open(self, run: int, status: str, notes: str | None) -> None:
        if self.record.experiments.get(run)["status"] not in ENDS:
            self._finish(run, status, notes)

    def _finish(self, run: int, status: str, notes: str | None) -> None:
        begun: Run | int | None = self._shared.find_run(run)
        self._shared.record.experiments.finish(run if begun is None else begun, status, notes)
        self._shared.let_go(run)
        if self._latest is not None and self._latest[0] == run:
            self._latest = None
        inside = getattr(self._blocks, "current", None)
        if inside is not None and inside[0] == run:
            self._blocks.current = None

    def _make_current(self, result: tuple[int, Names]) -> None:
        self._latest = result
        if getattr(self._blocks, "current", None) is not None:
            self._blocks.current = result

    def _current_block(self) -> tuple[int, Names] | None:
        return getattr(self._blocks, "current", None) or self._latest

    def _run(self) -> tuple[int, Names]:
        if os.getpid() != self._pid:
            self._shared.check_owner()
        result = getattr(self._blocks, "current", None) or self._latest
        if result is None:
            raise StoreError(
                "no experiment is current in this tracker",
                code="STORE_NO_EXPERIMENT",
                hint="call start_experiment first",
            )
        return result


def _models(record: TrackingStore, run: int) -> int:
    m = MODELS.c
    query = sa.select(sa.func.count()).select_from(MODELS).where(m.experiment_id == run, m.deleted_at.is_(None))
    with record.database.read() as connection:
        return int(connection.execute(query).scalar_one())
