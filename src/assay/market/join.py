"""Join series with their own timestamps to bars."""

from dataclasses import replace

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import DataError
from assay.kernel.timestamps import iso


def series(
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
