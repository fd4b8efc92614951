"""What every plan of folds promises, and the times that it is given."""

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.errors import ConfigError
from assay.kernel.fold import Fold


class Plan(Protocol):
    """Anything that cuts history into folds."""

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Folds over the rows ``0..n-1``, each checked against leaks as it is built.

        known_at, decided_at: ``(n,)`` int64 of one unit; ``decided_at=None`` is ``arange(n)``, else non-decreasing.
        """
        ...


def decided_times(known_at: IntArray, decided_at: IntArray | None) -> IntArray:
    """When each row decides, checked: as long as `known_at`, not decreasing, and never after it."""
    decided = np.arange(len(known_at), dtype=np.int64) if decided_at is None else decided_at
    if len(decided) != len(known_at) or not len(decided):
        raise ConfigError(f"{len(decided)} decision times for {len(known_at)} labels", code="CONFIG_FOLDS")
    if np.any(np.diff(decided) < 0):
        raise ConfigError("decided_at must not decrease", code="CONFIG_FOLDS")
    if np.any(known_at < decided):
        row = int(np.argmax(known_at < decided))
        raise ConfigError(
            f"row {row} is known at {known_at[row]}, before it is decided at {decided[row]}", code="CONFIG_FOLDS"
        )
    return decided


def at_least(name: str, value: int, least: int) -> None:
    """Raise ConfigError ``CONFIG_FOLDS`` unless the value is a whole number of at least so much."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ConfigError(f"{name} is {value!r}, must be an integer >= {least}", code="CONFIG_FOLDS", field=name)
