"""Fingerprints of candles: when two series, whatever their name, are one market.

Kept are the last closes of days and hours and those of the newest bars, as logarithms in units of 1e-8. Two series are
the same market if the Spearman correlation of their log returns is at least `SAME_RANKS` on the stretch that they
share, or if at least `SAME_SHARE` of the returns that are not zero are equal within 1e-6: so a market is known under
another exchange, symbol or timeframe, with adjusted prices, and with its stamps moved. Else their local patterns
decide, which need no stamps: see `assay.track.fingerprint`.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.instrument import markets_of
from assay.kernel.timeframe import DAY_MS, HOUR_MS, TIMEFRAMES

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


SAME_RANKS = 0.98
SAME_SHARE = 0.90
LEAST_UNITS = 26  # common returns that a comparison needs
MOST_FLAT = 0.5  # share of the compared returns that are zero, from which on they tell nothing of the market
_SCALE = 1e8  # of a logarithm, for whole numbers
_EQUAL = 100  # 1e-6
MOST_BARS = 65_536  # newest ones whose closes are stored
_SAME_CANDLES = 0.99
_WEEK_BEGINS = 3  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True, eq=False)
class Closes:
    """The last close of each unit of time that holds bars.

    units: ``(k,)`` int64, the unit's number since 1970, increasing.   logs: ``(k,)`` int64, log close times 1e8.
    """

    units: IntArray
    logs: IntArray

    def __len__(self) -> int:
        return len(self.units)

    @property
    def weeks(self) -> "Closes":
        """Of days: the last of each week, Monday to Sunday."""
        return _last_of(self.units + _WEEK_BEGINS, 7, self.logs)

    def shift(self, by: int) -> "Closes":
        """The same, so many units later."""
        return Closes(self.units + by, self.logs)


_NONE = Closes(np.empty(0, np.int64), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """What a series looks like.

    market_key: of the one series.   digest: SHA-256 over times and closes, the same under any name.
    first, last: ms, opens of the first and the last bar.   zero_share: of returns that are zero.
    days, hours, bars: closes; hours where a bar is no longer than one, the newest `MOST_BARS` bars where they are
    neither days nor hours (in rows of before local patterns were compared of series of at most 4,096 bars only).
    """

    market_key: str
    digest: str
    first: int
    last: int
    n_bars: int
    zero_share: float
    days: Closes
    hours: Closes = _NONE
    bars: Closes = _NONE

    @property
    def tells(self) -> bool:
        """Whether more can be said of it than its name and its digest: it has a price that is not zero."""
        return len(self.days) > 0

    @property
    def bar_ms(self) -> int:
        """Length of a bar."""
        return TIMEFRAMES[markets_of(self.market_key)[0][2]]


@dataclass(frozen=True, slots=True)
class Match:
    """Two series are one market. moved_ms: how much later the second one's stamps lie; 0 for the same time, None where
    no one shift says it.
    """

    moved_ms: int | None = 0


def compute_fingerprint(bars: Bars) -> Fingerprint:
    """The fingerprint of a series of at least one bar; of a negative close its size, and none of a zero.

    Cost: once through its closes.
    """
    times, close, step = bars.timestamp, bars.close, bars.instrument.bar.ms
    sha = hashlib.sha256(times.astype("<i8").tobytes() + close.astype("<f8").tobytes())
    moves = np.diff(close)
    zero = float((moves == 0.0).mean()) if len(moves) else 1.0
    plain = Fingerprint(
        bars.instrument.key, sha.hexdigest(), int(times[0]), int(times[-1]), len(bars), zero, days=_NONE
    )  # fmt: skip
    times, close = times[close != 0.0], np.abs(close[close != 0.0])
    if not len(close):
        return plain
    logs = np.round(np.log(close) * _SCALE).astype(np.int64)
    fine = step not in (HOUR_MS, DAY_MS)
    return replace(
        plain,
        days=_last_of(times, DAY_MS, logs),
        hours=_last_of(times, HOUR_MS, logs) if step <= HOUR_MS else _NONE,
        bars=_newest(Closes(times // step, logs)) if fine else _NONE,
    )


def same_market(one: Fingerprint, other: Fingerprint) -> Match | None:
    """Whether two series are one market, by their candles alone; None where they are not, or share too little.

    Units are weeks, days, hours and bars, wherever 26 returns are common: those between adjacent units that both
    series hold bars in, the first and the last unit of each left out. Candles that were moved in time are recognised
    by the daily returns that they have in common, rounded to 1e-6, and where there are none by the hourly ones; those
    with other stamps or bent prices by their local patterns.
    """
    if one.digest == other.digest:
        return Match()
    if not (one.tells and other.tells):
        return None
    for mine, theirs in _units(one, other):
        a, b = _common(mine, theirs)
        if min(np.count_nonzero(a), np.count_nonzero(b)) >= LEAST_UNITS and _alike(a, b):
            return Match()
    return _moved(one, other) or _patterned(one, other)


def _moved(one: Fingerprint, other: Fingerprint) -> Match | None:
    """Candles that were moved in time, by whole days or else by whole hours."""
    for unit, mine, theirs in ((DAY_MS, one.days, other.days), (HOUR_MS, one.hours, other.hours)):
        if min(len(mine), len(theirs)) > LEAST_UNITS:
            by = _shift(mine, theirs)
            if by is not None:
                return Match(by * unit)
    return None


def _patterned(one: Fingerprint, other: Fingerprint) -> Match | None:
    """By local patterns: of the finest closes that each has, and of those that both have."""
    mine, theirs = _sequences(one), _sequences(other)
    pairs = [(mine[0], theirs[0]), *((a, b) for a in mine for b in theirs if a.step == b.step)]
    for a, b in dict.fromkeys(pairs):
        shared = shared_patterns(a, b)
        if shared is not None:
            return Match(shared.moved_ms)
    return None


@lru_cache(maxsize=16)
def _sequences(one: Fingerprint) -> tuple[Sequence, ...]:
    """The closes by ever longer units."""
    every = ((one.bars, one.bar_ms), (one.hours, HOUR_MS), (one.days, DAY_MS))
    return tuple(Sequence((closes.units + 1) * step, closes.logs, step) for closes, step in every if len(closes))


def merge_fingerprints(old: Fingerprint, new: Fingerprint) -> Fingerprint | None:
    """The two as one where `new` are the same candles, read again; None where they are others. Old itself if nothing is
    new.
    """
    inner = old.days.units[1:-1]
    _, at, there = np.intersect1d(inner, new.days.units[1:-1], assume_unique=True, return_indices=True)
    if len(at) == 0 or not old.tells:
        return new if old.digest == new.digest else None
    same = old.days.logs[1:-1][at] == new.days.logs[1:-1][there]
    if same.mean() < _SAME_CANDLES:
        return None
    if old.first <= new.first and new.last <= old.last and len(old.bars) >= min(len(new.bars), MOST_BARS):
        return old
    return replace(
        new,
        first=min(old.first, new.first),
        last=max(old.last, new.last),
        n_bars=max(old.n_bars, new.n_bars),
        days=_union(old.days, new.days),
        hours=_union(old.hours, new.hours),
        bars=_newest(_union(old.bars, new.bars)),
    )


def pack(closes: Closes) -> str:
    """Text for the record; empty for no closes."""
    if not len(closes):
        return ""
    steps = [np.diff(each, prepend=0).astype("<i8").tobytes() for each in (closes.units, closes.logs)]
    return base64.b64encode(zlib.compress(b"".join(steps), 6)).decode()


def unpack(text: str) -> Closes:
    """Inverse of `pack`. Raises ValueError or zlib.error for text that is none."""
    if not text:
        return _NONE
    steps = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<i8").astype(np.int64)
    units, logs = np.split(steps, 2)
    return Closes(np.cumsum(units), np.cumsum(logs))


def _last_of(times: IntArray, unit: int, logs: IntArray) -> Closes:
    number = times // unit
    ends = np.flatnonzero(np.append(np.diff(number) != 0, True))
    return Closes(number[ends], logs[ends])


def _units(one: Fingerprint, other: Fingerprint) -> Iterator[tuple[Closes, Closes]]:
    yield one.days.weeks, other.days.weeks
    yield one.days, other.days
    yield one.hours, other.hours
    if one.bar_ms == other.bar_ms:
        yield one.bars, other.bars


def _common(one: Closes, other: Closes) -> tuple[IntArray, IntArray]:
    """Returns of both between adjacent units that both hold."""
    units, at, there = np.intersect1d(one.units[1:-1], other.units[1:-1], assume_unique=True, return_indices=True)
    adjacent = np.diff(units) == 1
    return np.diff(one.logs[1:-1][at])[adjacent], np.diff(other.logs[1:-1][there])[adjacent]


def _newest(bars: Closes) -> Closes:
    return Closes(bars.units[-MOST_BARS:], bars.logs[-MOST_BARS:])


def _alike(one: IntArray, other: IntArray) -> bool:
    if max((one == 0).mean(), (other == 0).mean()) > MOST_FLAT:
        return False
    return abs(_spearman(one, other)) >= SAME_RANKS or _equal_share(one, other) >= SAME_SHARE


def _equal_share(one: IntArray, other: IntArray) -> float:
    moved = (one != 0) | (other != 0)
    return float((np.abs(one - other)[moved] <= _EQUAL).mean()) if moved.any() else 0.0


def _spearman(one: IntArray, other: IntArray) -> float:
    a, b = _ranks(one), _ranks(other)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else 0.0


def _ranks(values: IntArray) -> FloatArray:
    """Average ranks from 1."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: FloatArray = np.cumsum(counts) - (counts - 1) / 2
    return ranks[place]


