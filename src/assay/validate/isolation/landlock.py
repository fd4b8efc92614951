"""Landlock: a Linux process gives up, for good, all files but the named ones, and the network.

Source: Linux, Documentation/userspace-api/landlock.rst. The system calls have no wrapper in the C library.
"""

import ctypes
import os
import platform
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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
