"""Per-window results of a walk-forward search."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl

from assay.kernel.arrays import IntArray
from assay.kernel.contracts import Model, Report
from assay.kernel.costs import Costs
from assay.kernel.decisions import Decisions
from assay.kernel.errors import TrainError
from assay.kernel.panel import Panel
from assay.kernel.seeding import generator
from assay.kernel.timestamps import iso
from assay.learn import flat_decisions
from assay.runs.run_artifacts import SHOWN_BEST, SHOWN_TRIALS, to_jsonable
from assay.simulate import performance_metrics
from assay.validate import (
    FoldResult,
    Search,
    SearchOverfit,
    SearchResult,
    Space,
    judge_model,
    plateau_score,
    search_overfit,
)

_CURVE, _LOOKED_AT, _LEAST_A_PARAMETER = 200, 50_000, 10
_MEASURED = ("sharpe", "sharpe_annual", "net_profit", "max_drawdown", "win_rate")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Idle:
    """What a window trades whose search found nothing valid: nothing. Implements `Model`; it is never published."""

    lookback: int = 0

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """Flat everywhere."""
        return {symbol: flat_decisions(len(window)) for symbol, window in panel}

    def save(self, folder: Path) -> None:
        """There is nothing to keep: TrainError ``TRAIN_NO_VALID_TRIAL``."""
        raise TrainError("no window found valid parameters", code="TRAIN_NO_VALID_TRIAL")


@dataclass
class Searching:
    """A search as the trainer of a walk. Remembers what each window found; one that finds nothing stays flat.

    found, refused: by first and last instant (ms) of the train window, which may grow from one start.
    fixed: hold what the first window found. Windows are then to be walked one after the other.
    """

    name: ClassVar[str] = "rules"
    search: Search
    fixed: bool = False
    result: dict[Span, SearchResult] = field(default_factory=dict)
    refused: dict[Span, TrainError] = field(default_factory=dict)
    _holding: Model | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """See `Trainer`: what `Search.fit` gives, or a model that stays flat where no candidate was valid."""
        if self.fixed and self._holding is not None:
            report.progress(1.0, {})
            return self._holding
        try:
            result = self.search.search(train, seed=seed, report=report)
        except TrainError as error:
            if error.code != "TRAIN_NO_VALID_TRIAL" or self.fixed:
                raise
            with self._lock:
                self.refused[train.learnt] = error
            return Idle()
        with self._lock:
            self.result[result.span] = result
        self._holding = self.search.best(result, train, seed=seed, report=report)
        return self._holding

    @property
    def engine_seconds(self) -> float:
        """Spent in the sweep, over all windows."""
        refused = (float(str(error.facts["engine_seconds"])) for error in self.refused.values())
        return sum(result.engine_seconds for result in self.result.values()) + sum(refused)

    def demand_some(self) -> None:
        """Raise the first window's TrainError ``TRAIN_NO_VALID_TRIAL`` where no window found anything."""
        if not self.result:
            raise self.refused[min(self.refused)]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """The windows of a walk, oldest first.

    documents: see `assay.runs._optimize`.   trials: the fifth table of the evidence.   newest: the last that found
    some. fared: how the newest search's configurations did; None where it tried one.
    """

    documents: Sequence[Mapping[str, Any]]
    trials: pl.DataFrame
    newest: SearchResult
    model: Model
    fared: SearchOverfit | None


def windows(
    trainer: Searching, outcomes: Sequence[FoldResult], panel: Panel, tested: Sequence[Mapping[str, Any]], costs: Costs,
    *, seed: int,
) -> Windows:  # fmt: skip
    """What a walk of searches found. tested: a dict a window, with the ``performance_metrics`` of its test part."""
    documents, tables = [], []
    newest: tuple[SearchResult, Model] | None = None
    searched: IntArray | None = None
    holding: SearchResult | None = None
    for outcome, judged in zip(outcomes, tested, strict=True):
        times, fold = panel.times, outcome.fold
        span = int(times[fold.train[0]]), int(times[fold.train[-1]])
        result, refused = trainer.result.get(span), trainer.refused.get(span)
        holding = result or (holding if trainer.fixed else None)
        document = {
            "number": outcome.number,
            "train_from": iso(span[0]),
            "train_to": iso(span[1]),
            "test_from": iso(int(times[fold.test[0]])),
            "test_to": iso(int(times[fold.test[-1]])),
            "parameters": {}, "score": None, "trials": refused.facts["trials"] if refused else 0, "valid_trials": 0,
            "note": "", "plateau": None, "curve": [], "train": {}, "test": dict(judged["metrics"]),
        }  # fmt: skip
        if holding is None or outcome.model is None:
            document["note"] = refused.message if refused else outcome.left_out
            documents.append(document)
            continue
        newest = holding, outcome.model
        document |= {"parameters": holding.best_parameters, "score": holding.best_score}
        document["train"] = to_jsonable(_metrics(outcome.model, panel, fold.train, costs, seed))
        if result is not None:
            document |= _window_document(result, trainer.search.space)
            tables.append(_table(result, outcome.number))
            searched = fold.train
        documents.append(document)
    if newest is None or searched is None:
        raise trainer.refused[min(trainer.refused)]
    others = search_overfit(trainer.search, newest[0], panel.train_view(searched), seed=seed)
    return Windows(documents, pl.concat(tables, how="diagonal_relaxed"), *newest, others)


def _metrics(model: Model, panel: Panel, rows: IntArray, costs: Costs, seed: int) -> dict[str, float]:
    (tested,) = judge_model(model, panel, rows, costs).values()
    per_year = panel.one.bars[: rows[-1] + 1].bars_per_year  # as the search knew it
    return performance_metrics(tested.record, bars_per_year=per_year, seed=seed)


def _window_document(result: SearchResult, space: Space) -> dict[str, Any]:
    curve = result.trials.best_so_far
    at = np.unique(np.linspace(0, len(curve) - 1, min(_CURVE, len(curve))).astype(np.int64))
    return {
        "trials": result.total_evaluations,
        "valid_trials": result.valid_evaluations,
        "note": result.note,
        "plateau": to_jsonable(_plateau(result, space)),
        "curve": to_jsonable(curve[at].tolist()),
    }


def _plateau(result: SearchResult, space: Space) -> float:
    """Undefined below ten valid trials a parameter: in 9 dimensions the nearest of 40 are nobody's neighbours."""
    trials, best = result.trials, result.best.number
    if result.valid_evaluations < _LEAST_A_PARAMETER * len(space.dimensions):
        return float("nan")
    rows = np.arange(len(trials))
    if len(rows) > _LOOKED_AT:
        rows = np.union1d(generator(result.seed, "plateau").choice(rows, _LOOKED_AT, replace=False), best)
    positions = space.positions({name: values[rows] for name, values in trials.parameters.items()})
    return plateau_score(positions, trials.score[rows], int(np.searchsorted(rows, best)))


def _table(result: SearchResult, number: int) -> pl.DataFrame:
    """The window's trials for people to look at: all, or the best and a sample of the others."""
    trials = result.trials
    rows = np.arange(len(trials))
    if len(rows) > SHOWN_TRIALS:
        ranked = np.argsort(np.where(trials.valid, -trials.score, np.inf), kind="stable")
        rest = generator(result.seed, f"shown {number}").choice(
            ranked[SHOWN_BEST:], SHOWN_TRIALS - SHOWN_BEST, replace=False
        )
        rows = np.sort(np.concatenate([ranked[:SHOWN_BEST], rest]))
    return trials.table(rows, _MEASURED).insert_column(0, pl.lit(number, pl.Int32).alias("window"))
