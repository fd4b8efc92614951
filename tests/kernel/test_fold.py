"""A fold that leaks cannot be built: against a reference that compares every pair of rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.contracts import Fold, conflicts
from assay.kernel.errors import ConfigError, LeakError


@st.composite
def intervals(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 24))
    steps = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    spans = draw(st.lists(st.integers(0, 6), min_size=n, max_size=n))
    decided = np.cumsum(np.asarray(steps, np.int64))
    return decided, decided + np.asarray(spans, np.int64)


def meets(i: int, rows: np.ndarray, decided: np.ndarray, known: np.ndarray) -> bool:
    return any(max(decided[i], decided[j]) <= min(known[i], known[j]) for j in rows)


@settings(deadline=None)
@given(intervals(), st.data())
def test_conflicts_are_those_of_the_definition(drawn: tuple[np.ndarray, np.ndarray], data: st.DataObject) -> None:
    decided, known = drawn
    rows = np.arange(len(decided))
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(rows), max_size=len(rows))))
    mask[data.draw(st.integers(0, len(rows) - 1))] = True
    test, rest = rows[mask], rows[~mask]
    want = [meets(i, test, decided, known) for i in rest]
    assert conflicts(rest, test, decided, known).tolist() == want
    if not rest.size:
        return
    if any(want):
        with pytest.raises(LeakError) as caught:
            Fold(rest, test, decided, known)
        facts = caught.value.facts
        assert caught.value.code == "LEAK_FOLD"
        assert meets(facts["train_row"], np.array([facts["test_row"]]), decided, known)
        assert facts["known_at"] == known[facts["train_row"]]
        assert facts["decided_at"] == decided[facts["test_row"]]
    else:
        Fold(rest, test, decided, known)


@pytest.mark.parametrize(
    ("train", "test", "known"),
    [
        ([], [3], [0, 1, 2, 3]),
        ([0], [], [0, 1, 2, 3]),
        ([0, 1], [1, 2], [0, 1, 2, 3]),
        ([1, 0], [3], [0, 1, 2, 3]),
        ([0], [4], [0, 1, 2, 3]),
        ([-1], [3], [0, 1, 2, 3]),
        ([0], [3], [0, 1, 2]),
        ([3], [2], [0, 1, 0, 3]),  # an interval that ends before it begins would hide a conflict
    ],
)
def test_folds_that_are_none(train: list[int], test: list[int], known: list[int]) -> None:
    with pytest.raises(ConfigError) as caught:
        Fold(np.array(train, np.int64), np.array(test, np.int64), np.arange(4), np.array(known, np.int64))
    assert caught.value.code == "CONFIG_FOLDS"


def test_known_at_the_very_close_of_a_test_row_is_too_late() -> None:
    decided, rows = np.arange(4), np.arange(4)
    with pytest.raises(LeakError, match="train row 0 is decided at 0 and known at 2, but test row 2 decides at 2"):
        Fold(rows[:1], rows[2:], decided, np.array([2, 1, 2, 3]))
    Fold(rows[:1], rows[2:], decided, np.array([1, 1, 2, 3]))
