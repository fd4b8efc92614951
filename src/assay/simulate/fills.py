"""Fills: price, costs, and their effect on account and position."""

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.simulate.prepare import (
    CASH,
    CLOSED,
    ENTRY_NOTIONAL,
    ENTRY_ROW,
    EXIT_NOTIONAL,
    EXPIRY,
    EXPONENT,
    FEE,
    FEES,
    IMPACT,
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
    OPENED,
    OWN_BORROW,
    OWN_FEES,
    OWN_FUNDING,
    OWN_SLIPPAGE,
    PRICE_SHARE,
    QUANTITY,
    SLIPPAGE,
    STOP,
    TAKE,
    TURNOVER,
    ZERO_VOLUME_FILLS,
)

_MOST_SHARE = 0.99  # slippage and impact never move a fill further than this share of the price


@njit(cache=True, error_model="numpy")
def leave(
    account: FloatArray,
    position: FloatArray,
    ledger: FloatArray,
    costs: FloatArray,
    equity: float,
    row: int,
    symbol: int,
    price: float,
    volume: float,
    reason: int,
) -> None:
    """Close the open position at `price` before slippage, and write the trade into the ledger."""
    holding = position[QUANTITY]
    way = -1.0 if holding > 0.0 else 1.0
    price_paid = price * (1.0 + way * _share(costs, abs(holding), volume))
    trade(account, position, costs, equity, price, price_paid, -holding, volume)
    closed = ledger[int(account[CLOSED])]
    account[CLOSED] += 1.0
    closed[L_ENTRY] = position[ENTRY_ROW]
    closed[L_EXIT] = row
    closed[L_SIDE] = -way
    closed[L_QUANTITY] = position[OPENED]
    closed[L_ENTRY_NOTIONAL] = position[ENTRY_NOTIONAL]
    closed[L_EXIT_NOTIONAL] = position[EXIT_NOTIONAL]
    closed[L_FEES] = position[OWN_FEES]
    closed[L_SLIPPAGE] = position[OWN_SLIPPAGE]
    closed[L_FUNDING] = position[OWN_FUNDING]
    closed[L_BORROW] = position[OWN_BORROW]
    closed[L_REASON] = reason
    closed[L_SYMBOL] = symbol
    position[:] = 0.0
    position[STOP] = np.nan
    position[TAKE] = np.nan
    position[EXPIRY] = np.inf


@njit(cache=True, error_model="numpy")
def trade(
    account: FloatArray,
    position: FloatArray,
    costs: FloatArray,
    equity: float,
    price: float,
    price_paid: float,
    change: float,
    volume: float,
) -> None:
    """Trade `change` units (signed) at `price_paid`, where `price` was the market's."""
    notional = abs(change) * price_paid
    fee = notional * costs[FEE]
    slipped = abs(change) * abs(price_paid - price)
    holding = position[QUANTITY]
    account[CASH] -= change * price_paid + fee
    account[FEES] += fee
    account[SLIPPAGE] += slipped
    if equity > 0.0:
        account[TURNOVER] += notional / equity
    if volume == 0.0:
        account[ZERO_VOLUME_FILLS] += 1.0
    if holding > 0.0 > change or holding < 0.0 < change:
        position[EXIT_NOTIONAL] += notional
    else:
        position[OPENED] += abs(change)
        position[ENTRY_NOTIONAL] += notional
    position[QUANTITY] = holding + change
    position[OWN_FEES] += fee
    position[OWN_SLIPPAGE] += slipped


@njit(cache=True, error_model="numpy")
def _share(costs: FloatArray, quantity: float, volume: float) -> float:
    """By which share of the price a fill of `quantity` moves against the trader."""
    share = costs[PRICE_SHARE]
    if costs[IMPACT] > 0.0 and volume > 0.0:
        share += costs[IMPACT] * (quantity / volume) ** costs[EXPONENT]
    return min(share, _MOST_SHARE)


@njit(cache=True, error_model="numpy")
def price_for_notional(costs: FloatArray, price: float, way: float, notional: float, volume: float) -> float:
    """Fill price of an order for so much money; impact is that of the quantity which the price without it would buy."""
    plain = price * (1.0 + way * costs[PRICE_SHARE])
    return price * (1.0 + way * _share(costs, notional / plain, volume))
