"""The named differences between our fills and those of backtesting.py, and which of them explain a trade.

One trade of a long rule with stop, take and hold, told twice: `expected` follows our rules, or with some of the
switches on, theirs. A trade that differs is explained by the fewest switches that turn our story into theirs.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import pytest

LEVELS_BEFORE_FILL = "levels before fill"  # measured from the signal's close, for its orders need prices beforehand
STOP_BEFORE_GAP = "stop before gap"  # a bar opens above the take and later falls to the stop: it takes the stop
LAST_OPEN = "last open"  # what is open at the end is closed at the last bar's open, which has gone by
SPREAD_ONCE = "spread once"  # the entry pays it, the exit does not
SWITCHES = (LEVELS_BEFORE_FILL, STOP_BEFORE_GAP, LAST_OPEN, SPREAD_ONCE)
KNOCK_ON = "knock-on"  # only one of the two could enter, the other still held a trade that differs
WARM_UP = "warm-up"  # it asks the strategy for the first time one bar after its indicators are there
FILLED_IN_THE_PAST = "filled in the past"  # an order decided at the last close is filled at that bar's open
CLOSE = 1e-9


@dataclass(frozen=True)
class Fill:
    """A trade of one unit: rows, prices after costs, pnl after fees."""

    entry: int
    exit: int
    bought: float
    sold: float
    pnl: float

    def same(self, other: "Fill") -> bool:
        """Equal rows, prices and pnl to 1e-9 of the price."""
        near = (self.bought, self.sold, self.pnl) == pytest.approx(
            (other.bought, other.sold, other.pnl), rel=CLOSE, abs=CLOSE * other.bought
        )
        return near and (self.entry, self.exit) == (other.entry, other.exit)


@dataclass(frozen=True)
class Story:
    """What a trade is made of: candles, distances at each row, longest hold, fee and slippage a side."""

    bars: object
    stop: object
    take: object
    hold: int
    fee: float
    slippage: float

    def expected(self, entry: int, switches: frozenset[str] = frozenset()) -> Fill:
        """The trade that enters at the open of row `entry`."""
        bars = self.bars
        bought = bars.open[entry] * (1 + self.slippage)
        base = bars.close[entry - 1] if LEVELS_BEFORE_FILL in switches else bought
        row, price = self._left(entry, base - self.stop[entry - 1], base + self.take[entry - 1], switches)
        sold = price if SPREAD_ONCE in switches else price * (1 - self.slippage)
        return Fill(entry, row, bought, sold, sold - bought - self.fee * (sold + bought))

    def _left(self, entry, stop, take, switches):
        bars, last = self.bars, len(self.bars) - 1
        for t in range(entry, last + 1):
            if t - entry >= self.hold:
                return t, bars.open[t]
            stopped = bars.low[t] <= stop
            if bars.open[t] >= take and not (stopped and STOP_BEFORE_GAP in switches):
                return t, bars.open[t]
            if stopped:
                return t, min(stop, bars.open[t])
            if bars.high[t] >= take:
                return t, take
        return last, bars.open[last] if LAST_OPEN in switches else bars.close[last]

    def reason(self, theirs: Fill) -> frozenset[str]:
        """The fewest switches that turn our trade into theirs; none where the two are equal."""
        for count in range(len(SWITCHES) + 1):
            for some in map(frozenset, combinations(SWITCHES, count)):
                if self.expected(theirs.entry, some).same(theirs):
                    return some
        pytest.fail(f"no named difference explains {theirs}, ours is {self.expected(theirs.entry)}")


def explained(story: Story, ours: list[Fill], theirs: list[Fill], first_signal: int) -> Counter[str]:
    """How many trades are ``equal``, and how many fall in each class; fails on a trade that falls in none.

    A trade with several reasons counts for each. first_signal: the first row whose signal we obey.
    """
    mine, other = ({fill.entry: fill for fill in fills} for fills in (ours, theirs))
    assert (len(mine), len(other)) == (len(ours), len(theirs))  # no two trades enter at the same open
    found: Counter[str] = Counter()
    odd: dict[bool, list[Fill]] = {True: [], False: []}  # trades that differ, by whether they are ours
    for entry in sorted(mine.keys() | other.keys()):
        if entry in mine and entry in other:
            assert story.expected(entry).same(mine[entry])
            reasons = story.reason(other[entry])
            found.update(reasons or ["equal"])
            if reasons:
                odd[True].append(mine[entry])
                odd[False].append(other[entry])
        else:
            is_ours = entry in mine
            fill = mine[entry] if is_ours else other[entry]
            found[_alone(fill, is_ours, odd[not is_ours], len(story.bars) - 1, first_signal)] += 1
            odd[is_ours].append(fill)
    return found


def _alone(fill: Fill, is_ours: bool, blockers: list[Fill], last: int, first_signal: int) -> str:
    """Why only one of the two entered."""
    if any(other.entry < fill.entry <= other.exit for other in blockers):
        return KNOCK_ON
    if is_ours and fill.entry == first_signal + 1:
        return WARM_UP
    if not is_ours and fill.entry == fill.exit == last:
        return FILLED_IN_THE_PAST
    pytest.fail(f"no named difference explains that only {'we' if is_ours else 'they'} have {fill}")
