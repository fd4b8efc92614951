"""Merge new candles with stored ones: one rule for every engine."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars, Joined
from assay.kernel.timeframe import iso

_SAME_VOLUME = 1e-7  # relative; sources round volumes, and rounding is no revision


@dataclass(frozen=True, slots=True)
class Merge:
    """What an upsert has to write.

    inserted: rows that were not there.
    revised:  rows that were there with other values, as they are to be from now on.
    replaced: the old values of `revised`, row by row.
    unchanged: how many rows were there already.
    """

    inserted: Bars
    revised: Bars
    replaced: Bars
    unchanged: int


def merge(stored: Bars, incoming: Bars) -> Merge:
    """Compare `incoming` with what is stored on the same instrument. Cost: one pass over both."""
    position = np.searchsorted(stored.timestamp, incoming.timestamp)
    there = np.zeros(len(incoming), np.bool_)
    inside = position < len(stored)
    there[inside] = stored.timestamp[position[inside]] == incoming.timestamp[inside]
    old, new = rows(stored, position[there]), rows(incoming, np.flatnonzero(there))
    filled = _filled(old, new)
    changed = _changed(old, filled)
    at = np.flatnonzero(changed)
    return Merge(rows(incoming, np.flatnonzero(~there)), rows(filled, at), rows(old, at), int((~changed).sum()))


LEAST_COMMON, LARGE, MANY, HUGE = 3, 0.01, 0.05, 0.20
_CONSTANT = 1e-3  # relative spread of one factor


def find_conflict(stored: Bars, incoming: Bars) -> str:
    """Why bars that come in cannot be those that are stored; empty where they can.

    More than `MANY` of at least `LEAST_COMMON` common bars change their close by more than `LARGE`, or one by more than
    `HUGE`. One factor on all of them is named a re-adjustment (a split, a dividend).
    """
    if not len(stored):
        return ""
    at = np.searchsorted(stored.timestamp, incoming.timestamp)
    there = (at < len(stored)) & (stored.timestamp[np.minimum(at, len(stored) - 1)] == incoming.timestamp)
    count = int(there.sum())
    if not count:
        return ""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = incoming.close[there] / stored.close[at[there]]
    change = np.abs(ratio - 1.0)
    large = int((change > LARGE).sum())
    if not ((count >= LEAST_COMMON and large > MANY * count) or (change > HUGE).any()):
        return ""
    middle = float(np.median(ratio[change > LARGE]))
    since = iso(int(incoming.timestamp[there][change > LARGE][0]))
    text = f"{large:,} of {count:,} stored bars would change, closes by {middle - 1:+.1%}, the first at {since}"
    alike = count >= LEAST_COMMON and bool((np.abs(ratio / middle - 1.0) < _CONSTANT).all())
    return f"{text}: re-adjusted prices (all by the factor {middle:.6g})?" if alike else f"{text}: another market?"


def rows(bars: Bars, at: IntArray) -> Bars:
    """The rows at these increasing positions, without joined series; a negative zero becomes zero."""
    return Bars(
        bars.instrument,
        bars.timestamp[at],
        bars.open[at] + 0.0,
        bars.high[at] + 0.0,
        bars.low[at] + 0.0,
        bars.close[at] + 0.0,
        volume=None if bars.volume is None else bars.volume[at] + 0.0,
        columns={name: column[at] + 0.0 for name, column in bars.columns.items()},
    )


def combine(first: Bars, second: Bars) -> Bars:
    """The rows of both, sorted; where both have a time, the row of `second`."""
    fresh = ~np.isin(first.timestamp, second.timestamp)
    stored = rows(first, np.flatnonzero(fresh))
    order = np.argsort(np.concatenate([stored.timestamp, second.timestamp]), kind="stable")
    names = sorted({*stored.columns, *second.columns})
    volumes = _joined_column(stored.volume, second.volume, len(stored), len(second))[order]

    def both(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.ascontiguousarray(np.concatenate([a, b])[order])

    return tidy(
        Bars(
            first.instrument,
            np.concatenate([stored.timestamp, second.timestamp])[order],
            both(stored.open, second.open),
            both(stored.high, second.high),
            both(stored.low, second.low),
            both(stored.close, second.close),
            volume=volumes,
            columns={
                name: _joined_column(stored.columns.get(name), second.columns.get(name), len(stored), len(second))[
                    order
                ]
                for name in names
            },
        )
    )


def tidy(bars: Bars, joined: Mapping[str, Joined] | None = None) -> Bars:
    """As stores answer: no volume and no column that has not a single value; joined up to the last bar's close."""
    volume = None if bars.volume is None or np.isnan(bars.volume).all() else bars.volume
    columns = {n: c for n, c in sorted(bars.columns.items()) if not np.isnan(c).all()}
    available = int(bars.known_at[-1]) if len(bars) else None
    cut = {} if available is None else {n: s.until(available) for n, s in (joined or {}).items()}
    return replace(bars, volume=volume, columns=columns, joined=cut)


def unite_series(stored: Joined | None, incoming: Joined) -> tuple[Joined, int]:
    """One series from two; rows are told apart by value_time and known_at. Returns it and the rows that changed."""
    before = {} if stored is None else _by_key(stored)
    after = before | _by_key(incoming)
    changed = sum(1 for key, value in after.items() if key not in before or not _equal(before[key], value))
    keys = sorted(after)
    available = np.array([k for k, _ in keys], np.int64)
    return Joined(
        np.array([v for _, v in keys], np.int64), available, np.array([after[k] for k in keys], float)
    ), changed


def _by_key(series: Joined) -> dict[tuple[int, int], float]:
    keys = zip(series.known_at.tolist(), series.value_time.tolist(), strict=True)
    return dict(zip(keys, (series.value + 0.0).tolist(), strict=True))


def _equal(a: float, b: float) -> bool:
    return a == b or (a != a and b != b)


def _filled(old: Bars, new: Bars) -> Bars:
    """`new`, with the values of `old` where `new` knows none."""
    columns = {
        name: _or(new.columns.get(name), old.columns.get(name), len(new))
        for name in sorted({*old.columns, *new.columns})
    }
    return replace(new, volume=_or(new.volume, old.volume, len(new)), columns=columns)


def _or(value: FloatArray | None, other: FloatArray | None, n: int) -> FloatArray:
    if value is None or other is None:
        available = other if value is None else value
        return np.full(n, np.nan) if available is None else available
    return np.where(np.isnan(value), other, value)


def _changed(old: Bars, new: Bars) -> BoolArray:
    changed = np.zeros(len(new), np.bool_)
    for name in PRICES:
        changed |= getattr(old, name) != getattr(new, name)
    nothing = np.full(len(new), np.nan)
    pairs = [(old.volume, new.volume)] + [(old.columns.get(name), column) for name, column in new.columns.items()]
    for before, after in pairs:
        changed |= _differs(nothing if before is None else before, nothing if after is None else after)
    return changed


def _differs(before: FloatArray, after: FloatArray) -> BoolArray:
    far: BoolArray = ~(np.abs(after - before) <= _SAME_VOLUME * np.abs(before))
    return far & ~(np.isnan(before) & np.isnan(after)) & (before != after)


def _joined_column(a: FloatArray | None, b: FloatArray | None, n_a: int, n_b: int) -> FloatArray:
    return np.concatenate([np.full(n_a, np.nan) if a is None else a, np.full(n_b, np.nan) if b is None else b])
