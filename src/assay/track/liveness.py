"""The process that writes a run, and whether it lives."""

import os
import socket
import uuid
from functools import cache

import psutil

from assay.kernel.timestamps import now_ms

_TOLERANCE_MS = 2_000  # the kernel derives start times from a boot time that moves a little with the clock
ELSEWHERE_MS = 60_000


def this_process() -> str:
    """``host/pid/process-start-ms/uuid4``; one for each process, also after a fork."""
    return _name(os.getpid())


@cache
def _name(pid: int) -> str:
    return f"{socket.gethostname()}/{pid}/{_started(pid)}/{uuid.uuid4()}"


def is_gone(owner: str | None, heartbeat_ms: int) -> bool:
    """Whether the owner has died.

    On this host: its pid does not run, or runs a process with another start. Elsewhere, or without an owner: no
    heartbeat for 60 s.
    """
    host, pid, start = _parts(owner)
    if host != socket.gethostname():
        return now_ms() - heartbeat_ms > ELSEWHERE_MS
    result = _started(pid)
    return result is None or abs(result - start) > _TOLERANCE_MS


def _parts(owner: str | None) -> tuple[str, int, int]:
    parts = (owner or "").rsplit("/", 3)
    if len(parts) == 4 and parts[1].isdecimal() and parts[2].isdecimal():
        return parts[0], int(parts[1]), int(parts[2])
    return "", 0, 0


def _started(pid: int) -> int | None:
    """Start of a living process in ms; None when there is none (a zombie lives no more)."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return round(process.create_time() * 1000)
    except psutil.NoSuchProcess:
        return None
