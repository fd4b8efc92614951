"""Splitters: walk-forward, rolling days, purged k-fold, and the one that a spec names.

Source of purge, embargo and combinations: López de Prado 2018, *Advances in Financial Machine Learning*, ch. 7 and 12.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb, isfinite

import numpy as np

from assay.kernel.arrays import BoolArray, IntArray
from assay.kernel.contracts import Fold, conflicts
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.panel import Panel
from assay.kernel.spec import SplitSpec
from assay.validate.splits.base import Splitter, at_least, label_times

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class WalkForward:
    """Train on the past, test on the next rows, move on.

    train:     rows to learn from (the first fold's, if `expanding`), >= 1.
    test:      rows to be judged on, >= 1; a shorter last run is left out.
    step:      rows between the starts of two tests, at least `test` (the default), so that no row is judged twice.
    expanding: keep all earlier rows instead of the last `train`.
    embargo:   rows left out between the last row that may be learnt from and the test, on top of the labels' intervals.

    Raises ConfigError ``CONFIG_FOLDS`` with the arithmetic.
    """

    train: int
    test: int
    step: int | None = None
    expanding: bool = False
    embargo: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("train", self.train, 1), ("test", self.test, 1), ("embargo", self.embargo, 0)):
            at_least(name, value, least)
        if self.step is not None:
            at_least("step", self.step, self.test)
        if self.embargo > self.test:
            raise ConfigError(
                f"embargo of {self.embargo} rows is longer than a test fold of {self.test}", code="CONFIG_FOLDS"
            )

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Oldest fold first; the first test begins at the smallest row with `train` rows known before it."""
        decided, known_at = label_times(known_at, decided_at)
        n = len(decided)
        start = self._first(known_at, decided)
        if start is None or start + self.test > n:
            raise ConfigError(self._too_short(n, start), code="CONFIG_FOLDS", rows=n, train=self.train, test=self.test)
        while start + self.test <= n:
            available = self._known_rows(known_at, decided, start)
            train = available if self.expanding else available[-self.train :]
            yield Fold(train, np.arange(start, start + self.test), decided, known_at)
            start += self.step or self.test

    def _known_rows(self, known_at: IntArray, decided: IntArray, start: int) -> IntArray:
        """Rows before `start` whose label is known before `start` decides, less the embargo."""
        before = max(0, start - self.embargo)
        return np.flatnonzero(known_at[:before] < decided[start])

    def _first(self, known_at: IntArray, decided: IntArray) -> int | None:
        """Smallest start with enough known rows: the count never falls as the start moves on, so it is bisected."""
        low, high = self.train, len(decided)
        while low < high:
            middle = (low + high) // 2
            if self._known_rows(known_at, decided, middle).size >= self.train:
                high = middle
            else:
                low = middle + 1
        return low if low < len(decided) else None

    def _too_short(self, n: int, start: int | None) -> str:
        request = f"{self.train} train rows and {self.test} test rows"
        if start is None:
            return (
                f"{n} rows hold no fold of {request}: labels and embargo leave fewer than {self.train} rows "
                f"to learn from"
            )
        return f"{n} rows hold no fold of {request}: the first test begins at row {start} and {n - start} rows are left"


@dataclass(frozen=True, slots=True)
class Days:
    """`WalkForward` by days: windows are cut by time, so gaps in the data do not stretch them.

    train, test: days, > 0.   gap: least days between the last decision learnt from and the first one judged.
    expanding:   keep all earlier rows.
    """

    train: float
    test: float
    gap: float = 0.0
    expanding: bool = False

    def __post_init__(self) -> None:
        sound = all(isfinite(x) for x in (self.train, self.test, self.gap))
        if not (sound and self.train > 0 and self.test > 0 and self.gap >= 0):
            raise ConfigError(
                f"days need finite train > 0, test > 0 and gap >= 0, got {self.train}/{self.test}/{self.gap}",
                code="CONFIG_FOLDS",
            )

    def folds(self, known_at: IntArray, decided_at: IntArray | None = None) -> Iterator[Fold]:
        """Oldest fold first. `decided_at` in ms is needed; windows without test rows or without history are left out.

        The last window counts if its last bar is there. Raises ConfigError ``CONFIG_FOLDS`` with the arithmetic, also
        for windows shorter than a bar.
        """
        if decided_at is None:
            raise ConfigError("folds by days need decision times in ms", code="CONFIG_FOLDS")
        decided, known_at = label_times(known_at, decided_at)
        train, test, gap = (round(x * DAY_MS) for x in (self.train, self.test, self.gap))
        bar = _shortest_step(decided)
        if min(train, test) < bar:
            raise ConfigError(
                f"{self.train:g} train and {self.test:g} test days: one is shorter than a bar of {bar / DAY_MS:g} days",
                code="CONFIG_FOLDS",
            )
        origin, last = int(decided[0]), int(decided[-1])
        start, built = origin + train + gap, 0
        while start + test <= last + bar:
            rows = np.flatnonzero((decided >= start) & (decided < start + test))
            begin = origin if self.expanding else start - gap - train
            window = np.flatnonzero((decided >= begin) & (decided < start - gap))
            if rows.size and window.size:
                yield Fold(self._known_rows(window, known_at, start), rows, decided, known_at)
                built += 1
            start += test
        if not built:
            have = (last - origin + bar) / DAY_MS
            raise ConfigError(
                f"{have:.1f} days hold no fold of {self.train:g} train + {self.gap:g} gap + {self.test:g} test days",
                code="CONFIG_FOLDS",
            )

    def _known_rows(self, window: IntArray, known_at: IntArray, start: int) -> IntArray:
        learn = window[known_at[window] < start]
        if not learn.size:
            raise ConfigError(
                f"purge leaves no train row: the labels of all {window.size} rows in {self.train:g} train days are "
                f"known only after the test begins, {self.gap:g} gap days later",
                code="CONFIG_FOLDS",
            )
        return learn


def _shortest_step(decided: IntArray) -> int:
    """The bar's length as far as decision times tell it; 1 where there is but one."""
    steps = np.diff(np.unique(decided))
    return int(steps.min()) if steps.size else 1


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


DEFAULT_FOLDS = 8
MIN_ROWS = 100  # usable rows below which nothing is trained


def split_plan(folds: SplitSpec, panel: Panel, *, horizon: int) -> Splitter:
    """The plan that a spec asks for, cut once to see that it can be; without sizes n/3 train rows and 8 test folds.

    Raises ConfigError ``CONFIG_FOLDS`` (bars and days mixed, half a pair, sizes out of range) and DataError
    ``DATA_TOO_FEW`` with the arithmetic when a fold would learn from fewer than 100 rows; LeakError from a plan that
    leaks.
    """
    chosen = _chosen(folds, panel, horizon)
    for _ in chosen.folds(panel.known_at, panel.times):  # what cannot be cut is refused before a run begins
        pass
    return chosen


def _chosen(folds: SplitSpec, panel: Panel, horizon: int) -> Splitter:
    by_days = _pair("days", folds.train_days, folds.test_days)
    by_bars = folds.train_bars is not None or folds.test_bars is not None
    if by_days and by_bars:
        raise ConfigError("folds are given in bars and in days; give one of the two", code="CONFIG_FOLDS")
    if folds.train_share is not None:
        return _split(folds, len(panel.times), horizon, alone=not (by_days or by_bars))
    if folds.gap_days and not by_days:
        raise ConfigError(
            "folds.gap_days goes with train_days and test_days; use embargo for bars", code="CONFIG_FOLDS"
        )
    if folds.embargo and by_days:
        raise ConfigError(
            "folds.embargo goes with train_bars and test_bars; use gap_days for days", code="CONFIG_FOLDS"
        )
    if folds.train_days is not None and folds.test_days is not None:
        return Days(folds.train_days, folds.test_days, folds.gap_days, folds.expanding)
    n = len(panel.times)
    train = folds.train_bars if folds.train_bars is not None else n // 3
    rest = n - train - horizon - 1 - folds.embargo
    test = folds.test_bars if folds.test_bars is not None else rest // DEFAULT_FOLDS
    if folds.train_bars is None and train < MIN_ROWS:
        raise DataError(
            f"{n} usable rows give train folds of {train}, {MIN_ROWS} needed: n/3 after warm-up",
            code="DATA_TOO_FEW",
            hint="Import more history, or say how long the folds are: --train-bars and --test-bars.",
            have=train,
            need=MIN_ROWS,
        )
    if folds.test_bars is None and test < 1:
        raise ConfigError(
            f"{n} usable rows - {train} train - {horizon + 1} until labels are known - {folds.embargo} embargo "
            f"= {rest} leave no {DEFAULT_FOLDS} test folds",
            code="CONFIG_FOLDS",
        )
    return WalkForward(train, test, expanding=folds.expanding, embargo=folds.embargo)


def _split(folds: SplitSpec, n: int, horizon: int, *, alone: bool) -> WalkForward:
    share = folds.train_share or 0.0
    if not alone:
        raise ConfigError("folds.train_share makes one split; it goes without bars and days", code="CONFIG_FOLDS")
    if not 0 < share < 1:
        raise ConfigError(f"folds.train_share is {share:g}, must lie between 0 and 1", code="CONFIG_FOLDS")
    train = int(n * share)
    test = n - train - horizon - folds.embargo
    if train < 1 or test < 1:
        raise ConfigError(
            f"{n} rows leave {train} to train on and {test} to test on at a share of {share:g}", code="CONFIG_FOLDS"
        )
    return WalkForward(train, test, embargo=folds.embargo)


def _pair(unit: str, train: float | None, test: float | None) -> bool:
    if (train is None) != (test is None):
        raise ConfigError(f"folds need train_{unit} and test_{unit} together", code="CONFIG_FOLDS")
    return train is not None