def _shift(one: Closes, other: Closes) -> int | None:
    """By how many units `other` lies later, where nearly all of its moves are those of `one`; else None."""
    at, mine = _moves(one)
    there, theirs = _moves(other)
    _, i, j = np.intersect1d(mine, theirs, return_indices=True)
    if len(i) < LEAST_UNITS:
        return None
    by, counts = np.unique(there[j] - at[i], return_counts=True)
    shift = int(by[counts.argmax()])
    a, b = _common(one.shift(shift), other)
    return shift if len(a) >= LEAST_UNITS and _equal_share(a, b) >= SAME_SHARE else None


def _moves(closes: Closes) -> tuple[IntArray, IntArray]:
    """Units and returns in steps of 1e-6, of those that are not zero and stand once."""
    adjacent = np.flatnonzero(np.diff(closes.units) == 1)
    moves = np.round(np.diff(closes.logs)[adjacent] / _EQUAL).astype(np.int64)
    values, first, counts = np.unique(moves, return_index=True, return_counts=True)
    once = first[(counts == 1) & (values != 0)]
    return closes.units[adjacent[once] + 1], moves[once]


def _union(old: Closes, new: Closes) -> Closes:
    """Both; where they meet what was read later, but of a unit that `new` begins within what `old` has whole."""
    keep = np.isin(old.units, new.units[1:], invert=True)
    added = np.isin(new.units, old.units[keep], invert=True)
    units = np.concatenate([old.units[keep], new.units[added]])
    order = np.argsort(units, kind="stable")
    return Closes(units[order], np.concatenate([old.logs[keep], new.logs[added]])[order])
