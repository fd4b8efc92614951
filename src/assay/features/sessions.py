"""Trading sessions by fixed UTC hours, without daylight saving."""

from collections.abc import Callable

import numpy as np

from assay.features.calendar import dates
from assay.features.compute import FeatureContext
from assay.features.registry import Feature, Unit, add
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars

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
for _name, _hours in HOURS.items():
    add(Feature(_name, "sessions", 0, "flag", _open(*_hours)))
for _name, (_unit, _values) in _OTHERS.items():
    add(Feature(_name, "sessions", 0, _unit, _values))
