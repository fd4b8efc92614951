"""The protocol of splitters."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import IntArray
from assay.kernel.errors import ConfigError
from assay.kernel.fold import Fold


class Splitter(Protocol):
    """Anything that cuts history into folds."""

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Folds over the rows ``0..n-1``, each checked against leaks as it is built.

        known_at, decided_at: ``(n,)`` int64 of one unit; ``decided_at=None`` is ``arange(n)``, else non-decreasing.
        """
        ...


def label_times(known_at: ArrayLike, decided_at: ArrayLike | None) -> tuple[IntArray, IntArray]:
    """When each row decides and when its label is known, ``(n,)`` int64, checked.

    Raises ConfigError ``CONFIG_FOLDS`` for times that are no whole numbers (a NaN is none), for two lengths, for
    decisions out of order and for a label known before its decision.
    """
    available = _times("known_at", known_at)
    decided = np.arange(len(available), dtype=np.int64) if decided_at is None else _times("decided_at", decided_at)
    if len(decided) != len(available) or not len(decided):
        raise ConfigError(f"{len(decided)} decision times for {len(available)} labels", code="CONFIG_FOLDS")
    if np.any(decided[1:] < decided[:-1]):
        row = int(np.argmax(decided[1:] < decided[:-1])) + 1
        raise ConfigError(
            f"decided_at must not decrease: row {row} decides at {decided[row]}, the one before at {decided[row - 1]}",
            code="CONFIG_FOLDS",
        )
    if np.any(available < decided):
        row = int(np.argmax(available < decided))
        raise ConfigError(
            f"row {row} is known at {available[row]}, before it is decided at {decided[row]}", code="CONFIG_FOLDS"
        )
    return decided, available


def _times(name: str, value: ArrayLike) -> IntArray:
    try:
        times = np.asarray(value)
    except ValueError as wrong:
        raise ConfigError(f"{name} must be whole numbers, one a row", code="CONFIG_FOLDS", field=name) from wrong
    if times.ndim == 1 and not len(times):
        return np.empty(0, np.int64)
    if times.dtype.kind not in "iu":
        raise ConfigError(
            f"{name} holds {times.dtype}, must be whole numbers: ms or positions of bars",
            code="CONFIG_FOLDS",
            field=name,
        )
    if times.ndim != 1 or times.max() > np.iinfo(np.int64).max:
        raise ConfigError(
            f"{name} has shape {times.shape} of {times.dtype}; (n,) of int64 is needed", code="CONFIG_FOLDS", field=name
        )
    return times.astype(np.int64, copy=False)


def at_least(name: str, value: int, least: int) -> None:
    """Raise ConfigError ``CONFIG_FOLDS`` unless the value is a whole number of at least so much."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(f"{name} is {value!r}, must be an integer >= {least}", code="CONFIG_FOLDS", field=name)
