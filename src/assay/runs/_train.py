"""Train: dispatch a spec to its kind of training, and carry out one training from candles to a recorded model."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.contracts import Model, Trainer
from assay.kernel.panel import Panel
from assay.kernel.seeding import integer
from assay.kernel.spec import TrainSpec
from assay.runs import run_outputs
from assay.runs.audits import audit_walk
from assay.runs.context import Context, Recording
from assay.runs.documents import TrainResult, document, of_run, trial
from assay.runs.evaluation import evaluate_walk
from assay.runs.gate_decision import decide_gate
from assay.runs.learners import trainer_of
from assay.runs.run_artifacts import RunArtifacts, member_reasons, tables
from assay.runs.run_inputs import load_history
from assay.runs.user_files import with_features
from assay.validate import FoldResult, JudgedWalk, split_plan, walk_forward


def train(spec: TrainSpec, context: Context, *, features_file: Path | None = None, force: bool = False) -> TrainResult:
    """Train as the spec says and remember all of it.

    features_file: of columns that are the user's own; the spec is completed by its digest.

    The same spec on the same candles with the same code gives the existing completed run, unless `force`. Nothing is
    half-written: a run that fails or is stopped is marked so and publishes no model.
    """
    began = time.monotonic()
    trainer = trainer_of(spec)
    spec, own = with_features(spec, features_file)
    bars, filtered = run_outputs.candles(spec, context)
    digest = run_outputs.data_digest(bars, spec, own)
    if not force and (available := run_outputs.find_existing(spec, digest, context)) is not None:
        return TrainResult(available, existing=True)
    past = load_history(spec, bars, own)
    folds = split_plan(spec.folds, past.panel, horizon=past.horizon)
    context.ports.ledger.verify([spec.market_key], context)
    with run_outputs.track_run(spec, digest, bars, context, features=own) as run:
        report = Recording(context, run.id, "walking forward", 0.0, 0.85)
        outcomes = list(
            walk_forward(
                trainer, past.panel, folds, costs=spec.costs, seed=spec.seed, report=report, workers=context.workers
            )
        )
        result = evaluate_walk(outcomes, past, spec.costs, seed=spec.seed, limits=context.limits)
        number = report.trial(trial(spec, result, digest, time.monotonic() - began))
        model = _final(trainer, past.panel, outcomes, spec, Recording(context, run.id, "final model", 0.85, 0.9))
        walked = JudgedWalk(past.panel, outcomes)
        request = audit_walk(trainer, spec, bars, context, models=(model,), walked=walked, own=own)
        verdict = decide_gate(result, past, spec, context, number=number, audit=request.report)
        summary = document(spec, digest, past, outcomes, result, verdict.verdict, verdict_fields=verdict.document)
        summary["members"] = member_reasons(result, past, outcomes, spec.costs, context.limits)
        summary |= of_run(run, filtered, request, began=began, workers=context.workers)
        evidence = RunArtifacts(summary, *tables(result, outcomes, past))
        return TrainResult(run_outputs.finish(spec, context, run, model, evidence, past))


def _final(trainer: Trainer, panel: Panel, outcomes: Sequence[FoldResult], spec: TrainSpec, report: Recording) -> Model:
    """The model to use from now on: fitted as the folds were, on the newest rows whose label is known."""
    labelled = np.flatnonzero(_has_label(panel))
    widest = max(len(o.fold.train) for o in outcomes)
    rows = labelled if spec.folds.expanding else labelled[-widest:]
    return trainer.fit(panel.train_view(rows), seed=integer(spec.seed, "final"), report=report)


def _has_label(panel: Panel) -> IntArray:
    result = np.zeros(len(panel.times), np.int64)
    for _, window in panel:
        if window.labels is not None:
            available = window.bars.known_at[np.isfinite(window.labels.y)]
            result[np.searchsorted(panel.times, available)] = 1
    return result
