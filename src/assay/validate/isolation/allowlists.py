"""What a user file may reach: folders by Landlock, and imports where the kernel has none."""

import ctypes
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from assay.kernel.errors import ConfigError, printable
from assay.kernel.user_source import UserCode

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_ASK_VERSION = 1
_PATH_BENEATH = 1
_NO_NEW_PRIVS = 38

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FIRST = (1 << 13) - 1  # all rights to files of version 1
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL  # those that a file, no folder, can have
_BIND, _CONNECT = 1 << 0, 1 << 1
_SOCKETS, _SIGNALS = 1 << 0, 1 << 1


@dataclass(frozen=True, slots=True)
class Rights:
    """What a version of Landlock can take away: rights to files, to TCP, and reaching out of the domain."""

    files: int
    network: int
    scopes: int


def landlock_version() -> int:
    """The version of Landlock's interface that this kernel has; 0 where there is none."""
    if platform.system() != "Linux":
        return 0
    result = int(_call(_CREATE, None, 0, _ASK_VERSION))
    return max(result, 0)


def rights_of(version: int) -> Rights:
    """All that this version can take away; later versions add nothing that is asked for here."""
    files = _FIRST
    for since, right in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL)):
        files |= right if version >= since else 0
    return Rights(files, _BIND | _CONNECT if version >= 4 else 0, _SOCKETS | _SIGNALS if version >= 6 else 0)


def restrict(reads: Sequence[Path], writes: Sequence[Path]) -> int:
    """Leave this process, and all that it starts, these files and folders alone; the version that was used.

    reads:  may be read and listed, nothing in them run.   writes: folders in which files may also be made and changed.
    Paths that do not exist are passed over. Cannot be undone. Raises OSError where the kernel refuses.
    """
    version = landlock_version()
    if not version:
        raise OSError("this kernel has no Landlock")
    rights = rights_of(version)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = _demanded(_CREATE, struct.pack("<QQQ", rights.files, rights.network, rights.scopes)[:size], size, 0)
    try:
        reading = _READ_FILE | _READ_DIR
        for path in reads:
            _allow(ruleset, path, reading)
        for path in writes:
            _allow(ruleset, path, rights.files & ~(_EXECUTE | _IOCTL))
        if _library().prctl(_NO_NEW_PRIVS, 1, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "no_new_privs is refused")
        _demanded(_RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)
    return version


def _allow(ruleset: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        allowed = rights if path.is_dir() else rights & _FILE_RIGHTS
        _demanded(_ADD, ruleset, _PATH_BENEATH, struct.pack("<Qi", allowed, handle), 0)
    finally:
        os.close(handle)


def _demanded(number: int, *arguments: object) -> int:
    result = int(_call(number, *arguments))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"Landlock call {number} is refused: {os.strerror(error)}")
    return result


def _call(number: int, *arguments: object) -> int:
    return int(_library().syscall(ctypes.c_long(number), *(_as_c(each) for each in arguments)))


def _as_c(value: object) -> object:
    return ctypes.c_long(value) if isinstance(value, int) else value


def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


LIBRARIES = frozenset(["numpy", "scipy", "numba", "talib", "sklearn", "pandas", "polars", "assay"])
STANDARD = frozenset(
    [
        "__future__",
        "abc",
        "array",
        "bisect",
        "calendar",
        "cmath",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "itertools",
        "logging",
        "math",
        "numbers",
        "operator",
        "random",
        "re",
        "statistics",
        "string",
        "time",
        "types",
        "typing",
        "warnings",
        "zoneinfo",
    ]
)
"""Parts of the standard library that reach nothing outside of the process by themselves."""

READERS = frozenset(
    [
        "open",
        "read_csv",
        "read_parquet",
        "read_json",
        "read_excel",
        "read_feather",
        "read_hdf",
        "read_ipc",
        "read_database",
        "read_sql",
        "scan_csv",
        "scan_parquet",
        "scan_ipc",
        "scan_ndjson",
        "memmap",
        "load",
        "loadtxt",
        "genfromtxt",
        "fromfile",
        "__import__",
        "import_module",
    ]
)
"""Names of functions of these libraries that open files or load further modules."""


def not_allowed(code: UserCode) -> tuple[str, ...]:
    """What keeps a file from being run without Landlock, a sentence each; empty where nothing does."""
    own = {each.module for each in code.modules}
    problems = []
    for each in code.imports:
        top = each.module.partition(".")[0]
        if not each.library or top in LIBRARIES or top in STANDARD or top in own:
            continue
        problems.append(f"{each.file}:{each.line} imports {each.module}, which is not on the list of harmless modules")
    return (*problems, *_readers(code), *code.gaps)


def demand_allowed(code: UserCode, error_code: str) -> None:
    """Raise ConfigError with the first import that is not allowed."""
    problems = not_allowed(code)
    if problems:
        raise ConfigError(
            f"{printable(code.main.path)} is not run: this kernel has no Landlock to close a process with, and "
            f"{problems[0]}",
            code=error_code,
            hint="Use numpy, scipy, numba, talib, sklearn, pandas, polars and assay alone, or run Assay on Linux 5.13 "
            "or newer.",
            file=code.main.path,
        )


def _readers(code: UserCode) -> list[str]:
    import ast

    problems = []
    for file in code.files:
        try:
            tree = ast.parse(file.text, file.path)
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
            if name in READERS:
                problems.append(f"{file.path}:{getattr(node, 'lineno', 0)} names {name}, which reads files or code")
    return problems
