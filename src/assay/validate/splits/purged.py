"""Folds that are not in the order of time: what touches a test run is purged, what follows it waits.

Source of purge, embargo and combinations: López de Prado 2018, *Advances in Financial Machine Learning*, ch. 7 and 12.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from assay.kernel.arrays import BoolArray, IntArray
from assay.kernel.errors import ConfigError
from assay.kernel.fold import Fold, conflicts
from assay.validate.splits.base import at_least, label_times


@dataclass(frozen=True, slots=True)
class PurgedKFold:
    """Each of `n_folds` groups of neighbouring rows is the test once; conflicting rows leave the train set.

    embargo: rows that are left out after each test run, counted from the first row decided after the run's labels are
             known.
    window:  rows that a model reads for one decision, an LSTM's sequence; the `window` - 1 rows after a test run, whose
             windows hold bars of it, leave the train set too.
    Raises ConfigError ``CONFIG_FOLDS`` when a train set is emptied.
    """

    n_folds: int
    embargo: int = 0
    window: int = 1

    def __post_init__(self) -> None:
        at_least("n_folds", self.n_folds, 2)
        at_least("embargo", self.embargo, 0)
        at_least("window", self.window, 1)

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Folds in the order of their test groups."""
        decided, known_at = label_times(known_at, decided_at)
        for test in _groups(len(decided), self.n_folds):
            yield _fold([test], decided, known_at, max(self.embargo, self.window - 1))


@dataclass(frozen=True, slots=True)
class CombinatorialPurged:
    """Every choice of `n_test_groups` of `n_groups` groups of neighbouring rows is the test once.

    embargo, window, errors: as for `PurgedKFold`.
    """

    n_groups: int
    n_test_groups: int
    embargo: int = 0
    window: int = 1

    def __post_init__(self) -> None:
        at_least("n_groups", self.n_groups, 2)
        at_least("n_test_groups", self.n_test_groups, 1)
        at_least("embargo", self.embargo, 0)
        at_least("window", self.window, 1)
        if self.n_test_groups >= self.n_groups:
            raise ConfigError(
                f"{self.n_test_groups} of {self.n_groups} groups are tested: none is left to learn from",
                code="CONFIG_FOLDS",
                field="n_test_groups",
            )

    @property
    def n_folds(self) -> int:
        """C(N, k)."""
        return comb(self.n_groups, self.n_test_groups)

    @property
    def n_paths(self) -> int:
        """Whole histories that the folds' tests make: C(N - 1, k - 1)."""
        return comb(self.n_groups - 1, self.n_test_groups - 1)

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Folds in lexicographic order of their test groups."""
        decided, known_at = label_times(known_at, decided_at)
        groups = _groups(len(decided), self.n_groups)
        for chosen in combinations(range(self.n_groups), self.n_test_groups):
            yield _fold([groups[g] for g in chosen], decided, known_at, max(self.embargo, self.window - 1))

    def paths(self) -> IntArray:
        """``(n_paths, n_groups)``: path p takes group g from the p-th fold that tests g."""
        tested = np.array([*combinations(range(self.n_groups), self.n_test_groups)])
        return np.array([np.flatnonzero((tested == g).any(axis=1)) for g in range(self.n_groups)], np.int64).T


def purge(test: IntArray, decided_at: IntArray, known_at: IntArray, *, embargo: int) -> IntArray:
    """Rows that may be learnt from beside a test set: not in it, not in conflict with it, not under its embargo."""
    n = len(decided_at)
    allowed: BoolArray = np.ones(n, np.bool_)
    allowed[test] = False
    rest = np.flatnonzero(allowed)
    allowed[rest[conflicts(rest, test, decided_at, known_at)]] = False
    for run in np.split(test, np.flatnonzero(np.diff(test) > 1) + 1):
        after = int(np.searchsorted(decided_at, known_at[run].max(), side="right"))
        allowed[after : after + embargo] = False
    return np.flatnonzero(allowed)


def _groups(n: int, count: int) -> list[IntArray]:
    if count > n:
        raise ConfigError(f"{count} groups of {n} rows", code="CONFIG_FOLDS")
    return np.array_split(np.arange(n), count)


def _fold(groups: Sequence[IntArray], decided: IntArray, known_at: IntArray, embargo: int) -> Fold:
    test = np.concatenate(groups)
    train = purge(test, decided, known_at, embargo=embargo)
    if not train.size:
        runs = ", ".join(f"{group[0]}..{group[-1]}" for group in groups)
        raise ConfigError(
            f"purge and embargo of {embargo} rows leave no train row: {len(decided)} rows, test rows {runs}",
            code="CONFIG_FOLDS",
        )
    return Fold(train, test, decided, known_at)
