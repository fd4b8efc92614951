"""Time at the record's door."""

from datetime import UTC, datetime, timedelta

from assay.kernel.errors import StoreError, printable
from assay.kernel.timestamps import iso

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_instant(value: datetime | str | int) -> datetime:
    """An aware UTC datetime from one, from ISO text with a zone, or from UTC milliseconds.

    StoreError ``STORE_VALUE`` for a naive time and for text that is no time.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _EPOCH + timedelta(milliseconds=value)
    moment = value
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError:
            raise StoreError(f"{printable(value)} is no time; write 2026-01-31T12:00:00Z", code="STORE_VALUE") from None
    if not isinstance(moment, datetime) or moment.tzinfo is None:
        raise StoreError(f"{printable(str(value))} has no time zone; the record keeps UTC", code="STORE_VALUE")
    return moment.astimezone(UTC)


def format_instant(value: datetime | str | int) -> str:
    """24 characters of UTC, milliseconds cut; text order is time order. Errors as `parse_instant`."""
    return iso((parse_instant(value) - _EPOCH) // timedelta(milliseconds=1))
