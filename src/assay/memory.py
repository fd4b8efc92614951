"""Switches of glibc's malloc for freed memory; other C libraries need none."""

import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8


def give_back() -> None:
    """Let it return every freed array of a MiB or more at once.

    glibc raises that line by itself to 32 MiB and then keeps what numpy frees, hundreds of MiB in a training on a
    million bars (``benchmarks/memory.py``).
    """
    _switch({_MMAP_THRESHOLD: 1 << 20})


def keep_freed() -> None:
    """Let it keep what is freed, in one place for all threads.

    A sweep makes arrays of some MiB by the dozen; pages that are touched for the first time, again and again, cost it
    as much as its arithmetic (27,000 page faults in `optimize` on 700,000 bars, 12,000 with this).
    """
    _switch({_MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 1 << 30, _ARENA_MAX: 1})


def _switch(to: dict[int, int]) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for name, value in to.items():
            mallopt(name, value)
