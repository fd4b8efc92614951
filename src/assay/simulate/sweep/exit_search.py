"""Find exits of positions once for many threshold sets.

A position's end depends on prices, its levels and its hold; not on the account that holds it nor on the thresholds
that let its signal pass, unless a signal of the other side turns it first or the account is ruined. A *place* is a
candidate on one of its sides: ``sides * candidate + side``; the place after the last one stands for none.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.simulate.accumulators import UNCOUNTED
from assay.simulate.sweep.filter import Levels
from assay.simulate.sweep.replay_scalar import (
    AT_CLOSE,
    AT_OPEN,
    HOLD,
    INSIDE,
    Prices,
    Rows,
    Rule,
    Signals,
    as_rule,
    bar_at,
    exit_of,
    order,
)
from assay.simulate.sweep.simd import LANES, anywhere, both, broadcast, either, load_lanes, store, where

# of each place and set of exits: row of the exit, first place that may be entered after it, reason
ROW, AFTER, REASON = range(3)
# and price, price that the equity at the exit is measured by (NaN: equity at the entry), signed share of equity
PRICE, MARK, SIGNED = range(3)
Ends = tuple[NDArray[np.int32], FloatArray]


def signal_at(rows: Rows, sides: FloatArray, long: Levels, short: Levels) -> Signals:
    """The signal that each place would be. sides: +1, -1, or one of them; long, short: levels of each."""
    own = [long if side > 0.0 else short for side in sides]

    def extras(level: int, absent: float) -> FloatArray:
        columns = [one[level] for one in own]
        if not any(len(column) for column in columns):
            return np.empty(0)
        return np.column_stack([column if len(column) else np.full(len(rows), absent) for column in columns]).ravel()

    places = np.repeat(rows, len(sides)).astype(np.int32)
    speak = np.tile(sides, len(rows)).astype(np.int8)
    return places, np.empty(0, np.int32), speak, extras(0, 0.0), extras(1, 0.0), extras(2, np.nan)


@njit(cache=True, error_model="numpy", nogil=True)
def follow(conditions: NDArray[np.int8], sides: FloatArray, after: NDArray[np.int32], turns: NDArray[np.int32]) -> None:
    """Fill `after` ``(places + 1,)``: the first signal at a place or later; and `turns`, where there are two sides.

    turns: ``(places + 1,)`` the next signal of the other side.
    """
    count = len(sides)
    none = len(conditions) * count
    ahead, long, short = none, none, none
    after[none] = none
    for c in range(len(conditions) - 1, -1, -1):
        for s in range(count - 1, -1, -1):
            p = c * count + s
            if count > 1:
                turns[p] = short if sides[s] > 0.0 else long
            if conditions[c] == sides[s]:
                ahead = p
            after[p] = ahead
        if conditions[c] > 0:
            long = ahead
        elif conditions[c] < 0:
            short = ahead


@njit(cache=True, error_model="numpy", nogil=True)
def ends_of(
    prices: Prices,
    entries: NDArray[np.int32],
    signals: Signals,
    listed: BoolArray,
    first_at: NDArray[np.int32],
    carries: int,
    exits: FloatArray,
    share: float,
    whole: BoolArray,
    ends: Ends,
) -> None:
    """Fill `ends` ``(WIDTH, places, 3)`` for `LANES` sets of exits; `whole` says where each listed place is an order.

    entries: ``(places + 1,)`` rows of the entries.   first_at: ``(n + 1,)`` first place at a row or later.
    """
    bands = np.empty(3 * LANES)
    orders = np.empty((LANES, 4))
    whole[:] = True
    for p in range(len(listed)):
        if not listed[p]:
            continue
        for e in range(LANES):
            rule = as_rule(exits[e], carries)
            whole[e] &= _begun(prices, entries[p], signals, p, carries, rule, share, e, bands, orders)
        _search(prices, entries[p], bands)
        for e in range(LANES):
            _ended(prices, entries[p], float(signals[2][p]), p, first_at, e, bands, orders, ends)


@njit(**UNCOUNTED, forceinline=True)
def _begun(
    prices: Prices,
    t: int,
    signals: Signals,
    p: int,
    carries: int,
    rule: Rule,
    share: float,
    e: int,
    bands: FloatArray,
    orders: FloatArray,
) -> bool:
    """Levels of the position of place p, and the row at which it is left if none is reached; false: it is no order."""
    stop, take, size = order(signals, p, carries, rule, prices[3])
    side = float(signals[2][p])
    way = share if side > 0.0 else -share
    paid = prices[0][t] * (1.0 + way)
    levels = paid - side * stop, paid + side * take
    orders[e, 0], orders[e, 1], orders[e, 2] = levels[0], levels[1], side * size
    bands[e], bands[LANES + e] = levels if side > 0.0 else (levels[1], levels[0])
    limit = min(t + rule[HOLD], len(prices[0])) if rule[HOLD] > 0.0 else len(prices[0])
    bands[2 * LANES + e] = orders[e, 3] = limit
    return size != 0.0


@njit(**UNCOUNTED, forceinline=True)
def _search(prices: Prices, t: int, bands: FloatArray) -> None:
    """The first row from t on, before the given one, that reaches a level."""
    low, high, result = load_lanes(bands, 0), load_lanes(bands, LANES), load_lanes(bands, 2 * LANES)
    while anywhere(result > broadcast(float(t))):
        now = broadcast(float(t))
        reached = either(low >= broadcast(prices[2][t]), broadcast(prices[1][t]) >= high)
        result = where(both(reached, result > now), now, result)
        t += 1
    store(bands, 2 * LANES, result)


@njit(**UNCOUNTED, forceinline=True)
def _ended(
    prices: Prices,
    t: int,
    side: float,
    p: int,
    first_at: NDArray[np.int32],
    e: int,
    bands: FloatArray,
    orders: FloatArray,
    ends: Ends,
) -> None:
    """Write down the end of the position of place p, searched to the row in `bands`."""
    x, how, rows, money = int(bands[2 * LANES + e]), INSIDE, ends[0], ends[1]
    if x == int(orders[e, 3]):
        how = AT_OPEN if x < len(prices[0]) else AT_CLOSE
        x = min(x, len(prices[0]) - 1)
    bar = bar_at(prices, x)
    price, reason, _ = exit_of(bar, side, (orders[e, 0], orders[e, 1]), how, np.inf, 0.0, True)
    rows[e, p, ROW], rows[e, p, REASON] = x, reason
    rows[e, p, AFTER] = first_at[x - 1 if how == AT_OPEN else x]
    mark = bar[3] if how == AT_CLOSE else (np.nan if x == t else bar[0])
    money[e, p, PRICE], money[e, p, MARK], money[e, p, SIGNED] = price, mark, orders[e, 2]
