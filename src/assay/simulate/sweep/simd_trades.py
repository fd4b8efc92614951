"""Trades of eight accounts at once (SIMD): the search for the exit bar, and the effect on the account."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.simulate.accumulators import UNCOUNTED
from assay.simulate.prepare import MAX_HOLD, SIGNAL
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
from assay.simulate.sweep.simd import (
    LANES,
    anywhere,
    both,
    broadcast,
    either,
    lane_maximum,
    lesser,
    load_lanes,
    store,
    where,
)
from assay.simulate.sweep.sweep_inputs import Levels

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


STEPS = 1024  # trades of each account that are listed before their bars are counted
# of a trade, ``(STEPS, COLUMNS, WIDTH)`` flat: signed share of equity (0: there is none), entry and exit before
# slippage, the price its equity at the exit is measured by, whether it was entered where the one before was left;
# then cash while it is held, quantity, cash after it
SHARED, ENTRY, EXIT, MARKED_BY, AGAIN, CASH, QUANTITY, LEFT_WITH = range(8)
COLUMNS = 8
# ``(STEPS, 3, WIDTH)`` flat: row of the entry, of the exit, whether nothing is held at the close of that bar
FROM, TO, FLAT = range(3)
# counts of an account, ``(WIDTH, COUNTS)``: its place and `AGAIN`, bars between entry and exit, silent fills, 5 reasons
PLACE, HELD_ON, BARS, SILENTLY, LEFT_FOR = range(5)
COUNTS = 9
# sums of the accounts, ``(SUMS, WIDTH)`` flat
HAS, MARKED, LEAST, PAID, SLIP, TURNED, GROSS, WON, LOST, GAINED, LOST_SUM, WON_SHARES, LOST_SHARES = range(13)
STREAK_NOW, STREAK_MOST, MEAN, SPREAD, BEST, WORST, COUNT = range(13, 20)
SUMS = 20


@njit(**UNCOUNTED)
def list_trades(
    opens: FloatArray,
    silent: NDArray[np.bool_],
    entries: NDArray[np.int32],
    after: NDArray[np.int32],
    turns: NDArray[np.int32],
    ends: Ends,
    holds: NDArray[np.int64],
    counts: NDArray[np.int64],
    work: FloatArray,
    holding: NDArray[np.int32],
) -> int:
    """The next trades of each account, at most `STEPS`; how many steps. Reads tables and prices, no account."""
    rows, money = ends
    none = len(entries) - 1
    for k in range(STEPS):
        alive = False
        for e in range(LANES):
            p, at, there = counts[e, PLACE], k * COLUMNS * LANES + e, k * 3 * LANES + e
            if p == none:
                _nothing(work, holding, at, there)
                continue
            alive = True
            t, x, behind, reason = entries[p], rows[e, p, ROW], rows[e, p, AFTER], rows[e, p, REASON]
            price, mark = money[e, p, PRICE], money[e, p, MARK]
            if len(turns) > 0 and entries[turns[p]] <= x:
                behind = turns[p]
                x = entries[behind]
                price = mark = opens[x]
                reason = MAX_HOLD if x - t == holds[e] else SIGNAL
            follower = after[behind]
            work[at + SHARED * LANES], work[at + MARKED_BY * LANES] = money[e, p, SIGNED], mark
            work[at + ENTRY * LANES], work[at + EXIT * LANES] = opens[t], price
            work[at + AGAIN * LANES] = counts[e, HELD_ON]
            at_open = reason in (MAX_HOLD, SIGNAL)
            again = at_open and entries[follower] == x
            holding[there + FROM * LANES], holding[there + TO * LANES], holding[there + FLAT * LANES] = t, x, not again
            counts[e, PLACE], counts[e, HELD_ON] = follower, again
            counts[e, BARS] += x - t
            counts[e, LEFT_FOR + reason] += 1
            if len(silent) > 0:
                counts[e, SILENTLY] += int(silent[t]) + int(silent[x])
        if not alive:
            return k
    return STEPS


@njit(**UNCOUNTED)
def fill_up(work: FloatArray, holding: NDArray[np.int32], e: int, first: int, steps: int) -> None:
    """Account e makes no trade from step `first` on."""
    for k in range(first, steps):
        _nothing(work, holding, k * COLUMNS * LANES + e, k * 3 * LANES + e)


@njit(**UNCOUNTED, forceinline=True)
def _nothing(work: FloatArray, holding: NDArray[np.int32], at: int, there: int) -> None:
    """A trade of size 0, in place of one: the account stays as the one before left it."""
    work[at + SHARED * LANES], work[at + AGAIN * LANES] = 0.0, 1.0
    work[at + ENTRY * LANES], work[at + EXIT * LANES], work[at + MARKED_BY * LANES] = 1.0, 1.0, np.nan
    holding[there + FROM * LANES] = holding[there + TO * LANES] = holding[there + FLAT * LANES] = 0


@njit(**UNCOUNTED)
def settle(work: FloatArray, steps: int, rate: float, share: float, sums: FloatArray) -> None:
    """Carry the accounts through their trades: the arithmetic of `replay`, in its order."""
    rates, none = broadcast(rate), broadcast(0.0)
    money: Any = (
        load_lanes(sums, HAS * LANES),
        load_lanes(sums, MARKED * LANES),
        load_lanes(sums, LEAST * LANES),
        load_lanes(sums, PAID * LANES),
        load_lanes(sums, SLIP * LANES),
        load_lanes(sums, TURNED * LANES),
    )
    won, shares, spreads = _opened(sums)
    for k in range(steps):
        at = k * COLUMNS * LANES
        shared = load_lanes(work, at + SHARED * LANES)
        there = either(shared > none, none > shared)
        money, pnl, gross, entered = _fills(work, at, shared, rates, share, money)
        won = _won(won, pnl, gross, there)
        shares, spreads = _gained(shares, spreads, pnl / entered, there)
    for q, value in ((HAS, money[0]), (MARKED, money[1]), (LEAST, money[2]), (PAID, money[3])):
        store(sums, q * LANES, value)
    for q, value in ((SLIP, money[4]), (TURNED, money[5])):
        store(sums, q * LANES, value)
    _closed(sums, won, shares, spreads)


@njit(**UNCOUNTED, forceinline=True)
def _fills(work: FloatArray, at: int, shared: Any, rates: object, share: float, money: Any) -> Any:
    """Enter and leave: the account afterwards, net and gross gain, notional of the entry."""
    has, marked, least, paid, slip, turned = money
    none, one = broadcast(0.0), broadcast(1.0)
    long = shared > none
    entry, leaving = load_lanes(work, at + ENTRY * LANES), load_lanes(work, at + EXIT * LANES)
    by = load_lanes(work, at + MARKED_BY * LANES)
    now = where(load_lanes(work, at + AGAIN * LANES) > none, marked, has)
    bought = entry * where(long, broadcast(1.0 + share), broadcast(1.0 - share))
    sold = leaving * where(long, broadcast(1.0 - share), broadcast(1.0 + share))
    quantity = shared * now / bought
    amount = lane_maximum(quantity, none - quantity)
    entered, got = amount * bought, amount * sold
    fee, slipped = entered * rates, amount * _size(bought - entry)
    fee_out, slipped_out = got * rates, amount * _size(sold - leaving)
    inside = has - (quantity * bought + fee)
    marked = where(by >= by, inside + quantity * by, now)
    after = inside - ((none - quantity) * sold + fee_out)
    store(work, at + CASH * LANES, inside)
    store(work, at + QUANTITY * LANES, quantity)
    store(work, at + LEFT_WITH * LANES, after)
    least = lesser(lesser(least, now), lesser(marked, after))
    turned = turned + entered / now + got / marked
    made = where(long, one, none - one) * (got - entered)
    fees, slips = fee + fee_out, slipped + slipped_out
    return (
        (after, marked, least, paid + fee + fee_out, slip + slipped + slipped_out, turned),
        made - fees,
        made + slips,
        entered,
    )


@njit(**UNCOUNTED, forceinline=True)
def _size(value: object) -> object:
    return lane_maximum(value, broadcast(0.0) - value)


@njit(**UNCOUNTED, forceinline=True)
def _won(sums: Any, pnl: object, gross: object, there: object) -> object:
    """Counts and sums of wins and losses, with one more trade, where it is there."""
    grosses, wins, losses, gained, value, streak, most = sums
    none, one = broadcast(0.0), broadcast(1.0)
    streak = where(there, where(pnl < none, streak + one, none), streak)
    return (
        grosses + where(gross > none, one, none),
        wins + where(pnl > none, one, none),
        losses + where(pnl < none, one, none),
        gained + lane_maximum(pnl, none),
        value + lesser(pnl, none),
        streak,
        lane_maximum(most, streak),
    )


@njit(**UNCOUNTED, forceinline=True)
def _gained(shares: Any, spreads: Any, gain: object, there: object) -> object:
    """The sums over relative gains with one more, where it is there."""
    won, lost = shares
    mean, squares, best, worst, count = spreads
    none = broadcast(0.0)
    gain = where(there, gain, none)
    after = count + broadcast(1.0)
    off = gain - mean
    moved = mean + off / after
    squares = where(there, squares + off * (gain - moved), squares)
    best, worst = where(there, lane_maximum(best, gain), best), where(there, lesser(worst, gain), worst)
    spreads = where(there, moved, mean), squares, best, worst, where(there, after, count)
    return (won + lane_maximum(gain, none), lost + lesser(gain, none)), spreads


@njit(**UNCOUNTED, forceinline=True)
def _opened(sums: FloatArray) -> object:
    won = (
        load_lanes(sums, GROSS * LANES),
        load_lanes(sums, WON * LANES),
        load_lanes(sums, LOST * LANES),
        load_lanes(sums, GAINED * LANES),
        load_lanes(sums, LOST_SUM * LANES),
        load_lanes(sums, STREAK_NOW * LANES),
        load_lanes(sums, STREAK_MOST * LANES),
    )
    spreads = (
        load_lanes(sums, MEAN * LANES),
        load_lanes(sums, SPREAD * LANES),
        load_lanes(sums, BEST * LANES),
        load_lanes(sums, WORST * LANES),
        load_lanes(sums, COUNT * LANES),
    )
    return won, (load_lanes(sums, WON_SHARES * LANES), load_lanes(sums, LOST_SHARES * LANES)), spreads


@njit(**UNCOUNTED, forceinline=True)
def _closed(sums: FloatArray, won: Any, shares: Any, spreads: Any) -> None:
    store(sums, GROSS * LANES, won[0])
    store(sums, WON * LANES, won[1])
    store(sums, LOST * LANES, won[2])
    store(sums, GAINED * LANES, won[3])
    store(sums, LOST_SUM * LANES, won[4])
    store(sums, STREAK_NOW * LANES, won[5])
    store(sums, STREAK_MOST * LANES, won[6])
    store(sums, WON_SHARES * LANES, shares[0])
    store(sums, LOST_SHARES * LANES, shares[1])
    store(sums, MEAN * LANES, spreads[0])
    store(sums, SPREAD * LANES, spreads[1])
    store(sums, BEST * LANES, spreads[2])
    store(sums, WORST * LANES, spreads[3])
    store(sums, COUNT * LANES, spreads[4])
