"""Trading evidence for the gate: other costs, fills, independent trades, data problems."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.market import volume_unit
from assay.runs.training_history import History
from assay.simulate import START_CAPITAL, BacktestResult, combine_in_sequence, combine_instruments, simulate
from assay.validate import (
    BreakEven,
    CostSides,
    Fills,
    FoldResult,
    SymbolResult,
    Thresholds,
    at_side,
    bar_fills,
    break_even,
    cost_sides,
    count_independent_trades,
    find_data_problems,
    half_spread,
    summarize_fills,
)


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
