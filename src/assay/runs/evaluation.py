"""Out-of-sample results of a walk-forward: trades and equity by symbol and by regime, and the gate's input."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

import numpy as np

from assay.features import REGIME_NAMES, regime_codes
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.timeframe import iso
from assay.market import volume_unit
from assay.runs.run_inputs import History
from assay.simulate import (
    START_CAPITAL,
    BacktestResult,
    combine_in_sequence,
    combine_instruments,
    metrics_by_regime,
    performance_metrics,
    simulate,
)
from assay.validate import (
    AuditReport,
    BreakEven,
    CostSides,
    Fills,
    FoldResult,
    GateInput,
    Overfitting,
    SymbolResult,
    Thresholds,
    active_returns,
    at_side,
    bar_fills,
    break_even,
    cost_sides,
    count_independent_trades,
    find_data_problems,
    forecast_quality,
    half_spread,
    market_returns,
    summarize_fills,
)


class FoldRow(TypedDict):
    """One fold of a walk, as stored in ``folds`` of ``run.json``.

    Times are bar opens in ISO 8601, the first and the last of each span.   seconds: of fit and decisions.
    left_out: why the fold was not judged, None for a judged one; `metrics` of one left out are empty. Undefined
    metrics are NaN in a run at work and None once stored.
    """

    number: int
    train_from: str
    train_to: str
    test_from: str
    test_to: str
    train_rows: int
    test_rows: int
    seconds: float | None
    left_out: str | None
    metrics: dict[str, float]


_ANNUAL = ("annual_return", "annual_volatility", "sharpe_annual", "sortino_annual", "calmar")


def regimes(bars: Bars, record: BacktestResult) -> IntArray:
    """``(n,)`` place in `REGIME_NAMES` of each bar of a record, -1 for none. bars: all candles, known before its
    first.
    """
    labels = regime_codes(bars)
    at = np.minimum(np.searchsorted(bars.timestamp, record.timestamp), len(bars) - 1)
    return np.where(bars.timestamp[at] == record.timestamp, labels[at], -1)


def split_by_regime(bars: Bars, record: BacktestResult) -> dict[str, dict[str, float]]:
    """Metrics of a record by name of the regime; see `assay.simulate.metrics.metrics_by_regime`."""
    labels = regimes(bars, record).astype(np.float64)
    labels[labels < 0] = np.nan
    split = metrics_by_regime(record, labels, bars_per_year=bars.bars_per_year)
    return {REGIME_NAMES[int(label)]: _without_annual(values) for label, values in split.items()}


def _without_annual(values: dict[str, float]) -> dict[str, float]:
    """The same without annual numbers where there are too few bars to speak of a year."""
    if values["n_obs"] >= Thresholds().min_regime_bars:
        return values
    return values | {name: np.nan for name in _ANNUAL if name in values}


def at_entry(bars: Bars, record: BacktestResult) -> list[str | None]:
    """Name of the regime that each trade was decided under: known at the close before its fill. None for none."""
    labels = regime_codes(bars)
    rows = np.searchsorted(bars.timestamp, record.trades.entry_time) - 1
    return [REGIME_NAMES[labels[row]] if row >= 0 and labels[row] >= 0 else None for row in rows.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Trading:
    """What the checks `sample`, `cost`, `fills` and `data` are given beside the returns.

    stressed: ``(n,)`` returns at the stressed side.   shown: the same at the side that the candles show; None where the
    assumed one is no less.   sides: by instrument, in the order of the record.
    """

    stressed: FloatArray
    shown: FloatArray | None
    sides: tuple[CostSides, ...]
    break_even: BreakEven
    fills: Fills
    independent_trades: int
    data_problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A walk's record, by symbol and as a whole, with the folds that were kept and the history they stand on."""

    records: Mapping[str, BacktestResult]
    whole: BacktestResult
    outcomes: Sequence[FoldResult]
    past: History


