"""What a walk came to: one record an instrument, one for all, their numbers, and what the gate is given of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.clock import iso
from assay.kernel.costs import Costs
from assay.runs.history import History
from assay.runs.regimes import regimes
from assay.simulate.engine import run
from assay.simulate.metrics import metrics
from assay.simulate.record import Record
from assay.simulate.stitch import in_sequence, side_by_side
from assay.validate.audit.report import AuditReport
from assay.validate.beside import held
from assay.validate.evidence import Evidence, Thresholds
from assay.validate.forecasts import forecast_quality
from assay.validate.statistics import Overfitting
from assay.validate.walk import Outcome, Tested

_STRESS = Thresholds().cost_factor


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """An out-of-sample record.

    records:       by symbol, the test folds one after the other.   whole: all symbols beside each other.
    metrics:       of `whole`, with the forecast's quality.   by_symbol: the same numbers of each record.
    folds:         one dict a fold: spans, metrics, seconds, or why it was left out.
    stressed:      ``(n,)`` returns of the same decisions with every cost multiplied, beside ``whole.returns``.
    bars_per_year: of the market, for annual numbers.
    held:          ``(n,)`` returns of buying and holding the same folds, without costs.
    """

    records: Mapping[str, Record]
    whole: Record
    metrics: Mapping[str, float]
    by_symbol: Mapping[str, Mapping[str, float]]
    folds: Sequence[Mapping[str, Any]]
    stressed: FloatArray
    bars_per_year: float
    held: FloatArray


def judged(
    outcomes: Sequence[Outcome], past: History, costs: Costs, *, seed: int, cost_factor: float = _STRESS
) -> Judged:
    """Stitch a walk's folds, measure them, and trade the same decisions again at `cost_factor` times the costs."""
    kept = [o for o in outcomes if not o.left_out]
    symbols = [s for s in past.panel.windows if any(s in o.tested for o in kept)]
    records = {s: _stitched(s, kept) for s in symbols}
    whole = side_by_side(list(records.values()))
    per_year = float(np.nanmean([past.bars[s].bars_per_year for s in symbols]))
    stress = costs.times(cost_factor)
    stressed = side_by_side([_stitched(s, _again(kept, past, stress)) for s in symbols])
    quality = forecast_quality(kept, past.panel)
    return Judged(
        records=records,
        whole=whole,
        metrics=metrics(whole, bars_per_year=per_year, seed=seed) | quality,
        by_symbol={s: metrics(r, bars_per_year=past.bars[s].bars_per_year, seed=seed) for s, r in records.items()},
        folds=[_fold(o, past, per_year) for o in outcomes],
        stressed=stressed.returns,
        bars_per_year=per_year,
        held=_held(whole, kept, past),
    )


def evidence_of(
    found: Judged,
    past: History,
    *,
    n_trials: int,
    counted: bool,
    effective_trials: float | None = None,
    trials_variance: float = 0.0,
    n_searched: int = 1,
    overfitting: Overfitting | None = None,
    audit: AuditReport | None = None,
    holdout_reads: int = 0,
) -> Evidence:
    """What the gate is given about a record. counted: whether the ledger counts it among the market's `n_trials`.

    effective_trials: None is `n_trials`.   n_searched: configurations that it was chosen among.   overfitting: how such
    a choice fares.   holdout_reads: see `Evidence`. Regimes are those of the first instrument.
    """
    return Evidence(
        returns=found.whole.returns,
        bars_per_year=found.bars_per_year,
        n_trades=len(found.whole.trades),
        n_trials=n_trials,
        effective_trials=float(n_trials) if effective_trials is None else effective_trials,
        trials_variance=trials_variance,
        ledger_complete=counted,
        audit=audit,
        holdout_reads=holdout_reads,
        stressed_returns=found.stressed,
        n_searched=n_searched,
        overfitting=overfitting,
        regimes=regimes(past.bars[next(iter(found.records))], found.whole),
    )


def _held(whole: Record, outcomes: Sequence[Outcome], past: History) -> FloatArray:
    """The mean over the instruments that have the bar, as the record's own returns are."""
    total, count = np.zeros(len(whole)), np.zeros(len(whole))
    for outcome in outcomes:
        for symbol, tested in outcome.tested.items():
            bars = past.panel[symbol].bars[slice(*tested.rows)]
            at = np.searchsorted(whole.timestamp, bars.timestamp)
            total[at] += held(bars)
            count[at] += 1
    return total / count


def _stitched(symbol: str, outcomes: Sequence[Outcome]) -> Record:
    parts = [o.tested[symbol] for o in outcomes if symbol in o.tested]
    return in_sequence([p.record for p in parts], offsets=[p.rows[0] - p.start for p in parts])


def _again(outcomes: Sequence[Outcome], past: History, costs: Costs) -> list[Outcome]:
    """The same decisions on the same bars at other costs."""

    def traded(symbol: str, tested: Tested) -> Tested:
        bars = past.panel[symbol].bars[slice(*tested.rows)]
        return replace(tested, record=run(bars, tested.decisions, costs), start=0)

    return [replace(o, tested={s: traded(s, t) for s, t in o.tested.items()}) for o in outcomes]


def _fold(outcome: Outcome, past: History, per_year: float) -> dict[str, Any]:
    times = past.panel.times
    train, test = outcome.fold.train, outcome.fold.test
    found: dict[str, Any] = {
        "number": outcome.number,
        "train_from": iso(int(times[train[0]])),
        "train_to": iso(int(times[train[-1]])),
        "test_from": iso(int(times[test[0]])),
        "test_to": iso(int(times[test[-1]])),
        "train_rows": len(train),
        "test_rows": len(test),
        "seconds": outcome.seconds,
    }
    if outcome.left_out:
        return found | {"left_out": outcome.left_out, "metrics": {}}
    whole = side_by_side([t.record for t in outcome.tested.values()])
    return found | {
        "left_out": None,
        "metrics": metrics(whole, bars_per_year=per_year) | forecast_quality([outcome], past.panel),
    }
