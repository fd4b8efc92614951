"""Replay of eight accounts at once (SIMD): accounts and equity over stretches of bars."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.simulate import accumulators
from assay.simulate.accumulators import TALLY_SIZE, UNCOUNTED, finish
from assay.simulate.prepare import MAX_HOLD, SIGNAL
from assay.simulate.sweep.replay_scalar import (
    AT_CLOSE,
    AT_OPEN,
    HOLD,
    INSIDE,
    Prices,
    Rule,
    Signals,
    as_rule,
    exit_of,
    exit_row,
    first_from,
    order,
)
from assay.simulate.sweep.simd import (
    LANES,
    anywhere,
    both,
    broadcast,
    either,
    fetch,
    lane_mask,
    lesser,
    load_lanes,
    lowest_bit,
    store,
    transpose_lanes,
    where,
)
from assay.simulate.sweep.simd_trades import (
    AGAIN,
    BARS,
    BEST,
    CASH,
    COLUMNS,
    COUNTS,
    ENTRY,
    EXIT,
    FLAT,
    FROM,
    GAINED,
    GROSS,
    HAS,
    HELD_ON,
    LEAST,
    LEFT_FOR,
    LEFT_WITH,
    LOST,
    LOST_SHARES,
    LOST_SUM,
    MARKED,
    MARKED_BY,
    MEAN,
    PAID,
    PLACE,
    QUANTITY,
    SHARED,
    SILENTLY,
    SLIP,
    SPREAD,
    STEPS,
    STREAK_MOST,
    SUMS,
    TO,
    TURNED,
    WON,
    WON_SHARES,
    WORST,
    fill_up,
    settle,
)

ROOM = 512  # closes of an account that are kept until they are added up: all eight stay in the nearest cache
STEP = ROOM + 3 * LANES  # from one account's equities to the next one's
# where an account stands, ``(WIDTH, 2)``: its trade, the bars of it that are done
TRADE, DONE = range(2)
# sums of the accounts, ``(BAR_SUMS, WIDTH)`` flat, in the order of `tally.Bar`; then the worst loss, the equity so far
WORST_BAR, BEFORE, BAR_SUMS = 11, 12, 13


@njit(**UNCOUNTED)
def equities_of(
    work: FloatArray,
    holding: NDArray[np.int32],
    steps: int,
    closes: FloatArray,
    e: int,
    stands: NDArray[np.int64],
    equities: FloatArray,
) -> int:
    """Write an account's next equities, at the closes of the bars it is exposed in, at most `ROOM`; how many.

    closes: with at least `2 * WIDTH` more at the end than there are bars.
    """
    k, done, count, base = stands[e, TRADE], stands[e, DONE], 0, e * STEP
    while k < steps and count < ROOM:
        at, there = k * COLUMNS * LANES + e, k * 3 * LANES + e
        start = holding[there + FROM * LANES] + done
        bars = holding[there + TO * LANES] - start
        more = min(bars, ROOM - count)
        cash, quantity = broadcast(work[at + CASH * LANES]), broadcast(work[at + QUANTITY * LANES])
        # most end within these: a loop from the first bar on would be left at a bar that nobody can guess
        store(equities, base + count, cash + quantity * load_lanes(closes, start))
        store(equities, base + count + LANES, cash + quantity * load_lanes(closes, start + LANES))
        for b in range(2 * LANES, more, LANES):
            store(equities, base + count + b, cash + quantity * load_lanes(closes, start + b))
        count += more
        if more < bars:
            done += more
            break
        equities[base + count] = work[at + LEFT_WITH * LANES]
        count += holding[there + FLAT * LANES]
        k, done = k + 1, 0
    stands[e, TRADE], stands[e, DONE] = k, done
    return count


@njit(**UNCOUNTED)
def add_bars(equities: FloatArray, count: int, sums: FloatArray) -> None:
    """Add the returns of each account's next `count` equities, a multiple of `LANES`, to its sums."""
    stored: Any = (
        load_lanes(sums, 0),
        load_lanes(sums, LANES),
        load_lanes(sums, 2 * LANES),
        load_lanes(sums, 3 * LANES),
        load_lanes(sums, 4 * LANES),
        load_lanes(sums, 5 * LANES),
        load_lanes(sums, 6 * LANES),
        load_lanes(sums, 7 * LANES),
        load_lanes(sums, 8 * LANES),
        load_lanes(sums, 9 * LANES),
        load_lanes(sums, 10 * LANES),
        load_lanes(sums, WORST_BAR * LANES),
    )
    before = load_lanes(sums, BEFORE * LANES)
    for k in range(0, count, LANES):
        now = transpose_lanes(equities, k, STEP)
        stored = _with_bar(stored, before, now[0])
        stored = _with_bar(stored, now[0], now[1])
        stored = _with_bar(stored, now[1], now[2])
        stored = _with_bar(stored, now[2], now[3])
        stored = _with_bar(stored, now[3], now[4])
        stored = _with_bar(stored, now[4], now[5])
        stored = _with_bar(stored, now[5], now[6])
        stored = _with_bar(stored, now[6], now[7])
        before = now[7]
    store(sums, BEFORE * LANES, before)
    for q in range(12):
        store(sums, q * LANES, stored[q])


