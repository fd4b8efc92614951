"""Plans of folds: the worked examples of the specification, and a reference that compares pairs of rows."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.validate.splits import DAY_MS, Days, Fold, PurgedKFold, WalkForward, purge
from tests.kernel.test_fold import intervals, meets

HOUR = 3_600_000
Shown = list[tuple[list[int], list[int]]]


def shown(
    plan: WalkForward | PurgedKFold | Days, known: list[int] | np.ndarray, decided: np.ndarray | None = None
) -> Shown:
    folds = plan.folds(np.asarray(known, np.int64), decided)
    return [(f.train.tolist(), f.test.tolist()) for f in folds]


def span(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


TWO_AHEAD = np.arange(10) + 2


def test_worked_examples() -> None:
    assert shown(WalkForward(4, 2), TWO_AHEAD) == [(span(0, 3), [6, 7]), (span(2, 5), [8, 9])]
    assert shown(WalkForward(4, 2, expanding=True), TWO_AHEAD) == [(span(0, 3), [6, 7]), (span(0, 5), [8, 9])]
    varying = [2, 1, 3, 7, 5, 6, 7, 8, 9, 10]
    assert shown(WalkForward(3, 3), varying) == [([0, 1, 2], [4, 5, 6]), ([2, 4, 5], [7, 8, 9])]
    assert shown(PurgedKFold(3, embargo=1), TWO_AHEAD) == [
        ([7, 8, 9], [0, 1, 2, 3]),
        ([0, 1], [4, 5, 6]),
        ([0, 1, 2, 3, 4], [7, 8, 9]),
    ]


def test_embargo_and_step_by_hand() -> None:
    known = np.arange(20) + 1
    assert shown(WalkForward(4, 3, embargo=2), known)[0] == (span(0, 3), [6, 7, 8])
    assert shown(WalkForward(4, 3), known)[0] == (span(0, 3), [5, 6, 7])
    starts = [test[0] for _, test in shown(WalkForward(4, 2, step=5), known)]
    assert starts == [5, 10, 15]
    # A label known at the first row after the run: the embargo begins one row later.
    assert purge(np.array([4, 5]), np.arange(12), np.arange(12) + 1, embargo=2).tolist() == [0, 1, 2, 9, 10, 11]


@settings(deadline=None)
@given(intervals(), st.integers(1, 6), st.integers(1, 5), st.booleans(), st.integers(0, 3))
def test_walk_forward_is_its_definition(
    drawn: tuple[np.ndarray, np.ndarray], train: int, test: int, expanding: bool, embargo: int
) -> None:
    assume(embargo <= test)
    decided, known = drawn
    n = len(decided)

    def usable(start: int) -> list[int]:
        return [i for i in range(max(0, start - embargo)) if known[i] < decided[start]]

    want: Shown = []
    start = next((s for s in range(n) if len(usable(s)) >= train), n)
    while start + test <= n:
        rows = usable(start)
        want.append((rows if expanding else rows[-train:], span(start, start + test - 1)))
        start += test
    plan = WalkForward(train, test, expanding=expanding, embargo=embargo)
    if not want:
        with pytest.raises(ConfigError, match=f"{n} rows hold no fold of {train} train rows and {test} test rows"):
            shown(plan, known, decided)
        return
    assert shown(plan, known, decided) == want
    judged = [row for _, rows in want for row in rows]
    assert len(judged) == len(set(judged)), "no row is judged twice"


@settings(deadline=None)
@given(intervals(), st.integers(2, 5), st.integers(0, 3))
def test_purged_k_fold_is_its_definition(drawn: tuple[np.ndarray, np.ndarray], k: int, embargo: int) -> None:
    decided, known = drawn
    n = len(decided)
    assume(k <= n)
    want: Shown = []
    for test in np.array_split(np.arange(n), k):
        last = known[test].max()
        after = [i for i in range(n) if decided[i] > last]
        barred = set(test.tolist()) | set(after[:embargo])
        want.append(([i for i in range(n) if i not in barred and not meets(i, test, decided, known)], test.tolist()))
    if any(not rows for rows, _ in want):
        with pytest.raises(ConfigError, match="leave no train row"):
            shown(PurgedKFold(k, embargo), known, decided)
        return
    assert shown(PurgedKFold(k, embargo), known, decided) == want


def hours(n: int, horizon: int = 3) -> tuple[np.ndarray, np.ndarray]:
    decided = HOUR * (np.arange(n, dtype=np.int64) + 1)
    return decided + horizon * HOUR, decided


def test_days_rolling_and_expanding() -> None:
    known, decided = hours(24 * 6)
    folds = shown(Days(2, 1), known, decided)
    assert [rows for _, rows in folds] == [span(24 * d, 24 * d + 23) for d in (2, 3, 4, 5)]
    # The label of a row that ends at the very instant of the first decision is too late: 3 hours and that one.
    assert [rows for rows, _ in folds] == [span(24 * (d - 2), 24 * d - 4) for d in (2, 3, 4, 5)]
    assert [rows for rows, _ in shown(Days(2, 1, expanding=True), known, decided)] == [
        span(0, 24 * d - 4) for d in (2, 3, 4, 5)
    ]
    gapped = shown(Days(2, 1, gap=0.5), known, decided)
    assert gapped[0] == (span(0, 47), span(60, 83))


def test_days_are_time_and_not_rows() -> None:
    known, decided = hours(24 * 8)
    kept = np.r_[0:60, 90:192]  # a hole of 30 hours
    folds = shown(Days(3, 1), known[kept], decided[kept])
    whole = shown(Days(3, 1), known, decided)
    for (train, test), (all_train, all_test) in zip(folds, whole, strict=True):
        assert kept[train].tolist() == [r for r in all_train if r in set(kept.tolist())]
        assert kept[test].tolist() == [r for r in all_test if r in set(kept.tolist())]


@pytest.mark.parametrize(
    "plan",
    [
        lambda: WalkForward(0, 1), lambda: WalkForward(1, 0), lambda: WalkForward(4, 2, step=1),
        lambda: WalkForward(4, 2, embargo=-1), lambda: WalkForward(True, 2), lambda: WalkForward(1.5, 2),  # type: ignore[arg-type]
        lambda: PurgedKFold(1), lambda: PurgedKFold(3, -1), lambda: Days(0, 1), lambda: Days(1, -1),
        lambda: Days(1, 1, gap=-1), lambda: Days(float("nan"), 1), lambda: Days(float("inf"), 1),
        lambda: Days(1, 1, float("inf")),
    ],
)  # fmt: skip
def test_plans_that_are_none(plan: object) -> None:
    with pytest.raises(ConfigError) as caught:
        plan()  # type: ignore[operator]
    assert caught.value.code == "CONFIG_FOLDS"


def test_embargo_longer_than_a_fold_and_emptied_train_rows() -> None:
    with pytest.raises(ConfigError, match="embargo of 7 rows is longer than a test fold of 5"):
        WalkForward(50, 5, embargo=7)
    with pytest.raises(ConfigError, match="labels and embargo leave fewer than 4 rows"):
        shown(WalkForward(4, 2), np.full(10, 100))
    with pytest.raises(ConfigError, match=r"embargo of 9 rows leave no train row: 10 rows, test rows 0\.\.3"):
        shown(PurgedKFold(3, embargo=9), TWO_AHEAD)
    known, decided = hours(24 * 6, horizon=48)
    with pytest.raises(ConfigError, match="purge leaves no train row: the labels of all 24 rows in 1 train days"):
        shown(Days(1, 1), known, decided)


def test_days_shorter_than_a_bar_end_with_an_error() -> None:
    known, decided = hours(100)
    with pytest.raises(ConfigError, match=r"shorter than a bar of 0\.0416667 days"):
        shown(Days(1, 1e-12), known, decided)
    with pytest.raises(ConfigError, match=r"4\.2 days hold no fold of 4 train"):
        shown(Days(4, 1), known, decided)
    with pytest.raises(ConfigError, match="decision times"):
        shown(Days(1, 1), known)


def test_times_that_make_no_sense() -> None:
    for known, decided in (
        ([0, 1, 2], np.array([0, 2, 1])),
        ([0, 0, 2], np.array([0, 1, 2])),
        ([0, 1], np.array([0, 1, 2])),
        ([], np.array([], np.int64)),
    ):
        with pytest.raises(ConfigError):
            shown(WalkForward(1, 1), known, decided)


def test_two_symbols_of_one_clock_purge_each_other() -> None:
    decided = np.repeat(np.arange(8), 2)
    known = decided + np.where(np.arange(16) % 2, 3, 1)
    for fold in WalkForward(4, 4).folds(known, decided):
        assert isinstance(fold, Fold)
        for i in fold.train:
            assert not meets(int(i), fold.test, decided, known)
    assert DAY_MS == 86_400_000
