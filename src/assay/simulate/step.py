"""One bar of one instrument: the only place where money moves.

The backtest loops over `step`, the reinforcement-learning environment calls it bar by bar, and the sweep's results are
tested against it. State lives in three small float64 arrays, so that a thousand accounts are one array each.
"""

import math

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.simulate.fills import leave, price_for_notional, trade
from assay.simulate.state_arrays import (
    ACTED,
    AFTER_OPEN,
    BORROW,
    BORROW_SHARE,
    CASH,
    ENTRY_ROW,
    EXPIRY,
    FUNDING,
    MAX_HOLD,
    OWN_BORROW,
    OWN_FUNDING,
    QUANTITY,
    SIGNAL,
    SL,
    STOP,
    TAKE,
    TP,
)
from assay.simulate.state_arrays import EXIT_REASONS as EXIT_REASONS


@njit(cache=True, error_model="numpy")
def step(
    account: FloatArray,
    position: FloatArray,
    ledger: FloatArray,
    costs: FloatArray,
    equity: float,
    row: int,
    symbol: int,
    opening: float,
    high: float,
    low: float,
    close: float,
    volume: float,
    funding: float,
    target: float,
    stop: float,
    take: float,
    hold: int,
) -> bool:
    """Walk one instrument through one bar; True if it was in a position after the open's orders.

    In this order: a hold that ends at this open; the decision of the row before, at the open; stop and take, a gap
    first; funding and borrow, on what is held at the close. Changes `account`, `position` and, for each trade that
    closes, the next row of `ledger` (at most `TRADES_PER_STEP`; the caller keeps the room). The quantity after the
    open's orders stays in ``position[AFTER_OPEN]``.

    equity:  of the whole account at this open, before costs; nothing is opened while it is <= 0.
    row:     the instrument's own bar number; holds are counted in it.
    volume:  base units; NaN where unknown.
    funding: sum of the funding rates paid in this bar; positive: longs pay.
    target, stop, take, hold: the decision of the row before (NaN, NaN, NaN, 0: none).
    """
    if row >= position[EXPIRY]:
        leave(account, position, ledger, costs, equity, row, symbol, opening, volume, MAX_HOLD)
    if not _idle(position[QUANTITY], position[ACTED], target, stop, take, hold):
        _obey(account, position, ledger, costs, equity, row, symbol, opening, volume, target, stop, take, hold)
    holding = position[QUANTITY]
    position[AFTER_OPEN] = holding
    if holding == 0.0:
        return False
    if _touched(holding, position[STOP], position[TAKE], high, low):
        _exit(account, position, ledger, costs, equity, row, symbol, opening, high, low, volume)
        position[AFTER_OPEN] = holding
    if position[QUANTITY] != 0.0:
        _carry(account, position, costs, close, funding)
    return True


@njit(cache=True, error_model="numpy", forceinline=True)
def quiet(
    value: float,
    stop_price: float,
    take_price: float,
    expiry: float,
    acted: float,
    borrow: float,
    row: int,
    high: float,
    low: float,
    funding: float,
    target: float,
    stop: float,
    take: float,
    hold: int,
) -> bool:
    """Whether `step` would change nothing: for loops that ask before they call.

    Scalars only: handing arrays over counts references, which costs more than the whole bar. borrow is
    ``costs[BORROW_SHARE]``; the rest are fields of the position and arguments of `step`.
    """
    if row >= expiry or not _idle(value, acted, target, stop, take, hold):
        return False
    if value == 0.0:
        return True
    return funding == 0.0 and (value > 0.0 or borrow == 0.0) and not _touched(value, stop_price, take_price, high, low)


@njit(cache=True, error_model="numpy", forceinline=True)
def _idle(value: float, acted: float, target: float, stop: float, take: float, hold: int) -> bool:
    """Whether a decision asks for nothing: keep, flat already, a same-side order, or the weight acted on last."""
    if math.isnan(target):
        return True
    if target == 0.0:
        return value == 0.0
    order = not math.isnan(stop) or not math.isnan(take) or hold > 0
    return _same_side(value, target) and (order or target == acted)


