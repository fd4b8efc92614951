"""Inside the closed process: an empty environment, another clock and process number, a watched calendar.

Each is replaced on its module, where Python code finds it. `Clock.moved` sets what the next question sees.
"""

import ast
import datetime
import os
import sys
import time
from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import replace
from typing import Any

from assay.kernel.bars import Bars, Joined
from assay.kernel.timeframe import DAY_MS
from assay.kernel.user_source import UserCode
from assay.validate.isolation.guard import Guard, absolute

_SECOND_NS = 1_000_000_000
_STATS = ("stat", "lstat", "access", "readlink", "statvfs")


class Clock:
    """The time of day and the process number that the user's code sees. Set for each question by `moved`."""

    def __init__(self) -> None:
        self._offset_ns = 0
        self._process = os.getpid()
        self._time_ns = time.time_ns

    def shift(self, offset_s: int, process: int) -> None:
        """From now on the time of day is `offset_s` later, and the process has this number."""
        self._offset_ns, self._process = offset_s * _SECOND_NS, process

    def time_ns(self) -> int:
        """Nanoseconds since 1970, moved."""
        return self._time_ns() + self._offset_ns

    def time(self) -> float:
        """Seconds since 1970, moved."""
        return self.time_ns() / _SECOND_NS

    def process(self) -> int:
        """The process number of this question."""
        return self._process

    def parent(self) -> int:
        """The number of the process above it."""
        return self._process - 1

    def install(self, monotonic_s: int) -> None:
        """Replace the clocks of `time`, of `datetime`, and the process numbers of `os`."""
        offset = monotonic_s * _SECOND_NS
        for name in ("monotonic", "perf_counter"):
            at: Callable[[], int] = getattr(time, f"{name}_ns")
            setattr(time, f"{name}_ns", lambda at=at: at() + offset)
            setattr(time, name, lambda at=at: (at() + offset) / _SECOND_NS)
        time.time, time.time_ns = self.time, self.time_ns
        self._replace_conversions()
        self._replace_dates()
        for module in (os, sys.modules["posix"]):
            setattr(module, "getpid", self.process)  # noqa: B010 - mypy knows these as functions
            setattr(module, "getppid", self.parent)  # noqa: B010

    def _replace_conversions(self) -> None:
        for name in ("gmtime", "localtime", "ctime"):
            was: Callable[..., Any] = getattr(time, name)
            setattr(time, name, lambda at=None, was=was: was(self.time() if at is None else at))
        clocks: Callable[[int], int] = time.clock_gettime_ns
        clock_time = time.CLOCK_REALTIME

        def clock_gettime_ns(which: int) -> int:
            return clocks(which) + (self._offset_ns if which == clock_time else 0)

        time.clock_gettime_ns = clock_gettime_ns
        time.clock_gettime = lambda which: clock_gettime_ns(which) / _SECOND_NS
        form, local = time.strftime, time.localtime
        time.strftime = lambda text, at=None: form(text, local() if at is None else at)

    def _replace_dates(self) -> None:
        setattr(datetime, "datetime", _moved_time(self))  # noqa: B010 - mypy forbids assigning to a type
        setattr(datetime, "date", _moved_date(self))  # noqa: B010


class _Alike(type):
    """Instances and subclasses of a plain type count as those of its replacement."""

    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, cls.__mro__[1])

    def __subclasscheck__(cls, other: type) -> bool:
        return issubclass(other, cls.__mro__[1])


