"""Errors that Assay raises on purpose, and the wording of their messages: hints, suggestions, plurals.

One root and one kind for each thing that a reader can do about it. The text says what is wrong, where,
the value, and what would be right; `code` is for programs, `hint` for people, `facts` for both.
"""

import errno
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import ClassVar

_SHOWN = 64
_HTTP_BY_CODE = {
    "CONFIG_JSON": 400,
    "CONFIG_AUTH": 401,
    "CONFIG_TOO_LARGE": 413,
    "CONFIG_MEDIA": 415,
    "CONFIG_RATE": 429,
}
_HTTP_BY_ENDING = {
    "_NOT_FOUND": 404,
    "_CONFLICT": 409,
    "_GONE": 410,
    "_BUSY": 503,
    "_FULL": 507,
    "_VALUE": 422,
}
_UNSAFE = {"STORE_SCHEMA_NEWER", "CONFIG_UNSAFE"}


class AssayError(Exception):
    """Something that a person can mend. Shown as text and hint, never as a traceback.

    message: what is wrong, where, the value, and what would be right.
    code:    stable word such as ``DATA_EMPTY``; the kind's own name when not given.
    hint:    the next thing to do; may be empty.
    facts:   the values behind the text, JSON-able, never a secret.
    """

    default_code: ClassVar[str] = "ASSAY"
    default_exit: ClassVar[int] = 1
    default_http: ClassVar[int] = 500

    def __init__(self, message: str, *, code: str | None = None, hint: str = "", **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.hint = hint
        self.facts = facts

    @property
    def exit_code(self) -> int:
        """What the process ends with when this reaches the command line."""
        return 78 if self.code in _UNSAFE else self.default_exit

    @property
    def http_status(self) -> int:
        """What the API answers."""
        if self.code in _HTTP_BY_CODE:
            return _HTTP_BY_CODE[self.code]
        for ending, status in _HTTP_BY_ENDING.items():
            if self.code.endswith(ending):
                return status
        return self.default_http

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.code, self.hint, self.facts)


def _rebuild(kind: type[AssayError], message: str, code: str, hint: str, facts: dict[str, object]) -> AssayError:
    """Errors cross process borders; keyword-only arguments need this."""
    return kind(message, code=code, hint=hint, **facts)


class DataError(AssayError):
    """Candles or files break a promise."""

    default_code = "DATA"
    default_exit = 65
    default_http = 422


class ConfigError(AssayError, ValueError):
    """A setting, spec or request is not right."""

    default_code = "CONFIG_FIELD"
    default_exit = 2
    default_http = 422


class LeakError(AssayError):
    """The future could reach a decision."""

    default_code = "LEAK_FOLD"
    default_exit = 3
    default_http = 422


class ArtifactError(AssayError):
    """A model file is missing, damaged or not what it says."""

    default_code = "ARTIFACT_CORRUPT"
    default_exit = 65
    default_http = 422


class StoreError(AssayError):
    """The record, the candle store or the disk."""

    default_code = "STORE"
    default_exit = 1
    default_http = 500


class TrainError(AssayError):
    """The fit itself failed."""

    default_code = "TRAIN"
    default_exit = 1
    default_http = 500


def printable(value: object) -> str:
    """A value as it may stand in a message: escaped, cut at 64 characters, in quotes if it is text.

    Control, format and surrogate characters are written as escapes, so that no value can forge a line
    or turn the direction of a terminal.

    >>> printable("BTC/USDT\\n")
    "'BTC/USDT\\\\n'"
    """
    text = value if isinstance(value, str) else repr(value)
    safe = "".join(_escaped(c) for c in text[: _SHOWN + 1])
    if len(text) > _SHOWN:
        safe = safe[:_SHOWN] + "…"
    return f"'{safe}'" if isinstance(value, str) else safe


def _escaped(char: str) -> str:
    if unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return char.encode("unicode_escape").decode("ascii")
    return char


def amount(count: float | None, noun: str, plural: str = "") -> str:
    """A count with its noun: whole numbers without a decimal, others with one; `plural` where it is not noun + s.

    An undefined count is a dash.

    >>> amount(1, "trial"), amount(1.02, "trial"), amount(2.46, "trial"), amount(1200, "trial")
    ('1 trial', '1 trial', '2.5 trials', '1,200 trials')
    >>> amount(2, "look by now", "looks by now")
    '2 looks by now'
    """
    written = "–" if count is None or count != count else f"{count:,.1f}".removesuffix(".0")
    return f"{written} {noun if written == '1' else plural or noun + 's'}"


def nearest(name: str, available: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """Up to `count` known names that look like `name`, best first; case is ignored.

    >>> nearest("lerning_rate", ["learning_rate", "max_depth"])
    ('learning_rate',)
    """
    by_fold = {k.casefold(): k for k in available}
    result = get_close_matches(name.casefold()[:200], by_fold, n=count, cutoff=0.5)
    return tuple(by_fold[f] for f in result)


def did_you_mean(name: str, available: Iterable[str]) -> str:
    """``"did you mean a, b?"``, or the empty text when nothing is near.

    >>> did_you_mean("ensembel", ["ensemble", "lstm"])
    'did you mean ensemble?'
    """
    result = nearest(name, available)
    return f"did you mean {', '.join(result)}?" if result else ""


_MOST_NAMES = 1_000  # names of a folder that are looked at
_FOLDER_SHOWN = 60  # last characters of a folder's path


def unread_hint(path: Path, error: OSError) -> str:
    """The next thing to do, by the reason that the system gave; empty where there is none to name."""
    if error.errno == errno.ENOENT:
        near = [printable(name) for name in nearest(path.name, _neighbours(path), count=1)]
        also = f" Did you mean {near[0]}?" if near else ""
        folder = str(path.absolute().parent)
        where = folder if len(folder) <= _FOLDER_SHOWN else "…" + folder[-_FOLDER_SHOWN:]
        return f"There is no {printable(path.name)} in {printable(where)}.{also}"
    return {
        errno.EACCES: "Give this user the right to read it (chmod u+r).",
        errno.EISDIR: "This is a folder: name the file in it.",
        errno.EINVAL: "Name a plain file: no folder, pipe or device.",
        errno.EFBIG: "Leave data and generated text out of the source, or split it into modules that it imports.",
    }.get(error.errno or 0, "")


def _neighbours(path: Path) -> list[str]:
    try:
        return [each.name for each in islice(path.parent.iterdir(), _MOST_NAMES)]
    except OSError:
        return []
