"""A parameter search of a rule, from candles to a configuration that a bot can run. Reads like `assay.runs._train`."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import islice
from math import nan
from pathlib import Path
from typing import Any

import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.contracts import Fold
from assay.kernel.errors import ConfigError, DataError, TrainError
from assay.kernel.spec import TrainSpec, canonical
from assay.kernel.timeframe import DAY_MS, current_ms
from assay.runs import run_outputs
from assay.runs.audits import audit_walk, few_candidates
from assay.runs.bot_config import configure, engine_hash
from assay.runs.bot_config.document import TIMEFRAMES
from assay.runs.context import Context, Recording
from assay.runs.documents import TrainResult, document, of_run, trial
from assay.runs.evaluation import OutOfSampleResult, evaluate_walk, split_by_regime
from assay.runs.gate_decision import GateDecision, decide_gate
from assay.runs.provenance import code_digest
from assay.runs.rule_search import RuleSearch, Searching, Windows, as_tables, windows
from assay.runs.run_artifacts import RunArtifacts, tables, to_jsonable
from assay.runs.run_inputs import History, bare, demand_moving
from assay.runs.specs import plan_name
from assay.runs.strategies import demand_honest, name_user_line, with_origin
from assay.runs.trial_counts import trials_before
from assay.track import Run
from assay.validate import (
    MIN_STABILITY_WINDOWS,
    AuditReport,
    JudgedWalk,
    Splitter,
    parameter_stability,
    split_plan,
    walk_forward,
    windows_stability,
)

KIND = "optimize"
_PROBED_BESTS = 10


def optimize(spec: TrainSpec, context: Context, *, file: Path | None = None, force: bool = False) -> TrainResult:
    """Search a rule's parameters window by window, judge each on the next, and remember all of it.

    spec: of learner ``rules``; its folds are the windows.   file: of a strategy that is the user's own.
    The same spec on the same candles with the same code gives the existing completed run, unless `force`. Every
    candidate is counted before its score is used. The parameters that the configuration gets are those of the newest
    window that found some: they were judged after they were found. A window that finds nothing trades nothing.

    Raises what `RuleSearch` raises; TrainError ``TRAIN_NO_VALID_TRIAL`` where no window finds anything.
    """
    began = time.monotonic()
    with name_user_line(file):
        spec = with_origin(spec, file)
        request = RuleSearch(spec, file)
        bars, filtered = run_outputs.candles(spec, context)
        digest = run_outputs.data_digest(bars, spec)
        if not force and (available := run_outputs.find_existing(spec, digest, context)) is not None:
            return TrainResult(available, existing=True)
        past, folds = _windows_of(request, bars)
        context.ports.ledger.verify([spec.market_key], context)
        counted = trials_before(spec.market_key, bars, context)
        running = run_outputs.track_run(
            spec, digest, bars, context, by=request.rule.name, kind=KIND, file=file, metadata={"counted": counted}
        )
        with _journal(spec, digest, context, force=force) as journal, running as run:
            report = Recording(context, run.id, "searching", 0.0, 0.9)
            search = request.search(spec.costs, digest=digest, journal=journal, counted=counted)
            trainer = Searching(search, fixed=request.params.mode == "fixed")
            outcomes = list(walk_forward(trainer, past.panel, folds, costs=spec.costs, seed=spec.seed, report=report))
            trainer.demand_some()
            result = evaluate_walk(outcomes, past, spec.costs, seed=spec.seed, limits=context.limits)
            walked = windows(trainer, outcomes, past.panel, result.folds, spec.costs, seed=spec.seed)
            number = report.trial(trial(spec, result, digest, time.monotonic() - began, strategy=request.rule.name))
            _demand_honest_bests(request, walked, bars[0])
            few = few_candidates(spec, file, walked.newest.best_parameters)
            replayed = JudgedWalk(past.panel, outcomes, refit=False)
            peeked = audit_walk(few, spec, bars, context, models=(walked.model,), walked=replayed)
            summary = _searched(request, walked, past, result)
            verdict = _decide_gate(
                result, past, spec, context, walked, summary["overfit"]["plateau_score"], peeked.report, number
            )
            summary = (
                document(spec, digest, past, outcomes, result, verdict.verdict, verdict_fields=verdict.document)
                | summary
            )
            summary |= {"advice": _advised(summary), "engine_seconds": trainer.engine_seconds}
            summary |= of_run(run, filtered, peeked, began=began, workers=1)
            evidence = RunArtifacts(summary, *tables(result, outcomes, past), walked.trials)
            configured = partial(_configured, evidence, bars[0], run, context)
            by = request.rule.name
            return TrainResult(
                run_outputs.finish(spec, context, run, walked.model, evidence, past, by=by, with_model=configured)
            )


def _decide_gate(
    result: OutOfSampleResult, past: History, spec: TrainSpec, context: Context, walked: Windows, plateau: float | None,
    audit: AuditReport | None, number: int,
) -> GateDecision:  # fmt: skip
    """The gate's word: the newest search tells how its choice fares elsewhere, all windows how much was searched."""
    return decide_gate(
        result, past, spec, context, number=number, audit=audit, fared=walked.fared,
        n_searched=max(1, sum(each["trials"] for each in walked.documents)),
        plateau=nan if plateau is None else plateau,
    )  # fmt: skip


