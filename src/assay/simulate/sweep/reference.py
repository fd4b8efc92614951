"""One combination of a sweep through the single-backtest engine: its decisions, its tally. The sweep's yardstick."""

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.simulate import accumulators
from assay.simulate.prepare import as_contiguous
from assay.simulate.result import BacktestResult
from assay.simulate.sweep.replay_scalar import HOLD, STATE, STOPPED, TAKEN, Signals, order
from assay.simulate.sweep.sweep_inputs import (
    Candidates,
    Exits,
    Levels,
    States,
    conditions_of,
    passes,
    signals_of,
    turns_of,
)

Setup = Candidates | States


def carries(setup: Setup) -> int:
    """What the signals of a setup carry, as the replay's flags."""
    if isinstance(setup, States):
        return STATE
    stopped = any(s.stop_base is not None or s.stop_unit is not None for s in setup.sides)
    taken = any(s.take_base is not None for s in setup.sides)
    return STOPPED * stopped + TAKEN * taken


def levels_of(setup: Setup) -> tuple[Levels, Levels]:
    """Levels of a setup's long and short side; of the only one where there is one."""
    if isinstance(setup, States):
        return _no_levels(), _no_levels()
    only = setup.sides[0]
    return (setup.long or only).levels, (setup.short or only).levels


def signals(setup: Setup, levels: tuple[Levels, Levels], thresholds: FloatArray, start: int, n: int) -> Signals:
    """The signals of a setup with its levels at one set of thresholds ``(K,)``."""
    if isinstance(setup, States):
        chosen = setup.rows <= n - 2
        sides = setup.side[chosen].astype(np.int8)
        return setup.rows[chosen].astype(np.int32, copy=False), turns_of(sides), sides, *_no_levels()
    return signals_of(as_contiguous(setup.rows, np.int32), conditions_at(setup, thresholds, start, n), *levels)


def _no_levels() -> Levels:
    return np.empty(0), np.empty(0), np.empty(0)


def conditions_at(setup: Candidates, thresholds: FloatArray, start: int, n: int) -> NDArray[np.int8]:
    """``(m,)`` side of each candidate's signal at one set of thresholds ``(K,)``, 0 for none."""
    none = np.zeros(len(setup.rows), np.bool_)
    long, short = (
        none
        if s is None
        else passes(
            as_contiguous(s.holds, np.bool_),
            as_contiguous(s.columns),
            as_contiguous(setup.at_least, np.bool_),
            as_contiguous(thresholds),
        )
        for s in (setup.long, setup.short)
    )
    allowed = none[:0] if setup.allowed is None else as_contiguous(setup.allowed, np.bool_)
    rows = as_contiguous(setup.rows, np.int32)
    return conditions_of(rows, long, short, allowed, setup.edge, max(start, setup.lookback), n)


def decisions(
    bars: Bars, setup: Setup, thresholds: FloatArray, exits: Exits, which: int, *, start: int = 0
) -> Decisions:
    """What one combination decides, for `assay.simulate.engine.simulate`: ``(n,)`` rows.

    thresholds: ``(K,)`` one set.   exits, which: the sets and the place of one.   O(n).
    """
    n, flags = len(bars), carries(setup)
    rule = tuple(exits.matrix[which])
    result, closes = signals(setup, levels_of(setup), thresholds, start, n), as_contiguous(bars.close)
    target, stop, take = np.full(n, np.nan), np.full(n, np.nan), np.full(n, np.nan)
    hold = np.zeros(n, np.int32)
    for i, (row, side) in enumerate(zip(result[0], result[2], strict=True)):
        stop_by, take_by, size = order(result, i, flags, rule, closes)
        if flags & STATE:
            target[row] = side * size
        elif size > 0.0:
            target[row], stop[row], take[row], hold[row] = side * size, stop_by, take_by, rule[HOLD]
    return Decisions(target, stop, take, hold)


def tally_of(record: BacktestResult) -> FloatArray:
    """``(KEPT,)`` tally of a record: a row of `SweepResult.values`."""
    t = record.trades
    out = accumulators.of_bars(as_contiguous(record.returns))
    traded = accumulators.of_trades(
        as_contiguous(t.pnl),
        as_contiguous(t.pnl_gross),
        as_contiguous(t.return_net),
        as_contiguous(t.bars_held, np.int64),
        as_contiguous(t.exit_reason, np.int8),
    )
    out[accumulators.TRADES : accumulators.EXPOSED] = traded[accumulators.TRADES : accumulators.EXPOSED]
    out[accumulators.EXPOSED] = record.exposed.sum()
    out[accumulators.FEES_PAID], out[accumulators.SLIPPED] = record.fees, record.slippage
    out[accumulators.FUNDING_PAID], out[accumulators.BORROW_PAID] = record.funding, record.borrow
    out[accumulators.TURNED_OVER], out[accumulators.SILENT_FILLS] = record.turnover, record.zero_volume_fills
    out[accumulators.SHORT_BY] = record.shortfall
    return out[: accumulators.RESULT_COLUMNS]
