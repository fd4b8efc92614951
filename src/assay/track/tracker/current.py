"""Runs begun and ended, and the one that is current."""

import logging
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from assay.kernel.errors import StoreError
from assay.track.canonical_json import sha256_of
from assay.track.environment import WORKING_FOLDER, capture_provenance
from assay.track.experiments import ENDS, Run
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracker.metric_points import Names
from assay.track.tracker.session import DEFAULT, TrackingClient, Where
from assay.track.tracker.validators import among, check_id, check_name, free_text, mapping, texts, whole

_LOG = logging.getLogger(__name__)
_NOTES_MOST = 2_000


class CurrentRun(TrackingClient):
    """Begins and ends runs; the last one begun is current until it ends."""

    def __init__(self, db_path: Where = DEFAULT) -> None:
        super().__init__(db_path)
        self._pid = os.getpid()
        self._latest: tuple[int, Names] | None = None
        self._blocks = threading.local()

    def start_experiment(
        self,
        name: str,
        experiment_type: str = "rl",
        description: str = "",
        tags: Iterable[str] | None = None,
        random_seed: int | None = None,
        capture_git: bool = True,
        metadata: Mapping[str, Any] | None = None,
        *,
        spec: Mapping[str, Any] | None = None,
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
    def experiment(self, name: str | None = None, experiment_type: str = "rl", **options: Any) -> Iterator[int]:
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
