"""Combine results: folds in sequence, instruments in parallel."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.errors import DataError
from assay.simulate.result import BacktestResult, Trades

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
