"""Active returns beyond holding the average position; whether a record rests on trades or on holding.

In a market with drift every rule that is long most of the time has a Sharpe ratio above 0 without any skill, and so has
one that is long in it at random. The drift is taken out by the position that the record held on average.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.simulate import Trades


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """Active returns ``(n,)``, and the mean exposure ``(k,)`` to each instrument that was taken out of them."""

    returns: FloatArray
    mean_exposure: FloatArray


def active_returns(returns: FloatArray, exposure: FloatArray, market: FloatArray) -> Active:
    """``a_t = r_t - Σ_i w̄_i·m_{i,t}``, with w̄_i the mean of w_{i,t} over the bars on which i could be traded.

    returns:  ``(n,)`` of the account, net.
    exposure: ``(n,)`` or ``(n, k)`` w, notional after the fills at a bar's open over the account's equity.
    market:   the same shape: m, returns of holding each instrument, NaN on bars on which it could not be traded (it has
              none, or the fold begins there): such bars enter neither w̄ nor the sum.
    A constant w = 1 or 0 leaves exactly what was paid in costs; a weight that drifts leaves terms of second order.
    Raises ConfigError ``CONFIG_PARAMETER`` for shapes that do not go together. O(n k).
    """
    weights, moves = np.atleast_2d(exposure.T).T, np.atleast_2d(market.T).T
    if weights.shape != moves.shape or len(weights) != len(returns):
        raise ConfigError(
            f"{len(returns)} returns stand beside exposures of shape {exposure.shape} and market returns of shape "
            f"{market.shape}; each needs one row a bar",
            code="CONFIG_PARAMETER",
        )
    tradable = np.isfinite(moves)
    count = np.maximum(tradable.sum(axis=0), 1)
    mean: FloatArray = np.where(tradable, weights, 0.0).sum(axis=0) / count
    return Active(returns - np.where(tradable, moves, 0.0) @ mean, mean)


def market_returns(bars: Bars) -> FloatArray:
    """``(n,)`` returns of holding through each bar of a fold: close to close; the first tradable bar open to close.

    NaN on the first row: a fold decides there and trades nothing before the next open.
    """
    returns = np.full(len(bars), np.nan)
    returns[1:2] = bars.close[1:2] / bars.open[1:2] - 1.0
    returns[2:] = bars.close[2:] / bars.close[1:-1] - 1.0
    return returns


Nature = Literal["edge", "holding", "costs", "luck", "fills", "loss", "leak", "unknown"]

NATURE_SENTENCES: Mapping[Nature, str] = {
    "edge": "This is an edge: it earns more than holding its average position, and more than luck explains after all "
    "trials.",
    "holding": "This is holding: most of what it earns, its average position would have earned by itself.",
    "costs": "This is eaten by costs: what it earns is less than trading may cost.",
    "luck": "This may be luck: the best of as many trials without any skill would show as much too often.",
    "fills": "This is made of fills that nobody would have got: bars without volume, or too much of a bar.",
    "loss": "This loses money, before any cost as well.",
    "leak": "This did not decide by earlier candles alone: what it earns proves nothing.",
    "unknown": "Too little is known yet to tell what this is.",
}


def nature_of(states: Mapping[str, str], *, mostly_holding: bool, earns_before_costs: bool) -> Nature:
    """What a record is by the states of its checks, the worst explanation first.

    mostly_holding: whether less than half of what it earns is left beyond holding its mean position.
    earns_before_costs: whether the mean return without any cost is above 0, as far as that is known.
    """
    if states["audit"] == "FAIL":
        return "leak"
    if states["fills"] == "FAIL":
        return "fills"
    if states["sample"] != "PASS":
        return "unknown"
    if states["profit"] != "PASS":
        return "costs" if earns_before_costs else "loss"
    if states["cost"] == "FAIL":
        return "costs"
    return _by_edge(states, mostly_holding=mostly_holding)


def _by_edge(states: Mapping[str, str], *, mostly_holding: bool) -> Nature:
    if states["edge"] == "PASS":
        return "edge" if states["cost"] == "PASS" else "costs"
    return "holding" if states["edge"] == "FAIL" or mostly_holding else "luck"


ALIKE = 0.9  # correlation of log returns from which on two series are one bet
_LEAST = 20  # common returns that a correlation needs
Closes = tuple[IntArray, FloatArray]


def count_independent_trades(trades: Mapping[str, Trades], closes: Mapping[str, Closes]) -> int:
    """The most trades of which no two are open at the same time on series that move alike.

    trades: closed ones, by symbol.   closes: by symbol the ``(n,)`` times (ms) and closes of the judged bars.
    Series move alike where their log returns on common bars correlate above `ALIKE`; what is like the same third series
    is alike. Trades of one series count as they are.
    """
    return sum(_apart([trades[symbol] for symbol in group if symbol in trades]) for group in alike(closes))


def alike(closes: Mapping[str, Closes]) -> list[list[str]]:
    """The symbols in groups that move alike, in the order of `closes`. O(k² n)."""
    groups: list[list[str]] = []
    for symbol in closes:
        near = [group for group in groups if any(_alike(closes[symbol], closes[other]) for other in group)]
        groups = [group for group in groups if group not in near]
        groups.append([other for group in near for other in group] + [symbol])
    return groups


def _alike(one: Closes, other: Closes) -> bool:
    _, mine, its = np.intersect1d(one[0], other[0], assume_unique=True, return_indices=True)
    if len(mine) <= _LEAST:
        return False
    a, b = np.diff(np.log(one[1][mine])), np.diff(np.log(other[1][its]))
    if not (np.ptp(a) > 0 and np.ptp(b) > 0):
        return bool(np.array_equal(a, b))
    return bool(np.corrcoef(a, b)[0, 1] > ALIKE)


def _apart(several: Sequence[Trades]) -> int:
    """Earliest end first, each that begins after the one before has ended: no choice of disjoint ones has more."""
    if len(several) < 2:
        return sum(map(len, several))
    begins = np.concatenate([t.entry_time for t in several])
    ends = np.maximum(np.concatenate([t.exit_time for t in several]), begins + 1)
    count, free = 0, np.iinfo(np.int64).min
    for at in np.lexsort((begins, ends)).tolist():
        if begins[at] >= free:
            count, free = count + 1, int(ends[at])
    return count