@njit(**UNCOUNTED, forceinline=True)
def _with_bar(stored: Any, before: object, now: Any) -> object:
    """The sums with the return from one equity to the next; those of an account that loses all of it do not hold."""
    total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes, worst = stored
    one = broadcast(1.0)
    r = now / before - one
    square, loss = r * r, lesser(r, broadcast(0.0))
    growth = growth * (one + r)
    top = growth >= peak
    ended = both(top, trough < peak)
    if anywhere(ended):
        depth = trough / peak - one
        deepest = where(ended, lesser(deepest, depth), deepest)
        depths = where(ended, depths + depth, depths)
        episodes = where(ended, episodes + one, episodes)
    trough = where(top, growth, lesser(trough, growth))
    peak = where(top, growth, peak)
    total, squares, cubes, fourths = total + r, squares + square, cubes + square * r, fourths + square * square
    downside, worst = downside + loss * loss, lesser(worst, loss)
    return total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes, worst


# counts ``(WIDTH, COUNTS)``, sums ``(SUMS, WIDTH)`` and bar sums ``(BAR_SUMS, WIDTH)`` flat
Accounts = tuple[NDArray[np.int64], FloatArray, FloatArray]
# trades ``(STEPS, COLUMNS, WIDTH)`` and their rows ``(STEPS, 3, WIDTH)`` flat; equities, where each account stands in
# its trades, how many equities it has
Scratch = tuple[FloatArray, NDArray[np.int32], FloatArray, NDArray[np.int64], NDArray[np.int64]]


@njit(cache=True, error_model="numpy")
def allocate() -> tuple[Accounts, Scratch]:
    """Room for eight accounts."""
    accounts = np.empty((LANES, COUNTS), np.int64), np.empty(SUMS * LANES), np.empty(BAR_SUMS * LANES)
    trades = np.empty(STEPS * COLUMNS * LANES), np.empty(STEPS * 3 * LANES, np.int32)
    return accounts, (*trades, np.empty(LANES * STEP), np.empty((LANES, 2), np.int64), np.empty(LANES, np.int64))


@njit(**UNCOUNTED)
def begin(accounts: Accounts, equity: float) -> None:
    """Eight accounts before their first trade."""
    counts, sums, bars = accounts
    counts[:] = 0
    sums[:] = 0.0
    bars[:] = 0.0
    bars[BEFORE * LANES :] = equity
    for e in range(LANES):
        sums[HAS * LANES + e] = sums[MARKED * LANES + e] = equity
        sums[LEAST * LANES + e] = sums[WORST * LANES + e] = np.inf
        sums[BEST * LANES + e] = -np.inf
        bars[5 * LANES + e] = bars[6 * LANES + e] = bars[7 * LANES + e] = 1.0


