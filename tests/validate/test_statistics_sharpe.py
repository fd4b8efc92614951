"""Is the Sharpe ratio real? Worked values of the specification, limits and invariants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from assay.kernel.errors import ConfigError
from assay.validate import statistics as s

R = [0.02, -0.01, 0.03, -0.04, 0.01, 0.02, -0.02, 0.05]


def near(value: float) -> object:
    return pytest.approx(value, rel=2e-9, abs=5e-10)


def test_worked_values() -> None:
    assert s.expected_max_sharpe(10, 1) == near(1.574598301)
    assert s.expected_max_sharpe(1000, 1) == near(3.255121514)
    assert s.expected_max_sharpe(1.2, 1) == 0 == s.expected_max_sharpe(1, 1)
    assert s.expected_max_sharpe(10, 0.0004) == near(0.031491966)
    assert s.probabilistic_sharpe_ratio(0.458, 24, 0, 3) == near(0.981674919)
    assert s.probabilistic_sharpe_ratio(0.05, 1000, -0.5, 6, 0.01) == near(0.893776679)
    assert s.deflated_sharpe_ratio(0.08, 2000, -0.5, 6, 20, 0.0004) == near(0.966650833)
    assert s.deflated_sharpe_ratio(0.08, 2000, -0.5, 6, 1, 0.0004) == near(0.999762028)


def test_worked_lengths_of_records() -> None:
    assert s.min_track_record_length(0.1, 0, 3) == near(272.907117136)
    assert s.min_track_record_length(0.05, -0.5, 6, 0.03) == near(6955.092159354)
    assert s.min_backtest_length_years(7, 1.0) == near(1.923143407)
    assert s.min_backtest_length_years(8, 1.0) == near(2.128722078)
    assert s.min_backtest_length_years(45, 1.0) < 2 * np.log(45)


def test_worked_corrections() -> None:
    assert s.lo_factor(4, [0.3]) == near(1.660909597)
    assert s.lo_factor(12, 0.3 ** np.arange(1, 12)) == near(2.614805746)
    assert s.lo_factor(4, []) == 2 and np.isnan(s.lo_factor(4, [-0.9, -0.9, -0.9]))
    assert s.lo_factor(2, [0.3, 0.9, 0.9]) == s.lo_factor(2, [0.3])
    for rho, expected in ((0.3, 7.3), (-0.05, 10.0)):
        matrix = np.full((10, 10), rho) + np.eye(10) * (1 - rho)
        assert s.effective_number_of_trials(correlation=matrix) == near(expected)


@pytest.mark.parametrize(
    ("method", "adjusted", "left"),
    [
        ("bonferroni", [0.0729036, 0.2534732, 1.0], [0.0802048, 0.0510697, 0.0]),
        ("holm", [0.0729036, 0.2281259, 1.0], [0.0802048, 0.0538982, 0.0]),
        ("bhy", [0.2135323, 0.3712075, 1.0], [0.0556294, 0.0399905, 0.0]),
    ],
)
def test_worked_haircuts(method, adjusted, left) -> None:
    found = s.haircut_sharpe([0.12, 0.10, 0.05], 500, n_trials=10, method=method)
    assert found.adjusted_p_value == pytest.approx(adjusted, abs=5e-8)
    assert found.sharpe == pytest.approx(left, abs=5e-8)
    np.testing.assert_allclose(found.haircut, 1 - found.sharpe / np.array([0.12, 0.10, 0.05]))


def test_a_haircut_never_adds_and_a_huge_ratio_keeps_its_number() -> None:
    alone = s.haircut_sharpe(0.1, 500)
    assert alone.sharpe == near(0.1) and alone.haircut == pytest.approx(0, abs=1e-12)
    huge = s.haircut_sharpe(5.0, 1000, n_trials=1000)  # its p-value is below the smallest float
    assert huge.p_value == 0 and huge.sharpe == 5.0 and huge.haircut == 0
    assert s.haircut_sharpe(-0.1, 500, n_trials=3).sharpe < 0
    assert np.isnan(s.haircut_sharpe(0.0, 500).haircut)
    assert np.isnan(s.haircut_sharpe([0.1, np.nan], 500).sharpe).all()


def test_one_trial_is_one_trial_however_it_is_told() -> None:
    assert s.effective_number_of_trials(np.ones((5, 1))) == 1.0
    same = np.random.default_rng(0).normal(size=(50, 1)) @ np.ones((1, 6))
    assert s.effective_number_of_trials(same) == pytest.approx(1.0)
    idle = np.column_stack([same[:, :1], np.zeros((50, 5))])
    assert s.effective_number_of_trials(idle) == 6.0
    assert np.isnan(s.effective_number_of_trials(np.array([[1.0, np.nan], [2.0, 3.0]])))


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_effective_trials_are_those_of_the_correlation_matrix(seed, count) -> None:
    returns = np.random.default_rng(seed).normal(size=(40, count)) + np.random.default_rng(seed).normal(size=(40, 1))
    both = s.effective_number_of_trials(returns), s.effective_number_of_trials(correlation=np.corrcoef(returns.T))
    assert both[0] == pytest.approx(both[1], rel=1e-9) and 1.0 <= both[0] <= count


@given(st.floats(-0.2, 0.2), st.integers(30, 5_000), st.floats(-1, 1), st.floats(2.5, 10), st.integers(1, 1_000))
def test_more_bars_of_a_good_record_convince_and_more_trials_doubt(sharpe, n, skew, kurtosis, trials) -> None:
    one = s.deflated_sharpe_ratio(sharpe, n, skew, kurtosis, trials, 1 / (n - 1))
    assert 0.0 <= one <= 1.0
    assert s.deflated_sharpe_ratio(sharpe, n, skew, kurtosis, trials + 5, 1 / (n - 1)) <= one
    better = s.probabilistic_sharpe_ratio(sharpe, 4 * n, skew, kurtosis)
    plain = s.probabilistic_sharpe_ratio(sharpe, n, skew, kurtosis)
    assert better >= plain if sharpe >= 0 else better <= plain


@given(st.floats(0.005, 0.3), st.floats(-1, 0.5), st.floats(3, 9))
def test_the_track_record_is_as_long_as_it_says(sharpe, skew, kurtosis) -> None:
    bars = s.min_track_record_length(sharpe, skew, kurtosis)
    assert s.probabilistic_sharpe_ratio(sharpe, bars, skew, kurtosis) == pytest.approx(0.95, abs=1e-9)


@given(st.integers(0, 1_000), st.floats(0.01, 100))
def test_a_ratio_has_no_scale(seed, factor) -> None:
    returns = np.random.default_rng(seed).normal(0.001, 0.01, (200, 2))
    np.testing.assert_allclose(
        s.lo_annual_sharpe(returns * factor, periods_per_year=252), s.lo_annual_sharpe(returns, periods_per_year=252)
    )


def test_lo_agrees_with_plain_annualising_where_there_is_no_memory() -> None:
    returns = np.random.default_rng(3).normal(0.001, 0.01, 50_000)
    lo, plain = s.lo_annual_sharpe(returns, periods_per_year=12), s.sharpe_ratio(returns, periods_per_year=12)
    assert lo == pytest.approx(plain, rel=0.05) and lo != plain
    assert s.lo_annual_sharpe(returns, periods_per_year=12, lags=0) == pytest.approx(plain, rel=1e-12)
    assert np.isnan(s.lo_annual_sharpe(np.zeros(10), periods_per_year=12))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: s.effective_number_of_trials(), "exactly one"),
        (lambda: s.effective_number_of_trials(np.ones((3, 2)), correlation=np.eye(2)), "exactly one"),
        (lambda: s.effective_number_of_trials(correlation=np.ones((2, 3))), r"\(M, M\)"),
        (lambda: s.haircut_sharpe([0.1, 0.2], 100, n_trials=1), "no fewer"),
        (lambda: s.haircut_sharpe(0.1, 100, method="holms"), "bonferroni, holm, bhy"),
        (lambda: s.lo_factor(0, []), "periods is 0"),
        (lambda: s.min_track_record_length(0.1, 0, 3, probability=1.0), "probability is 1"),
    ],
)
def test_misuse_is_named(call, said) -> None:
    with pytest.raises(ConfigError, match=said):
        call()


def test_moments_of_the_example() -> None:
    m = s.moments(R)
    assert m.n == 8
    assert m.sharpe == near(0.257247878)
    assert m.skew == near(-0.254210508)
    assert m.kurtosis == near(2.106983970)


def test_the_gates_example() -> None:
    luck = s.expected_max_sharpe(20, 1 / 8759)
    assert luck == pytest.approx(0.020309, abs=5e-7)
    assert s.probabilistic_sharpe_ratio(0.03, 8760, -0.5, 6, luck) == pytest.approx(0.815874, abs=5e-7)


def test_the_tail_of_a_p_value_keeps_its_digits() -> None:
    assert s.sharpe_p_value(0.458, 24, 0, 3) == near(1 - s.probabilistic_sharpe_ratio(0.458, 24, 0, 3))
    assert s.sharpe_p_value(0.0, 24, 0, 3) == 0.5
    # two thirds of the skew: v = 1 + 2/3 * 0.5 * 0.03 + 1.25 * 0.0009 = 1.011125; z = 0.03 * sqrt(8759 / v) = 2.792197
    assert s.sharpe_p_value(0.03, 8760, -0.5, 6) == near(float(norm.sf(0.03 * np.sqrt(8759 / 1.011125))))
    tiny = s.sharpe_p_value(0.38, 10_000, 0, 3)  # z = 0.38 * sqrt(9999 / 1.0722) = 36.696
    assert tiny / float(norm.sf(0.38 * np.sqrt(9999 / 1.0722))) == pytest.approx(1) and 0 < tiny < 1e-290


def test_the_best_of_many_by_hand() -> None:
    assert s.best_of_many_p_value(0.5, 3) == near(0.875)
    assert s.best_of_many_p_value(0.01, 1) == near(0.01)
    assert s.best_of_many_p_value(1e-30, 1e6) == near(1e-24)  # 1 - (1 - p)^N would be 0
    assert s.best_of_many_p_value(1.0, 2) == 1.0 and np.isnan(s.best_of_many_p_value(1.5, 2))
    assert s.sharpe_that_passes(1, 0.01) == near(2.3263478740408408)
    assert s.sharpe_that_passes(1e9, 0.01) == near(float(norm.isf(-np.expm1(np.log1p(-0.01) / 1e9))))
    with pytest.raises(ConfigError, match=r"n_trials is 0\.5"):
        s.best_of_many_p_value(0.1, 0.5)
    with pytest.raises(ConfigError, match="error is 1"):
        s.sharpe_that_passes(2, 1.0)


@given(st.floats(1, 1e6), st.floats(1e-6, 0.5))
def test_what_passes_has_just_that_p_value(trials: float, error: float) -> None:
    p = norm.sf(s.sharpe_that_passes(trials, error))
    assert s.best_of_many_p_value(p, trials) == pytest.approx(error, rel=1e-6)


def test_harmonic_numbers_by_hand() -> None:
    assert s.harmonic([1, 2, 3, 20]).tolist() == pytest.approx([1, 1.5, 11 / 6, 3.597739657143682])
    assert s.harmonic(1000) == pytest.approx(7.485470860550345)


def test_enough_bars_are_enough_and_one_fewer_is_not() -> None:
    n = int(np.ceil(s.bars_for_error(0.03, -0.5, 6, 20, 0.01)))
    p = [s.best_of_many_p_value(s.sharpe_p_value(0.03, m, -0.5, 6), 20) for m in (n - 1, n)]
    assert p[0] > 0.01 >= p[1]
    assert s.bars_for_error(0.5, 0, 3, 1, 0.6) == 2.0  # a line below 0 asks for no bars


def test_undefined_is_nan_and_misuse_is_refused() -> None:
    assert np.isnan(s.probabilistic_sharpe_ratio(0.1, 1, 0, 3))
    assert np.isnan(s.probabilistic_sharpe_ratio(1.0, 100, 3.0, 1.0))
    assert np.isnan(s.sharpe_p_value(0.1, 1, 0, 3)) and np.isnan(s.sharpe_p_value(1.0, 100, 3.0, 1.0))
    assert np.isnan(s.bars_for_error(0.0, 0, 3, 20, 0.01))
    assert np.isnan(s.bars_for_error(float("nan"), 0, 3, 20, 0.01))
    with pytest.raises(ConfigError, match=r"n_trials is 0\.5"):
        s.expected_max_sharpe(0.5, 1)


def test_scalars_broadcast() -> None:
    found = s.probabilistic_sharpe_ratio(np.array([0.458, 0.05]), np.array([24, 1]), 0, 3)
    assert found[0] == near(0.981674919)
    assert np.isnan(found[1])
    assert s.expected_max_sharpe([1, 10], 1.0).tolist() == [0.0, near(1.574598301)]
