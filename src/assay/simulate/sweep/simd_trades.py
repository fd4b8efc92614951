"""The trades of eight accounts at once: which they are, then what each does to its account."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate.accumulators import UNCOUNTED
from assay.simulate.state_arrays import MAX_HOLD, SIGNAL
from assay.simulate.sweep.exit_search import AFTER, MARK, PRICE, REASON, ROW, SIGNED, Ends
from assay.simulate.sweep.simd import LANES, broadcast, either, lane_maximum, lesser, load_lanes, store, where

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
def _fills(work: FloatArray, at: int, shared: Any, rates: Any, share: float, money: Any) -> Any:
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
def _size(value: Any) -> Any:
    return lane_maximum(value, broadcast(0.0) - value)


@njit(**UNCOUNTED, forceinline=True)
def _won(sums: Any, pnl: Any, gross: Any, there: Any) -> Any:
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
def _gained(shares: Any, spreads: Any, gain: Any, there: Any) -> Any:
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
def _opened(sums: FloatArray) -> Any:
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
