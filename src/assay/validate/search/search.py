"""`Search`: a trainer that searches another's parameters inside the train window; its overfitting measures."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.contracts import Model, Report, Trial
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, TrainError, printable
from assay.kernel.panel import Panel
from assay.kernel.seeding import generator, integer
from assay.validate.diagnostics import holding_returns, span_sums
from assay.validate.search.objective import REASONS, TOO_FEW, Objective
from assay.validate.search.result import SearchResult, Trials
from assay.validate.search.sampler import Method, Random, Row, Session
from assay.validate.search.space import Space
from assay.validate.search.successive_halving import Halved, Halving
from assay.validate.search.sweep_evaluator import RuleSweep, SweepEvaluator, Swept
from assay.validate.search.walk_forward_evaluator import (
    Inner,
    Make,
    OneByOne,
    ProgressForwarder,
    TrialRecorder,
    name_parameters,
    panel_digest,
    within,
)
from assay.validate.splits import Splitter
from assay.validate.statistics.overfitting import Overfitting, overfitting_of

_SEARCHING = 0.95  # share of the progress; the rest is the fit of the best
_SWEPT_BATCH = 4096  # points of a sweep asked for together, where what is asked does not depend on what was told


def _nobody(result: SearchResult) -> None:
    """Hear and forget."""


class CandidateEvaluator(Protocol):
    """How the points of a search are scored: one by one, by successive halving, or by a sweep.

    seconds: spent in the engine so far; NaN where it is not measured.
    """

    @property
    def seconds(self) -> float: ...

    def evaluate(self, session: Session) -> Trials:
        """Score every point that the session asks for, each counted before its score is used."""

    def full(self, row: Row) -> Row:
        """One row with all of its metrics."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """Walks candidates forward inside the train window and fits the best on all of it. Implements `Trainer`.

    make:       a trainer from a point of the space; called in worker threads.
    space:      what is searched.   method: `Grid`, `Random` or `Bayesian`.   trials: points to judge; of a grid all.
    plan:       inner folds; candidates are scored on their test bars and on nothing else. A sweep needs none.
    sweep:      judges whole batches in one call, where the trainer is a rule and the panel has one instrument.
    objective:  see `assay.validate.search.objective.ObjectiveName`; maximised.   min_trades: that a candidate needs.
    halving:    judge all on few inner folds and only the best on more; for grid and random, without a sweep.
    workers:    candidates judged side by side; changes no result.   batch: points asked for at a time; changes what a
                bayesian search asks.
    strategy, base, data_digest: what the ledger shall know of each trial besides its point: the rule's or recipe's
                name, parameters that are not searched, digest of the candles. A journal tells searches apart by these.
    counted:    trials that the ledger holds for this market; of the objective ``deflated``.
    reported:       hears of the result before the best is fitted, in the thread that fits.
    """

    name: ClassVar[str] = "search"
    make: Make
    space: Space
    costs: Costs
    plan: Splitter | None = None
    sweep: RuleSweep | None = None
    method: Method = field(default_factory=Random)
    trials: int = 100
    objective: str = "sharpe_ratio"
    min_trades: int = 10
    halving: Halving | None = None
    workers: int = 1
    batch: int = 16
    strategy: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    data_digest: str = ""
    counted: int = 0
    reported: Callable[[SearchResult], None] = _nobody

    def __post_init__(self) -> None:
        for name in ("workers", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
                raise ConfigError(
                    f"{name} is {printable(value)}, must be an integer from 1 to 100,000",
                    code="CONFIG_PARAMETER",
                    field=name,
                )
        if self.plan is None and self.sweep is None:
            raise ConfigError("a search needs a plan of inner folds, or a sweep", code="CONFIG_FIELD", field="plan")
        if self.halving is not None and (self.sweep is not None or self.method.name == "bayesian"):
            other = (
                "a sweep judges all candidates in one call" if self.sweep else "a bayesian search learns from scores"
            )
            raise ConfigError(
                f"halving goes with grid and random search one by one: {other}", code="CONFIG_METHOD", field="halving"
            )
        Objective(self.objective, self.min_trades)
        self.method.count_points(self.space, self.trials)

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """See `Trainer`: `search`, then the best parameters fitted on all of `train`."""
        result = self.search(train, seed=seed, report=report)
        self.reported(result)
        return self.best(result, train, seed=seed, report=report)

    def best(self, result: SearchResult, train: Panel, *, seed: int, report: Report) -> Model:
        """The best parameters of a search of `train`, fitted on all of it."""
        ears = ProgressForwarder(_Last(report), 1.0)
        try:
            model = self.make(result.best_parameters).fit(train, seed=integer(seed, "search best"), report=ears)
        except Exception as error:
            if ears.is_requested(error):
                raise
            raise name_parameters(error, result.best_parameters) from error
        report.progress(1.0, {"best_score": result.best_score})
        return model

    def search(self, train: Panel, *, seed: int, report: Report) -> SearchResult:
        """Judge the points of the method, each counted in the report before its score is used.

        The same panel and seed give the same rows whatever the number of workers. Raises TrainError
        ``TRAIN_NO_VALID_TRIAL`` with the count of each reason; what a candidate raises ends the search, with its
        parameters: Assay's errors keep their kind, others come as TrainError ``TRAIN_CANDIDATE``. Raises LeakError for
        a train window with holes.
        """
        ears = ProgressForwarder(report, _SEARCHING)
        planned = self.method.count_points(self.space, self.trials)
        session = self.method.start(
            self.space, trials=self.trials, batch=self._batch_size, seed=seed, identity=self._identity(train, seed)
        )
        objective = Objective(self.objective, self.min_trades, session.pin_count(self.counted) + planned)
        counting = TrialRecorder(
            ears=ears,
            objective=objective,
            planned=planned,
            method=self.method.name,
            strategy=self.strategy,
            base=self.base,
            market_key="+".join(sorted(w.bars.instrument.key for _, w in train)),
            seed=seed,
            data_digest=self.data_digest,
            recorded={"costs": asdict(self.costs)},
        )
        judge = self._judge(train, seed, counting)
        ears.tell(0.0, {})
        trials = judge.evaluate(session)
        best = trials.best
        if best is None:
            raise _none_valid(trials, objective, judge.seconds)
        return SearchResult(
            trials=trials,
            best=judge.full(trials.row(best)),
            optimizer=self.method.name,
            objective=self.objective,
            seed=seed,
            planned=planned,
            note=session.note,
            span=train.learnt,
            engine_seconds=judge.seconds,
        )

    @property
    def _batch_size(self) -> int:
        adaptive = self.method.name == "bayesian"
        return self.batch if self.sweep is None or adaptive else max(self.batch, _SWEPT_BATCH)

    def _judge(self, train: Panel, seed: int, counting: TrialRecorder) -> CandidateEvaluator:
        if self.sweep is not None:
            return Swept(self.sweep.on(train, self.space, self.costs), counting, whole=self.method.name == "grid")
        if self.plan is None:
            raise ConfigError("a search needs a plan of inner folds, or a sweep", code="CONFIG_FIELD", field="plan")
        plan = within(self.plan, train)
        inner = Inner(self.make, train, plan, self.costs, integer(seed, "search candidate"), counting.ears)
        if self.halving is not None:
            return Halved(inner, counting, self.workers, self.halving)
        return OneByOne(inner, counting, self.workers)

    def _identity(self, train: Panel, seed: int) -> str:
        parts = (
            self.space.as_text(), self.method.name, getattr(self.method, "sampler", ""), self.trials, self.batch, seed,
            self.halving,
            self.plan, self.costs, self.objective, self.min_trades, self.strategy, sorted(self.base.items()),
            train.since, panel_digest(train),
        )  # fmt: skip
        return "\n".join(map(repr, parts))


@dataclass(frozen=True, slots=True)
class _Last:
    """The last part of the search's progress."""

    report: Report

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        self.report.progress(_SEARCHING + (1.0 - _SEARCHING) * 0.99 * share_done, metrics)

    def trial(self, trial: Trial) -> int:
        return self.report.trial(trial)


