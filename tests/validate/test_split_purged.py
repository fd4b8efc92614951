"""Combinations of test groups, their paths, windows that overlap, and scikit-learn as the caller."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score

from assay.kernel.errors import ConfigError
from assay.validate.splits import CombinatorialPurged, PurgedKFold, SklearnSplitter, WalkForward
from tests.kernel.test_fold import intervals, meets


def test_worked_counts_and_paths() -> None:
    assert (CombinatorialPurged(10, 8).n_folds, CombinatorialPurged(10, 8).n_paths) == (45, 36)
    assert (CombinatorialPurged(10, 2).n_folds, CombinatorialPurged(10, 2).n_paths) == (45, 9)
    assert CombinatorialPurged(4, 2).paths().tolist() == [[0, 0, 1, 2], [1, 3, 3, 4], [2, 4, 5, 5]]


@given(st.integers(2, 7), st.data())
def test_every_path_is_a_whole_history_of_tests(groups, data) -> None:
    plan = CombinatorialPurged(groups, data.draw(st.integers(1, groups - 1)))
    paths, tested = plan.paths(), [*combinations(range(groups), plan.n_test_groups)]
    assert paths.shape == (plan.n_paths, groups) and len(tested) == plan.n_folds
    used = [(int(fold), group) for path in paths for group, fold in enumerate(path)]
    assert len(set(used)) == len(used) == plan.n_folds * plan.n_test_groups
    assert all(group in tested[fold] for fold, group in used)


@settings(deadline=None)
@given(intervals(), st.integers(2, 5), st.data())
def test_a_train_row_touches_no_test_run_and_none_of_its_windows(drawn, groups, data) -> None:
    decided, known = drawn
    k, window = data.draw(st.integers(1, groups - 1)), data.draw(st.integers(1, 4))
    plan = CombinatorialPurged(groups, k, window=window)
    try:
        folds = [*plan.folds(known, decided)]
    except ConfigError:
        return  # purged empty, or more groups than rows
    assert len(folds) == plan.n_folds
    for fold in folds:
        for row in fold.train.tolist():
            assert not meets(row, fold.test, decided, known)
            before = fold.test[fold.test < row]
            assert not before.size or row - window + 1 > before[-1]


def test_one_group_at_a_time_is_k_fold() -> None:
    known = np.arange(30) + 3
    ours = CombinatorialPurged(5, 1, embargo=2).folds(known)
    for one, other in zip(ours, PurgedKFold(5, embargo=2).folds(known), strict=True):
        assert one.train.tolist() == other.train.tolist() and one.test.tolist() == other.test.tolist()


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (lambda: CombinatorialPurged(4, 4), "none is left"),
        (lambda: CombinatorialPurged(1, 1), "n_groups"),
        (lambda: CombinatorialPurged(4, 0), "n_test_groups"),
        (lambda: PurgedKFold(3, window=0), "window"),
        (lambda: [*CombinatorialPurged(12, 2).folds(np.arange(10))], "12 groups of 10 rows"),
        (lambda: [*CombinatorialPurged(4, 2, embargo=30).folds(np.arange(12))], "leave no train row: 12 rows, test"),
        (lambda: [*PurgedKFold(3).folds(np.arange(9), np.array([0, 2, 1, 3, 4, 5, 6, 7, 8]))], "must not decrease"),
    ],
)
def test_what_is_no_plan(plan, said) -> None:
    with pytest.raises(ConfigError, match=said):
        plan()


@pytest.mark.parametrize("plan", [WalkForward(40, 20), PurgedKFold(4, embargo=3), CombinatorialPurged(4, 2)])
def test_scikit_learn_splits_by_label_interval(plan) -> None:
    g = np.random.default_rng(0)
    X = g.normal(size=(120, 3))
    y = (X[:, 0] + 0.1 * g.normal(size=120) > 0).astype(int)
    known = np.arange(120) + 4
    cv = SklearnSplitter(plan, known)
    folds = [*plan.folds(known)]
    assert cv.get_n_splits(X, y) == len(folds)
    for (train, test), fold in zip(cv.split(X, y), folds, strict=True):
        assert train is not None and train.tolist() == fold.train.tolist() and test.tolist() == fold.test.tolist()
    scores = cross_val_score(LogisticRegression(), X, y, cv=cv)
    assert len(scores) == len(folds) and scores.mean() > 0.8
    found = GridSearchCV(LogisticRegression(), {"C": [0.01, 1.0]}, cv=cv).fit(X, y)
    assert found.n_splits_ == len(folds)
    with pytest.raises(ConfigError, match="X has 119 rows, known_at 120"):
        next(cv.split(X[1:]))
