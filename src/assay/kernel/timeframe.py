"""Timeframes: length of a bar, open times of bars, and times as ISO text."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.errors import ConfigError, printable

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday after the epoch

TIMEFRAMES: dict[str, int] = {
    "1m": MINUTE_MS,
    "3m": 3 * MINUTE_MS,
    "5m": 5 * MINUTE_MS,
    "15m": 15 * MINUTE_MS,
    "30m": 30 * MINUTE_MS,
    "1h": HOUR_MS,
    "2h": 2 * HOUR_MS,
    "4h": 4 * HOUR_MS,
    "6h": 6 * HOUR_MS,
    "8h": 8 * HOUR_MS,
    "12h": 12 * HOUR_MS,
    "1d": DAY_MS,
    "3d": 3 * DAY_MS,
    "1w": WEEK_MS,
    "1M": 30 * DAY_MS,  # nominal: months are cut by the calendar
}


@dataclass(frozen=True, slots=True, order=True)
class Timeframe:
    """The length of a bar, by its ccxt name: ``1m`` is a minute, ``1M`` a calendar month.

    Raises ConfigError ``CONFIG_TIMEFRAME`` for a name that is not in `TIMEFRAMES`.
    """

    name: str

    def __post_init__(self) -> None:
        if self.name not in TIMEFRAMES:
            raise ConfigError(
                f"timeframe {printable(self.name)} is unknown; Assay has {', '.join(TIMEFRAMES)}",
                code="CONFIG_TIMEFRAME",
                timeframe=self.name[:64],
            )

    def __str__(self) -> str:
        return self.name

    @property
    def ms(self) -> int:
        """Milliseconds; for ``1M`` the nominal 30 days."""
        return TIMEFRAMES[self.name]

    def floor(self, timestamp: IntArray) -> IntArray:
        """Open of the bar that holds each instant. int64 ms in, int64 ms out.

        Weeks open on Monday 00:00 UTC, months on the first, all others on multiples of their length.
        """
        if self.name == "1M":
            return _month(timestamp).astype("datetime64[ms]").astype(np.int64)
        offset = _MONDAY_MS if self.name == "1w" else 0
        floored: IntArray = (timestamp - offset) // self.ms * self.ms + offset
        return floored

    def close(self, timestamp: IntArray) -> IntArray:
        """When a bar that opens at `timestamp` is known: its open plus its length. int64 ms."""
        if self.name == "1M":
            return (_month(timestamp) + 1).astype("datetime64[ms]").astype(np.int64)
        closed: IntArray = timestamp + self.ms
        return closed


def _month(timestamp: IntArray) -> np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]:
    return np.asarray(timestamp, dtype="datetime64[ms]").astype("datetime64[M]")


def current_ms() -> int:
    """The wall clock, UTC milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """Milliseconds as 24-character ISO text.

    >>> iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def from_iso(text: str) -> int:
    """ISO text with a zone (or ``Z``) as UTC milliseconds; a naive time is a ValueError.

    >>> from_iso("1970-01-02T00:00:00Z")
    86400000
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return round(moment.timestamp() * 1000)
