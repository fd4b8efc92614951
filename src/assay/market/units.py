"""Units of columns: of times (s, ms, us, ns) and of volume (base, quote, contracts)."""

from typing import Literal, get_args

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.market.raw_rows import Faults

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


TimeUnit = Literal["s", "ms", "us", "ns"]
_WORDS = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}
_LEAST = {"s": 10**8, "ms": 10**11, "us": 10**14, "ns": 10**17}  # 1973 in each unit
_EARLIEST, _LATEST = -2_208_988_800_000, 9_214_646_400_000  # 1900 and 2262, in ms


def check_unit(unit: str | None) -> None:
    """Raise ``CONFIG_FIELD`` unless the unit is None or one of s, ms, us, ns."""
    if unit is not None and unit not in get_args(TimeUnit):
        near = did_you_mean(unit, [*_WORDS, *_WORDS.values()])
        raise ConfigError(
            f"--time-unit {printable(unit)} is unknown, use s, ms, us or ns {near}".strip(), field="time_unit"
        )


def milliseconds(values: IntArray, number: IntArray, unit: str | None, faults: Faults) -> IntArray:
    """UTC milliseconds of integer times. Without a unit, anything that does not look like milliseconds is refused.

    values: ``(n,)`` int64 since the epoch; number: ``(n,)`` their rows. Faults: ``DATA_TIME_UNIT``.
    Milliseconds before 1973-03 look like seconds; they need the unit said.
    """
    check_unit(unit)
    if unit is None:
        _demand_milliseconds(values, number, faults)
        return values
    ms = values * 1000 if unit == "s" else values // {"ms": 1, "us": 1000, "ns": 1_000_000}[unit]
    far = (ms < _EARLIEST) | (ms > _LATEST) | ((unit == "s") & (np.abs(values) > _LATEST))
    if far.any():
        at = int(np.argmax(far))
        faults.add(
            "DATA_TIME_UNIT",
            f"row {number[at]}: {values[at]} read as {_WORDS[unit]} is no year from 1900 to 2262 "
            f"({int(far.sum())} rows); --time-unit does not fit",
            row=int(number[at]),
        )
    return ms


def _demand_milliseconds(values: IntArray, number: IntArray, faults: Faults) -> None:
    digits = np.abs(values)
    kind = np.select([digits >= _LEAST[u] for u in ("ns", "us", "ms", "s")], ["ns", "us", "ms", "s"], "")
    other = kind != "ms"
    if not other.any():
        return
    at = int(np.argmax(other))
    guess = str(kind[at])
    looks = f"looks like {_WORDS[guess]}" if guess else "fits no unit: seconds since 1970 have ten digits"
    counts = ", ".join(f"{int((kind == u).sum())} {w}" for u, w in _WORDS.items() if (kind == u).any())
    faults.add(
        "DATA_TIME_UNIT",
        f"row {number[at]}: timestamp {values[at]} {looks}, milliseconds are expected (by size: {counts or 'none'}); "
        f"give --time-unit {guess or 's, ms, us or ns'}",
        hint="A file that mixes units must be brought to one unit first." if len(np.unique(kind)) > 1 else "",
        row=int(number[at]),
        time_unit=guess,
    )