def _moved_time(clock: Clock) -> type:
    """`datetime.datetime` whose now and today are moved; what it makes are plain ones."""
    plain = datetime.datetime

    class MovedTime(plain, metaclass=_Alike):  # type: ignore[misc, valid-type]
        def __new__(cls, *a: Any, **k: Any) -> Any:
            return plain(*a, **k)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return plain.fromtimestamp(clock.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return plain.fromtimestamp(clock.time(), datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return cls.now()

    MovedTime.__name__ = MovedTime.__qualname__ = plain.__name__
    return MovedTime


def _moved_date(clock: Clock) -> type:
    """`datetime.date` whose today is moved; what it makes are plain ones."""
    plain = datetime.date

    class MovedDate(plain, metaclass=_Alike):  # type: ignore[misc, valid-type]
        def __new__(cls, *a: Any, **k: Any) -> Any:
            return plain(*a, **k)

        @classmethod
        def today(cls) -> Any:
            return plain.fromtimestamp(clock.time())

    MovedDate.__name__ = MovedDate.__qualname__ = plain.__name__
    return MovedDate


class NoEnvironment(MutableMapping[str, str]):
    """An environment in which nothing is set but what the code sets itself; what the user's code reads is reported."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._own: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self._own:
            self._read(f"reads the environment variable {str(name)[:100]!r}")
        return self._own[name]

    def __contains__(self, name: object) -> bool:
        if name not in self._own:
            self._read(f"reads the environment variable {str(name)[:100]!r}")
        return name in self._own

    def __setitem__(self, name: str, value: str) -> None:
        self._own[name] = value

    def __delitem__(self, name: str) -> None:
        del self._own[name]

    def __iter__(self) -> Iterator[str]:
        self._read("reads the environment")
        return iter(self._own)

    def __len__(self) -> int:
        self._read("reads the environment")
        return len(self._own)

    def copy(self) -> dict[str, str]:
        """What is set, as `os.environ` gives it."""
        self._read("reads the environment")
        return dict(self._own)

    def _read(self, what: str) -> None:
        if self._guard.by_user():
            self._guard.refuse(what)


def empty_environment(guard: Guard) -> None:
    """Clear the variables of this process and put a `NoEnvironment` in place of `os.environ`."""
    posix = sys.modules["posix"]
    for name in list(os.environ):  # noqa: TID251 - of the closed process, to empty it
        os.unsetenv(name)
    vars(posix)["environ"].clear()
    replaced = NoEnvironment(guard)
    setattr(os, "environ", replaced)  # noqa: B010
    setattr(os, "environb", replaced)  # noqa: B010


def hide_files(guard: Guard) -> None:
    """Functions that tell of a file without opening it refuse those that may not be read, when the user's code asks."""
    posix = sys.modules["posix"]
    for name in _STATS:
        checked = _checked(guard, name, getattr(os, name))
        for module in (os, posix):
            setattr(module, name, checked)


def _checked(guard: Guard, name: str, was: Callable[..., Any]) -> Callable[..., Any]:
    def checked(path: Any, *more: Any, **options: Any) -> Any:
        if isinstance(path, str | bytes | os.PathLike):
            place = absolute(path)
            if not guard.may_read(place) and guard.by_user() and not guard.is_importing():
                raise guard.refuse(f"looks at the file {place[:200]!r} (os.{name})")
        return was(path, *more, **options)

    return checked


SHIFT_DAYS = 10_227
"""28 years with seven leap days: the same date, weekday and daylight-saving rule, from 1901 to 2099."""

_MOMENTS = ("now", "today")
_MAKERS = ("datetime64", "Timestamp", "to_datetime", "Period", "DatetimeIndex", "array", "asarray")


def move_bars(bars: Bars, days: int = SHIFT_DAYS) -> Bars:
    """The same bars, `days` later: open times, and both times of joined series."""
    by = days * DAY_MS
    joined = {name: Joined(s.value_time + by, s.known_at + by, s.value) for name, s in bars.joined.items()}
    return replace(bars, timestamp=bars.timestamp + by, joined=joined)


def clock_reads(code: UserCode) -> tuple[tuple[str, str, int], ...]:
    """Where the source reads a clock that native code keeps, such as ``np.datetime64("now")``: what, file and line."""
    reads = []
    for file in code.files:
        try:
            tree = ast.parse(file.text, file.path)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            what = _clock(node)
            if what and isinstance(node, ast.Call):
                reads.append((what, file.path, node.lineno))
    return tuple(reads)


def _clock(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    name = _name(node.func)
    first = node.args[0] if node.args else None
    if name in _MAKERS and isinstance(first, ast.Constant) and first.value in _MOMENTS:
        return f"{name}({first.value!r})"
    if isinstance(node.func, ast.Attribute) and name in (*_MOMENTS, "utcnow") and _name(node.func.value) == "Timestamp":
        return f"Timestamp.{name}()"
    return ""


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