def _configured(
    evidence: RunArtifacts, bars: Bars, run: Run, context: Context, model: Mapping[str, Any]
) -> dict[str, object]:
    """Keep the configuration that the run came to, beside the run's own rows."""
    made = configure(
        evidence, bars, run_id=run.run_id, created=current_ms(), engine_hash=engine_hash(), experiment_id=run.id,
        model_id=model["id"], others=_active(context),
    )  # fmt: skip
    context.record.configurations.add(made.row)
    return {"config_id": made.config_id, "stage": made.stage}


def _active(context: Context) -> dict[str, pl.DataFrame]:
    """What the active configurations earned out of sample, bar by bar, by their id."""
    result = {}
    for row in context.record.configurations.list(active=True):
        evidence = None if row["experiment_id"] is None else run_outputs.evidence_of(row["experiment_id"], context)
        if evidence is not None:
            result[str(row["config_id"])] = evidence.account
    return result


@contextmanager
def _journal(spec: TrainSpec, digest: str, context: Context, *, force: bool) -> Iterator[Path | None]:
    """Where a bayesian search that is killed goes on from; gone once the run has ended. `force` begins anew.

    What other code left of the same search goes with it: nothing could go on from there. A reproduction has none.
    """
    name = hashlib.sha256(f"{spec.hash}\n{digest}".encode()).hexdigest()[:32]
    path = context.ports.publisher.journal(f"{name}-{code_digest()[:16]}.jsonl", context)
    if path is None:
        yield None
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.glob(f"{name}-*.jsonl"):
        if force or old != path:
            old.unlink(missing_ok=True)
    try:
        yield path
    except (ConfigError, DataError, TrainError):  # the same again would end the same: nothing to go on from
        path.unlink(missing_ok=True)
        raise
    path.unlink(missing_ok=True)


def _windows_of(request: RuleSearch, bars: Sequence[Bars]) -> tuple[History, Splitter]:
    """Candles and windows, refused before a run begins where they cannot serve."""
    request.demand(bars[0])
    demand_moving(bars[0])
    demand_honest(request.rule, bars[0], request.base)
    past = bare(bars)
    folds = split_plan(request.spec.folds, past.panel, horizon=past.horizon)
    _demand_windows(request.spec, [*folds.folds(past.panel.known_at, past.panel.times)], past)
    return past, folds


