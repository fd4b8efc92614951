"""Votes become probabilities: monotone, summing to one, as scikit-learn would have it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from assay.learn.ensemble.calibrate import Calibration, fit_calibration


def votes(seed: int, m: int = 400, k: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    p = draw.dirichlet(np.ones(k) * 2, m)
    y = np.array([draw.choice(k, p=row**2 / (row**2).sum()) for row in p])
    return p, y, draw.uniform(0.5, 1.5, m)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 30), st.sampled_from(["sigmoid", "isotonic", "none"]), st.sampled_from([2, 3]))
def test_rows_sum_to_one_and_each_curve_rises(seed: int, kind: str, k: int) -> None:
    p, y, w = votes(seed, k=k)
    fitted = fit_calibration(kind, p, y, w)  # type: ignore[arg-type]
    out = fitted.apply(p)
    assert ((out >= 0) & (out <= 1)).all()
    np.testing.assert_allclose(out.sum(axis=1), 1.0, rtol=1e-12)
    for j, curve in enumerate(fitted.curves):
        order = np.argsort(p[:, j])
        assert (np.diff(fitted._curve(p[order, j], *curve)) >= -1e-15).all()
    again = Calibration.from_dict(fitted.as_dict())
    np.testing.assert_array_equal(again.apply(p), out)
    again.check(k)


def test_sigmoid_is_platts() -> None:
    p, y, w = votes(1, k=2)
    logit = np.log(p[:, 1] / (1 - p[:, 1]))[:, None]
    want = LogisticRegression(C=1e4, tol=1e-10).fit(logit, y, sample_weight=w).predict_proba(logit)
    np.testing.assert_allclose(fit_calibration("sigmoid", p, y, w).apply(p), want, atol=1e-6)


def test_isotonic_is_scikit_learns() -> None:
    p, y, w = votes(2, k=2)
    want = IsotonicRegression(out_of_bounds="clip").fit(p[:, 1], (y == 1).astype(float), w).predict(p[:, 1])
    np.testing.assert_allclose(fit_calibration("isotonic", p, y, w).apply(p)[:, 1], want, atol=1e-9)


def test_votes_that_know_nothing_become_the_base_rate() -> None:
    p, y, w = votes(3, k=2)
    mirrored = fit_calibration("sigmoid", 1 - p, y, w).apply(1 - p)
    np.testing.assert_allclose(mirrored[:, 1], np.average(y == 1, weights=w))


def test_few_rows_stay_as_voted() -> None:
    p, y, w = votes(4, m=30, k=2)
    y = np.where(np.arange(30) < 19, 1, 0)
    np.testing.assert_array_equal(fit_calibration("sigmoid", p, y, w).apply(p)[:, 1], p[:, 1])


@pytest.mark.parametrize(
    "broken",
    [
        {"kind": "magic", "curves": []},
        {"kind": "sigmoid", "curves": []},
        {"kind": "sigmoid", "curves": [[[1.0], [0.0]]]},
        {"kind": "sigmoid", "curves": [[[1.0, 2.0], [0.0, 1.0]]] * 2},
        {"kind": "isotonic", "curves": [[[0.0, 1.0], [1.0, 0.0]]] * 2},
        {"kind": "isotonic", "curves": [[[0.0, 1.0], [1.0]]] * 2},
        {"kind": "isotonic", "curves": [[[0.0, float("nan")], [0.0, 1.0]]] * 2},
    ],
)
def test_curves_that_are_none(broken: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        Calibration.from_dict(broken).check(2)