@njit(**UNCOUNTED)
def carry(accounts: Accounts, scratch: Scratch, steps: int, closes: FloatArray, costs: tuple[float, float]) -> None:
    """Carry them through so many listed trades and the bars of these.

    closes: with at least `2 * WIDTH` more at the end than there are bars.
    """
    _, sums, bars = accounts
    work, holding, equities, stands, lengths = scratch
    settle(work, steps, costs[0], costs[1], sums)
    stands[:, TRADE] = 0
    stands[:, DONE] = 0
    most = 1
    while most > 0:
        most = 0
        for e in range(LANES):
            lengths[e] = equities_of(work, holding, steps, closes, e, stands, equities)
            most = max(most, lengths[e])
        most = -(-most // LANES) * LANES
        for e in range(LANES):
            # an account with fewer stands still: a return of 0 changes no sum
            base, count = e * STEP, lengths[e]
            still = equities[base + count - 1] if count > 0 else bars[BEFORE * LANES + e]
            for k in range(count, most):
                equities[base + k] = still
        add_bars(equities, most, bars)


@njit(**UNCOUNTED)
def collect(accounts: Accounts, e: int, full: FloatArray) -> bool:
    """One account's tally; false where it ever had nothing, so that the tally does not hold."""
    all_counts, sums, bars = accounts
    counts = all_counts[e]
    full[:] = 0.0
    for q in range(6):
        full[q] = bars[q * LANES + e]
    full[accumulators.PEAK], full[accumulators.TROUGH] = bars[6 * LANES + e], bars[7 * LANES + e]
    full[accumulators.DEEPEST], full[accumulators.DEPTHS] = bars[8 * LANES + e], bars[9 * LANES + e]
    full[accumulators.EPISODES] = bars[10 * LANES + e]
    full[accumulators.BARS_HELD], full[accumulators.SILENT_FILLS] = counts[BARS], counts[SILENTLY]
    full[accumulators.EXPOSED] = counts[BARS]
    for reason in range(5):
        left = counts[LEFT_FOR + reason]
        full[accumulators.EXITS + reason] = left
        full[accumulators.TRADES] += left
        if reason not in (MAX_HOLD, SIGNAL):  # the others leave within the bar
            full[accumulators.EXPOSED] += left
    full[accumulators.GROSS_WINS], full[accumulators.WINS], full[accumulators.LOSSES] = (
        sums[GROSS * LANES + e],
        sums[WON * LANES + e],
        sums[LOST * LANES + e],
    )
    full[accumulators.WON], full[accumulators.LOST] = sums[GAINED * LANES + e], sums[LOST_SUM * LANES + e]
    full[accumulators.WON_SHARE], full[accumulators.LOST_SHARE] = (
        sums[WON_SHARES * LANES + e],
        sums[LOST_SHARES * LANES + e],
    )
    full[accumulators.MEAN_GAIN], full[accumulators.GAIN_SPREAD] = sums[MEAN * LANES + e], sums[SPREAD * LANES + e]
    full[accumulators.HIGHEST], full[accumulators.LOWEST] = sums[BEST * LANES + e], sums[WORST * LANES + e]
    full[accumulators.LONGEST_STREAK] = sums[STREAK_MOST * LANES + e]
    full[accumulators.FEES_PAID], full[accumulators.SLIPPED] = sums[PAID * LANES + e], sums[SLIP * LANES + e]
    full[accumulators.TURNED_OVER] = sums[TURNED * LANES + e]
    finish(full)
    measured = sums[WON_SHARES * LANES + e] - sums[LOST_SHARES * LANES + e] < np.inf  # else an entry was worth nothing
    return bars[WORST_BAR * LANES + e] > -1.0 and sums[LEAST * LANES + e] > 0.0 and measured


LISTS = LANES  # most lists that are replayed in one call
STRETCH = 8_192  # bars; their prices stay in the second cache, beside the trades made there
_AHEAD = 8  # signals whose entries are asked for from memory before they are needed


def together(lists: Sequence[Signals]) -> tuple[Signals, ...]:
    """At most `LISTS` of them, as `replay` reads them: always as many, so that it is compiled once."""
    return (*lists, *[lists[0]] * (LISTS - len(lists)))


@njit(cache=True, error_model="numpy", nogil=True)
def replay(
    prices: Prices,
    silent: NDArray[np.bool_],
    lists: tuple[Signals, ...],
    carries: NDArray[np.int64],
    exits: FloatArray,
    pairs: IntArray,
    costs: tuple[float, float],
    equity: float,
    out: FloatArray,
    sound: BoolArray,
) -> None:
    """Each pair of a list and a set of exits, into its row of `out` ``(pairs, KEPT)``.

    prices:  ``(n,)`` open, high, low; and close with at least `2 * WIDTH` more.   silent: ``(n,)`` zero-volume bars, or
             empty: none.
    lists:   `LISTS`, as `together` gives them.
    carries: ``(lists,)`` sums of `STATE` (weights; a side may be 0), `STOPPED`, `TAKEN` (a level must be there, else it
             is dropped).
    pairs:   ``(pairs, 2)`` which list, which exits.   costs: fee and price share a side.
    sound:   ``(pairs,)`` whether the account always had something, so that its sums hold.
    """
    accounts, scratch = allocate()
    listed, ends, full = np.zeros(LANES, np.int64), np.empty(LANES, np.int64), np.empty(TALLY_SIZE)
    for first in range(0, len(pairs), LANES):
        some = pairs[first : first + LANES]
        begin(accounts, equity)
        ends[:] = listed[:] = 0
        for stretch in range(0, len(prices[0]), STRETCH):
            for e in range(len(some)):
                ends[e] = first_from(lists[some[e, 0]][0], ends[e], stretch + STRETCH)
            steps = STEPS
            while steps == STEPS:
                for e in range(len(some)):
                    j = some[e, 0]
                    listed[e] = _list_trades(
                        prices, silent, lists[j], carries[j], as_rule(exits[some[e, 1]], carries[j]), costs[1], ends[e],
                        accounts[0][e], scratch[0][e:], scratch[1][e:],
                    )  # fmt: skip
                steps = listed.max()
                for e in range(LANES):
                    fill_up(scratch[0], scratch[1], e, listed[e], steps)
                carry(accounts, scratch, steps, prices[3], costs)
        for e in range(len(some)):
            sound[first + e] = collect(accounts, e, full)
            out[first + e] = full[: out.shape[1]]


@njit(**UNCOUNTED)
def _list_trades(
    prices: Prices,
    silent: NDArray[np.bool_],
    signals: Signals,
    carries: int,
    rule: Rule,
    share: float,
    end: int,
    counts: NDArray[np.int64],
    work: FloatArray,
    holding: NDArray[np.int32],
) -> int:
    """An account's next trades, at most `STEPS`, of the signals before place `end`; how many. Reads no account."""
    opens, highs, lows, closes = prices
    rows, _, sides, _, _, _ = signals
    n, k, i, again, turns = len(opens), 0, counts[PLACE], counts[HELD_ON], (0, 0)
    while i < end and k < STEPS:
        stop, take, size = order(signals, i, carries, rule, closes)
        if size == 0.0:
            i += 1
            continue
        fetch(opens, rows[min(i + _AHEAD, len(rows) - 1)] + 1)
        t, side = rows[i] + 1, float(sides[i])
        paid = opens[t] * (1.0 + (share if side > 0.0 else -share))
        levels = paid - side * stop, paid + side * take
        band = levels if side > 0.0 else (levels[1], levels[0])
        limit, place = exit_row(signals, carries, rule, closes, i, t, turns[0] if side > 0.0 else turns[1])
        turns, limit = (place, turns[1]) if side > 0.0 else (turns[0], place), min(limit, n)
        x, how = _reached(lows, highs, band, t, limit), INSIDE
        if x == limit:
            how = AT_OPEN if x < n else AT_CLOSE
            x = min(x, n - 1)
        close = closes[x] if how == AT_CLOSE else np.nan  # which is not near yet
        bar = opens[x], highs[x], lows[x], close
        price, reason, _ = exit_of(bar, side, levels, how, np.inf, 0.0, x - t >= rule[HOLD] > 0.0)
        at, there = k * COLUMNS * LANES, k * 3 * LANES
        work[at + SHARED * LANES], work[at + AGAIN * LANES] = side * size, again
        work[at + ENTRY * LANES], work[at + EXIT * LANES] = opens[t], price
        work[at + MARKED_BY * LANES] = close if how == AT_CLOSE else (np.nan if x == t else opens[x])
        i = first_from(rows, i + 1, x - 1 if how == AT_OPEN else x)
        turned = how == AT_OPEN and i < len(rows) and rows[i] == x - 1
        again = int(turned and order(signals, i, carries, rule, closes)[2] != 0.0)
        holding[there + FROM * LANES], holding[there + TO * LANES], holding[there + FLAT * LANES] = t, x, 1 - again
        counts[BARS] += x - t
        counts[LEFT_FOR + reason] += 1
        if len(silent) > 0:
            counts[SILENTLY] += int(silent[t]) + int(silent[x])
        k += 1
    counts[PLACE], counts[HELD_ON] = i, again
    return k


@njit(**UNCOUNTED, forceinline=True)
def _reached(lows: FloatArray, highs: FloatArray, band: tuple[float, float], t: int, limit: int) -> int:
    """The first row from t on, before `limit`, whose bar reaches one of two levels; else `limit`."""
    lower, upper = broadcast(band[0]), broadcast(band[1])
    whole = min(limit, len(lows) - LANES + 1)
    while t < whole:
        there = either(lower >= load_lanes(lows, t), load_lanes(highs, t) >= upper)
        if anywhere(there):
            return min(t + lowest_bit(lane_mask(there)), limit)
        t += LANES
    while t < limit and not (lows[t] <= band[0] or highs[t] >= band[1]):
        t += 1
    return min(t, limit)
