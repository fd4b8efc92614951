"""Inside the closed process: what a user's file tries to reach is refused and reported with its line.

Landlock and the limits are the wall. The audit hook and the replaced functions here give names to what hits it: each
attempt is written to the parent at once, so that code which swallows the refusal, or tampers with this module later,
cannot take it back.
"""

import errno
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from types import FrameType
from typing import Any

Report = Callable[[str, str, int], None]
"""Called with what was tried, the user's file and its line."""

_RUNS = frozenset(
    [
        "subprocess.Popen",
        "os.system",
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "pty.spawn",
    ]
)
_NATIVE = frozenset(
    [
        "ctypes.dlopen",
        "ctypes.dlsym",
        "ctypes.dlsym/handle",
        "ctypes.call_function",
        "ctypes.string_at",
        "ctypes.wstring_at",
        "ctypes.PyObj_FromPtr",
        "ctypes.cdata",
        "ctypes.cdata/buffer",
        "ctypes.addressof",
    ]
)
_CHANGES = frozenset(
    [
        "os.chdir",
        "os.chflags",
        "os.chmod",
        "os.chown",
        "os.link",
        "os.mkdir",
        "os.putenv",
        "os.remove",
        "os.removexattr",
        "os.rename",
        "os.rmdir",
        "os.setxattr",
        "os.symlink",
        "os.truncate",
        "os.unsetenv",
        "os.utime",
        "os.kill",
        "os.killpg",
        "signal.pthread_kill",
    ]
)
_LISTS = frozenset(["os.listdir", "os.scandir", "os.walk", "os.fwalk", "os.getxattr", "os.listxattr"])
_READS = "open"
_OPENS_DATABASE = "sqlite3.connect"
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SYSTEM = ("/proc", "/sys", "/etc", "/dev", "/usr", "/lib")  # what libraries look at by themselves
_HERE = f"{Path(__file__).parent}/"
_TEXT = "<"  # file names of code that was made from text


