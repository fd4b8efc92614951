"""Replay of one account over a list of signals, scalar: the tested fallback of the SIMD replay.

The same arithmetic as `assay.simulate.step` and `assay.simulate.fills`, operation for operation, on scalars; a property
test holds the two together bit for bit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.simulate.accumulators import (
    EXPOSED,
    FEES_PAID,
    SHORT_BY,
    SILENT_FILLS,
    SLIPPED,
    TALLY_SIZE,
    TURNED_OVER,
    UNCOUNTED,
    Bar,
    add_bar,
    add_trade,
    begin,
    close_sums,
    finish,
    open_sums,
)
from assay.simulate.prepare import END_OF_DATA, MAX_HOLD, SIGNAL, SL, TP, as_contiguous

# columns of a set of exits
STOP_MULTIPLE, TAKE_MULTIPLE, REWARD_RATIO, HOLD, SHARE, RISK = range(6)
EXIT_WIDTH = 6
# what a rule's signals carry
STATE, STOPPED, TAKEN = 1, 2, 4

AT_OPEN, INSIDE, AT_CLOSE = range(3)
_NEVER = np.iinfo(np.int64).max
Order = tuple[float, float, float]
Rows = NDArray[np.int32]
# a list of signals: rows ``(k,)``, increasing, each <= n - 2; turns ``(k,)``, place of the next signal of another side,
# k where there is none; sides ``(k,)``; and stop_base, stop_unit, take_base, ``(k,)``, or empty: 0, 0, NaN
Signals = tuple[Rows, Rows, NDArray[np.int8], FloatArray, FloatArray, FloatArray]
Prices = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # open, high, low, close
PricesOfBar = tuple[float, float, float, float]
Rule = tuple[float, float, float, float, float, float]


@njit(**UNCOUNTED, forceinline=True)
def order(signals: Signals, i: int, carries: int, rule: Rule, closes: FloatArray) -> Order:
    """Stop and take (distances) and share of equity of signal i; a share of 0 is no order."""
    rows, _, sides, stop_bases, stop_units, take_bases = signals
    if sides[i] == 0:
        return np.nan, np.nan, 0.0
    if carries & STATE:
        return np.nan, np.nan, rule[SHARE]
    stop, take = np.nan, np.nan
    unit = stop_units[i] if len(stop_units) > 0 else 0.0
    if carries & STOPPED:
        scaled = rule[STOP_MULTIPLE] * unit if rule[STOP_MULTIPLE] != 0.0 else 0.0
        stop = (stop_bases[i] if len(stop_bases) > 0 else 0.0) + scaled
    if len(take_bases) > 0 and math.isfinite(take_bases[i]):
        take = take_bases[i]
    elif not math.isnan(rule[TAKE_MULTIPLE]):
        take = rule[TAKE_MULTIPLE] * unit
    elif not math.isnan(rule[REWARD_RATIO]):
        take = rule[REWARD_RATIO] * stop
    size = rule[SHARE]
    if not math.isnan(rule[RISK]):
        risked = rule[RISK] * closes[rows[i]] / stop
        size = risked if not risked > size else size
    return stop, take, size if _whole(carries, rule, stop, take) and size > 0.0 else 0.0


@njit(**UNCOUNTED, forceinline=True)
def _whole(carries: int, rule: Rule, stop: float, take: float) -> bool:
    """Whether the levels that should be there are finite and > 0."""
    takes = carries & TAKEN or not (math.isnan(rule[TAKE_MULTIPLE]) and math.isnan(rule[REWARD_RATIO]))
    stop_sound = not carries & STOPPED or (stop > 0.0 and math.isfinite(stop))
    return stop_sound and (not takes or (take > 0.0 and math.isfinite(take)))


@njit(cache=True, error_model="numpy", nogil=True)
def replay_alone(
    prices: Prices,
    silent: NDArray[np.bool_],
    signals: Signals,
    carries: int,
    rule: FloatArray,
    costs: tuple[float, float],
    equity: float,
    out: FloatArray,
) -> None:
    """One list of signals with one set of exits into `out` ``(KEPT,)``, whatever becomes of the account.

    rule: ``(EXIT_WIDTH,)``.   The rest is as for `assay.simulate.sweep.replay_simd.replay`, of one list.
    """
    tally = np.empty(TALLY_SIZE)
    begin(tally)
    _follow(prices, silent, signals, carries, as_rule(rule, carries), costs, equity, tally)
    finish(tally)
    out[:] = tally[: len(out)]


@njit(**UNCOUNTED, forceinline=True)
def as_rule(exits: FloatArray, carries: int) -> Rule:
    """A set of exits as scalars; a state is held until it changes."""
    return exits[0], exits[1], exits[2], 0.0 if carries & STATE else exits[3], exits[4], exits[5]


@njit(**UNCOUNTED)
def _follow(
    prices: Prices,
    silent: NDArray[np.bool_],
    signals: Signals,
    carries: int,
    rule: Rule,
    costs: tuple[float, float],
    equity: float,
    tally: FloatArray,
) -> None:
    """The account over all signals. Where its last position was left at an open, `left` is that row, whose bar is not
    counted yet, and `marked` the equity at that open."""
    cash, before, marked = equity, equity, 0.0
    opens, _, _, closes = prices
    rows, _, sides, _, _, _ = signals
    left, i, last, turned = -1, 0, len(opens) - 1, (0, 0)
    while i < len(rows):
        stop, take, size = order(signals, i, carries, rule, closes)
        t = rows[i] + 1
        if 0 <= left < t:
            cash, before = _end_bar(tally, cash, before)
            left = -1
        now = marked if left == t else cash
        side, price = float(sides[i]), opens[t]
        way = side * costs[1]
        paid = price * (1.0 + way)
        quantity = side * size * now / paid
        if quantity == 0.0 or now <= 0.0:  # no order, or hardly anything left to place it with
            i += 1
            continue
        entered, fee, slipped = _fill(tally, silent, costs[0], quantity, price, paid, t, now)
        cash -= quantity * paid + fee
        limit, place = exit_row(signals, carries, rule, closes, i, t, turned[0] if side > 0.0 else turned[1])
        turned = (place, turned[1]) if side > 0.0 else (turned[0], place)
        levels = paid - side * stop, paid + side * take
        band = levels if side > 0.0 else (levels[1], levels[0])
        x, how, before = _stay(prices, tally, quantity, cash, before, band, t, min(limit, last), limit <= last)
        at_open = now if x == t else cash + quantity * opens[x]
        price, reason, at_fill = exit_of(
            bar_at(prices, x), quantity, levels, how, cash, at_open, x - t >= rule[HOLD] > 0.0
        )
        paid = price * (1.0 - way)
        got, fee_out, slipped_out = _fill(tally, silent, costs[0], -quantity, price, paid, x, at_fill)
        cash -= -quantity * paid + fee_out
        fee, slipped = fee + fee_out, slipped + slipped_out
        made = side * (got - entered)
        add_trade(tally, made - fee, made + slipped, (made - fee) / entered, float(x - t), reason)
        tally[EXPOSED] += x - t
        marked, left = at_open, x
        if how != AT_OPEN:
            tally[EXPOSED] += 1.0
            cash, before = _end_bar(tally, cash, before)
            left = -1
        i = first_from(rows, i + 1, x - 1 if how == AT_OPEN else x)
    if left >= 0:
        _end_bar(tally, cash, before)


@njit(**UNCOUNTED, forceinline=True)
def bar_at(prices: Prices, t: int) -> PricesOfBar:
    """Open, high, low and close of a bar."""
    return prices[0][t], prices[1][t], prices[2][t], prices[3][t]


@njit(**UNCOUNTED, forceinline=True)
def first_from(rows: NDArray[np.int32], i: int, row: int) -> int:
    """The first signal from i on that is at `row` or later."""
    while i < len(rows) and rows[i] < row:
        i += 1
    return i


@njit(**UNCOUNTED, forceinline=True)
def exit_row(
    signals: Signals, carries: int, rule: Rule, closes: FloatArray, i: int, entry: int, since: int
) -> tuple[int, int]:
    """The row at whose open the position must be left: its hold is over, or a signal turns it; and the place reached.

    since: the place that was reached for the position before on this side: no signal up to there turns it either.
    """
    rows, turns, sides, _, _, _ = signals
    limit = entry + int(rule[HOLD]) if rule[HOLD] > 0.0 else _NEVER
    j = max(int(turns[i]), since)
    while j < len(rows) and rows[j] + 1 < limit:
        if sides[j] != sides[i] and (carries & STATE or order(signals, j, carries, rule, closes)[2] > 0.0):
            return rows[j] + 1, j
        j += 1
    return limit, j


@njit(**UNCOUNTED, forceinline=True)
def _fill(
    tally: FloatArray,
    silent: NDArray[np.bool_],
    rate: float,
    change: float,
    price: float,
    paid: float,
    row: int,
    equity: float,
) -> Order:
    """Book a fill; its notional, fee and slippage."""
    amount = abs(change)
    notional = amount * paid
    fee, slipped = notional * rate, amount * abs(paid - price)
    tally[FEES_PAID] += fee
    tally[SLIPPED] += slipped
    if equity > 0.0:
        tally[TURNED_OVER] += notional / equity
    if len(silent) > 0 and silent[row]:
        tally[SILENT_FILLS] += 1.0
    return notional, fee, slipped


@njit(**UNCOUNTED, forceinline=True)
def _stay(
    prices: Prices,
    tally: FloatArray,
    quantity: float,
    cash: float,
    before: float,
    band: tuple[float, float],
    t: int,
    limit: int,
    leaves: bool,
) -> tuple[int, int, float]:
    """Hold from the open of t on: the row of the exit, where in its bar, and the equity at the close before it.

    band:   the lower and the upper of the two levels, whichever of them is the stop.
    At `limit` the position is left at the open if it `leaves`, else at the close, for this is the last bar.
    """
    sums: Bar = open_sums(tally)
    _, highs, lows, closes = prices
    how = AT_OPEN
    while t < limit:
        if lows[t] <= band[0] or highs[t] >= band[1]:
            how = INSIDE
            break
        now = cash + quantity * closes[t]
        if now <= 0.0:
            how = AT_CLOSE
            break
        sums = add_bar(sums, now / before - 1.0)
        before = now
        t += 1
    close_sums(tally, sums)
    if t == limit and not leaves:
        how = INSIDE if lows[t] <= band[0] or highs[t] >= band[1] else AT_CLOSE
    return t, how, before


@njit(**UNCOUNTED, forceinline=True)
def exit_of(
    bar: PricesOfBar, quantity: float, levels: tuple[float, float], how: int, cash: float, at_open: float, over: bool
) -> tuple[float, int, float]:
    """Price before slippage, reason, and the equity that the turnover is measured by."""
    opening, high, low, close = bar
    if how == AT_OPEN:
        return opening, MAX_HOLD if over else SIGNAL, at_open
    if how == AT_CLOSE:
        now = cash + quantity * close
        return close, SL if now <= 0.0 else END_OF_DATA, now
    stop, take = levels
    if quantity > 0.0:
        if opening >= take:
            return opening, TP, at_open
        return (min(stop, opening), SL, at_open) if low <= stop else (take, TP, at_open)
    if opening <= take:
        return opening, TP, at_open
    return (max(stop, opening), SL, at_open) if high >= stop else (take, TP, at_open)


@njit(**UNCOUNTED, forceinline=True)
def _end_bar(tally: FloatArray, cash: float, before: float) -> tuple[float, float]:
    """Count a bar at whose close nothing is held; cash and equity from now on. What an account owes is written off."""
    if cash < 0.0:
        tally[SHORT_BY] -= cash
        cash = 0.0
    if before > 0.0:
        close_sums(tally, add_bar(open_sums(tally), cash / before - 1.0))
    return cash, cash


_MOST_SHARE = 0.99  # as in `assay.simulate.fills`
PAD = 16  # places after the last close, for whoever reads some together


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Prices and costs. prices: open, high, low, and close with `PAD` more."""

    bars: Bars
    silent: NDArray[np.bool_]
    prices: Prices
    costs: tuple[float, float]
    start: int
    equity: float

    @classmethod
    def of(cls, bars: Bars, costs: Costs, start: int, equity: float) -> "Market":
        """Prices with the padding, costs as the replay takes them."""
        silent = np.zeros(0, np.bool_) if bars.volume is None else bars.volume == 0.0
        padded = np.append(as_contiguous(bars.close), np.ones(PAD))
        return cls(
            bars,
            as_contiguous(silent if silent.any() else silent[:0], np.bool_),
            (as_contiguous(bars.open), as_contiguous(bars.high), as_contiguous(bars.low), as_contiguous(padded)),
            (costs.fee, min(costs.price_share, _MOST_SHARE)),
            start,
            equity,
        )
