"""Candles that are known by their local patterns: whatever their stamps are, and with prices that were bent.

A pattern is what six closes in a row do: how the sizes of their five log returns compare with each other, in steps of a
fifth of a natural logarithm, and where their signs turn. A power of the price, a constant that is added, a slow drift
and an inverse quote leave nearly all patterns as they are; stamps are no part of them. Bars that repeat the close
before are left out. Two series share a market where patterns that stand once in each follow each other at like
distances.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray

RETURNS = 5  # of a pattern
LEAST_PATTERNS = 26  # in common and in order, for two series to be one market
LEAST_SHARE = 0.02  # of the patterns of the series that has fewer
LAGS = (1, 2, 3, 4)  # bars that one bar of a copy may stand for, whatever its timeframe is called
Places = tuple[int, ...]  # of the closes of a pattern, from its first one on
_THINNED: tuple[Places, ...] = (
    (0, 1, 2, 4, 5, 6),
    (0, 1, 3, 4, 6, 7),
)  # of a copy that lacks every 4th or 5th bar; 3rd
_STEP = 0.2
_CODES = 128  # of one comparison: 63 sizes and two signs
_LARGEST = 31
_STRETCH, _SLACK = 1.5, 4.0  # how far the distances of two neighbours may lie apart
_ONE_SHIFT = 0.9  # share of the patterns that lie the same time apart


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """The closes of a series in their order.

    times: ``(n,)`` int64, ms at which each is known.   logs: ``(n,)`` int64, log close times 1e8.   step: ms of a bar.
    """

    times: IntArray
    logs: IntArray
    step: int


@dataclass(frozen=True, slots=True, eq=False)
class _Patterns:
    """codes: ``(m,)`` increasing, each of a pattern that stands once.   at: ``(m,)`` its place, in bars that count as
    one.   times: ``(m,)`` ms at which its last close is known.
    """

    codes: IntArray
    at: FloatArray
    times: IntArray


@dataclass(frozen=True, slots=True)
class Shared:
    """Two series share patterns. moved_ms: how much later the second one lies, None where no one shift says it."""

    moved_ms: int | None


def shared_patterns(one: Sequence, other: Sequence) -> Shared | None:
    """Whether two series are one market by their local patterns; None for two markets.

    One bar of either may stand for several of the other, as their timeframes say or as `LAGS` do, and either may lack
    every third to fifth bar. Cost: a sort of each series for each way of comparing them, some 10 ms for 60,000 bars.
    """
    for mine, theirs in _ways(one.step, other.step):
        match = _compared(_patterns(one, mine), _patterns(other, theirs))
        if match is not None:
            return match
    return None


def _ways(step: int, other: int) -> list[tuple[Places, Places]]:
    """Which closes make a pattern of each, the likeliest first."""
    by_name = [(max(1, other // step), max(1, step // other))] if max(step, other) % min(step, other) == 0 else []
    lags = [*by_name, *(pair for lag in LAGS for pair in ((lag, 1), (1, lag)))]
    thinned = [pair for gaps in _THINNED for pair in ((gaps, _every(1)), (_every(1), gaps))]
    return list(dict.fromkeys([*((_every(a), _every(b)) for a, b in lags), *thinned]))


def _every(lag: int) -> Places:
    return tuple(range(0, (RETURNS + 1) * lag, lag))


def _compared(one: _Patterns, other: _Patterns) -> Shared | None:
    fewer = min(len(one.codes), len(other.codes))
    if fewer < LEAST_PATTERNS:
        return None
    _, i, j = np.intersect1d(one.codes, other.codes, assume_unique=True, return_indices=True)
    if len(i) < LEAST_PATTERNS:
        return None
    order = np.argsort(one.at[i], kind="stable")
    i, j = i[order], j[order]
    orderly = _orderly(one.at[i], other.at[j])
    if orderly.sum() < max(LEAST_PATTERNS, LEAST_SHARE * fewer):
        return None
    apart, counts = np.unique((other.times[j] - one.times[i])[orderly], return_counts=True)
    return Shared(int(apart[counts.argmax()]) if counts.max() >= _ONE_SHIFT * counts.sum() else None)


def _orderly(at: FloatArray, there: FloatArray) -> BoolArray:
    """Which common patterns have their next one, of those that share no close with it, about as far away in both."""
    following = np.searchsorted(at, at + RETURNS)
    inside = following < len(at)
    following = np.minimum(following, len(at) - 1)
    apart, distant = at[following] - at, there[following] - there
    near = (distant <= _STRETCH * apart + _SLACK) & (distant >= apart / _STRETCH - _SLACK)
    return np.asarray(inside & near & (distant > 0))


@lru_cache(maxsize=24)
def _patterns(sequence: Sequence, places: Places) -> _Patterns:
    """From every bar on. Overlapping neighbours that share a code count once."""
    logs, times, lag = sequence.logs, sequence.times, places[1]
    if lag == 1:
        fresh = np.append(True, np.diff(logs) != 0)[: len(logs)]
        logs, times = logs[fresh], times[fresh]
    n = len(logs) - places[-1]
    if n <= 0:
        return _Patterns(np.empty(0, np.int64), np.empty(0), np.empty(0, np.int64))
    codes, whole = _coded(logs, places, n)
    rows = np.flatnonzero(whole)
    codes = codes[rows]
    values, first = np.unique(codes, return_index=True)
    _, last = np.unique(codes[::-1], return_index=True)
    once = rows[len(codes) - 1 - last] - rows[first] < lag
    at = rows[first][once]
    return _Patterns(values[once], at / lag, times[at + places[-1]])


def _coded(logs: IntArray, places: Places, n: int) -> tuple[IntArray, BoolArray]:
    """A number for each of the first `n` patterns, and whether all its returns move."""
    codes, whole = np.zeros(n, np.int64), np.ones(n, np.bool_)
    size, up = np.empty(0), np.empty(0, np.bool_)
    for k, (begin, end) in enumerate(pairwise(places)):
        moves = (logs[end : end + n] - logs[begin : begin + n]).astype(np.float64)
        before, turned = size, up
        whole &= moves != 0.0
        size, up = np.log(np.abs(np.where(moves != 0.0, moves, 1.0))), moves > 0.0
        if k:
            ratio = np.clip(np.round((size - before) / _STEP), -_LARGEST, _LARGEST).astype(np.int64)
            codes = codes * _CODES + 2 * (ratio + _LARGEST) + (up != turned)
    return codes, whole
