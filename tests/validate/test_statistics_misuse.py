"""Misuse raises ConfigError, undefined is NaN: no raw error, no infinity, no silently perfect score."""

import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.validate import statistics as s

INF, NAN = np.inf, np.nan
R = np.random.default_rng(0).standard_normal((60, 3)) * 0.01


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: s.probabilistic_sharpe_ratio([0.1, 0.2], [10, 20, 30], 0, 3),
        lambda: s.probabilistic_sharpe_ratio("0.1", 100, 0, 3),
        lambda: s.probabilistic_sharpe_ratio(None, 100, 0, 3),
        lambda: s.probabilistic_sharpe_ratio(0.1, 10**400, 0, 3),
        lambda: s.probabilistic_sharpe_ratio(0.1 + 1j, 100, 0, 3),
        lambda: s.deflated_sharpe_ratio(0.1, 100, 0, 3, [2, 3], [1, 1, 1]),
        lambda: s.expected_max_sharpe(10, -1),
        lambda: s.expected_max_sharpe(0.5, 1),
        lambda: s.expected_max_sharpe([[1, 2], [3]], 1),
        lambda: s.min_track_record_length(0.1, 0, 3, probability=[0.9, 1.0]),
        lambda: s.min_track_record_length(0.1, 0, 3, probability=NAN),
        lambda: s.min_backtest_length_years([2, 3], [1, 1, 1]),
        lambda: s.lo_factor([4, 0.5], [0.3]),
        lambda: s.lo_factor(INF, [0.3]),
        lambda: s.lo_factor([4, 12], [[0.3, 0.2, 0.1]]),
        lambda: s.lo_annual_sharpe(R, periods_per_year=252, lags=-1),
        lambda: s.lo_annual_sharpe(R, periods_per_year=252, lags=2.5),
        lambda: s.lo_annual_sharpe(R, periods_per_year=NAN),
        lambda: s.superior_predictive_ability(R, reps=50, seed=None),
        lambda: s.superior_predictive_ability(R, reps=50, seed=-1),
        lambda: s.superior_predictive_ability(R, reps=50, seed=1.5),
        lambda: s.superior_predictive_ability(R, reps=50, seed=True),
        lambda: s.superior_predictive_ability(R, reps=1.5, seed=1),
        lambda: s.superior_predictive_ability(R, reps=50, block_size=2.5, seed=1),
        lambda: s.superior_predictive_ability(R, R[:, :1], reps=50, seed=1),
        lambda: s.step_m(R, np.full(60, NAN), reps=50, seed=1),
        lambda: s.step_m(R, reps=50, seed=1, size=2),
        lambda: s.step_m(R, reps=50, seed=1, size=0),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, level=1.5, reps=50, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, level=NAN, reps=50, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, reps=0, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, reps=50, block_size=0, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, reps=50, block_size=61, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, reps=50, method="percentil", seed=1),
        lambda: s.bootstrap_interval(R[:, 0], np.mean, reps=50, seed=None),
        lambda: s.bootstrap_interval(R[:, 0], lambda x: x[:3], reps=50, seed=1),
        lambda: s.bootstrap_interval(R[:, 0], "mean", reps=50, seed=1),
        lambda: s.bootstrap_interval(R, np.mean, reps=50, seed=1),
        lambda: s.information_coefficient([[1, 2], [3]], [[1, 2], [3]]),
        lambda: s.information_coefficient(1, 2),
        lambda: s.ic_summary(R[:, 0], overlap=0.5),
        lambda: s.ic_summary(R[:, 0], overlap=INF),
        lambda: s.ic_summary(R[:, :, np.newaxis]),
        lambda: s.brier_score([0.1], [[0, 1]]),
        lambda: s.brier_score([1.1], [1]),
        lambda: s.expected_calibration_error([0.1, 0.2], [0, 1], n_bins=2.5),
        lambda: s.expected_calibration_error([0.1, 0.2], [0, 1], n_bins=True),
        lambda: s.calibration_table([0.1, 0.2], [0, 1], n_bins=NAN),
        lambda: s.effective_number_of_trials(correlation=[[4, 3], [3, 4]]),  # a covariance
        lambda: s.effective_number_of_trials(correlation=[[1, 0.5], [-0.5, 1]]),
        lambda: s.haircut_sharpe([0.1, 0.2], [100, 200, 300]),
        lambda: s.haircut_sharpe(0.1, INF, n_trials=7),
        lambda: s.haircut_sharpe(0.1, 100, n_trials=7.3),
        lambda: s.haircut_sharpe(0.1, 100, n_trials=0),
        lambda: s.haircut_sharpe(0.1, 100, method=["holm"]),
        lambda: s.probability_of_backtest_overfitting(R, NAN),
        lambda: s.probability_of_backtest_overfitting(R, "abc"),
        lambda: s.probability_of_backtest_overfitting(R, None),
        lambda: s.probability_of_backtest_overfitting(R, 4.5),
        lambda: s.probability_of_backtest_overfitting([[1, 2], [3]], 2),
    ],
)
def test_misuse_is_a_config_error(misuse) -> None:
    with pytest.raises(ConfigError) as told:
        misuse()
    assert told.value.code == "CONFIG_PARAMETER"


