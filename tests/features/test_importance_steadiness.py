"""Numbers worked by hand: drift, agreement of ranks, stability of a choice."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from assay.features.importance import nogueira, psi, rank_corr

COUNTED = np.arange(1.0, 101.0)


def test_psi_of_a_shift_worked_by_hand() -> None:
    # Ten bins of 0.1. Of 51..150 five bins get none (floored), four get 0.1, the last gets 91..150, which is 0.6.
    expected = 5 * (1e-4 - 0.1) * math.log(1e-4 / 0.1) + (0.6 - 0.1) * math.log(6)
    assert psi(COUNTED, COUNTED + 50) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(4.3463, abs=1e-4)


def test_psi_gives_a_flag_two_bins_and_nan_its_own() -> None:
    expected = (0.25 - 0.5) * math.log(0.5) + (0.75 - 0.25) * math.log(3) + (1e-4 - 0.25) * math.log(1e-4 / 0.25)
    found = psi(np.array([0.0, 0.0, 1.0, np.nan]), np.array([0.0, 1.0, 1.0, 1.0]))
    assert found == pytest.approx(expected, rel=1e-12)
    assert psi(np.array([0.0, 0.0, 1.0, np.inf]), np.array([0.0, 1.0, 1.0, 1.0])) == found


@pytest.mark.parametrize("at_the_top", [True, False])
def test_psi_sees_a_pile_of_ties_shrink(at_the_top: bool) -> None:
    pile = np.r_[np.arange(50.0), np.full(950, 1e3 if at_the_top else -1e3)]
    half = np.r_[np.tile(np.arange(50.0), 10), np.full(500, 1e3 if at_the_top else -1e3)]
    expected = (0.5 - 0.05) * math.log(10) + (0.5 - 0.95) * math.log(0.5 / 0.95)
    assert psi(pile, half) == pytest.approx(expected, rel=1e-12)


def test_psi_of_nothing_is_nan() -> None:
    assert math.isnan(psi(COUNTED, np.array([]))) and math.isnan(psi(np.array([]), COUNTED))
    assert psi(np.full(9, np.nan), np.full(5, np.nan)) == 0.0


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100))
def test_psi_is_no_distance_to_oneself_and_scale_free(seed: int, scale: float) -> None:
    values = np.random.default_rng(seed).normal(size=200)
    other = values[::-1] * 1.5
    assert psi(values, values) == 0.0
    assert psi(values, other) > 0
    assert psi(values * scale, other * scale) == pytest.approx(psi(values, other), rel=1e-9)


def test_nogueira_worked_by_hand() -> None:
    chosen = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0]], np.bool_)
    # p = 1, 2/3, 1/3, 0; mean p(1-p) 3/2 = 1/6; k/d = 1/2: 1 - (1/6) / (1/4).
    assert nogueira(chosen) == pytest.approx(1 / 3, rel=1e-12)
    assert nogueira(np.tile(chosen[0], (5, 1))) == 1.0


@pytest.mark.parametrize(
    "chosen", [np.ones((1, 4)), np.ones((3, 4)), np.zeros((3, 4)), np.ones((3, 0)), np.ones((0, 3))]
)
def test_nogueira_has_nothing_to_say(chosen: np.ndarray) -> None:
    assert math.isnan(nogueira(chosen.astype(np.bool_)))


def test_nogueira_of_chance_is_about_zero() -> None:
    chosen = np.random.default_rng(4).random((400, 50)) < 0.3
    assert abs(nogueira(chosen)) < 0.01


def test_rank_correlation_worked_by_hand() -> None:
    # Pairs: 1/2, -1 and -1/2.
    assert rank_corr(np.array([[1.0, 2, 3], [1, 3, 2], [3, 2, 1]])) == pytest.approx(-1 / 3, rel=1e-12)


def test_rank_correlation_with_ties_is_spearman_and_leaves_out_folds_without_ranks() -> None:
    one, two = np.array([1.0, 2, 2, 4, 5]), np.array([2.0, 1, 3, 3, 3])
    assert rank_corr(np.array([one, two])) == pytest.approx(spearmanr(one, two).statistic)
    assert rank_corr(np.array([one, np.full(5, 3.0), two])) == pytest.approx(spearmanr(one, two).statistic)
    assert math.isnan(rank_corr(np.array([one, np.full(5, 3.0)])))
    assert math.isnan(rank_corr(np.empty((2, 0))))