def _none_valid(trials: Trials, objective: Objective, seconds: float) -> TrainError:
    codes, counts = np.unique(trials.reason, return_counts=True)
    reasons = {REASONS[c].removeprefix("rejected: "): int(k) for c, k in zip(codes, counts, strict=True)}
    message = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items(), key=lambda each: -each[1]))
    numbers, times = np.unique(trials.trades, return_counts=True)
    usual, most = int(numbers[times.argmax()]), int(numbers[-1])
    count = f"0 of {len(trials):,} trials"
    if REASONS[codes[counts.argmax()]] == TOO_FEW:
        text = (
            f"{count} had ≥ {objective.min_trades:,} trades; most had {usual:,}, the best {most:,} ({message}): "
            "widen the space, search on more bars or lower min_trades"
        )
    else:
        text = f"{count} had a defined {objective.name} ({message}; at most {most:,} trades): widen the space"
    facts: dict[str, Any] = {"trials": len(trials), "reasons": reasons, "most_trades": most}
    return TrainError(text, code="TRAIN_NO_VALID_TRIAL", engine_seconds=seconds, **facts)


MOST = 100  # configurations compared: each is traded once more, alone
_BLOCKS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SearchOverfit:
    """How configurations fared on the window that they were searched on.

    spans: ``(m, k)`` their returns over `assay.validate.diagnostics.span_sums` of it.   holding: ``(m,)`` buying and
    holding.
    """

    overfitting: Overfitting
    spans: FloatArray
    holding: FloatArray


def compare_configurations(search: Search, result: SearchResult, train: Panel, *, seed: int) -> Overfitting | None:
    """Of the configurations that a sweep tried on a window, by their returns on it; of many a hundred, drawn by `seed`.

    train: the panel that was searched. Every configuration has the same chance to be drawn, valid or not: the best ones
    alone would hide how the others fared. None for a search without a sweep and where there are fewer than two.
    """
    results = search_overfit(search, result, train, seed=seed)
    return None if results is None else results.overfitting


def search_overfit(search: Search, result: SearchResult, train: Panel, *, seed: int) -> SearchOverfit | None:
    """`compare_configurations`, with the returns that it rests on."""
    count = len(result.trials)
    if search.sweep is None or count < 2:
        return None
    places = np.arange(count)
    if count > MOST:
        places = np.sort(generator(seed, "compared configurations").choice(count, MOST, replace=False))
    ground = search.sweep.on(train, search.space, search.costs)
    blocks = min(_BLOCKS, ground.bench.judged // 4 * 2)
    if blocks < 2:
        return None
    stored: list[FloatArray] = []
    overfitting = overfitting_of(_traded(ground, result, places, stored), blocks)
    return SearchOverfit(
        overfitting, np.column_stack(stored), span_sums(holding_returns(ground.bench.bars, ground.bench.start))
    )


def _traded(
    ground: SweepEvaluator, result: SearchResult, places: IntArray, stored: list[FloatArray]
) -> Iterator[FloatArray]:
    """Returns of each, one at a time; of all of them only the spans are held together."""
    for place in places.tolist():
        returns = ground.record(result.trials.point(place)).returns
        stored.append(span_sums(returns))
        yield returns
