"""Argument validation of the tracking API."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from operator import index
from os import PathLike, fspath

from assay.kernel.errors import StoreError, did_you_mean, printable
from assay.kernel.parse import JsonObject
from assay.track.codecs import plain
from assay.track.database import scalar

NAME_MOST = 200
PATH_MOST = 4096
LIST_MOST = 10_000


def refusal(text: str, *, hint: str = "", field: str = "") -> StoreError:
    """A StoreError ``STORE_VALUE``."""
    return StoreError(text, code="STORE_VALUE", hint=hint, **({"field": field} if field else {}))


def check_name(value: object, what: str) -> str:
    """A text of 1 to 200 printable characters."""
    if isinstance(value, str) and 1 <= len(value) <= NAME_MOST and value.isprintable():
        return str(value)
    raise refusal(f"{what} is {printable(value)}; it has 1 to {NAME_MOST} printable characters", field=what)


def free_text(value: object, what: str) -> str:
    """A text of any length that UTF-8 can hold, without NUL."""
    if not isinstance(value, str) or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise refusal(f"{what} is {printable(value)}, not a text that can be stored", field=what)
    return str(value)


def whole(value: object, what: str) -> int | None:
    """None, or a whole number of Python or numpy that fits 64 bits; a bool is not one."""
    result = scalar(value)
    if result is None:
        return None
    if not isinstance(result, bool | float | str):
        try:
            number = index(result)  # type: ignore[arg-type]
        except TypeError:
            pass
        else:
            if -(2**63) <= number < 2**63:
                return number
    raise refusal(f"{what} is {printable(value)} ({type(value).__name__}), not a whole number of 64 bits", field=what)


def check_id(value: object, what: str) -> int:
    """The number of a row."""
    count = whole(value, what)
    if count is None:
        raise refusal(f"{what} is None; give the number of a row", field=what)
    return count


def check_page(limit: object, offset: object = 0) -> tuple[int, int]:
    """1 <= limit <= 10,000 and offset >= 0."""
    most, skipped = whole(limit, "limit"), whole(offset, "offset")
    if most is None or skipped is None or not 1 <= most <= LIST_MOST or skipped < 0:
        raise refusal(
            f"limit is {printable(limit)} in 1..{LIST_MOST}, offset {printable(offset)} at least 0", field="limit"
        )
    return most, skipped


def among(value: object, available: Sequence[str], what: str) -> str:
    """One of the known words; another is told the nearest."""
    if isinstance(value, str) and value in available:
        return value
    hint = did_you_mean(value, available) if isinstance(value, str) else ""
    raise refusal(f"{what} is {printable(value)}, one of {', '.join(map(repr, available))}", hint=hint, field=what)


def texts(values: Iterable[str] | None, what: str) -> list[str]:
    """A list of texts; None is an empty one, a bare text a mistake."""
    if values is None:
        return []
    result = list(values) if not isinstance(values, str | bytes) else None
    if result is None or not all(isinstance(value, str) for value in result):
        raise refusal(f"{what} is {printable(values)}; give a list of texts", field=what)
    return [free_text(value, what) for value in result]


def mapping(value: object, what: str) -> JsonObject:
    """A JSON object; None is an empty one."""
    result = {} if value is None else plain(value, what)
    if not isinstance(result, dict):
        raise refusal(f"{what} is {printable(value)}; give a dict with text keys", field=what)
    return result


def path_text(value: object, what: str) -> str:
    """A path of 1 to 4096 characters, without NUL and line ends; nothing is opened."""
    text = fspath(value) if isinstance(value, str | PathLike) else value
    if isinstance(text, str) and 1 <= len(text) <= PATH_MOST and not any(c in text for c in "\0\r\n"):
        return free_text(text, what)
    raise refusal(f"{what} is {printable(value)}; give a path of 1 to {PATH_MOST} characters", field=what)


def day(value: object, what: str) -> str | None:
    """An ISO date or instant as text, from text, a date or a datetime (pandas' and numpy's too)."""
    result = scalar(value)
    if result is None:
        return None
    if isinstance(result, date):
        return result.isoformat()
    if isinstance(result, str):
        try:
            datetime.fromisoformat(result)
        except ValueError:
            pass
        else:
            return str(result)
    raise refusal(f"{what} is {printable(value)}; write 2024-01-31 or 2024-01-31T12:00:00Z", field=what)
