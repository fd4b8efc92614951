"""The execution loop: one bar of one instrument at a time, the only place where money moves.

The backtest loops over `step`, the reinforcement-learning environment calls it bar by bar, and the sweep's results are
tested against it. State lives in three small float64 arrays, so that a thousand accounts are one array each.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.simulate.fills import leave, price_for_notional, trade
from assay.simulate.prepare import (
    ACTED,
    AFTER_OPEN,
    BORROW,
    BORROW_SHARE,
    CASH,
    CLOSED,
    END_OF_DATA,
    ENTRY_ROW,
    EXPIRY,
    FUNDING,
    LEDGER_WIDTH,
    MAX_HOLD,
    OWN_BORROW,
    OWN_FUNDING,
    QUANTITY,
    SHORTFALL,
    SIGNAL,
    SL,
    STOP,
    TAKE,
    TP,
    TRADES_PER_STEP,
    TURNOVER,
)
from assay.simulate.prepare import EXIT_REASONS as EXIT_REASONS


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


_FIRST_ROOM = 256
Columns = tuple[FloatArray, FloatArray, FloatArray, BoolArray, FloatArray, FloatArray]


@njit(cache=True, error_model="numpy")
def _roomy(ledger: FloatArray, closed: float, more: int) -> FloatArray:
    """The ledger, or a longer copy, with room for so many more trades."""
    if closed + more <= len(ledger):
        return ledger
    wider = np.empty((2 * len(ledger) + more, LEDGER_WIDTH))
    wider[: len(ledger)] = ledger
    return wider


@njit(cache=True, error_model="numpy")
def _settle(account: FloatArray, now: float) -> float:
    """Write off what an account owes; its equity from now on."""
    account[SHORTFALL] -= now
    account[CASH] = 0.0
    return 0.0


@njit(cache=True, error_model="numpy", forceinline=True)
def _weight(after_open: float, at_close: float, opening: float, equity: float) -> float:
    """Share of the equity at an open that is held after its orders; half of it if the bar closed it."""
    if after_open == 0.0 or equity <= 0.0:
        return 0.0
    share = after_open * opening / equity
    return share if at_close != 0.0 else 0.5 * share


@njit(cache=True, error_model="numpy")
def alone(
    account: FloatArray,
    position: FloatArray,
    costs: FloatArray,
    start: int,
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    volume: FloatArray,
    funding: FloatArray,
    decided: tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int32]],
    out: Columns,
) -> FloatArray:
    """Rows ``start..n-1`` of one instrument into `out`; gives the ledger back.

    out: equity, returns, position, exposed, exposure, traded; see `assay.simulate.result.BacktestResult`.

    volume and funding may be empty: unknown, and none. Row `start` trades nothing.
    """
    opens, highs, lows, closes = prices
    target, stop, take, hold = decided
    equity, returns, share, exposed, exposure, traded = out
    ledger = np.empty((_FIRST_ROOM, LEDGER_WIDTH))
    n = len(closes)
    before = account[CASH]
    for t in range(start, n):
        at = t - start
        paid = funding[at] if len(funding) > 0 else 0.0
        seen = volume[t] if len(volume) > 0 else np.nan
        at_open, turned = account[CASH] + position[QUANTITY] * opens[t], account[TURNOVER]
        if at > 0 and quiet(
            position[QUANTITY], position[STOP], position[TAKE], position[EXPIRY], position[ACTED], costs[BORROW_SHARE],
            t, highs[t], lows[t], paid, target[t - 1], stop[t - 1], take[t - 1], hold[t - 1],
        ):  # fmt: skip
            exposed[at] = position[QUANTITY] != 0.0
            exposure[at] = _weight(position[QUANTITY], position[QUANTITY], opens[t], at_open)
        elif at > 0:
            if account[CLOSED] + TRADES_PER_STEP + 1 > len(ledger):
                ledger = _roomy(ledger, account[CLOSED], TRADES_PER_STEP + 1)
            exposed[at] = step(
                account, position, ledger, costs, at_open, t, 0,
                opens[t], highs[t], lows[t], closes[t], seen, paid,
                target[t - 1], stop[t - 1], take[t - 1], hold[t - 1],
            )  # fmt: skip
            exposure[at] = _weight(position[AFTER_OPEN], position[QUANTITY], opens[t], at_open)
        now = account[CASH] + position[QUANTITY] * closes[t]
        if position[QUANTITY] != 0.0 and (t == n - 1 or now <= 0.0):
            reason = SL if now <= 0.0 else END_OF_DATA
            leave(account, position, ledger, costs, now, t, 0, closes[t], seen, reason)
            now = account[CASH]
        if now < 0.0:
            now = _settle(account, now)
        equity[at] = now
        returns[at] = now / before - 1.0 if before > 0.0 else 0.0
        share[at] = position[QUANTITY] * closes[t] / now if now > 0.0 else 0.0
        traded[at] = account[TURNOVER] - turned
        before = now
    return ledger[: int(account[CLOSED])]


@njit(cache=True, error_model="numpy")
def together(
    account: FloatArray,
    positions: FloatArray,
    costs: FloatArray,
    index: IntArray,
    own_row: IntArray,
    prices: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    volume: FloatArray,
    funding: FloatArray,
    decided: tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int32]],
    out: Columns,
) -> FloatArray:
    """Several instruments on one account; gives the ledger back.

    index:   ``(m, k)`` place of instrument j's bar at time i in the flat columns, -1 where it has none.
    own_row: flat, the row of each bar in its own ``Bars``.
    prices, volume, funding: flat columns of the judged bars, instrument after instrument.
    decided: flat, beside each bar the decision of the row before; none for an instrument's first bar.
    out:     equity, returns ``(m,)``, position ``(m, k)``, exposed ``(m,)``, exposure and traded ``(m, k)``.
    """
    opens, highs, lows, closes = prices
    target, stop, take, hold = decided
    m, k = index.shape
    ledger = np.empty((_FIRST_ROOM, LEDGER_WIDTH))
    seen = np.full(k, -1, np.int64)
    before = account[CASH]
    for i in range(m):
        ledger = _roomy(ledger, account[CLOSED], k * (TRADES_PER_STEP + 1))
        at_open = account[CASH]
        for j in range(k):
            if positions[j, QUANTITY] != 0.0:
                price = opens[index[i, j]] if index[i, j] >= 0 else closes[seen[j]]
                at_open += positions[j, QUANTITY] * price
        out[3][i] = False
        for j in range(k):
            b = index[i, j]
            if b < 0:
                holding = positions[j, QUANTITY]
                out[3][i] |= holding != 0.0
                out[4][i, j] = _weight(holding, holding, closes[seen[j]] if holding != 0.0 else 0.0, at_open)
                out[5][i, j] = 0.0
                continue
            seen[j] = b
            turned = account[TURNOVER]
            out[3][i] |= step(
                account, positions[j], ledger, costs, at_open, own_row[b], j,
                opens[b], highs[b], lows[b], closes[b], volume[b], funding[b],
                target[b], stop[b], take[b], hold[b],
            )  # fmt: skip
            out[4][i, j] = _weight(positions[j, AFTER_OPEN], positions[j, QUANTITY], opens[b], at_open)
            out[5][i, j] = account[TURNOVER] - turned
        now = _marked(account, positions, closes, seen)
        _close_ended(account, positions, ledger, costs, now, out[5][i], own_row, closes, volume, seen)
        now = _marked(account, positions, closes, seen)
        if now < 0.0:
            now = _settle(account, now)
        out[0][i] = now
        out[1][i] = now / before - 1.0 if before > 0.0 else 0.0
        for j in range(k):
            holding = positions[j, QUANTITY]
            out[2][i, j] = holding * closes[seen[j]] / now if holding != 0.0 and now > 0.0 else 0.0
        before = now
    return ledger[: int(account[CLOSED])]


@njit(cache=True, error_model="numpy")
def _marked(account: FloatArray, positions: FloatArray, closes: FloatArray, seen: IntArray) -> float:
    equity = account[CASH]
    for j in range(len(seen)):
        if positions[j, QUANTITY] != 0.0:
            equity += positions[j, QUANTITY] * closes[seen[j]]
    return equity


@njit(cache=True, error_model="numpy")
def _close_ended(
    account: FloatArray,
    positions: FloatArray,
    ledger: FloatArray,
    costs: FloatArray,
    equity: float,
    traded: FloatArray,
    own_row: IntArray,
    closes: FloatArray,
    volume: FloatArray,
    seen: IntArray,
) -> None:
    """Close what has no further bar; on a ruined account, everything. Adds to what each has traded in this bar."""
    for j in range(len(seen)):
        if positions[j, QUANTITY] == 0.0:
            continue
        b = seen[j]
        last = b + 1 == len(closes) or own_row[b + 1] <= own_row[b]
        if equity <= 0.0 or last:
            reason = SL if equity <= 0.0 else END_OF_DATA
            turned = account[TURNOVER]
            leave(account, positions[j], ledger, costs, equity, own_row[b], j, closes[b], volume[b], reason)
            traded[j] += account[TURNOVER] - turned
