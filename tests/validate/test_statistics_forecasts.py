"""Forecasts: worked values, a second opinion by SciPy, and bins whose ends are where they are said to be."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from assay.kernel.errors import ConfigError
from assay.validate import statistics as s

F, Y = [0.1, 0.4, 0.2, 0.9, 0.3], [1, 2, 1.5, 1.8, -1]
P, TRUE = [0.05, 0.15, 0.35, 0.62, 0.68, 0.91], [0, 0, 1, 1, 0, 1]


def test_worked_values() -> None:
    assert s.information_coefficient(F, Y) == pytest.approx(0.335229038)
    assert s.rank_information_coefficient(F, Y) == pytest.approx(0.6)
    assert s.brier_score(P, TRUE) == pytest.approx(0.177066667)
    assert s.expected_calibration_error(P, TRUE, n_bins=5) == pytest.approx(0.206666667)


@given(st.integers(0, 10_000), st.integers(3, 12), st.floats(0, 0.6))
def test_rows_of_a_cross_section_are_each_judged_alone(seed, k, missing) -> None:
    g = np.random.default_rng(seed)
    f, r = np.round(g.normal(size=(6, k)), 1), np.round(g.normal(size=(6, k)), 1)
    f[g.random(f.shape) < missing] = np.nan
    plain, ranked = s.information_coefficient(f, r), s.rank_information_coefficient(f, r)
    for row in range(6):
        both = np.isfinite(f[row]) & np.isfinite(r[row])
        a, b = f[row][both], r[row][both]
        if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
            assert np.isnan(plain[row]) and np.isnan(ranked[row])
        else:
            assert plain[row] == pytest.approx(pearsonr(a, b)[0], abs=1e-9)
            assert ranked[row] == pytest.approx(spearmanr(a, b)[0], abs=1e-9)
            assert s.information_coefficient(f[row], r[row]) == pytest.approx(plain[row], abs=1e-12)


def test_a_summary_leaves_out_what_is_not_known() -> None:
    found = s.ic_summary([0.1, np.nan, 0.3, 0.2], overlap=3)
    assert found == pytest.approx((0.2, 0.1, 2.0, 2.0))
    assert np.isnan(s.ic_summary([0.1]).t) and np.isnan(s.ic_summary([0.1, 0.1]).icir)
    with pytest.raises(ConfigError, match="overlap"):
        s.ic_summary([0.1], overlap=0)


def test_bins_are_closed_below_and_the_last_on_both_sides() -> None:
    edges = np.arange(101) / 100
    rows = s.calibration_table(edges, np.ones(101), n_bins=100)
    assert [row.count for row in rows] == [1] * 99 + [2]  # 0.29 * 100 is below 29: the edge decides, not the product
    assert rows[0].low == 0.0 and rows[-1].high == 1.0
    empty = s.calibration_table([0.9], [1], n_bins=2)[0]
    assert empty.count == 0 and np.isnan(empty.share_true)


def test_undefined_and_misuse() -> None:
    assert np.isnan(s.brier_score([], [])) and np.isnan(s.brier_score([0.5, np.nan], [0, 1]))
    assert np.isnan(s.expected_calibration_error([0.5, np.nan], [0, 1]))
    assert np.isnan(s.information_coefficient([1.0, 2.0], [1.0, 2.0]))
    for call, said in (
        (lambda: s.brier_score([1.2], [1]), "probabilities"),
        (lambda: s.brier_score([0.2], [0.5]), "outcomes"),
        (lambda: s.brier_score([0.2], [0, 1]), "shapes"),
        (lambda: s.calibration_table([0.2], [0], n_bins=0), "n_bins"),
        (lambda: s.information_coefficient([1.0], [[1.0]]), "shapes"),
    ):
        with pytest.raises(ConfigError, match=said):
            call()
