"""One bar of one instrument: the only place where money moves.

The backtest loops over `step`, the reinforcement-learning environment calls it bar by bar, and the sweep's results are
tested against it. State lives in three small float64 arrays, so that a thousand accounts are one array each.
"""

import math

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.kernel.costs import Costs

# account: one vector per account, shared by all its instruments
CASH, FEES, SLIPPAGE, FUNDING, BORROW, TURNOVER, ZERO_VOLUME_FILLS, CLOSED, SHORTFALL = range(9)
ACCOUNT_SIZE = 9
# position: one vector per instrument
QUANTITY, STOP, TAKE, EXPIRY, ACTED, ENTRY_ROW = range(6)  # quantity is signed; stop and take are prices
OPENED, ENTRY_NOTIONAL, EXIT_NOTIONAL = range(6, 9)  # sums over the fills of the open trade
OWN_FEES, OWN_SLIPPAGE, OWN_FUNDING, OWN_BORROW = range(9, 13)
POSITION_SIZE = 13
# ledger: one row per closed trade
L_ENTRY, L_EXIT, L_SIDE, L_QUANTITY, L_ENTRY_NOTIONAL, L_EXIT_NOTIONAL = range(6)
L_FEES, L_SLIPPAGE, L_FUNDING, L_BORROW, L_REASON, L_SYMBOL = range(6, 12)
LEDGER_WIDTH = 12
TRADES_PER_STEP = 2  # most trades that one step can close: one at the open, its successor inside the bar
# costs
FEE, PRICE_SHARE, BORROW_SHARE, IMPACT, EXPONENT = range(5)

TP, SL, MAX_HOLD, SIGNAL, END_OF_DATA = range(5)
EXIT_REASONS = ("TP", "SL", "MAX_HOLD", "SIGNAL", "END_OF_DATA")

_MOST_SHARE = 0.99  # slippage and impact never move a fill further than this share of the price
_YEAR_MS = 365 * 86_400_000


def cost_vector(costs: Costs, bar_ms: int) -> FloatArray:
    """``(5,)`` costs as `step` reads them, the borrow rate turned into a share of notional per bar (365-day year)."""
    borrow = costs.borrow_rate * bar_ms / _YEAR_MS
    return np.array([costs.fee, costs.price_share, borrow, costs.impact_coefficient, costs.impact_exponent])


def new_account(equity: float) -> FloatArray:
    """``(ACCOUNT_SIZE,)`` an account that holds `equity` in cash."""
    account = np.zeros(ACCOUNT_SIZE)
    account[CASH] = equity
    return account


