"""A searched parameter as a command line writes it."""

from sys import float_info
from typing import Any

from assay.kernel.errors import ConfigError, printable
from assay.validate.search.dimensions import MOST_POINTS

_FORMS = "write k=low:high, k=low:high:points or k=a,b,c"
_WORDS: dict[str, Any] = {"true": True, "false": False, "none": None}


def parse_space_text(text: str) -> tuple[str, Any]:
    """The parameter's name, and its values as `dimension` takes them.

    ``k=low:high`` is a range, of integers where both ends are; ``k=low:high:points`` the same with so many points for a
    grid; ``k=a,b,c`` are choices: integers, numbers, ``true``, ``false``, ``none``, and what is none of these is text.

    >>> parse_space_text("fast=5:40"), parse_space_text("depth=1e-3:0.005:7")
    (('fast', (5, 40)), ('depth', {'type': 'float', 'low': 0.001, 'high': 0.005, 'points': 7}))
    >>> parse_space_text("hold=30,50,none"), parse_space_text("sizing=risk")
    (('hold', [30, 50, None]), ('sizing', ['risk']))

    Raises ConfigError ``CONFIG_SPACE`` with the text, and what is wrong in it.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not equals or not name:
        raise _wrong(text, name, "names no parameter" if equals else "has no '='")
    if not values:
        raise _wrong(text, name, "has no values")
    if ":" in values:
        return name, _range(text, name, values.split(":"))
    return name, _choices(text, name, values.split(","))


def _range(text: str, name: str, parts: list[str]) -> Any:
    if any("," in part for part in parts):
        raise _wrong(text, name, "mixes a range with choices")
    if len(parts) > 3:
        raise _wrong(text, name, f"has {len(parts)} parts, a range has low, high and at most a number of points")
    ends = [_end(text, name, which, part) for which, part in zip(("low", "high"), parts, strict=False)]
    low, high = ends
    if low == high:
        raise _wrong(text, name, f"has no width: low and high are both {low}")
    if low > high:
        raise _wrong(text, name, f"is upside down: low {low} lies above high {high}")
    if len(parts) == 2:
        return low, high
    kind = "int" if isinstance(low, int) and isinstance(high, int) else "float"
    return {"type": kind, "low": low, "high": high, "points": _points(text, name, parts[2])}


def _end(text: str, name: str, which: str, part: str) -> int | float:
    value = _plain(part)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= float_info.max:
        raise _wrong(text, name, f"has {which} {printable(part.strip())}, must be a finite number")
    return value


def _points(text: str, name: str, part: str) -> int:
    count = _plain(part)
    if isinstance(count, bool) or not isinstance(count, int) or not 2 <= count <= MOST_POINTS:
        raise _wrong(text, name, f"has points {printable(part.strip())}, must be an integer from 2 to {MOST_POINTS:,}")
    return count


def _choices(text: str, name: str, parts: list[str]) -> list[Any]:
    result: list[Any] = []
    for part in parts:
        value = _plain(part)
        if value == "":
            raise _wrong(text, name, "has an empty choice")
        if isinstance(value, int | float) and not abs(value) <= float_info.max:
            raise _wrong(text, name, f"has the choice {printable(part.strip())}, which is not finite")
        if any(value == each and isinstance(value, bool) is isinstance(each, bool) for each in result):
            raise _wrong(text, name, f"has the choice {printable(part.strip())} twice")
        result.append(value)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in result)
    mixed = numbers and any(isinstance(v, float) for v in result)
    return [float(v) for v in result] if mixed else result


def _plain(part: str) -> Any:
    """The value of a text: a word, an integer, a number, else the text itself; ``1_000`` and ``٣`` are texts."""
    verdict = part.strip()
    if verdict.lower() in _WORDS:
        return _WORDS[verdict.lower()]
    if verdict.isascii() and "_" not in verdict:
        for kind in (int, float):
            try:
                return kind(verdict)
            except ValueError:
                continue
    return verdict


def _wrong(text: str, name: str, problem: str) -> ConfigError:
    return ConfigError(f"--space {printable(text)} {problem}", code="CONFIG_SPACE", hint=_FORMS, field=name[:128])
