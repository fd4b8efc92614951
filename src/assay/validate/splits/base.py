"""The protocol of splitters, and their adapter for scikit-learn."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import IntArray
from assay.kernel.contracts import Fold
from assay.kernel.errors import ConfigError, printable


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


@dataclass(frozen=True, slots=True, eq=False)
class SklearnSplitter:
    """A plan as the ``cv`` of ``cross_val_score`` and ``GridSearchCV``: it splits by label interval, not by X or y.

    splitter: any plan of `assay.validate.splits`.   known_at, decided_at: as for `Splitter.folds`, one a row of X.
    """

    splitter: Splitter
    known_at: IntArray
    decided_at: IntArray | None = None

    def split(self, X: Any, y: object = None, groups: object = None) -> Iterator[tuple[IntArray, IntArray]]:
        """Train and test rows of every fold. Raises ConfigError ``CONFIG_FOLDS`` if X has another number of rows."""
        if not (getattr(X, "shape", ()) or hasattr(X, "__len__")):
            raise ConfigError(
                f"X is {printable(X)}: a table of {len(self.known_at)} rows is needed", code="CONFIG_FOLDS"
            )
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != len(self.known_at):
            raise ConfigError(f"X has {rows} rows, known_at {len(self.known_at)}", code="CONFIG_FOLDS")
        for fold in self.splitter.folds(self.known_at, self.decided_at):
            yield fold.train, fold.test

    def get_n_splits(self, X: object = None, y: object = None, groups: object = None) -> int:
        """Folds that there will be."""
        return sum(1 for _ in self.splitter.folds(self.known_at, self.decided_at))
