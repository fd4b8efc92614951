"""The walk of a completed run, made again from its snapshots: what an audit of the run replays."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from assay.features import FeatureFile
from assay.kernel.bars import Bars
from assay.kernel.contracts import Model, NullReport, Trainer
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel
from assay.kernel.spec import TrainSpec
from assay.learn import RuleTrainer
from assay.runs.context import Context
from assay.runs.rule_search import RuleSearch
from assay.runs.training_history import bare, load_history
from assay.runs.windows import Idle
from assay.validate import FoldResult, JudgedWalk, first_changed_decision, judge_model, split_plan, walk_forward

RULES = "rules"  # the learner that reads candles alone


def walk_trainer(
    trainer: Trainer, spec: TrainSpec, bars: Sequence[Bars], context: Context, own: FeatureFile | None
) -> JudgedWalk:
    """Fit and judge every fold of a training again. own: the user's file of features that the spec names."""
    past = bare(bars) if spec.learner == RULES else load_history(spec, bars, own)
    folds = split_plan(spec.folds, past.panel, horizon=past.horizon)
    steps = walk_forward(
        trainer, past.panel, folds, costs=spec.costs, seed=spec.seed, report=NullReport(), workers=context.workers
    )  # fmt: skip
    return JudgedWalk(past.panel, list(steps))


def search_walked_again(
    spec: TrainSpec, file: Path | None, bars: Sequence[Bars], windows: Sequence[Mapping[str, Any]]
) -> JudgedWalk:
    """Judge every window of a parameter search again, at the parameters that it chose; nothing is searched.

    windows: as the run's document has them, with ``parameters``, empty for a window that traded nothing.
    """
    search, past = RuleSearch(spec, file), bare(bars)
    folds = list(split_plan(spec.folds, past.panel, horizon=past.horizon).folds(past.panel.known_at, past.panel.times))
    outcomes = []
    for number, (fold, window) in enumerate(zip(folds, windows, strict=True)):
        model = _chosen(search, window["parameters"], past.panel.train_view(fold.train))
        tested = judge_model(model, past.panel, fold.test, spec.costs)
        outcomes.append(FoldResult(number, fold, model, tested, 0.0))
    return JudgedWalk(past.panel, outcomes, refit=False)


def first_other_decision(walked: JudgedWalk, decisions: pl.DataFrame) -> str:
    """Where the walk decides otherwise than a run's table ``decisions`` says, as a sentence; empty where nowhere."""
    for outcome, symbol, tested in walked.judged:
        rows = decisions.filter((pl.col("symbol") == symbol) & (pl.col("fold") == outcome.number))
        if len(rows) != len(tested.decisions):
            return (
                f"fold {outcome.number} of {symbol} has {len(tested.decisions):,} decisions, {len(rows):,} are stored"
            )
        target, stop, take = (rows[name].to_numpy() for name in ("target", "stop", "take"))
        stored = Decisions(target, stop, take, rows["hold"].to_numpy().astype(np.int32))
        difference = first_changed_decision(stored, tested.decisions, tolerance=0.0)
        if difference is not None:
            return f"{difference.name} in row {difference.row} of fold {outcome.number} of {symbol} is another"
    return ""


def _chosen(search: RuleSearch, parameters: Mapping[str, Any], train: Panel) -> Model:
    if not parameters:
        return Idle()
    trainer = RuleTrainer(search.rule, {**search.base, **parameters}, regime=search.params.regime)
    return trainer.fit(train, seed=search.spec.seed, report=NullReport())
