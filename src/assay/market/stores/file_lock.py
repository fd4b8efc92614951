"""Exclusive lock on a file; a timeout names the process that has it."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from assay.kernel.errors import ConfigError, StoreError, printable

WAIT_SECONDS = 30.0
_POLL_SECONDS = 0.01


@contextmanager
def alone(path: Path, *, wait_seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the lock beside `path` for the length of the block; free at once when its process dies.

    The holder's process id stands in ``<path>.holder``. Raises StoreError ``STORE_BUSY`` after `wait_seconds`, and
    ConfigError ``CONFIG_FIELD`` where the folder cannot be written.
    """
    lock = FileLock(
        _sibling(path, ".lock"),
        timeout=wait_seconds,
        poll_interval=_POLL_SECONDS,
        preserve_lock_file=True,
        fallback_to_soft=False,
    )
    try:
        _sibling(path, ".lock").touch()  # filelock waits where the folder refuses; we say so at once
        lock.acquire()
    except Timeout as late:
        raise busy(path, holder(path), wait_seconds) from late
    except OSError as failure:
        raise not_writable(path, failure) from failure
    try:
        _sibling(path, ".holder").write_text(json.dumps({"pid": os.getpid(), "thread": threading.get_ident()}))
        yield
    finally:
        lock.release()


def holder(path: Path) -> int | None:
    """Process id of the last one who took the lock; None if nobody ever did."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return int(json.loads(_sibling(path, ".holder").read_text())["pid"])
    return None


def busy(path: Path, pid: int | None, waited: float) -> StoreError:
    """The error for a file that stays taken."""
    who = "another process" if pid is None else f"process {pid}"
    return StoreError(
        f"the candle store {path} is in use by {who}; waited {waited:g} s",
        code="STORE_BUSY",
        hint="wait until it ends, or stop it; several Assay processes share one store, other programs must close it",
        path=str(path),
        pid=pid,
    )


def not_writable(path: Path, failure: OSError) -> ConfigError:
    """The error for a folder in which no store can be."""
    reason = failure.strerror or type(failure).__name__
    return ConfigError(
        f"the candle store {printable(str(path))} cannot be opened: {reason}",
        code="CONFIG_FIELD",
        hint="choose a home folder that you may write, with --home or ASSAY_HOME",
        path=str(path),
        reason=reason,
    )


def _sibling(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)
