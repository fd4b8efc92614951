"""Horizons of targets, and labels from the row at which each future ends."""

import re

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, LeakError, printable
from assay.kernel.panel import Labels
from assay.kernel.timeframe import DAY_MS, HOUR_MS, MINUTE_MS, Timeframe

_CLOCK = re.compile(r"([1-9]\d{0,4})([mhdw])")
_LENGTH = {"m": MINUTE_MS, "h": HOUR_MS, "d": DAY_MS, "w": 7 * DAY_MS}


def check_horizon(horizon: object, *, field: str = "horizon") -> None:
    """A whole number of bars >= 1, or a length of time such as ``"1h"``.

    Raises LeakError ``LEAK_TARGET_LAG`` for numbers below 1, ConfigError ``CONFIG_HORIZON`` for anything else.
    """
    if isinstance(horizon, int) and not isinstance(horizon, bool):
        if horizon < 1:
            raise LeakError(
                f"{field} is {horizon}: a label that is known at its own decision tells the answer; it must be >= 1",
                code="LEAK_TARGET_LAG",
                field=field,
                hint="Give the number of bars that the target looks ahead, 1 or more.",
            )
        return
    if not (isinstance(horizon, str) and _CLOCK.fullmatch(horizon)):
        raise ConfigError(
            f"{field} is {printable(horizon)}, must be a whole number of bars >= 1 or a length of time such as '1h'",
            code="CONFIG_HORIZON",
            field=field,
        )


def bars_ahead(horizon: int | str, timeframe: Timeframe, *, field: str = "horizon") -> int:
    """The horizon in bars of this timeframe. Raises as `check_horizon`, and if a length of time is not whole bars."""
    check_horizon(horizon, field=field)
    if isinstance(horizon, int):
        return horizon
    number, unit = _CLOCK.fullmatch(horizon).groups()  # type: ignore[union-attr]  # check_horizon has matched it
    length = int(number) * _LENGTH[unit]
    if length % timeframe.ms or timeframe.name == "1M":
        raise ConfigError(
            f"{field} {horizon!r} is {length / timeframe.ms:g} bars of {timeframe}; it must be whole bars, 1 or more",
            code="CONFIG_HORIZON",
            field=field,
        )
    return length // timeframe.ms


def labels(
    bars: Bars,
    y: FloatArray,
    end: IntArray,
    known_at: IntArray,
    name: str,
    horizon: int,
    *,
    classes: tuple[float, ...] = (),
    side: int = 1,
    warm_up: int = 0,
    incomplete: BoolArray | None = None,
) -> Labels:
    """Labels with the three arrays put right where y is NaN, and the rows without a label counted.

    incomplete: ``(n,)`` rows whose future the bars do not hold; the last `horizon` rows unless given.
    warm_up:    first rows that the target cannot speak of yet.
    """
    n = len(bars)
    none = np.isnan(y)
    if incomplete is None:
        incomplete = np.arange(n) >= n - horizon
    early = np.arange(n) < warm_up
    counts = {
        "tail": int((none & incomplete).sum()),
        "warm_up": int((none & early & ~incomplete).sum()),
        "nan": int((none & ~early & ~incomplete).sum()),
    }
    return Labels(
        y=y,
        known_at=np.where(none, bars.known_at, known_at),
        end=np.where(none, np.arange(n), end),
        name=name,
        horizon=horizon,
        classes=classes,
        side=side,
        dropped=tuple((reason, count) for reason, count in counts.items() if count),
    )


def ahead(x: FloatArray, k: int) -> FloatArray:
    """``(n,)``: the value k rows later; NaN where there is none."""
    out = np.full(len(x), np.nan)
    if k < len(x):
        out[: len(x) - k] = x[k:]
    return out


def reach(bars: Bars, k: int) -> IntArray:
    """``(n,)`` int64: the row k later, cut at the last row."""
    return np.minimum(np.arange(len(bars)) + k, max(len(bars) - 1, 0))
