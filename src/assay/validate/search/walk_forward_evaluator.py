"""The inner judge: one candidate walked forward inside the train window, and nothing after it."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.contracts import Report, Trainer, Trial
from assay.kernel.costs import Costs
from assay.kernel.errors import AssayError, LeakError, TrainError, printable
from assay.kernel.fold import Fold
from assay.kernel.panel import Panel
from assay.kernel.spec import canonical
from assay.simulate import BacktestResult
from assay.validate._walk_forward import walk_forward
from assay.validate.search.objective import bars_per_year, candidate_metrics, pool_folds
from assay.validate.search.space import Point
from assay.validate.splits import Splitter

Make = Callable[[Mapping[str, Any]], Trainer]
_HOLE = 0.05  # share of the instants between first and last label


@dataclass
class ProgressForwarder:
    """The search's report as its candidates hear it: the share is the search's, a wish to cancel passes through.

    Once the search is over, whoever is still fitted is cancelled the next time it tells its progress.
    """

    report: Report
    most: float
    share: float = 0.0
    over: bool = False
    raised: list[BaseException] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        """Hear of a candidate's progress; the search's own share stays."""
        if self.over:
            raise CancelledError
        self.tell(self.share, {})

    def trial(self, trial: Trial) -> int:
        """Count a trial; a candidate may be a search itself."""
        with self.lock:
            return self.report.trial(trial)

    def is_requested(self, error: BaseException) -> bool:
        """Whether the search's report raised it; several workers may be told to cancel at once."""
        return any(error is each for each in self.raised)

    def tell(self, share: float, metrics: Mapping[str, float]) -> None:
        """How far the search is, as a share of its own part."""
        with self.lock:
            self.share = max(self.share, share)
            try:
                self.report.progress(self.most * self.share, metrics)
            except BaseException as error:
                self.raised.append(error)
                raise


@dataclass(frozen=True, slots=True)
class Within:
    """A plan over the positions from `first` on: earlier ones are history to look back at, never judged."""

    plan: Splitter
    first: int

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Folds of the plan, in positions of the whole panel."""
        decided = np.arange(len(known_at), dtype=np.int64) if decided_at is None else decided_at
        for fold in self.plan.folds(known_at[self.first :], decided[self.first :]):
            yield Fold(fold.train + self.first, fold.test + self.first, decided, known_at)


@dataclass(frozen=True, slots=True)
class First:
    """The first folds of a plan only."""

    plan: Splitter
    count: int

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """So many folds of the plan, or all where it has fewer."""
        yield from islice(self.plan.folds(known_at, decided_at), self.count)


@dataclass(frozen=True, slots=True, eq=False)
class CandidateResult:
    """A candidate's inner test bars as one account; `record` is None where no fold was judged."""

    learner: str
    record: BacktestResult | None
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """Judges candidates on one train panel. Every candidate is fitted with the same seed."""

    make: Make
    train: Panel
    plan: Splitter
    costs: Costs
    seed: int
    ears: ProgressForwarder

    def judge(self, point: Point) -> CandidateResult:
        """Walk one candidate. What it raises comes out with its parameters; a wish to cancel comes out as it is."""
        try:
            trainer = self.make(dict(point))
            result = list(
                walk_forward(
                    trainer, self.train, self.plan, costs=self.costs, seed=self.seed, report=self.ears, workers=1
                )
            )
        except Exception as error:
            if self.ears.is_requested(error) or isinstance(error, CancelledError):
                raise
            raise name_parameters(error, point) from error
        record = pool_folds(result)
        values = {} if record is None else candidate_metrics(record, bars_per_year=bars_per_year(self.train))
        return CandidateResult(trainer.name, record, values)


def name_parameters(error: Exception, point: Point) -> AssayError:
    """The error with the parameters that caused it: Assay's own keep kind, code and hint."""
    message = ", ".join(f"{name} = {printable(value)}" for name, value in point.items())
    if isinstance(error, AssayError):
        facts = {**error.facts, "parameters": dict(point)}
        return type(error)(f"{error.message} (candidate {message})", code=error.code, hint=error.hint, **facts)
    return TrainError(
        f"candidate {message} failed: {type(error).__name__}: {error}", code="TRAIN_CANDIDATE", parameters=dict(point)
    )


def within(plan: Splitter, train: Panel) -> Splitter:
    """The plan inside the train window: from the first labelled instant on, or the whole panel where it has no labels.

    Raises LeakError ``LEAK_FOLD`` where more than 5 % of the window in one stretch is not to be learnt from, as under
    `PurgedKFold`: inner test bars would lie on outer ones.
    """
    labelled = np.zeros(len(train.times), np.bool_)
    for _, window in train:
        if window.labels is not None:
            available = window.bars.known_at[np.isfinite(window.labels.y)]
            labelled[np.searchsorted(train.times, available)] = True
    rows = np.flatnonzero(labelled)
    if not rows.size:
        return plan
    gaps = np.diff(rows)
    if gaps.size and gaps.max() - 1 > _HOLE * (rows[-1] - rows[0] + 1):
        at = int(np.argmax(gaps))
        raise LeakError(
            f"{gaps[at] - 1} instants in the middle of the train window must not be learnt from: a search walks "
            "forward inside it and would be scored on them",
            code="LEAK_FOLD",
            hint="search under an outer plan that walks forward",
        )
    return Within(plan, int(rows[0]))


def panel_digest(panel: Panel) -> str:
    """SHA-256 (hex) of candles, features and labels."""
    result = sha256()
    for symbol, window in sorted(panel.windows.items()):
        result.update(canonical([symbol, window.bars.digest(), list(window.names)]).encode())
        result.update(np.ascontiguousarray(window.features).tobytes())
        if window.labels is not None:
            result.update(np.ascontiguousarray(window.labels.y).tobytes())
            result.update(np.ascontiguousarray(window.labels.known_at).tobytes())
    return result.hexdigest()
