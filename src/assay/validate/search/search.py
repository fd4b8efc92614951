"""A trainer that searches the parameters of another one inside the train window, and fits the best."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from assay.kernel.contracts import Model, Report
from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError, TrainError, shown
from assay.kernel.panel import Panel
from assay.kernel.seeds import integer
from assay.kernel.trial import Trial
from assay.validate.search.draws import Random
from assay.validate.search.inner import Ears, Inner, Judged, Make, blamed, panel_digest, within
from assay.validate.search.method import Asked, Method, Row, Session
from assay.validate.search.objective import TOO_FEW, Objective
from assay.validate.search.result import SearchResult
from assay.validate.search.space import Point, Space
from assay.validate.split import Plan

_SEARCHING = 0.95  # share of the progress; the rest is the fit of the best
_LISTEN_SECONDS = 0.2


def _nobody(result: SearchResult) -> None:
    """Hear and forget."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Search:
    """Walks candidates forward inside the train window and fits the best on all of it. Implements `Trainer`.

    make:       a trainer from a point of the space; called in worker threads.
    space:      what is searched.   method: `Grid`, `Random` or `Bayesian`.   trials: points to judge; of a grid all.
    plan:       inner folds; candidates are scored on their test bars and on nothing else.
    objective:  see `assay.validate.search.objective.ObjectiveName`; maximised.   min_trades: that a candidate needs.
    workers:    candidates judged side by side; changes no result.   batch: points asked for at a time; changes what a
                bayesian search asks.
    strategy, base, data_digest: what the ledger shall know of each trial besides its point: the rule's or recipe's
                name, parameters that are not searched, digest of the candles. A journal tells searches apart by these.
    counted:    trials that the ledger holds for this market; of the objective ``deflated``.
    told:       hears of the result before the best is fitted, in the thread that fits.
    """

    name: ClassVar[str] = "search"
    make: Make
    space: Space
    plan: Plan
    costs: Costs
    method: Method = field(default_factory=Random)
    trials: int = 100
    objective: str = "sharpe_ratio"
    min_trades: int = 10
    workers: int = 1
    batch: int = 16
    strategy: str = ""
    base: Mapping[str, Any] = field(default_factory=dict)
    data_digest: str = ""
    counted: int = 0
    told: Callable[[SearchResult], None] = _nobody

    def __post_init__(self) -> None:
        for name in ("workers", "batch"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 100_000:
                raise ConfigError(
                    f"{name} is {shown(value)}, must be an integer from 1 to 100,000",
                    code="CONFIG_PARAMETER",
                    field=name,
                )
        Objective(self.objective, self.min_trades)
        self.method.planned(self.space, self.trials)

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """See `Trainer`: `search`, then the best parameters fitted on all of `train`."""
        result = self.search(train, seed=seed, report=report)
        self.told(result)
        ears = Ears(_Last(report), 1.0)
        try:
            model = self.make(result.best_parameters).fit(train, seed=integer(seed, "search best"), report=ears)
        except Exception as error:
            if ears.wished(error):
                raise
            raise blamed(error, result.best_parameters) from error
        report.progress(1.0, {"best_score": result.best_score})
        return model

    def search(self, train: Panel, *, seed: int, report: Report) -> SearchResult:
        """Judge the points of the method, each counted in the report before its score is used.

        The same panel and seed give the same rows whatever the number of workers. Raises TrainError
        ``TRAIN_NO_VALID_TRIAL`` with the count of each reason; what a candidate raises ends the search, with its
        parameters: Assay's errors keep their kind, others come as TrainError ``TRAIN_CANDIDATE``. Raises LeakError for
        a train window with holes.
        """
        ears = Ears(report, _SEARCHING)
        inner = Inner(self.make, train, within(self.plan, train), self.costs, integer(seed, "search candidate"), ears)
        planned = self.method.planned(self.space, self.trials)
        session = self.method.start(
            self.space, trials=self.trials, batch=self.batch, seed=seed, identity=self._identity(train, seed)
        )
        objective = Objective(self.objective, self.min_trades, session.pinned(self.counted) + planned)
        ears.tell(0.0, {})
        rows = self._rows(session, inner, objective, planned, seed)
        valid = [row for row in rows if row.valid]
        if not valid:
            raise _none_valid(rows, objective)
        return SearchResult(
            rows=tuple(rows),
            best=max(valid, key=lambda row: row.rank),
            optimizer=self.method.name,
            objective=self.objective,
            seed=seed,
            planned=planned,
            note=session.note,
        )

    def _rows(self, session: Session, inner: Inner, objective: Objective, planned: int, seed: int) -> list[Row]:
        rows: list[Row] = []
        best = math.nan
        pool = ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="candidate")
        try:
            while asked := session.ask():
                for each, judged in zip(asked, self._judged(pool, asked, inner), strict=True):
                    row = each.row
                    if judged is not None:
                        row = self._counted(len(rows), each.point, judged, inner, objective, seed)
                        session.tell(row)
                    if row is None:
                        continue
                    rows.append(row)
                    best = float(np.fmax(best, row.score))
                    inner.ears.tell(min(1.0, len(rows) / planned), {"trials": float(len(rows)), "best_score": best})
        finally:
            inner.ears.over = True
            pool.shutdown(wait=True, cancel_futures=True)
        return rows

    def _judged(self, pool: ThreadPoolExecutor, asked: Sequence[Asked], inner: Inner) -> Iterator[Judged | None]:
        """In the order of asking, each as soon as it and all before it are there; None for what a journal knew."""
        tasks = [None if each.row else pool.submit(inner.judge, each.point) for each in asked]
        for task in tasks:
            while task is not None and not task.done():
                wait([task], timeout=_LISTEN_SECONDS)  # a lock without a timeout would keep Ctrl-C waiting
            yield None if task is None else task.result()

    def _counted(self, number: int, point: Point, judged: Judged, inner: Inner, objective: Objective, seed: int) -> Row:
        """Score a candidate, and count it before anybody uses the score."""
        record = judged.record
        trades = 0 if record is None else len(record.trades)
        score, reason = (math.nan, TOO_FEW)
        if record is not None:
            score, reason = objective.score(judged.metrics, len(record), trades)
        trial = Trial(
            market_key="+".join(sorted(w.bars.instrument.key for _, w in inner.train)),
            learner=judged.learner,
            strategy=self.strategy or judged.learner,
            params={**self.base, **point},
            returns=np.empty(0) if record is None else record.returns,
            metrics=judged.metrics,
            objective=self.objective,
            score=score,
            total_trades=trades,
            window=None if record is None else (int(record.timestamp[0]), int(record.timestamp[-1])),
            state="failed" if reason else "complete",
            tuning_method=self.method.name,
            seed=seed,
            data_digest=self.data_digest,
            extra={"reason": reason} if reason else {},
        )
        if reason:
            trial = replace(trial, returns=np.empty(0), window=None)
        ledger_id = inner.ears.trial(trial)
        return Row(number, point, score, not reason, reason, trades, judged.metrics, ledger_id)

    def _identity(self, train: Panel, seed: int) -> str:
        parts = (
            self.space.as_text(), self.method.name, getattr(self.method, "sampler", ""), self.trials, self.batch, seed,
            self.plan, self.costs, self.objective, self.min_trades, self.strategy, sorted(self.base.items()),
            panel_digest(train),
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


def _none_valid(rows: Sequence[Row], objective: Objective) -> TrainError:
    reasons = Counter(row.reason.removeprefix("rejected: ") for row in rows)
    said = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    trades = Counter(row.trades for row in rows)
    usual, most = trades.most_common(1)[0][0], max(trades)
    count = f"0 of {len(rows)} trials"
    if reasons.most_common(1)[0][0] == TOO_FEW.removeprefix("rejected: "):
        text = (
            f"{count} had ≥ {objective.min_trades} trades; most had {usual}, the best {most} ({said}): "
            "widen the space, take longer test windows or lower min_trades"
        )
    else:
        text = f"{count} had a defined {objective.name} ({said}; at most {most} trades): widen the space"
    return TrainError(text, code="TRAIN_NO_VALID_TRIAL", trials=len(rows), reasons=dict(reasons), most_trades=most)
