"""The one loop of the platform: fit on each fold's train rows, decide and trade on its test rows.

Folds are independent, so they are fitted side by side, each on one thread; what comes out does not depend on how many
workers there are.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from threading import Lock

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import USABLE, Bars
from assay.kernel.contracts import Fold, Forecaster, Model, Report, Trainer, Trial
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import DataError
from assay.kernel.panel import Panel, span
from assay.kernel.seeding import integer
from assay.simulate import BacktestResult, simulate
from assay.validate.splits import Splitter

log = logging.getLogger(__name__)
_LISTEN_SECONDS = 0.2
_NOTHING: Mapping[str, float] = {}
_LEFT_OUT = 0.2  # share of folds that may be left out for degenerate labels


@dataclass(frozen=True, slots=True, eq=False)
class SymbolResult:
    """One instrument in one test fold.

    rows:      ``[start, stop)`` of the instrument's window in the whole panel.
    start:     history rows that stood before them when they were traded; the record's trade rows count these too.
    decisions: one row for each of these rows.
    record:    what trading them gave, simulated alone: flat at the start, closed at the end.
    forecast:  ``(stop - start, n_classes)`` probabilities, or None for a model that acts.
    """

    rows: tuple[int, int]
    start: int
    decisions: Decisions
    record: BacktestResult
    forecast: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class FoldResult:
    """One fold of a walk. `left_out` says why it was not judged; then `tested` is empty and `model` None."""

    number: int
    fold: Fold
    model: Model | None
    tested: Mapping[str, SymbolResult]
    seconds: float
    left_out: str = ""


@dataclass
class _Shares:
    """Progress of folds that run side by side, told to one report; the share never falls.

    Once the walk is over, whoever still fits is cancelled the next time it tells its progress.
    """

    report: Report
    done: list[float]
    over: bool = False
    lock: Lock = field(default_factory=Lock)

    def tell(self, number: int, share: float, metrics: Mapping[str, float] = _NOTHING) -> None:
        if self.over:
            raise CancelledError
        with self.lock:
            self.done[number] = max(self.done[number], share)
            document = {**metrics, "fold": float(number)} if metrics else {}
            self.report.progress(min(1.0, sum(self.done) / len(self.done)), document)


@dataclass(frozen=True, slots=True)
class _Part:
    """A fold's view of the walk's report."""

    shares: _Shares
    number: int

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        self.shares.tell(self.number, 0.98 * share_done, metrics)

    def trial(self, trial: Trial) -> int:
        with self.shares.lock:
            return self.shares.report.trial(trial)


def walk_forward(
    trainer: Trainer, panel: Panel, plan: Splitter, *, costs: Costs, seed: int, report: Report, workers: int = 1
) -> Iterator[FoldResult]:
    """Walk a trainer through a panel, oldest fold first.

    A fold whose train rows are degenerate (one class, no usable column: DataError ``DATA_DEGENERATE``) is left out and
    says so; more than 20 % of them raise that error, all of them ``DATA_TARGET_CONSTANT``. Whatever else a fit raises,
    and whatever `report.progress` raises to cancel, ends the walk. Raises LeakError from a plan that leaks.
    """
    folds = list(plan.folds(panel.known_at, panel.times))
    shares = _Shares(report, [0.0] * len(folds))
    pool = ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="fold")
    tasks: list[Future[FoldResult]] = []
    try:
        for number, fold in enumerate(folds):
            part = _Part(shares, number)
            tasks.append(pool.submit(_one, trainer, panel, fold, number, costs, seed, part))
        left_out: list[FoldResult] = []
        for task in tasks:
            while not task.done():
                wait([task], timeout=_LISTEN_SECONDS)  # a lock without a timeout would keep Ctrl-C waiting
            outcome = task.result()
            if outcome.left_out:
                left_out.append(outcome)
            yield outcome
        _refuse_many(left_out, len(folds))
    finally:
        shares.over = True
        pool.shutdown(wait=True, cancel_futures=True)


def _one(trainer: Trainer, panel: Panel, fold: Fold, number: int, costs: Costs, seed: int, part: _Part) -> FoldResult:
    began = time.monotonic()
    try:
        model = trainer.fit(panel.train_view(fold.train), seed=integer(seed, f"fold {number}"), report=part)
    except DataError as error:
        if error.code != "DATA_DEGENERATE":
            raise
        log.warning("fold left out", extra={"fold": number, "reason": error.message})
        part.shares.tell(number, 1.0)
        return FoldResult(number, fold, None, {}, time.monotonic() - began, error.message)
    tested = judge_model(model, panel, fold.test, costs)
    part.shares.tell(number, 1.0)
    return FoldResult(number, fold, model, tested, time.monotonic() - began)


def judge_model(model: Model, panel: Panel, rows: IntArray, costs: Costs) -> dict[str, SymbolResult]:
    """Decide and trade the first to the last of these positions of `Panel.times`, instrument by instrument."""
    view = panel.predict_view(rows, lookback=model.lookback)
    decided, forecasts = _decided(model, view)
    first, last = panel.times[rows[0]], panel.times[rows[-1]]
    tested = {}
    for symbol, window in view:
        start, stop = span(window, first, last)
        decisions = mask_filtered_bars(decided[symbol], window.bars)
        record = simulate(window.bars, decisions, costs, start=start)
        whole, _ = span(panel[symbol], first, last)
        forecast = forecasts.get(symbol)
        tested[symbol] = SymbolResult(
            (whole, whole + stop - start),
            start,
            decisions[start:stop],
            record,
            None if forecast is None else forecast[start:stop],
        )
    return tested


def _decided(model: Model, view: Panel) -> tuple[Mapping[str, Decisions], Mapping[str, FloatArray]]:
    """Decisions, and the forecasts behind them where the model forecasts; each is made once."""
    if not isinstance(model, Forecaster):
        return model.decide(view), {}
    forecasts = model.forecast(view)
    return {symbol: model.size(forecasts[symbol], window) for symbol, window in view}, forecasts


def mask_filtered_bars(decisions: Decisions, bars: Bars) -> Decisions:
    """The decisions with "keep" on the bars that a data filter marked as unusable."""
    if USABLE not in bars.columns:
        return decisions
    return replace(decisions, target=np.where(bars.columns[USABLE] == 1, decisions.target, np.nan))


def _refuse_many(left_out: list[FoldResult], folds: int) -> None:
    """More than a fifth of the folds left out is no record."""
    numbers = ", ".join(str(outcome.number) for outcome in left_out)
    if folds and len(left_out) == folds:
        raise DataError(
            f"all {folds} folds are degenerate: {left_out[0].left_out}", code="DATA_TARGET_CONSTANT", folds=folds
        )
    if len(left_out) > _LEFT_OUT * folds:
        raise DataError(
            f"{len(left_out)} of {folds} folds are degenerate (folds {numbers}), more than {_LEFT_OUT:.0%}: "
            f"{left_out[0].left_out}",
            code="DATA_DEGENERATE",
            folds=[outcome.number for outcome in left_out],
        )
