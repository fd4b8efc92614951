"""A fold that leaks cannot be built."""

from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import BoolArray, IntArray
from assay.kernel.errors import ConfigError, LeakError


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to learn from and rows to be judged on.

    train, test: int64 row positions, increasing, not empty, without a row in common.
    decided_at, known_at: ``(n,)`` int64 of one unit, full length: the closed label interval of every row.

    Raises LeakError ``LEAK_FOLD`` if the label interval of any train row shares an instant with that of any test row
    (López de Prado 2018, *Advances in Financial Machine Learning*, 7.4.1, inclusive); ConfigError ``CONFIG_FOLDS`` for
    empty, unordered or overlapping sets and for a row known before it is decided. Cost: O(n log n).
    """

    train: IntArray
    test: IntArray
    decided_at: IntArray
    known_at: IntArray

    def __post_init__(self) -> None:
        if len(self.decided_at) != len(self.known_at):
            raise ConfigError("decided_at and known_at need one length", code="CONFIG_FOLDS")
        _check_rows("train", self.train, len(self.decided_at))
        _check_rows("test", self.test, len(self.decided_at))
        if np.any(self.known_at < self.decided_at):
            row = int(np.argmax(self.known_at < self.decided_at))
            raise ConfigError(
                f"row {row} is known at {self.known_at[row]}, before it is decided at {self.decided_at[row]}",
                code="CONFIG_FOLDS",
            )
        if np.intersect1d(self.train, self.test).size:
            raise ConfigError("train and test share rows", code="CONFIG_FOLDS")
        wrong = conflicts(self.train, self.test, self.decided_at, self.known_at)
        if wrong.any():
            row = int(self.train[np.argmax(wrong)])
            begins, ends = self.decided_at[self.test], self.known_at[self.test]
            meets = (begins <= self.known_at[row]) & (ends >= self.decided_at[row])
            other = int(self.test[np.argmax(meets)])
            raise LeakError(
                f"train row {row} is decided at {self.decided_at[row]} and known at {self.known_at[row]}, "
                f"but test row {other} decides at {self.decided_at[other]}",
                code="LEAK_FOLD",
                hint="Widen the gap between train and test, or shorten the target's horizon.",
                train_row=row,
                test_row=other,
                known_at=int(self.known_at[row]),
                decided_at=int(self.decided_at[other]),
            )


def conflicts(rows: IntArray, test: IntArray, decided_at: IntArray, known_at: IntArray) -> BoolArray:
    """``(len(rows),)``: which rows' label intervals ``[decided_at, known_at]`` share an instant with a test row's.

    Row against row, not against the hull of the test set: labels of varying length leave holes that may be used.
    """
    order = np.argsort(decided_at[test], kind="stable")
    begins = decided_at[test][order]
    latest = np.maximum.accumulate(known_at[test][order])
    before = np.searchsorted(begins, known_at[rows], side="right") - 1
    met: BoolArray = (before >= 0) & (latest[np.maximum(before, 0)] >= decided_at[rows])
    return met


def _check_rows(name: str, rows: IntArray, n: int) -> None:
    if rows.size == 0:
        raise ConfigError(f"fold: {name} is empty", code="CONFIG_FOLDS")
    if np.any(np.diff(rows) <= 0) or rows[0] < 0 or rows[-1] >= n:
        raise ConfigError(f"fold: {name} rows must increase and lie in 0..{n - 1}", code="CONFIG_FOLDS")