@dataclass
class Guard:
    """What a user's code may reach: `reads` and everything below, and `writes` where a library of ours writes there.

    own:    folder of the user's source.   library: folders of Python, its libraries and Assay.
    report: where attempts go.
    """

    own: str
    library: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    report: Report
    busy: bool = field(default=False)

    def install(self) -> None:
        """From now on, and for as long as this process lives."""
        sys.addaudithook(self._hook())

    def caller(self) -> tuple[FrameType | None, FrameType | None]:
        """The nearest frame that is no standard-library plumbing, and the nearest frame of the user's code."""
        frame: FrameType | None = sys._getframe(1)
        nearest = None
        while frame is not None:
            name = frame.f_code.co_filename
            if name.startswith(self.own):
                return nearest or frame, frame
            if nearest is None and not _plumbing(name):
                nearest = frame
            frame = frame.f_back
        return nearest, None

    def by_user(self) -> bool:
        """Whether the user's code itself asks, not a library that it called."""
        nearest, user = self.caller()
        return user is not None and (nearest is user or _from_text(nearest))

    def refuse(self, what: str) -> PermissionError:
        """Report an attempt of the user's code; the error to raise."""
        _, user = self.caller()
        if user is not None:
            place = os.path.relpath(user.f_code.co_filename, self.own)
            self.report(what, place, user.f_lineno)
        return PermissionError(errno.EACCES, f"a file of your own may not do this: it {what}")

    def may_read(self, path: str) -> bool:
        """Whether a path lies in what may be read."""
        return _below(path, self.reads)

    def _hook(self) -> Callable[[str, tuple[object, ...]], None]:
        rules: dict[str, Callable[[str, tuple[object, ...]], None]] = {_READS: self._opened}
        rules |= dict.fromkeys(_RUNS, self._runs)
        rules |= dict.fromkeys(_NATIVE, self._native)
        rules |= dict.fromkeys(_CHANGES, self._changes)
        rules |= dict.fromkeys(_LISTS, self._lists)
        rules |= {_OPENS_DATABASE: self._database, "urllib.Request": self._fetches, "sys.addaudithook": self._hooks}
        rule_of = rules.get
        sockets = self._connects

        def hook(event: str, arguments: tuple[object, ...]) -> None:
            rule = rule_of(event)
            if rule is None and event.startswith("socket."):
                rule = sockets
            if rule is not None:
                rule(event, arguments)

        return hook

    def _opened(self, event: str, arguments: tuple[Any, ...]) -> None:
        path, _, flags = arguments
        if isinstance(path, int) or path is None:
            return
        name = absolute(path)
        if _below(name, self.writes) and not self.by_user():
            return
        if isinstance(flags, int) and flags & _WRITING:
            if name == os.devnull:
                return
            self._deny(f"writes the file {_shown(name)}", name)
        if not self.may_read(name):
            self._deny(f"opens the file {_shown(name)}", name)

    def _deny(self, what: str, path: str) -> None:
        """Refuse; silently where a library looks at the system, or at anything while it is being imported."""
        nearest, user = self.caller()
        quiet = user is None or (nearest is not user and not _from_text(nearest))
        if self.is_importing(by_user=False) or (quiet and _below(path, _SYSTEM)):
            raise PermissionError(errno.EACCES, "not in a closed process", path)
        raise self.refuse(what)

    def is_importing(self, *, by_user: bool = True) -> bool:
        """Whether a module is being imported: the import system stands between here and the user's code.

        by_user: count an import whose own look at files this is; else only what an imported library does by itself.
        """
        frame: FrameType | None = sys._getframe(1)
        library = by_user
        while frame is not None and not frame.f_code.co_filename.startswith(self.own):
            name = frame.f_code.co_filename
            if name.startswith("<frozen importlib"):
                if library:
                    return True
            elif not _plumbing(name):
                library = True
            frame = frame.f_back
        return False

    def _runs(self, event: str, arguments: tuple[Any, ...]) -> None:
        self._refuse_user(f"starts another process ({event})")

    def _connects(self, event: str, arguments: tuple[object, ...]) -> None:
        self._refuse_user(f"opens a connection ({event})")

    def _fetches(self, event: str, arguments: tuple[object, ...]) -> None:
        raise self.refuse(f"opens a connection (to {_shown(str(arguments[0]))})")

    def _hooks(self, event: str, arguments: tuple[object, ...]) -> None:
        self._refuse_user("installs an audit hook")

    def _database(self, event: str, arguments: tuple[object, ...]) -> None:
        if str(arguments[0]) != ":memory:":
            raise self.refuse(f"opens the database {_shown(str(arguments[0]))}")

    def _refuse_user(self, what: str) -> None:
        error = self.refuse(what) if self.by_user() else PermissionError(errno.EACCES, "not in a closed process")
        raise error

    def _native(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.by_user():
            raise self.refuse(f"calls native code ({event})")

    def _changes(self, event: str, arguments: tuple[object, ...]) -> None:
        paths = [absolute(each) for each in arguments if isinstance(each, str | bytes | os.PathLike)]
        if paths and all(_below(path, self.writes) for path in paths) and not self.by_user():
            return
        if self.by_user():
            raise self.refuse(f"changes the system ({event}{''.join(f' {_shown(path)}' for path in paths[:1])})")
        if event not in ("os.putenv", "os.unsetenv"):
            raise PermissionError(errno.EACCES, "not in a closed process")

    def _lists(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0] if arguments else "."
        if isinstance(path, int):
            return
        name = absolute("." if path is None else path)
        if not self.may_read(name) and self.is_importing():
            raise PermissionError(errno.EACCES, "not in a closed process", name)
        if not self.may_read(name):
            self._deny(f"lists the folder {_shown(name)}", name)


def _plumbing(name: str) -> bool:
    """Frames between a call and what asks: this module, and the parts of the standard library that only pass it on."""
    return name.startswith((_HERE, "<frozen ")) or name in _PASSING


def _passing() -> frozenset[str]:
    import codecs
    import ctypes
    import genericpath
    import glob
    import io
    import pathlib
    import posixpath
    import shutil
    import socket
    import subprocess
    import tempfile

    modules = (os, codecs, ctypes, genericpath, glob, io, pathlib, posixpath, shutil, socket, subprocess, tempfile)
    return frozenset(str(each.__file__) for each in modules)


_PASSING = _passing()


def _from_text(frame: FrameType | None) -> bool:
    return frame is not None and frame.f_code.co_filename.startswith(_TEXT)


def absolute(path: str | bytes | os.PathLike[Any]) -> str:
    """The path from the root, links not followed."""
    return os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - of the name; links are Landlock's


def _below(path: str, folders: Sequence[str]) -> bool:
    return any(path == folder or path.startswith(folder.rstrip("/") + "/") for folder in folders)


def _shown(text: str) -> str:
    return repr(text[:200])


def machine_reads() -> tuple[Path, ...]:
    """What native libraries read of the machine, its processors and limits; Python code of the user's may not."""
    names = ("/proc/self/cgroup", "/proc/cpuinfo", "/proc/meminfo", "/sys/fs/cgroup", "/sys/devices/system/cpu")
    return tuple(Path(name) for name in names)


def system_reads() -> tuple[Path, ...]:
    """Files of the operating system that libraries load: shared libraries, the loader's cache, time zones."""
    names = (
        "/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime",
        "/usr/share/zoneinfo", "/dev/null", "/dev/urandom",
    )  # fmt: skip
    return tuple(Path(name) for name in names)


PRELOADED = ("numpy", "scipy", "pandas", "polars", "pyarrow", "duckdb", "numba", "talib", "sklearn", "statsmodels")
"""Libraries that are imported before the process closes, where the user's file imports them."""

_READERS = {
    "polars": ("read_", "scan_"),
    "pandas": ("read_parquet", "read_feather", "read_orc"),
    "duckdb": ("read_", "from_"),
    "pyarrow": ("memory_map", "OSFile", "create_memory_map"),
    "pyarrow.parquet": ("read_", "ParquetFile", "ParquetDataset"),
    "pyarrow.dataset": ("dataset",),
    "pyarrow.feather": ("read_",),
    "pyarrow.csv": ("read_", "open_"),
}
_MEMORY = ("", ":memory:")


def refuse_readers(guard: Guard) -> None:
    """Replace the file readers of the native libraries that are loaded now."""
    for module_name, beginnings in _READERS.items():
        module = sys.modules.get(module_name)
        for name in [] if module is None else dir(module):
            was = getattr(module, name)
            if name.startswith(beginnings) and callable(was):
                setattr(module, name, _refusing(guard, f"{module_name}.{name}", was))
    if "duckdb" in sys.modules:
        _close_duckdb(guard)
    _close_shared_memory(guard)


def _close_shared_memory(guard: Guard) -> None:
    def shm_open(path: str, *_: object, **__: object) -> int:
        raise guard.refuse(f"opens the shared memory {path[:200]!r}")

    if importlib.util.find_spec("_posixshmem") is not None:
        vars(importlib.import_module("_posixshmem"))["shm_open"] = shm_open


def _refusing(guard: Guard, name: str, was: Callable[..., object]) -> Callable[..., object]:
    @wraps(was)
    def reader(*arguments: object, **options: object) -> object:
        for each in (*arguments[:1], *options.values()):
            if isinstance(each, str | os.PathLike) and guard.by_user():
                raise guard.refuse(f"opens the file {os.fspath(each)[:200]!r} ({name})")
        return was(*arguments, **options)

    return reader


def _close_duckdb(guard: Guard) -> None:
    """No external access in any connection; a query that asks for it fails, and a database in a file is refused."""
    duckdb = sys.modules["duckdb"]
    was = duckdb.connect

    @wraps(was)
    def connect(database: object = ":memory:", *arguments: object, **options: object) -> object:
        if str(database) not in _MEMORY and not str(database).startswith(":"):
            raise guard.refuse(f"opens the database {str(database)[:200]!r}")
        return _Connection(guard, was(":memory:", *arguments, **options))

    shared = _Connection(guard, was(":memory:"))
    for name in ("sql", "query", "execute"):
        setattr(duckdb, name, getattr(shared, name))
    vars(duckdb)["connect"] = connect


class _Connection:
    """A DuckDB connection whose failures for want of a permission are reported."""

    def __init__(self, guard: Guard, inner: Any) -> None:
        inner.execute("SET enable_external_access = false")
        self._guard, self._inner = guard, inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self._inner.close()

    def sql(self, query: object, *arguments: object, **options: object) -> object:
        """See DuckDB."""
        return self._reported(self._inner.sql, query, *arguments, **options)

    def query(self, query: object, *arguments: object, **options: object) -> object:
        """See DuckDB."""
        return self._reported(self._inner.query, query, *arguments, **options)

    def execute(self, query: object, *arguments: object, **options: object) -> object:
        """See DuckDB."""
        return self._reported(self._inner.execute, query, *arguments, **options)

    def _reported(self, call: Callable[..., object], query: object, *arguments: object, **options: object) -> object:
        duckdb = sys.modules["duckdb"]
        try:
            return call(query, *arguments, **options)
        except (duckdb.PermissionException, duckdb.IOException) as error:
            raise self._guard.refuse(f"opens a file in the query {str(query)[:200]!r}") from error