@pytest.mark.parametrize(
    "undefined",
    [
        lambda: s.probabilistic_sharpe_ratio(INF, 100, 0, 3),
        lambda: s.probabilistic_sharpe_ratio(0.1, 100, 0, INF),
        lambda: s.probabilistic_sharpe_ratio(0.1, INF, 0, 3),
        lambda: s.probabilistic_sharpe_ratio(0.1, 100, 0, 3, -INF),
        lambda: s.probabilistic_sharpe_ratio(0.1, np.uint64(0), 0, 3),
        lambda: s.probabilistic_sharpe_ratio(NAN, 100, 0, 3),
        lambda: s.deflated_sharpe_ratio(0.1, 100, 0, 3, NAN, 0.01),
        lambda: s.expected_max_sharpe(INF, 1),
        lambda: s.expected_max_sharpe(1, INF),
        lambda: s.min_track_record_length(1e-200, 0, 3),
        lambda: s.min_track_record_length(INF, 0, 3),
        lambda: s.min_backtest_length_years(7, 1e-200),
        lambda: s.min_backtest_length_years(7, INF),
        lambda: s.sharpe_p_value(INF, 100, 0, 3),
        lambda: s.bars_for_error(INF, 0, 3, 10, 0.01),
        lambda: s.best_of_many_p_value(NAN, 10),
        lambda: s.lo_factor(4, [INF]),
        lambda: s.lo_annual_sharpe([], periods_per_year=252),
        lambda: s.lo_annual_sharpe([0.1, 0.1, 0.1], periods_per_year=252),
        lambda: s.information_coefficient([1e200, 2e200, 4e200], [1, 1, 1]),
        lambda: s.effective_number_of_trials(R * NAN),
        lambda: s.haircut_sharpe(INF, 100, n_trials=5).sharpe,
        lambda: s.haircut_sharpe(INF, 100, n_trials=5).p_value,
        lambda: s.haircut_sharpe(0.1, NAN, n_trials=5).sharpe,
        lambda: s.superior_predictive_ability(R[:2], reps=20, seed=1).upper,
        lambda: s.probability_of_backtest_overfitting(np.full((60, 3), 0.01), 4).pbo,
        lambda: s.probability_of_backtest_overfitting(np.full((60, 3), 0.01), 4).loss_share,
    ],
)
def test_undefined_is_nan(undefined) -> None:
    assert np.isnan(undefined())


def test_float32_is_reckoned_in_float64() -> None:
    given = np.float32([0.05, 0.1])
    exact = [s.probabilistic_sharpe_ratio(float(x), 1000, -0.5, 6, 0.01) for x in given]
    assert s.probabilistic_sharpe_ratio(given, 1000, -0.5, 6, 0.01).tolist() == exact


def test_every_scalar_argument_may_be_an_array() -> None:
    some = np.array([0.9, 0.95])
    found = s.min_track_record_length(0.1, 0, 3, probability=some)
    assert found.tolist() == [s.min_track_record_length(0.1, 0, 3, probability=p) for p in some]
    table = s.deflated_sharpe_ratio([[0.05], [0.1]], 500, 0, 3, [1, 10, 100], 0.001)
    assert table.shape == (2, 3)
    assert table[1, 2] == s.deflated_sharpe_ratio(0.1, 500, 0, 3, 100, 0.001)
    assert s.lo_factor([4, 12], [0.3]).tolist() == [s.lo_factor(4, [0.3]), s.lo_factor(12, [0.3])]
    assert s.lo_factor(4, [[0.3, -0.3]]).tolist() == [s.lo_factor(4, [0.3]), s.lo_factor(4, [-0.3])]
    assert s.lo_factor(4, 0.3) == s.lo_factor(4, [0.3])
    yearly = s.lo_annual_sharpe(R, periods_per_year=[4, 12, 252])
    assert yearly[1] == pytest.approx(s.lo_annual_sharpe(R[:, 1], periods_per_year=12), rel=1e-12)
    assert s.haircut_sharpe([0.1, 0.2], [100, 200], n_trials=5).p_value[1] == s.haircut_sharpe(0.2, 200).p_value


