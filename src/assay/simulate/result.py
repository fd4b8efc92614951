"""Result of a simulation, and results of folds or symbols combined."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.errors import DataError
from assay.simulate.prepare import (
    EXIT_REASONS,
    L_BORROW,
    L_ENTRY,
    L_ENTRY_NOTIONAL,
    L_EXIT,
    L_EXIT_NOTIONAL,
    L_FEES,
    L_FUNDING,
    L_QUANTITY,
    L_REASON,
    L_SIDE,
    L_SLIPPAGE,
    L_SYMBOL,
)


@dataclass(frozen=True, slots=True, eq=False)
class Trades:
    """Closed trades in the order in which they closed, one ``(k,)`` array a field.

    A trade begins when a flat instrument gets a position and ends when it is flat again or changes sides. A weight that
    enlarges or reduces a position on the same side stays in the trade: `entry_price` and `exit_price` are the
    quantity-weighted means of the enlarging and of the reducing fills, after slippage, `quantity` is the sum of the
    enlarging fills, so that ``pnl = side * quantity * (exit_price - entry_price) - fees - funding - borrow`` always.

    symbols:        the simulated instruments; `symbol` holds positions in it.
    entry_row, exit_row:   bars of that instrument, counted in the ``Bars`` given; ``bars_held = exit_row - entry_row``.
    entry_time, exit_time: opens of these bars, ms.
    side:           +1 long, -1 short.
    pnl:            quote currency (or shares of the starting equity, if that was 1), after all costs.
    pnl_gross:      the same before fees, slippage, funding and borrow.
    slippage_cost:  what slippage, spread and impact took; `funding` and `borrow` likewise, positive is paid.
    return_net, return_gross: pnl over entry notional, fractions.
    exit_reason:    position in `EXIT_REASONS`; a ruined account's forced closing is an ``SL``.
    """

    symbols: tuple[str, ...]
    symbol: NDArray[np.int32]
    entry_row: IntArray
    exit_row: IntArray
    entry_time: IntArray
    exit_time: IntArray
    side: NDArray[np.int8]
    quantity: FloatArray
    entry_price: FloatArray
    exit_price: FloatArray
    pnl: FloatArray
    pnl_gross: FloatArray
    fees: FloatArray
    slippage_cost: FloatArray
    funding: FloatArray
    borrow: FloatArray
    return_net: FloatArray
    return_gross: FloatArray
    bars_held: IntArray
    exit_reason: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.pnl)

    def only(self, chosen: BoolArray) -> "Trades":
        """The trades of a ``(k,)`` mask."""
        return replace(self, **{f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "symbols"})

    @property
    def reasons(self) -> tuple[str, ...]:
        """The exit reasons as words, one a trade."""
        return tuple(EXIT_REASONS[code] for code in self.exit_reason)

    @classmethod
    def of_ledger(cls, ledger: FloatArray, symbols: tuple[str, ...], times: tuple[IntArray, ...]) -> "Trades":
        """Trades from the ledger that `step` wrote; `times` holds each instrument's bar opens."""
        symbol = ledger[:, L_SYMBOL].astype(np.int32)
        entry_row, exit_row = ledger[:, L_ENTRY].astype(np.int64), ledger[:, L_EXIT].astype(np.int64)
        side, quantity = ledger[:, L_SIDE], ledger[:, L_QUANTITY].copy()
        entered, left = ledger[:, L_ENTRY_NOTIONAL], ledger[:, L_EXIT_NOTIONAL]
        fees, slippage = ledger[:, L_FEES].copy(), ledger[:, L_SLIPPAGE].copy()
        funding, borrow = ledger[:, L_FUNDING].copy(), ledger[:, L_BORROW].copy()
        pnl = side * (left - entered) - fees - funding - borrow
        gross = side * (left - entered) + slippage
        return cls(
            symbols=symbols,
            symbol=symbol,
            entry_row=entry_row,
            exit_row=exit_row,
            entry_time=_times(times, symbol, entry_row),
            exit_time=_times(times, symbol, exit_row),
            side=side.astype(np.int8),
            quantity=quantity,
            entry_price=entered / quantity,
            exit_price=left / quantity,
            pnl=pnl,
            pnl_gross=gross,
            fees=fees,
            slippage_cost=slippage,
            funding=funding,
            borrow=borrow,
            return_net=pnl / entered,
            return_gross=gross / entered,
            bars_held=exit_row - entry_row,
            exit_reason=ledger[:, L_REASON].astype(np.int8),
        )


