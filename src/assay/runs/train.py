"""A training, from candles to a model with a record. This is the list to read first."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.features import table
from assay.kernel.arrays import IntArray
from assay.kernel.clock import iso, now_ms
from assay.kernel.contracts import Model, Trainer
from assay.kernel.panel import Panel
from assay.kernel.seeds import integer
from assay.kernel.spec import TrainSpec
from assay.kernel.trial import Trial
from assay.runs import keep
from assay.runs.code import code_digest, surroundings
from assay.runs.context import Context, Recording
from assay.runs.evidence import RunEvidence, importance, jsonable, labels_summary, tables, verdict_summary
from assay.runs.history import History, history
from assay.runs.judged import Judged, judged, verdict
from assay.runs.plan import plan
from assay.runs.trainers import trainer_of
from assay.validate.verdict import Verdict
from assay.validate.walk import Outcome, walk


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    """What a training came to. `document` is what ``assay train --json`` prints."""

    document: Mapping[str, Any]
    existing: bool = False


def train(spec: TrainSpec, context: Context, *, force: bool = False) -> TrainResult:
    """Train as the spec says and remember all of it.

    The same spec on the same candles with the same code gives the existing completed run, unless `force`. Nothing is
    half-written: a run that fails or is stopped is marked so and publishes no model.
    """
    began = time.monotonic()
    trainer = trainer_of(spec)
    bars, filtered = keep.candles(spec, context)
    digest = keep.data_digest(bars, spec)
    if not force and (known := keep.existing(spec, digest, context)) is not None:
        return TrainResult(known, existing=True)
    past = history(spec, bars)
    folds = plan(spec.folds, past.panel, horizon=past.horizon)
    with keep.running(spec, digest, bars, context) as run:
        report = Recording(context, run.id, "walking forward", 0.0, 0.85)
        outcomes = list(
            walk(trainer, past.panel, folds, costs=spec.costs, seed=spec.seed, report=report, workers=context.workers)
        )
        found = judged(outcomes, past, spec.costs, seed=spec.seed)
        number = report.trial(_trial(spec, found, digest, time.monotonic() - began))
        count = context.record.ledger.count(spec.market_key)
        word = verdict(found, n_trials=count, counted=number <= count, regimes=_regimes(past, found))
        model = _final(trainer, past.panel, outcomes, spec, Recording(context, run.id, "final model", 0.85, 0.98))
        document = _document(spec, digest, past, outcomes, found, word) | {
            "run_id": run.run_id,
            "experiment_id": run.id,
            "seconds": time.monotonic() - began,
            "filter": jsonable(filtered),
            "environment": surroundings(workers=context.workers),
        }
        evidence = RunEvidence(document, *tables(found, outcomes, past))
        return TrainResult(keep.finish(spec, context, run, model, evidence, past))


def _final(trainer: Trainer, panel: Panel, outcomes: Sequence[Outcome], spec: TrainSpec, report: Recording) -> Model:
    """The model to use from now on: fitted as the folds were, on the newest rows whose label is known."""
    labelled = np.flatnonzero(_has_label(panel))
    widest = max(len(o.fold.train) for o in outcomes)
    rows = labelled if spec.folds.expanding else labelled[-widest:]
    return trainer.fit(panel.learning(rows), seed=integer(spec.seed, "final"), report=report)


def _has_label(panel: Panel) -> IntArray:
    found = np.zeros(len(panel.times), np.int64)
    for _, window in panel:
        if window.labels is not None:
            known = window.bars.known_at[np.isfinite(window.labels.y)]
            found[np.searchsorted(panel.times, known)] = 1
    return found


def _regimes(past: History, found: Judged) -> IntArray:
    """``(n,)`` regime of each judged bar (first instrument): 0 sideways, 1 bull, 2 bear, 3 volatile, -1 none."""
    bars = past.bars[next(iter(found.records))]
    trend, volatile = table(bars, ["regime_trend", "regime_volatile"]).values.T
    label = np.where(volatile == 1, 3, np.where(trend < 0, 2, trend))
    codes = np.where(np.isfinite(label), label, -1).astype(np.int64)
    at = np.minimum(np.searchsorted(bars.timestamp, found.whole.timestamp), len(bars) - 1)
    return np.where(bars.timestamp[at] == found.whole.timestamp, codes[at], -1)


def _trial(spec: TrainSpec, found: Judged, digest: str, seconds: float) -> Trial:
    first, last = int(found.whole.timestamp[0]), int(found.whole.timestamp[-1])
    return Trial(
        market_key=spec.market_key,
        learner=spec.learner,
        strategy=spec.learner,
        params=spec.as_dict(),
        returns=found.whole.returns,
        metrics=found.metrics,
        objective="sharpe",
        score=found.metrics["sharpe"],
        total_trades=len(found.whole.trades),
        window=(first, last),
        tuning_method="none",
        seed=spec.seed,
        data_digest=digest,
        duration_seconds=seconds,
    )


def _document(
    spec: TrainSpec, digest: str, past: History, outcomes: Sequence[Outcome], found: Judged, word: Verdict
) -> dict[str, Any]:
    from assay.market.quality import examine
    from assay.runs.advice import advice

    labels = {s: w.labels for s, w in past.panel}
    return {
        "format_version": 1,
        "name": f"{spec.learner} on {', '.join(spec.symbols)} {spec.timeframe}",
        "created": iso(now_ms()),
        "spec": spec.as_dict(),
        "spec_hash": spec.hash,
        "data_digest": digest,
        "code_digest": code_digest(),
        "bars_per_year": found.bars_per_year,
        "warm_up": past.warm_up,
        "n_trials": int(word.reason("ledger").value),
        "metrics": jsonable(found.metrics),
        "by_symbol": jsonable(found.by_symbol),
        "folds": jsonable(found.folds),
        "trades": len(found.whole.trades),
        "importance": jsonable(importance(outcomes)),
        "labels": {s: labels_summary(each) for s, each in labels.items() if each is not None},
        "quality": {s: jsonable(examine(b).as_dict()) for s, b in past.bars.items()},
        "snapshots": {s: b.digest() for s, b in past.bars.items()},
        "absent": dict(past.absent),
        **verdict_summary(word),
        "advice": advice(word, found.metrics, bars_per_year=found.bars_per_year),
    }