def _demand_windows(spec: TrainSpec, folds: Sequence[Fold], past: History) -> None:
    """Raise where there is too little to walk, or a length of bar that no configuration may have."""
    if spec.timeframe not in TIMEFRAMES:
        raise ConfigError(
            f"a configuration trades bars of {', '.join(TIMEFRAMES)}, not of {spec.timeframe}",
            code="CONFIG_TIMEFRAME",
        )
    plan_ = spec.folds
    if plan_.train_days is None or plan_.test_days is None or len(folds) >= MIN_STABILITY_WINDOWS:
        return
    have = (past.panel.times[-1] - past.panel.times[0]) / DAY_MS
    need = plan_.train_days + plan_.gap_days + MIN_STABILITY_WINDOWS * plan_.test_days
    raise ConfigError(
        f"{plan_.train_days:g} train + {plan_.gap_days:g} gap "
        f"+ {MIN_STABILITY_WINDOWS} × {plan_.test_days:g} test days = "
        f"{need:g} days are needed for {MIN_STABILITY_WINDOWS} windows, the bars span {have:.1f} days",
        code="CONFIG_FOLDS",
        hint="Import more history, or use --walk-forward split.",
    )


def _searched(request: RuleSearch, walked: Windows, past: History, result: OutOfSampleResult) -> dict[str, Any]:
    """What an optimisation says beside what every training says."""
    params, documents = request.params, walked.documents
    overfit = _overfit(request, documents)
    best = {**request.base, **walked.newest.best_parameters}
    return {
        "kind": KIND,
        "name": f"{request.rule.name} on {request.spec.symbols[0]} {request.spec.timeframe}",
        "strategy": request.rule.name,
        "origin": params.origin,
        "method": params.method,
        "sampler": params.sampler if params.method == "bayesian" else None,
        "objective": params.objective,
        "min_trades": request.min_trades,
        "mode": params.mode,
        "walk_forward": plan_name(request.spec.folds),
        "regime_filter": params.regime or None,
        "space": as_tables(request.space),
        "constraints": [each.text for each in request.space.constraints],
        "searched": list(request.space.dimensions),
        "best_parameters": to_jsonable(best),
        "best_score": to_jsonable(walked.newest.best_score),
        "best_metrics": to_jsonable(walked.newest.best_metrics),
        "trials": sum(w["trials"] for w in documents),
        "valid_trials": sum(w["valid_trials"] for w in documents),
        "trials_shown": len(walked.trials),
        "windows": to_jsonable(documents),
        "overfit": to_jsonable(overfit),
        "by_regime": to_jsonable(split_by_regime(past.panel.one.bars, result.whole)),
    }


def _demand_honest_bests(request: RuleSearch, walked: Windows, bars: Bars) -> None:
    """A strategy of the user's own is asked again at what the windows found: it may peek at some parameters only."""
    result = {canonical(w["parameters"]): w["parameters"] for w in reversed(walked.documents) if w["parameters"]}
    for number, parameters in enumerate(islice(result.values(), _PROBED_BESTS)):
        demand_honest(request.rule, bars, {**request.base, **parameters}, closed=number == 0)


def _advised(document: Mapping[str, Any]) -> str:
    """The gate's advice, after the windows' word where that is worse."""
    overfit, advice = document["overfit"], str(document["advice"])
    if overfit["verdict"] != "REJECT" or document["verdict"] == "PYRITE":
        return advice
    codes = ", ".join(reason["code"] for reason in overfit["reasons"])
    return f"Hold back: the windows say REJECT ({codes}). Apart from that: {advice}"


def _overfit(request: RuleSearch, documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    steady = windows_stability(documents)
    parameters = [w["parameters"] for w in documents if w["parameters"]]
    plateaus = [w["plateau"] for w in documents if w["plateau"] is not None]
    return {
        "detected": steady.detected,
        "reasons": [asdict(reason) for reason in steady.reasons],
        "stability_score": steady.stability_score,
        "train_sharpe_std": steady.train_sharpe_std,
        "parameter_stability": parameter_stability(parameters, as_tables(request.space)),
        "plateau_score": sum(plateaus) / len(plateaus) if plateaus else None,
        "verdict": steady.verdict,
    }
