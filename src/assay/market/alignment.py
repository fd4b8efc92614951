"""Align series: longer bars from shorter ones, and joined series by the time at which they became known."""

from dataclasses import replace
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import TIMEFRAMES, Timeframe, iso


def joined_series(
    value_time: IntArray,
    known_at: IntArray | None,
    value: FloatArray,
    *,
    now_ms: int | None = None,
    source: str = "series",
) -> Joined:
    """A joined series from rows in any order; equal rows become one.

    value_time, known_at: ``(m,)`` int64 ms; value: ``(m,)`` float64. Errors: ``DATA_KNOWN_AT`` (no `known_at`),
    ``DATA_NAN`` (a value that is not finite), ``DATA_FUTURE`` (known after `now_ms`), ``DATA_CONFLICT`` (two values for
    one time, known at one time).
    """
    if known_at is None:
        raise DataError(
            f"{source}: a series needs known_at, the instant at which each value became known",
            code="DATA_KNOWN_AT",
            hint="Add a known_at column; a revised figure is a row of its own with a later known_at.",
        )
    wrong = ~np.isfinite(value)
    if wrong.any():
        at = int(np.argmax(wrong))
        text = f"{source}: row {at + 1}: value at {iso(int(value_time[at]))} is NaN or missing"
        raise DataError(text, code="DATA_NAN", row=at + 1)
    if now_ms is not None and (known_at > now_ms).any():
        at = int(np.argmax(known_at > now_ms))
        text = f"{source}: row {at + 1}: known_at {iso(int(known_at[at]))} is ahead of now, {iso(now_ms)}"
        raise DataError(text, code="DATA_FUTURE", row=at + 1)
    order = np.lexsort((value_time, known_at))
    times, available, values = value_time[order], known_at[order], value[order]
    again = np.r_[False, (np.diff(times) == 0) & (np.diff(available) == 0)][: len(times)]
    clash = again & np.r_[False, np.diff(values) != 0][: len(times)]
    if clash.any():
        at = int(np.argmax(clash))
        text = f"{source}: two values at {iso(int(times[at]))}, {values[at - 1]:.12g} and {values[at]:.12g}"
        raise DataError(text, code="DATA_CONFLICT")
    return Joined(times[~again], available[~again], values[~again])


def with_joined(bars: Bars, name: str, added: Joined) -> Bars:
    """The same bars with this series under `name`, cut to what is known at the last bar's close."""
    available = added.until(int(bars.known_at[-1])) if len(bars) else added.until(np.iinfo(np.int64).min)
    return replace(bars, joined={**bars.joined, name: available})


def as_of(bars: Bars, joined: Joined) -> FloatArray:
    """``(n,)`` at each bar's close the value with the latest ``known_at`` not after it; NaN before the first.

    Of values that became known at one instant the one with the latest `value_time` counts. O((n + m) log m).
    """
    at = np.searchsorted(joined.known_at, bars.known_at, side="right") - 1
    values = np.r_[np.nan, joined.value]
    taken: FloatArray = values[at + 1]
    return taken


_SUMMED = ("quote_volume", "trade_count", "tick_count")
_EXTREME = {"max_spread": np.maximum, "min_spread": np.minimum}


def check_multiple(lower: str, higher: str) -> None:
    """Raise ``CONFIG_TIMEFRAME`` unless bars of `higher` are whole multiples (more than one) of bars of `lower`.

    A month is cut by the calendar: it is made of bars that divide a day.
    """
    low, high = Timeframe(lower), Timeframe(higher)
    span = TIMEFRAMES["1d"] if high.name == "1M" else high.ms
    if low.name != high.name and low.ms <= span and span % low.ms == 0 and low.ms < high.ms:
        return
    fits = [name for name in TIMEFRAMES if _fits(lower, name)]
    raise ConfigError(
        f"{higher} bars cannot be made of {lower} bars, which fit into {', '.join(fits) or 'none'}",
        code="CONFIG_TIMEFRAME",
        timeframe=higher,
    )


def _fits(lower: str, higher: str) -> bool:
    span = TIMEFRAMES["1d"] if higher == "1M" else TIMEFRAMES[higher]
    return lower != higher and TIMEFRAMES[lower] < TIMEFRAMES[higher] and span % TIMEFRAMES[lower] == 0


def resample(bars: Bars, timeframe: str, *, first: Literal["whole", "any"] = "whole") -> Bars:
    """Bars of a longer timeframe: first open, highest high, lowest low, last close, summed volume.

    A bucket aggregates the stored bars in it, one or more: gaps inside are allowed, empty buckets do not exist. The
    last bucket is left out unless it has ended by the last bar's close. ``first="whole"`` leaves out a first bucket
    whose opening bar is not stored, ``"any"`` keeps it. A bucket's volume is NaN where one of its bars has none.
    Further columns: ``quote_volume``, ``trade_count`` and ``tick_count`` are summed, ``max_spread`` and
    ``min_spread`` are extremes, all others means; NaN where one of the values is. O(n).
    Errors: ``CONFIG_TIMEFRAME`` unless the timeframe is a whole multiple.
    """
    own = bars.instrument
    check_multiple(own.timeframe, timeframe)
    target = Instrument(own.exchange, own.symbol, timeframe)
    opens = target.bar.floor(bars.timestamp)
    starts = np.flatnonzero(np.r_[True, np.diff(opens) != 0][: len(bars)])
    counts = np.diff(np.r_[starts, len(bars)])
    keep = np.ones(len(starts), np.bool_)
    if len(starts):
        keep = target.bar.close(opens[starts]) <= int(bars.known_at[-1])
        keep[0] &= first == "any" or bars.timestamp[0] == opens[0]
    ends = starts + counts - 1
    volume = None if bars.volume is None else _reduced("volume", bars.volume, starts, counts)[keep]
    return Bars(
        target,
        opens[starts][keep],
        bars.open[starts][keep],
        _by(np.maximum, bars.high, starts)[keep],
        _by(np.minimum, bars.low, starts)[keep],
        bars.close[ends][keep],
        volume,
        {name: _reduced(name, column, starts, counts)[keep] for name, column in bars.columns.items()},
        bars.joined,
    )


def _by(ufunc: np.ufunc, values: FloatArray, starts: IntArray) -> FloatArray:
    reduced: FloatArray = ufunc.reduceat(values, starts) if len(starts) else np.empty(0)
    return reduced


def _reduced(name: str, values: FloatArray, starts: IntArray, counts: IntArray) -> FloatArray:
    if name in _EXTREME:
        return _by(_EXTREME[name], values, starts)
    total = _by(np.add, values, starts)
    return total if name == "volume" or name in _SUMMED else total / counts


def last_known(bars: Bars, higher: Bars) -> IntArray:
    """``(n,)`` int64 row of `higher` that is the last known at each bar's close; -1 before the first.

    A bar of `higher` with open H and length P is known at row t iff ``H + P <= timestamp[t] + p``. O((n + m) log m).
    """
    at: IntArray = np.searchsorted(higher.known_at, bars.known_at, side="right").astype(np.int64) - 1
    return at