def test_time_is_axis_0_for_forecasts_too() -> None:
    ic = np.where(R > 0.02, NAN, R)
    wide = s.ic_summary(ic, overlap=3)
    for j in range(3):
        assert [figure[j] for figure in wide] == pytest.approx(list(s.ic_summary(ic[:, j], overlap=3)), rel=1e-12)
    p, y = np.random.default_rng(1).random((50, 2)), np.random.default_rng(2).integers(0, 2, (50, 2))
    assert s.brier_score(p, y) == pytest.approx([s.brier_score(p[:, j], y[:, j]) for j in range(2)], rel=1e-12)
    ece = s.expected_calibration_error(p, y)
    assert ece.tolist() == [s.expected_calibration_error(p[:, j], y[:, j]) for j in range(2)]


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_scale_of_returns_does_not_matter(scale) -> None:
    assert s.effective_number_of_trials(R * scale) == pytest.approx(s.effective_number_of_trials(R), rel=1e-9)
    ours, usual = (s.probability_of_backtest_overfitting(r, 4) for r in (R * scale, R))
    np.testing.assert_allclose(ours.logits, usual.logits, rtol=1e-12)
    np.testing.assert_allclose(ours.in_sample, usual.in_sample, rtol=1e-9)
    for ic in (s.information_coefficient, s.rank_information_coefficient):
        np.testing.assert_allclose(ic(R * scale, R[::-1]), ic(R, R[::-1]), rtol=1e-9)


def test_short_records_have_an_interval_all_the_same() -> None:
    low, high = s.bootstrap_interval([0.0, 0.0, 0.0, 1.0], np.mean, reps=50, block_size=1, seed=1)
    assert 0 <= low < high <= 1
    low, high = s.bootstrap_interval([0.0] * 7 + [1.0], np.mean, reps=50, seed=1)
    assert 0 <= low < high <= 1
    with pytest.raises(ConfigError, match="7 returns are too few to choose a block size"):
        s.bootstrap_interval([0.0] * 6 + [1.0], np.mean, reps=50, seed=1)


def test_a_whole_number_of_numpy_counts_as_a_number_of_blocks() -> None:
    assert s.probability_of_backtest_overfitting(R, np.int64(4)).pbo == s.probability_of_backtest_overfitting(R, 4).pbo


@pytest.mark.parametrize(
    "misuse",
    [
        *(
            lambda f=f, x=x: f(x)
            for f in (s.sharpe_ratio, s.sortino_ratio, s.max_drawdown, s.ulcer_index, s.win_rate, s.moments)
            for x in ([[1, 2], [3]], ["0.1"], None, 0.1, np.zeros((2, 2, 2)), [0.1 + 1j])
        ),
        lambda: s.sharpe_ratio(R, periods_per_year=-1),
        lambda: s.sharpe_ratio(R, periods_per_year=[252, 252]),
        lambda: s.sortino_ratio(R, minimum=[0.0, 0.1]),
        lambda: s.annual_return(R, periods_per_year=0),
        lambda: s.annual_return([-1.0, 0.1], periods_per_year=-5),
        lambda: s.annual_volatility(R, periods_per_year=NAN),
        lambda: s.calmar_ratio(R, periods_per_year=INF),
        lambda: s.turnover(["a"], ["b"]),
        lambda: s.turnover([0.5, 0.5], [1.0]),
    ],
)
def test_misused_metrics_are_config_errors(misuse) -> None:
    with pytest.raises(ConfigError) as told:
        misuse()
    assert told.value.code == "CONFIG_PARAMETER"


def test_metrics_take_arrays_for_their_scalars() -> None:
    one = R[:, 0]
    assert s.omega_ratio(one, threshold=[0.0, 0.01]).tolist() == pytest.approx(
        [s.omega_ratio(one), s.omega_ratio(one, threshold=0.01)], rel=1e-12
    )
    assert s.omega_ratio(one, threshold=np.zeros(60)).shape == (60,)  # as many levels as bars are levels all the same
    assert s.sortino_ratio(R, minimum=[0.0, 0.001, 0.002])[2] == pytest.approx(
        s.sortino_ratio(R[:, 2], minimum=0.002), rel=1e-12
    )
    grown = s.annual_return(one, periods_per_year=[12, 252])
    assert grown[1] == pytest.approx(s.annual_return(one, periods_per_year=252), rel=1e-12)
    assert s.calmar_ratio(R, periods_per_year=[12, 12, 252]).shape == (3,)
    assert s.sharpe_ratio(one, periods_per_year=[1, 4])[1] == s.sharpe_ratio(one) * 2


@pytest.mark.parametrize("scale", [1e-60, 1e60])
def test_ratios_have_no_scale(scale) -> None:
    for ratio in (s.sharpe_ratio, s.sortino_ratio, s.omega_ratio, s.expectancy_ratio):
        np.testing.assert_allclose(ratio(R * scale), ratio(R), rtol=1e-9)
    far, near = s.moments(R * scale), s.moments(R)
    np.testing.assert_allclose([far.skew, far.kurtosis], [near.skew, near.kurtosis], rtol=1e-9)


def test_what_no_float_holds_is_nan() -> None:
    for found in (s.sharpe_ratio(R * 1e200), s.sortino_ratio(R * 1e200), s.moments(R * 1e200).kurtosis):
        assert np.isnan(found).all()
    assert np.isnan(s.turnover([INF], [INF]))
    assert np.isnan(s.max_drawdown(np.abs(R) * 1e200)).all()  # equity without a number
