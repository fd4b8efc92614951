"""Calendar features of a bar's open (UTC) and features of trading sessions."""

from collections.abc import Callable

import numpy as np

from assay.features.compute import FeatureContext
from assay.features.kernels import compiled
from assay.features.registry import Feature, Unit, add
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.timeframe import DAY_MS

Say = Callable[[FeatureContext], FloatArray]


@compiled
def _dates(timestamp: IntArray) -> FloatArray:
    """``(4, n)``: weekday (0 Monday), day of month, ISO week, minute of day.

    Civil dates by Hinnant's algorithm (2013, "chrono-Compatible Low-Level Date Algorithms"), once a day of data.
    """
    out = np.empty((4, len(timestamp)))
    last = np.int64(-(2**62))
    weekday = day = week = 0
    for t in range(len(timestamp)):
        date = timestamp[t] // 86_400_000
        if date != last:
            last = date
            weekday = (date + 3) % 7
            day = _civil(date)[2]
            thursday = date - weekday + 3  # a week belongs to the year that holds its Thursday
            week = (thursday - _new_year(_civil(thursday)[0])) // 7 + 1
        out[0, t] = weekday
        out[1, t] = day
        out[2, t] = week
        out[3, t] = (timestamp[t] - date * 86_400_000) // 60_000
    return out


@compiled
def _civil(date: int) -> tuple[int, int, int]:
    """Year, month and day of a day number since 1970-01-01."""
    z = date + 719_468
    era = z // 146_097
    of_era = z - era * 146_097
    year_of_era = (of_era - of_era // 1460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * of_year + 2) // 153
    day = of_year - (153 * shifted + 2) // 5 + 1
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day


@compiled
def _new_year(year: int) -> int:
    """Day number of the first of January."""
    before = year - 1
    return before * 365 + before // 4 - before // 100 + before // 400 - 719_162


def dates(study: FeatureContext) -> FloatArray:
    """``(4, n)``: weekday (0 Monday), day of month, ISO week, minute of day."""
    return study.once("dates", lambda: _dates(study.bars.timestamp))


def _flag(mask: np.ndarray) -> FloatArray:
    return mask.astype(np.float64)


def _circle(wave: Callable[[FloatArray], FloatArray], row: int, period: float) -> Say:
    return lambda study: wave(dates(study)[row] * (2.0 * np.pi / period))


_MINUTES = float(DAY_MS // 60_000)
_COLUMNS: dict[str, tuple[Unit, Say]] = {
    "day_of_week": ("count", lambda s: dates(s)[0]),
    "day_of_month": ("count", lambda s: dates(s)[1]),
    "week_of_month": ("count", lambda s: (dates(s)[1] - 1) // 7 + 1),
    "week_of_year": ("count", lambda s: dates(s)[2]),
    "is_monday": ("flag", lambda s: _flag(dates(s)[0] == 0)),
    "is_friday": ("flag", lambda s: _flag(dates(s)[0] == 4)),
    "is_weekend": ("flag", lambda s: _flag(dates(s)[0] >= 5)),
    "is_month_start": ("flag", lambda s: _flag(dates(s)[1] <= 7)),
    "is_month_end": ("flag", lambda s: _flag(dates(s)[1] >= 24)),
    "hour_utc": ("count", lambda s: dates(s)[3] // 60),
    "minute": ("count", lambda s: dates(s)[3] % 60),
    "quarter_hour": ("count", lambda s: dates(s)[3] % 60 // 15),
    # The wave of the hour goes by minutes, so that a 5m bar at 10:55 lies next to 11:00.
    "hour_sin": ("unit", _circle(np.sin, 3, _MINUTES)),
    "hour_cos": ("unit", _circle(np.cos, 3, _MINUTES)),
    "dow_sin": ("unit", _circle(np.sin, 0, 7.0)),
    "dow_cos": ("unit", _circle(np.cos, 0, 7.0)),
}
for _name, (_unit, _say) in _COLUMNS.items():
    add(Feature(_name, "calendar", 0, _unit, _say))


HOURS = {
    "session_tokyo": (0, 9),
    "is_london_open": (8, 17),
    "is_ny_open": (13, 22),
    "session_sydney": (22, 7),
}
_WEEKDAYS_ONLY = {"fx", "forex", "oanda", "usa"}


def _open(first: int, last: int) -> Callable[[FeatureContext], FloatArray]:
    def values(study: FeatureContext) -> FloatArray:
        minute = dates(study)[3]
        after, before = minute >= first * 60, minute < last * 60
        return (after & before if first < last else after | before).astype(np.float64)

    return values


def _active(study: FeatureContext) -> FloatArray:
    def count() -> FloatArray:
        by_minute = np.zeros(24 * 60)
        minutes = np.arange(24 * 60)
        for first, last in HOURS.values():
            by_minute += (minutes - first * 60) % 1440 < (last - first) % 24 * 60
        return by_minute[dates(study)[3].astype(np.int64)]

    return study.once("active sessions", count)


def market_has_weekends(bars: Bars) -> bool:
    """Whether the instrument rests on Saturday and Sunday: currencies and equities do, crypto does not."""
    return bars.instrument.exchange in _WEEKDAYS_ONLY or "/" not in bars.instrument.symbol


def _market_open(study: FeatureContext) -> FloatArray:
    if market_has_weekends(study.bars):
        return (dates(study)[0] < 5).astype(np.float64)
    return np.ones(len(study.bars))


_OTHERS: dict[str, tuple[Unit, Callable[[FeatureContext], FloatArray]]] = {
    "active_count": ("count", _active),
    "is_overlap": ("flag", lambda s: (_active(s) > 1).astype(np.float64)),
    "is_london_newyork_overlap": ("flag", _open(13, 17)),
    "liquidity_level": ("category", lambda s: np.minimum(_active(s), 3.0)),
    "is_market_open": ("flag", _market_open),
}
for _session_name, _hours in HOURS.items():
    add(Feature(_session_name, "sessions", 0, "flag", _open(*_hours)))
for _session_name, (_session_unit, _values) in _OTHERS.items():
    add(Feature(_session_name, "sessions", 0, _session_unit, _values))
