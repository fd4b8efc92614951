"""Number of independent trades: overlapping ones on correlated series count once."""

from collections.abc import Mapping, Sequence

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.simulate import Trades

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