def retrade(walked: Walked, costs: Costs, limits: Thresholds) -> Trading:
    """Trade the decisions of a walk again at other costs, and look at where it was filled.

    limits: whose `cost_factor` and `min_cost` say how dear. About 20 simulations, O(bars) each.
    """
    judged = {symbol: _judged(symbol, walked) for symbol in walked.records}
    sides = {
        symbol: cost_sides(costs, half_spread(bars), cost_factor=limits.cost_factor, min_cost=limits.min_cost)
        for symbol, bars in judged.items()
    }
    dearer = any(side.shown > side.assumed for side in sides.values())

    def at(stress: Callable[[CostSides], Costs]) -> FloatArray:
        return _returns(walked, {symbol: stress(side) for symbol, side in sides.items()})

    def mean_at(other: Costs) -> float:
        return float(_returns(walked, dict.fromkeys(sides, other)).mean())

    return Trading(
        stressed=at(lambda side: at_side(costs, side.stressed, factor=limits.cost_factor)),
        shown=at(lambda side: at_side(costs, side.shown)) if dearer else None,
        sides=tuple(sides.values()),
        break_even=break_even(costs, mean_at),
        fills=_fills(walked, judged),
        independent_trades=count_independent_trades(
            {symbol: record.trades for symbol, record in walked.records.items()},
            {symbol: (bars.timestamp, bars.close) for symbol, bars in judged.items()},
        ),
        data_problems=tuple(
            problem
            for symbol, record in walked.records.items()
            for problem in find_data_problems(
                walked.past.bars[symbol], int(record.timestamp[0]), int(record.timestamp[-1])
            )
        ),
    )


def mean_present(columns: FloatArray) -> FloatArray:
    """``(n,)`` mean over the instruments that have a number; 0 where none has."""
    wide = columns[:, np.newaxis] if columns.ndim == 1 else columns
    present = np.isfinite(wide)
    return np.asarray(np.where(present, wide, 0.0).sum(axis=1) / np.maximum(present.sum(axis=1), 1))


def combine_folds(symbol: str, outcomes: Sequence[FoldResult]) -> BacktestResult:
    """One instrument's test folds, one after the other."""
    parts = [o.tested[symbol] for o in outcomes if symbol in o.tested]
    return combine_in_sequence([p.record for p in parts], offsets=[p.rows[0] - p.start for p in parts])


def _judged(symbol: str, walked: Walked) -> Bars:
    """The stored candles of the judged bars; folds need not touch, so there may be holes between them."""
    bars, times = walked.past.panel[symbol].bars, walked.records[symbol].timestamp
    rows = np.searchsorted(bars.timestamp, times)
    if len(rows) and rows[-1] - rows[0] + 1 == len(rows):
        return bars[int(rows[0]) : int(rows[-1]) + 1]
    return replace(
        bars,
        timestamp=bars.timestamp[rows],
        volume=None if bars.volume is None else bars.volume[rows],
        columns={},
        **{name: getattr(bars, name)[rows] for name in ("open", "high", "low", "close")},
    )


def _returns(walked: Walked, costs: Mapping[str, Costs]) -> FloatArray:
    """The same decisions on the same bars at other costs, by symbol."""

    def again(symbol: str, tested: SymbolResult) -> SymbolResult:
        bars = walked.past.panel[symbol].bars[slice(*tested.rows)]
        return replace(tested, record=simulate(bars, tested.decisions, costs[symbol]), start=0)

    outcomes = [replace(o, tested={s: again(s, t) for s, t in o.tested.items()}) for o in walked.outcomes]
    return combine_instruments([combine_folds(symbol, outcomes) for symbol in walked.records]).returns


def _fills(walked: Walked, judged: Mapping[str, Bars]) -> Fills:
    whole = walked.whole
    wide = whole.traded[:, np.newaxis] if whole.traded.ndim == 1 else whole.traded
    parts = [
        bar_fills(wide[np.searchsorted(whole.timestamp, bars.timestamp), k], bars, volume_unit(bars))
        for k, bars in enumerate(judged.values())
    ]
    return summarize_fills(parts, capital=START_CAPITAL)


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
    folds: Sequence[FoldRow]
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


def _fold(outcome: FoldResult, past: History, per_year: float) -> FoldRow:
    times = past.panel.times
    train, test = outcome.fold.train, outcome.fold.test
    metrics: dict[str, float] = {}
    if not outcome.left_out:
        whole = combine_instruments([t.record for t in outcome.tested.values()])
        metrics = performance_metrics(whole, bars_per_year=per_year) | forecast_quality([outcome], past.panel)
    return {
        "number": outcome.number,
        "train_from": iso(int(times[train[0]])),
        "train_to": iso(int(times[train[-1]])),
        "test_from": iso(int(times[test[0]])),
        "test_to": iso(int(times[test[-1]])),
        "train_rows": len(train),
        "test_rows": len(test),
        "seconds": outcome.seconds,
        "left_out": outcome.left_out or None,
        "metrics": metrics,
    }