def _times(times: tuple[IntArray, ...], symbol: NDArray[np.int32], rows: IntArray) -> IntArray:
    out = np.empty(len(rows), np.int64)
    for k, opens in enumerate(times):
        mine = symbol == k
        out[mine] = opens[rows[mine]]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class BacktestResult:
    """A simulation over ``n`` judged bars.

    timestamp: ``(n,)`` int64 ms, bar opens.
    equity:    ``(n,)`` marked to market at each close, net of all costs; 0 from ruin on.
    returns:   ``(n,)`` simple net return per bar; the first bar trades nothing and returns 0, bars after ruin too.
    position:  ``(n,)``, of a panel ``(n, instruments)``: signed share of equity held at each close; 0 after the last.
    exposed:   ``(n,)`` whether any position was held in the bar, one that was stopped out inside it included.
    exposure:  ``(n,)``, of a panel ``(n, instruments)``: signed share of the equity at the open that is held after the
               open's fills; half of it where the bar closed it by a level. 0 on the first bar.
    traded:    the same shape: notional of all fills in the bar over equity; they sum to `turnover`.
    initial:   equity before the first bar.
    fees, slippage, funding, borrow: sums paid, in the unit of `initial`.
    turnover:  sum over all fills of notional / equity at that open; both sides counted.
    zero_volume_fills: fills on bars whose volume was 0.
    shortfall: what the account lost beyond its last cent, borne by nobody here:
               ``equity[-1] == initial + sum(trades.pnl) + shortfall``.
    buy_and_hold: return from the first open that could be traded to the last close, without costs; of a panel the mean.
    bar_ms:    length of a bar.
    """

    timestamp: IntArray
    equity: FloatArray
    returns: FloatArray
    position: FloatArray
    exposed: BoolArray
    exposure: FloatArray
    traded: FloatArray
    trades: Trades
    initial: float
    fees: float
    slippage: float
    funding: float
    borrow: float
    turnover: float
    zero_volume_fills: int
    shortfall: float
    buy_and_hold: float
    bar_ms: int

    def __len__(self) -> int:
        return len(self.timestamp)


_MONEY = ("quantity", "pnl", "pnl_gross", "fees", "slippage_cost", "funding", "borrow")


def combine_in_sequence(records: Sequence[BacktestResult], *, offsets: Sequence[int]) -> BacktestResult:
    """Records of one instrument, one after the other, as one account that carries its equity from each to the next.

    offsets: what to add to each record's trade rows, so that they count in one series.
    Returns stay as they are; equity and everything in money is scaled by the equity that the record began with: after
    ruin there is nothing to trade with, so the trades of later records have no size and are left out. Raises DataError
    ``DATA_EMPTY`` for no record, ``DATA_ORDER`` when they overlap in time.
    """
    if not records:
        raise DataError("there is no record to stitch: every fold was left out", code="DATA_EMPTY")
    timestamp = np.concatenate([r.timestamp for r in records])
    if np.any(np.diff(timestamp) <= 0):
        raise DataError("records overlap in time: no bar may be judged twice", code="DATA_ORDER")
    scale = _carried(records)
    parts = [_scaled(r.trades, s, o) for r, s, o in zip(records, scale, offsets, strict=True)]
    return BacktestResult(
        timestamp=timestamp,
        equity=np.concatenate([r.equity * s for r, s in zip(records, scale, strict=True)]),
        returns=np.concatenate([r.returns for r in records]),
        position=np.concatenate([r.position for r in records]),
        exposed=np.concatenate([r.exposed for r in records]),
        exposure=np.concatenate([r.exposure for r in records]),
        traded=np.concatenate([r.traded for r in records]),
        trades=_joined(parts, parts[0].symbols),
        initial=records[0].initial,
        buy_and_hold=float(np.prod([1.0 + r.buy_and_hold for r in records]) - 1.0),
        bar_ms=records[0].bar_ms,
        turnover=sum(r.turnover for r in records),
        zero_volume_fills=sum(r.zero_volume_fills for r in records),
        **{
            name: sum(getattr(r, name) * s for r, s in zip(records, scale, strict=True))
            for name in ("fees", "slippage", "funding", "borrow", "shortfall")
        },
    )


