"""Decisions in, a record out: what would have happened on these candles."""

from collections.abc import Mapping

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import DataError
from assay.simulate.prepare import (
    BORROW,
    FEES,
    FUNDING,
    SHORTFALL,
    SLIPPAGE,
    TURNOVER,
    ZERO_VOLUME_FILLS,
    as_contiguous,
    bar_ms,
    buy_and_hold,
    check,
    check_names,
    cost_vector,
    decision_columns,
    funding_columns,
    funding_paid,
    new_account,
    new_positions,
    prices,
    unite_opens,
    volume_column,
)
from assay.simulate.result import BacktestResult, Trades
from assay.simulate.step import Columns, alone, together

_NONE: FloatArray = np.empty(0)


def simulate(bars: Bars, decisions: Decisions, costs: Costs, *, start: int = 0, equity: float = 1.0) -> BacktestResult:
    """One instrument alone, on an account that is flat at row `start` and closed at the last close.

    Decided at close t, filled at open t + 1. Rows before `start` are history: no decision of theirs counts. Rows
    ``start..n-1`` are judged; row `start` itself trades nothing, and the last row's decision is never traded.

    decisions: ``(n,)``, one row a bar. equity: of the account before the first judged bar, > 0.
    A weight equals the last one acted on, an order's target included, unless the position was closed in between; a
    weight on an open position leaves its levels and its hold as they are. Impact is that of the quantity sized without
    it. Equity that is <= 0 at a close is ruin: what is open is closed there, equity stays 0 and the rest is
    `BacktestRun.shortfall`.
    Funding of ``bars.joined["funding_rate"]`` is charged at the close of the first bar that ends at or after the
    payment, on what is held at that close; borrow likewise, by the length of the bar.

    Raises DataError ``DATA_TOO_FEW`` (no row to judge), ``DATA_PRICE`` (a price <= 0), ``DATA_NAN`` (funding rate),
    ConfigError ``CONFIG_PARAMETER`` (start, equity, lengths). Cost: O(n), about 10 ns a bar.
    """
    check(bars, decisions, start, equity)
    n = len(bars) - start
    out = np.empty(n), np.empty(n), np.empty(n), np.zeros(n, np.bool_), np.zeros(n), np.zeros(n)
    account, position = new_account(equity), new_positions(1)
    ledger = alone(
        account,
        position[0],
        cost_vector(costs, bars.instrument.bar.ms),
        start,
        (as_contiguous(bars.open), as_contiguous(bars.high), as_contiguous(bars.low), as_contiguous(bars.close)),
        as_contiguous(_NONE if bars.volume is None else bars.volume),
        as_contiguous(funding_paid(bars, start) if costs.funding else _NONE),
        (
            as_contiguous(decisions.target),
            as_contiguous(decisions.stop),
            as_contiguous(decisions.take),
            as_contiguous(decisions.hold, np.int32),
        ),
        out,
    )
    trades = Trades.of_ledger(ledger, (bars.instrument.symbol,), (bars.timestamp,))
    return record_of(
        bars.timestamp[start:], out, trades, account, equity, buy_and_hold(bars, start), bars.instrument.bar.ms
    )


def run_panel(
    bars: Mapping[str, Bars],
    decisions: Mapping[str, Decisions],
    costs: Costs,
    *,
    since: int | None = None,
    equity: float = 1.0,
) -> BacktestResult:
    """Instruments with one timeframe on one account; each target is a share of the whole account's equity.

    Bars that open at the same instant are walked together: the account is valued once at these opens, and every order
    of that instant is sized by this value. Where an instrument has no bar, nothing happens to it; it is valued at its
    last close, and its decision waits for its own next bar. It is closed at its own last close.

    since: ms; bars known earlier are history only. Each instrument's first judged bar trades nothing. None: all rows.
    The record's rows are the union of the judged bars' opens; `position` is ``(n, instruments)`` in the order of
    `bars`. Targets that sum to more than 1 borrow cash at no cost: keeping the sum in bounds is the model's duty.

    Raises what `simulate` raises, and ConfigError ``CONFIG_TIMEFRAME`` for mixed timeframes, ``CONFIG_PARAMETER`` for
    symbols without decisions or the other way round. Cost: O(rows of all instruments).
    """
    check_names(bars, decisions)
    starts = {s: 0 if since is None else int(np.searchsorted(b.known_at, since)) for s, b in bars.items()}
    judged = [s for s in bars if starts[s] < len(bars[s])]
    if not judged:
        raise DataError(
            f"no instrument has a bar that is known at or after {since} ms",
            code="DATA_TOO_FEW",
            hint="Give newer bars, or an earlier start.",
        )
    for symbol in judged:
        check(bars[symbol], decisions[symbol], starts[symbol], equity)
    several = [bars[s] for s in judged]
    length = bar_ms(several)
    firsts = [starts[s] for s in judged]
    times, index = unite_opens([b.timestamp[f:] for b, f in zip(several, firsts, strict=True)])
    m, k = index.shape
    wide = np.empty((m, k)), np.empty((m, k)), np.empty((m, k))
    out = np.empty(m), np.empty(m), wide[0], np.zeros(m, np.bool_), wide[1], wide[2]
    account = new_account(equity)
    ledger = together(
        account,
        new_positions(k),
        cost_vector(costs, length),
        index,
        np.concatenate([np.arange(f, len(b)) for b, f in zip(several, firsts, strict=True)]),
        prices(several, firsts),
        np.concatenate([volume_column(b, f) for b, f in zip(several, firsts, strict=True)]),
        np.concatenate([funding_columns(b, f, costs) for b, f in zip(several, firsts, strict=True)]),
        decision_columns([decisions[s] for s in judged], firsts),
        out,
    )
    trades = Trades.of_ledger(ledger, tuple(judged), tuple(b.timestamp for b in several))
    holding = float(np.mean([buy_and_hold(b, f) for b, f in zip(several, firsts, strict=True)]))
    return record_of(times, out, trades, account, equity, holding, length)


def record_of(
    timestamp: IntArray,
    out: Columns,
    trades: Trades,
    account: FloatArray,
    initial: float,
    buy_and_hold: float,
    bar_ms: int,
) -> BacktestResult:
    """A record from the arrays that a loop filled and the account that it left."""
    return BacktestResult(
        timestamp=timestamp,
        equity=out[0],
        returns=out[1],
        position=out[2],
        exposed=out[3],
        exposure=out[4],
        traded=out[5],
        trades=trades,
        initial=initial,
        fees=float(account[FEES]),
        slippage=float(account[SLIPPAGE]),
        funding=float(account[FUNDING]),
        borrow=float(account[BORROW]),
        turnover=float(account[TURNOVER]),
        zero_volume_fills=int(account[ZERO_VOLUME_FILLS]),
        shortfall=float(account[SHORTFALL]),
        buy_and_hold=buy_and_hold,
        bar_ms=bar_ms,
    )