def new_positions(count: int) -> FloatArray:
    """``(count, POSITION_SIZE)`` flat positions."""
    positions = np.zeros((count, POSITION_SIZE))
    positions[:, STOP:EXPIRY] = np.nan
    positions[:, EXPIRY] = np.inf
    return positions


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
    closes, the next row of `ledger` (at most `TRADES_PER_STEP`; the caller keeps the room).

    equity:  of the whole account at this open, before costs; nothing is opened while it is <= 0.
    row:     the instrument's own bar number; holds are counted in it.
    volume:  base units; NaN where unknown.
    funding: sum of the funding rates paid in this bar; positive: longs pay.
    target, stop, take, hold: the decision of the row before (NaN, NaN, NaN, 0: none).
    """
    if row >= position[EXPIRY]:
        leave(account, position, ledger, costs, equity, row, symbol, opening, volume, MAX_HOLD)
    if not math.isnan(target):
        _obey(account, position, ledger, costs, equity, row, symbol, opening, volume, target, stop, take, hold)
    if position[QUANTITY] == 0.0:
        return False
    _touch(account, position, ledger, costs, equity, row, symbol, opening, high, low, volume)
    if position[QUANTITY] != 0.0:
        _carry(account, position, costs, close, funding)
    return True


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
    held = position[QUANTITY]
    order = not math.isnan(stop) or not math.isnan(take) or hold > 0
    if target != 0.0 and held * target > 0.0:
        if not order and target != position[ACTED]:
            _rebalance(account, position, costs, equity, price, volume, target)
        return
    if held != 0.0:
        leave(account, position, ledger, costs, equity, row, symbol, price, volume, SIGNAL)
    if target == 0.0 or equity <= 0.0:
        return
    side = 1.0 if target > 0.0 else -1.0
    fill = _sized_price(costs, price, side, abs(target) * equity, volume)
    _fill(account, position, costs, equity, price, fill, side * abs(target) * equity / fill, volume)
    position[ENTRY_ROW] = row
    position[ACTED] = target
    position[STOP] = fill - side * stop
    position[TAKE] = fill + side * take
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
    held = position[QUANTITY]
    missing = target * equity - held * price
    if missing == 0.0:
        return
    way = 1.0 if missing > 0.0 else -1.0
    fill = _sized_price(costs, price, way, abs(missing), volume)
    change = target * equity / fill - held
    if change * way > 0.0:
        _fill(account, position, costs, equity, price, fill, change, volume)


@njit(cache=True, error_model="numpy")
def _touch(
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
    """Stop and take inside the bar. Comparisons with a NaN level are false: no level, no exit."""
    long = position[QUANTITY] > 0.0
    stop, take = position[STOP], position[TAKE]
    stopped = low <= stop if long else high >= stop
    taken = high >= take if long else low <= take
    if not (stopped or taken):
        return
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
    held = position[QUANTITY]
    way = -1.0 if held > 0.0 else 1.0
    fill = price * (1.0 + way * _share(costs, abs(held), volume))
    _fill(account, position, costs, equity, price, fill, -held, volume)
    trade = ledger[int(account[CLOSED])]
    account[CLOSED] += 1.0
    trade[L_ENTRY] = position[ENTRY_ROW]
    trade[L_EXIT] = row
    trade[L_SIDE] = -way
    trade[L_QUANTITY] = position[OPENED]
    trade[L_ENTRY_NOTIONAL] = position[ENTRY_NOTIONAL]
    trade[L_EXIT_NOTIONAL] = position[EXIT_NOTIONAL]
    trade[L_FEES] = position[OWN_FEES]
    trade[L_SLIPPAGE] = position[OWN_SLIPPAGE]
    trade[L_FUNDING] = position[OWN_FUNDING]
    trade[L_BORROW] = position[OWN_BORROW]
    trade[L_REASON] = reason
    trade[L_SYMBOL] = symbol
    position[:] = 0.0
    position[STOP] = np.nan
    position[TAKE] = np.nan
    position[EXPIRY] = np.inf


@njit(cache=True, error_model="numpy")
def _fill(
    account: FloatArray,
    position: FloatArray,
    costs: FloatArray,
    equity: float,
    price: float,
    fill: float,
    change: float,
    volume: float,
) -> None:
    """Trade `change` units (signed) at `fill`, where `price` was the market's."""
    notional = abs(change) * fill
    fee = notional * costs[FEE]
    slipped = abs(change) * abs(fill - price)
    held = position[QUANTITY]
    account[CASH] -= change * fill + fee
    account[FEES] += fee
    account[SLIPPAGE] += slipped
    if equity > 0.0:
        account[TURNOVER] += notional / equity
    if volume == 0.0:
        account[ZERO_VOLUME_FILLS] += 1.0
    if held * change >= 0.0:
        position[OPENED] += abs(change)
        position[ENTRY_NOTIONAL] += notional
    else:
        position[EXIT_NOTIONAL] += notional
    position[QUANTITY] = held + change
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
def _sized_price(costs: FloatArray, price: float, way: float, notional: float, volume: float) -> float:
    """Fill price of an order for so much money; impact is that of the quantity which the price without it would buy."""
    plain = price * (1.0 + way * costs[PRICE_SHARE])
    return price * (1.0 + way * _share(costs, notional / plain, volume))
