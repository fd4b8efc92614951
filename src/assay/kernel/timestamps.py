"""Time as the house writes it: UTC milliseconds inside, ISO text outside."""

import time
from datetime import UTC, datetime


def now_ms() -> int:
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
