"""Evaluate candidates by walk-forward inside the train window; count each trial before its score."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from itertools import islice
from threading import Lock
from typing import Any

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.contracts import Fold, Report, Trainer, Trial
from assay.kernel.decisions import Costs
from assay.kernel.errors import AssayError, LeakError, TrainError, printable
from assay.kernel.panel import Panel
from assay.kernel.spec import canonical
from assay.simulate import BacktestResult
from assay.validate._walk_forward import walk_forward
from assay.validate.search.objective import PRUNED, TOO_FEW, Objective, bars_per_year, candidate_metrics, pool_folds
from assay.validate.search.result import Trials
from assay.validate.search.sampler import ProposedBatch, Row, Session
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


_NOBODY = np.empty(0)
_BYTES_A_TRIAL = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialRecorder:
    """The search as the ledger and whoever listens know it.

    strategy, base, data_digest: see `Search`.   market_key: of the train panel.   recorded: costs, for the ledger's
    hash.
    """

    ears: ProgressForwarder
    objective: Objective
    planned: int
    method: Any
    strategy: str
    base: Mapping[str, Any]
    market_key: str
    seed: int
    data_digest: str
    recorded: Mapping[str, Any]

    def one(self, number: int, point: Point, judged: CandidateResult, *, pruned: bool = False) -> Row:
        """Score one candidate and count it. pruned: it is dropped before it was judged on all folds."""
        row = self.score(number, point, judged)
        params = {**self.base, **point}
        trial = self._trial(judged.learner, params, judged.record, judged.metrics, row.score, row.trades)
        if pruned:
            trial = replace(trial, state="pruned")
            row = replace(row, score=math.nan, valid=False, reason=PRUNED)
        elif row.reason:
            trial = replace(
                trial, state="failed", returns=_NOBODY, window=None, extra={**self.recorded, "reason": row.reason}
            )
        return replace(row, ledger_id=self.ears.trial(trial))

    def score(self, number: int, point: Point, judged: CandidateResult) -> Row:
        """A candidate's row, not counted yet: nobody may use its score but to drop it."""
        record, score, reason = judged.record, math.nan, TOO_FEW
        trades = 0 if record is None else len(record.trades)
        if record is not None:
            score, reason = self.objective.score(judged.metrics, len(record), trades)
        return Row(number, point, score, not reason, reason, trades, judged.metrics, -1)

    def many(
        self, trials: Trials, learner: str, record: BacktestResult, metrics: Mapping[str, float], tops: bytes = b""
    ) -> Trials:
        """Count a block of candidates as one; record and metrics are those of its best, or of its first.

        tops: see `Trial`. The best's returns are told where they cost little beside the block.
        """
        block = trials.block()
        best = trials.best
        point = trials.point(best or 0)
        params = {**self.base, **point, "block": sha256(block).hexdigest()}
        score = math.nan if best is None else float(trials.score[best])
        trial = self._trial(learner, params, record, metrics, score, len(record.trades))
        trial = replace(trial, n_configs=len(trials), block=block, tops=tops, bars=len(record))
        if best is None:
            trial = replace(trial, state="failed", returns=_NOBODY, bars=0)
        elif record.returns.nbytes > _BYTES_A_TRIAL * len(trials):
            trial = replace(trial, returns=_NOBODY)
        return trials.with_ledger_id(self.ears.trial(trial))

    def tell(self, done: int, best: float) -> None:
        """How many candidates were judged, and the best score so far."""
        self.ears.tell(min(1.0, done / self.planned), {"trials": float(done), "best_score": best})

    def _trial(
        self,
        learner: str,
        params: Mapping[str, object],
        record: BacktestResult | None,
        metrics: Mapping[str, float],
        score: float,
        trades: int,
    ) -> Trial:
        return Trial(
            market_key=self.market_key,
            learner=learner,
            strategy=self.strategy or learner,
            params=params,
            returns=_NOBODY if record is None else record.returns,
            metrics=metrics,
            objective=self.objective.name,
            score=score,
            total_trades=trades,
            window=None if record is None else (int(record.timestamp[0]), int(record.timestamp[-1])),
            tuning_method=self.method,
            seed=self.seed,
            data_digest=self.data_digest,
            extra=dict(self.recorded),
        )


_LISTEN_SECONDS = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class OneByOne:
    """Judges what a session asks; see `Inner`. workers change no result."""

    inner: Inner
    counting: TrialRecorder
    workers: int

    @property
    def seconds(self) -> float:
        """There is no engine to time."""
        return math.nan

    def evaluate(self, session: Session) -> Trials:
        """Every candidate that the session asks for."""
        rows: list[Row] = []
        best = math.nan
        with pool_of(self.workers, self.counting) as pool:
            while request := session.ask():
                for each, judged in zip(request, self._judged(pool, request), strict=True):
                    row = each.row
                    if judged is not None:
                        row = self.counting.one(len(rows), each.point, judged)
                        session.tell(row)
                    if row is None:
                        continue
                    rows.append(row)
                    best = float(np.fmax(best, row.score))
                    self.counting.tell(len(rows), best)
        return Trials.of(rows)

    def full(self, row: Row) -> Row:
        """The best with all its metrics, which it has."""
        return row

    def _judged(self, pool: ThreadPoolExecutor, request: Sequence[ProposedBatch]) -> Iterator[CandidateResult | None]:
        """None for what a journal knew."""
        new = side_by_side(pool, self.inner, [each.point for each in request if each.row is None])
        for each in request:
            yield None if each.row else next(new)


@contextmanager
def pool_of(workers: int, counting: TrialRecorder) -> Iterator[ThreadPoolExecutor]:
    """Threads for candidates; whoever still fits as the block ends is cancelled when it next tells its progress."""
    pool = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="candidate")
    try:
        yield pool
    finally:
        counting.ears.over = True
        pool.shutdown(wait=True, cancel_futures=True)


def side_by_side(pool: ThreadPoolExecutor, inner: Inner, points: Sequence[Point]) -> Iterator[CandidateResult]:
    """In the order of the points, each as soon as it and all before it are judged."""
    for task in [pool.submit(inner.judge, point) for point in points]:
        while not task.done():
            wait([task], timeout=_LISTEN_SECONDS)  # a lock without a timeout would keep Ctrl-C waiting
        yield task.result()
