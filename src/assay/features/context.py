"""Bars, and what has been computed of them so far."""

from collections.abc import Callable
from threading import Lock
from typing import Any, TypeVar

import numpy as np

from assay.features.lookup import NO_USER_COLUMNS, UserColumns, find_feature
from assay.features.registry import Feature
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.timeframe import Timeframe

HIGHER = {"1m": "5m", "5m": "15m", "15m": "1h", "30m": "1h", "1h": "4h", "4h": "1d", "1d": "1w"}
CLOCKS = {"own": 0, "higher": 1, "next": 2}
"""Timeframes above the bars' own, by the name of the clock."""
T = TypeVar("T")


class FeatureContext:
    """The bars that columns are computed of, with a memory for what several columns share. Safe for threads.

    bars:  the instrument's own bars, ``n`` rows.
    lower: bars of a lower timeframe of the same instrument, or None.
    own:   columns of the user's file by name, which `column` finds before all others.
    """

    def __init__(self, bars: Bars, lower: Bars | None = None, own: UserColumns = NO_USER_COLUMNS) -> None:
        self.bars = bars
        self.lower = lower
        self.own = own
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._values: dict[str, Any] = {}

    def once(self, key: str, compute: Callable[[], T]) -> T:
        """The value of `compute`, computed by the first who asks for `key` and kept for all others."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            if key not in self._values:
                self._values[key] = compute()
        value: T = self._values[key]
        return value

    def column(self, name: str) -> FloatArray:
        """Another column, ``(n,)``, NaN before its lookback; kept."""
        return self.once(f"column {name}", lambda: self._blanked(find_feature(name, self.own)))

    def reader(self) -> "FeatureContext":
        """The same study for a function of the user's: what it computes is shared, what it is given are copies."""
        return _Reader(self)

    def fresh(self, feature: Feature) -> FloatArray:
        """A column as its function gives it, ``(n,)``: not blanked, and not kept unless somebody else asked for it."""
        key = f"column {feature.name}"
        return self._values[key] if key in self._values else np.asarray(feature.compute(self), np.float64)

    def rows(self, feature: Feature) -> int:
        """A feature's lookback in rows of these bars."""
        return feature.lookback * self.per(feature.clock) + feature.delay

    def per(self, clock: str) -> int:
        """Own bars in a bar of that clock; 1 where the timeframe map ends."""
        bar: Timeframe | None = self.bars.instrument.bar
        for _ in range(CLOCKS[clock]):
            bar = above(bar) if bar is not None else None
        return 1 if bar is None else bar.ms // self.bars.instrument.bar.ms

    def _blanked(self, feature: Feature) -> FloatArray:
        values = np.array(feature.compute(self), np.float64)
        values[: self.rows(feature)] = np.nan
        return values


class _Reader(FeatureContext):
    """A study whose columns may be written into without changing anyone else's."""

    def __init__(self, study: FeatureContext) -> None:
        self.__dict__.update(study.__dict__)

    def column(self, name: str) -> FloatArray:
        return super().column(name).copy()


def above(bar: Timeframe) -> Timeframe | None:
    """The next timeframe of the map 1m, 5m, 15m, 1h, 4h, 1d, 1w (30m goes to 1h); None where it ends."""
    name = HIGHER.get(bar.name)
    return None if name is None else Timeframe(name)
