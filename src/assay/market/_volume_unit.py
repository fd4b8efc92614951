"""Unit of a market's volume, stored with its candles: the numbers alone do not tell it.

The unit is a joined series of one value that was known from the beginning, so that every store and every snapshot keeps
it and the digest of the candles knows it.
"""

from typing import Literal, get_args

import numpy as np

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError, did_you_mean, printable

VolumeUnit = Literal["unknown", "base", "quote", "contracts", "ticks"]
VOLUME_UNITS: tuple[VolumeUnit, ...] = get_args(VolumeUnit)
VOLUME_UNIT_SERIES = "volume_unit"


def check_volume_unit(unit: str) -> VolumeUnit:
    """The unit as it is. Raises ConfigError ``CONFIG_FIELD`` for a word that is none."""
    for name in VOLUME_UNITS:
        if unit == name:
            return name
    near = did_you_mean(unit, VOLUME_UNITS)
    raise ConfigError(
        f"--volume-unit {printable(unit)} is unknown, use {', '.join(VOLUME_UNITS)} {near}".strip(),
        code="CONFIG_FIELD",
        field="volume_unit",
    )


def unit_series(unit: VolumeUnit) -> Joined:
    """The unit as the series `VOLUME_UNIT_SERIES` of a market: its place in `VOLUME_UNITS`, known from 1970 on."""
    start = np.zeros(1, np.int64)
    return Joined(start, start, np.array([float(VOLUME_UNITS.index(unit))]))


def volume_unit(bars: Bars) -> VolumeUnit:
    """What was said when they were stored; ``unknown`` where nothing was."""
    series = bars.joined.get(VOLUME_UNIT_SERIES)
    if series is None or not len(series.value):
        return "unknown"
    place = series.value[-1]
    return VOLUME_UNITS[int(place)] if 0 <= place < len(VOLUME_UNITS) else "unknown"