def combine_instruments(records: Sequence[BacktestResult]) -> BacktestResult:
    """Records of several instruments as one account split evenly at every bar over the instruments that have that bar.

    The return of a bar is the mean of the instruments' returns; trades keep the size that they had on their own account
    and are ordered by exit. Position, exposure and what was traded are ``(n, instruments)``; the last two are divided
    by the number of instruments that have the bar, as returns are.
    """
    if len(records) == 1:
        return records[0]
    timestamp = np.unique(np.concatenate([r.timestamp for r in records]))
    share = np.full((len(timestamp), len(records)), np.nan)
    position, exposure, traded = np.zeros_like(share), np.zeros_like(share), np.zeros_like(share)
    exposed: BoolArray = np.zeros(len(timestamp), np.bool_)
    for k, r in enumerate(records):
        at = np.searchsorted(timestamp, r.timestamp)
        share[at, k] = r.returns
        position[at, k], exposure[at, k], traded[at, k] = r.position, r.exposure, r.traded
        exposed[at] |= r.exposed
    returns: FloatArray = np.nanmean(share, axis=1)
    symbols = tuple(s for r in records for s in r.trades.symbols)
    trades = _joined([_numbered(r.trades, k) for k, r in enumerate(records)], symbols)
    order = np.argsort(trades.exit_time, kind="stable")
    count = len(records)
    present = np.isfinite(share).sum(axis=1, keepdims=True)
    return BacktestResult(
        timestamp=timestamp,
        equity=np.asarray(records[0].initial * np.cumprod(1.0 + returns), np.float64),
        returns=returns,
        position=position / count,
        exposed=exposed,
        exposure=exposure / present,
        traded=traded / present,
        trades=_picked(trades, order),
        initial=records[0].initial,
        buy_and_hold=float(np.mean([r.buy_and_hold for r in records])),
        bar_ms=records[0].bar_ms,
        zero_volume_fills=sum(r.zero_volume_fills for r in records),
        **{
            name: sum(getattr(r, name) for r in records) / count
            for name in ("fees", "slippage", "funding", "borrow", "shortfall", "turnover")
        },
    )


def _carried(records: Sequence[BacktestResult]) -> FloatArray:
    """Equity at the start of each record, relative to the first one's."""
    grown = [r.equity[-1] / r.initial for r in records]
    start: FloatArray = np.concatenate([[1.0], np.cumprod(grown)[:-1]])
    return start


def _scaled(trades: Trades, scale: float, offset: int) -> Trades:
    if scale <= 0.0:
        return _picked(trades, np.empty(0, np.int64))
    return replace(
        trades,
        entry_row=trades.entry_row + offset,
        exit_row=trades.exit_row + offset,
        **{name: getattr(trades, name) * scale for name in _MONEY},
    )


def _numbered(trades: Trades, k: int) -> Trades:
    return replace(trades, symbol=np.full(len(trades), k, np.int32))


def _picked(trades: Trades, rows: IntArray) -> Trades:
    columns: dict[str, Any] = {f.name: getattr(trades, f.name)[rows] for f in fields(Trades) if f.name != "symbols"}
    return replace(trades, **columns)


def _joined(parts: Sequence[Trades], symbols: tuple[str, ...]) -> Trades:
    columns = {
        f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Trades) if f.name != "symbols"
    }
    return Trades(symbols=symbols, **columns)
