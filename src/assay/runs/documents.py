"""Trial and run document of a training, whatever its learner."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from assay.kernel.bars import Bars
from assay.kernel.contracts import Trial
from assay.kernel.spec import TrainSpec
from assay.kernel.timeframe import current_ms, from_iso, iso
from assay.runs.audits import Audited
from assay.runs.evaluation import OutOfSampleResult
from assay.runs.provenance import code_digest, describe_environment
from assay.runs.run_artifacts import importance, labels_summary, to_jsonable, verdict_summary
from assay.runs.run_inputs import History
from assay.runs.user_files import facts_of
from assay.track import Run
from assay.validate import FoldResult, Thresholds, Verdict


@dataclass(frozen=True, slots=True, eq=False)
class TrainResult:
    """What a piece of work came to. `document` is what its command prints with ``--json``."""

    document: Mapping[str, Any]
    existing: bool = False


def trial(spec: TrainSpec, result: OutOfSampleResult, digest: str, seconds: float, *, strategy: str = "") -> Trial:
    """The record of a walk as the ledger counts it."""
    first, last = int(result.whole.timestamp[0]), int(result.whole.timestamp[-1])
    return Trial(
        market_key=spec.market_key,
        learner=spec.learner,
        strategy=strategy or spec.learner,
        params=spec.as_dict(),
        returns=result.whole.returns,
        metrics=result.metrics,
        objective="sharpe",
        score=result.metrics["sharpe"],
        total_trades=len(result.whole.trades),
        window=(first, last),
        intervals=test_spans(spec, result),
        times=result.whole.timestamp,
        active=result.active,
        mean_exposure=result.mean_exposure,
        tuning_method="none",
        seed=spec.seed,
        data_digest=digest,
        duration_seconds=seconds,
    )


def test_spans(spec: TrainSpec, result: OutOfSampleResult) -> tuple[tuple[int, int], ...]:
    """First and last bar open, ms, of each test fold that was judged."""
    opens = result.whole.timestamp
    available = spec.instruments[0].bar.close(opens)
    folds = [fold for fold in result.folds if not fold.get("left_out")]
    rows = [(available >= from_iso(fold["test_from"])) & (available <= from_iso(fold["test_to"])) for fold in folds]
    return tuple((int(opens[each][0]), int(opens[each][-1])) for each in rows if each.any())


def of_run(
    run: Run, filtered: Mapping[str, object], peeked: Audited, *, began: float, workers: int
) -> dict[str, object]:
    """What ``run.json`` says of the run itself. began: of `time.monotonic`; ``seconds`` are those until now."""
    return {
        "run_id": run.run_id,
        "experiment_id": run.id,
        "seconds": time.monotonic() - began,
        "filter": to_jsonable(filtered),
        "audit": peeked.document,
        "environment": describe_environment(workers=workers) | {"audit_seconds": peeked.seconds},
    }


def own_features(past: History) -> dict[str, object]:
    """``own_features``: name and digest of the user's file, and its columns that were learnt from; empty without."""
    return {} if past.own is None else {"own_features": facts_of(past.own, past.own_columns)}


def funding_notes(bars: Iterable[Bars]) -> dict[str, str]:
    """What is missing of a derivative without stored funding payments, by the name of the cost."""
    bare = [b.instrument.symbol for b in bars if ":" in b.instrument.symbol and "funding_rate" not in b.joined]
    return {"funding": f"no funding payments of {', '.join(bare)} are stored: none was charged"} if bare else {}


def document(
    spec: TrainSpec,
    digest: str,
    past: History,
    outcomes: Sequence[FoldResult],
    result: OutOfSampleResult,
    verdict: Verdict,
    *,
    verdict_fields: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """``run.json`` as far as a walk decides it. verdict_fields: what is stored with the verdict, see
    `assay.runs.gate_decision`.
    """
    from assay.market import examine_quality
    from assay.runs.gate_decision import advice

    labels = {s: w.labels for s, w in past.panel}
    stored = verdict_fields or {"thresholds": asdict(Thresholds())}
    factor = stored["thresholds"]["cost_factor"]
    return {
        "format_version": 1,
        "name": f"{spec.learner} on {', '.join(spec.symbols)} {spec.timeframe}",
        "created": iso(current_ms()),
        "spec": spec.as_dict(),
        "spec_hash": spec.hash,
        "data_digest": digest,
        "code_digest": code_digest(),
        "bars_per_year": result.bars_per_year,
        "warm_up": past.warm_up,
        "n_trials": int(verdict.reason("ledger").value),
        "metrics": to_jsonable(result.metrics),
        "by_symbol": to_jsonable(result.by_symbol),
        "folds": to_jsonable(result.folds),
        "trades": len(result.whole.trades),
        "importance": to_jsonable(importance(outcomes)),
        "labels": {s: labels_summary(each) for s, each in labels.items() if each is not None},
        "quality": {s: to_jsonable(examine_quality(b).as_dict()) for s, b in past.bars.items()},
        "snapshots": {s: b.digest() for s, b in past.bars.items()},
        "absent": dict(past.absent) | funding_notes(past.bars.values()),
        **own_features(past),
        **verdict_summary(verdict),
        **stored,
        "advice": advice(verdict, result.metrics, bars_per_year=result.bars_per_year, cost_factor=factor),
    }