@njit(cache=True, error_model="numpy", forceinline=True)
def _same_side(value: float, target: float) -> bool:
    """Not by their product: of two tiny numbers it is 0."""
    return value > 0.0 < target or value < 0.0 > target


@njit(cache=True, error_model="numpy", forceinline=True)
def _touched(value: float, stop: float, take: float, high: float, low: float) -> bool:
    """Whether a bar reaches a level (prices). Comparisons with NaN are false: no level, no exit."""
    if value > 0.0:
        return low <= stop or high >= take
    return high >= stop or low <= take


@njit(cache=True, error_model="numpy")
def _obey(
    account: FloatArray,
    position: FloatArray,
    ledger: FloatArray,
    costs: FloatArray,
    equity: float,
    row: int,
    symbol: int,
    price: float,
    volume: float,
    target: float,
    stop: float,
    take: float,
    hold: int,
) -> None:
    holding = position[QUANTITY]
    if _same_side(holding, target):
        _rebalance(account, position, costs, equity, price, volume, target)
        return
    if holding != 0.0:
        leave(account, position, ledger, costs, equity, row, symbol, price, volume, SIGNAL)
    if target == 0.0 or equity <= 0.0:
        return
    side = 1.0 if target > 0.0 else -1.0
    price_paid = price_for_notional(costs, price, side, abs(target) * equity, volume)
    quantity = side * abs(target) * equity / price_paid
    if quantity == 0.0:  # so little is left
        return
    trade(account, position, costs, equity, price, price_paid, quantity, volume)
    position[ENTRY_ROW] = row
    position[ACTED] = target
    position[STOP] = price_paid - side * stop
    position[TAKE] = price_paid + side * take
    position[EXPIRY] = row + hold if hold > 0 else np.inf


@njit(cache=True, error_model="numpy")
def _rebalance(
    account: FloatArray,
    position: FloatArray,
    costs: FloatArray,
    equity: float,
    price: float,
    volume: float,
    target: float,
) -> None:
    """Bring a same-side position to its new share; inside the band that costs would eat, leave it."""
    position[ACTED] = target
    if equity <= 0.0:
        return
    holding = position[QUANTITY]
    missing = target * equity - holding * price
    if missing == 0.0:
        return
    way = 1.0 if missing > 0.0 else -1.0
    price_paid = price_for_notional(costs, price, way, abs(missing), volume)
    change = target * equity / price_paid - holding
    if change * way > 0.0:
        trade(account, position, costs, equity, price, price_paid, change, volume)


@njit(cache=True, error_model="numpy")
def _exit(
    account: FloatArray,
    position: FloatArray,
    ledger: FloatArray,
    costs: FloatArray,
    equity: float,
    row: int,
    symbol: int,
    opening: float,
    high: float,
    low: float,
    volume: float,
) -> None:
    """Leave at the level that the bar touches: a gap at the open, and of two levels inside one bar the stop."""
    long = position[QUANTITY] > 0.0
    stop, take = position[STOP], position[TAKE]
    stopped = low <= stop if long else high >= stop
    through_take = opening >= take if long else opening <= take
    if through_take:
        leave(account, position, ledger, costs, equity, row, symbol, opening, volume, TP)
    elif stopped:
        price = min(stop, opening) if long else max(stop, opening)
        leave(account, position, ledger, costs, equity, row, symbol, price, volume, SL)
    else:
        leave(account, position, ledger, costs, equity, row, symbol, take, volume, TP)


@njit(cache=True, error_model="numpy")
def _carry(account: FloatArray, position: FloatArray, costs: FloatArray, close: float, funding: float) -> None:
    notional = position[QUANTITY] * close
    if funding != 0.0:
        paid = notional * funding
        account[CASH] -= paid
        account[FUNDING] += paid
        position[OWN_FUNDING] += paid
    if notional < 0.0 and costs[BORROW_SHARE] != 0.0:
        paid = -notional * costs[BORROW_SHARE]
        account[CASH] -= paid
        account[BORROW] += paid
        position[OWN_BORROW] += paid
