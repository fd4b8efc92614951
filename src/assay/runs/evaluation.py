"""Out-of-sample results of a walk-forward, and the gate's input from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.costs import Costs
from assay.kernel.timestamps import iso
from assay.runs.regimes import regimes
from assay.runs.trading import Trading, Walked, combine_folds, mean_present, retrade
from assay.runs.training_history import History
from assay.simulate import BacktestResult, combine_instruments, performance_metrics
from assay.validate import (
    AuditReport,
    FoldResult,
    GateInput,
    Overfitting,
    Thresholds,
    active_returns,
    forecast_quality,
    market_returns,
)


@dataclass(frozen=True, slots=True, eq=False)
class OutOfSampleResult:
    """An out-of-sample record.

    records:       by symbol, the test folds one after the other.   whole: all symbols beside each other.
    metrics:       of `whole`, with the forecast's quality.   by_symbol: the same numbers of each record.
    folds:         one dict a fold: spans, metrics, seconds, or why it was left out.
    stressed:      ``(n,)`` returns of the same decisions with every cost multiplied, beside ``whole.returns``.
    bars_per_year: of the market, for annual numbers.
    holding:          ``(n,)`` returns of buying and holding the same folds, without costs.
    active:        ``(n,)`` returns less what holding the mean exposure earned, see `assay.validate.active`.
    mean_exposure: by symbol, what that was: share of the account's equity, signed.
    trading:       what the checks of the gate ask about costs, fills, trades and candles.
    """

    records: Mapping[str, BacktestResult]
    whole: BacktestResult
    metrics: Mapping[str, float]
    by_symbol: Mapping[str, Mapping[str, float]]
    folds: Sequence[Mapping[str, Any]]
    stressed: FloatArray
    bars_per_year: float
    holding: FloatArray
    active: FloatArray
    mean_exposure: Mapping[str, float]
    trading: Trading


def evaluate_walk(
    outcomes: Sequence[FoldResult],
    past: History,
    costs: Costs,
    *,
    seed: int,
    limits: Thresholds | None = None,
) -> OutOfSampleResult:
    """Stitch a walk's folds, measure them, and trade the same decisions again at the costs that they must survive.

    limits: that it will be judged by; None are the default ones.
    """
    stored = [o for o in outcomes if not o.left_out]
    symbols = [s for s in past.panel.windows if any(s in o.tested for o in stored)]
    records = {s: combine_folds(s, stored) for s in symbols}
    whole = combine_instruments(list(records.values()))
    per_year = float(np.nanmean([past.bars[s].bars_per_year for s in symbols]))
    market_moves = _holding_returns(whole, stored, past)
    active = active_returns(whole.returns, whole.exposure, market_moves)
    trading = retrade(Walked(records, whole, stored, past), costs, limits or Thresholds())
    quality = forecast_quality(stored, past.panel)
    return OutOfSampleResult(
        records=records,
        whole=whole,
        metrics=performance_metrics(whole, bars_per_year=per_year, seed=seed) | quality,
        by_symbol={
            s: performance_metrics(r, bars_per_year=past.bars[s].bars_per_year, seed=seed) for s, r in records.items()
        },
        folds=[_fold(o, past, per_year) for o in outcomes],
        stressed=trading.stressed,
        bars_per_year=per_year,
        holding=mean_present(market_moves),
        active=active.returns,
        mean_exposure=dict(zip(symbols, active.mean_exposure.tolist(), strict=True)),
        trading=trading,
    )


def evidence_of(
    result: OutOfSampleResult,
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
) -> GateInput:
    """What the gate is given about a record. counted: whether the ledger counts it among the market's `n_trials`.

    effective_trials: None is `n_trials`.   n_searched: configurations that it was chosen among.   overfitting: how such
    a choice fares.   holdout_reads: see `GateInput`. Regimes are those of the first instrument.
    """
    return GateInput(
        returns=result.whole.returns,
        bars_per_year=result.bars_per_year,
        n_trades=len(result.whole.trades),
        n_trials=n_trials,
        effective_trials=float(n_trials) if effective_trials is None else effective_trials,
        trials_variance=trials_variance,
        ledger_complete=counted,
        audit=audit,
        holdout_reads=holdout_reads,
        stressed_returns=result.stressed,
        active_returns=result.active,
        n_independent_trades=result.trading.independent_trades,
        shown_returns=result.trading.shown,
        cost_sides=result.trading.sides,
        break_even=result.trading.break_even,
        fills=result.trading.fills,
        data_problems=result.trading.data_problems,
        n_searched=n_searched,
        overfitting=overfitting,
        regimes=regimes(past.bars[next(iter(result.records))], result.whole),
    )


def _holding_returns(whole: BacktestResult, outcomes: Sequence[FoldResult], past: History) -> FloatArray:
    """Returns of holding each instrument, of the shape of ``whole.exposure``; NaN where a fold could not trade it."""
    result = np.full((len(whole), len(whole.trades.symbols)), np.nan)
    places = {symbol: k for k, symbol in enumerate(whole.trades.symbols)}
    for outcome in outcomes:
        for symbol, tested in outcome.tested.items():
            bars = past.panel[symbol].bars[slice(*tested.rows)]
            result[np.searchsorted(whole.timestamp, bars.timestamp), places[symbol]] = market_returns(bars)
    return result[:, 0] if whole.exposure.ndim == 1 else result


def _fold(outcome: FoldResult, past: History, per_year: float) -> dict[str, Any]:
    times = past.panel.times
    train, test = outcome.fold.train, outcome.fold.test
    result: dict[str, Any] = {
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
        return result | {"left_out": outcome.left_out, "metrics": {}}
    whole = combine_instruments([t.record for t in outcome.tested.values()])
    return result | {
        "left_out": None,
        "metrics": performance_metrics(whole, bars_per_year=per_year) | forecast_quality([outcome], past.panel),
    }
