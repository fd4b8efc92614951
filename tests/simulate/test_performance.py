"""The worked values of the statistics, and what is undefined."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.simulate import performance as p

R = [0.02, -0.01, 0.03, -0.04, 0.01, 0.02, -0.02, 0.05]
YEAR = {"periods_per_year": 252}
EVERY = {
    "sharpe": p.sharpe_ratio,
    "sharpe annual": lambda r: p.sharpe_ratio(r, **YEAR),
    "sortino": p.sortino_ratio,
    "sortino annual": lambda r: p.sortino_ratio(r, **YEAR),
    "drawdown": p.max_drawdown,
    "annual return": lambda r: p.annual_return(r, **YEAR),
    "volatility": lambda r: p.annual_volatility(r, **YEAR),
    "calmar": lambda r: p.calmar_ratio(r, **YEAR),
    "ulcer": p.ulcer_index,
    "omega": p.omega_ratio,
    "profit factor": p.profit_factor,
    "win rate": p.win_rate,
    "expectancy": p.expectancy,
    "expectancy ratio": p.expectancy_ratio,
    "skew": lambda r: p.moments(r).skew,
    "kurtosis": lambda r: p.moments(r).kurtosis,
}
WORKED = {
    "sharpe": 0.257247878,
    "sharpe annual": 4.083683458,
    "sortino": 0.462910050,
    "sortino annual": 7.348469228,
    "drawdown": -0.04,
    "annual return": 4.990229326,
    "volatility": 0.462817459,
    "calmar": 124.755733150,
    "ulcer": 0.020257309,
    "omega": 1.857142857,
    "profit factor": 1.857142857,
    "win rate": 0.625,
    "expectancy": 0.0075,
    "expectancy ratio": 0.321428571,
    "skew": -0.254210508,
    "kurtosis": 2.106983970,
}


@pytest.mark.parametrize("name", EVERY)
def test_worked_values(name):
    assert EVERY[name](R) == pytest.approx(WORKED[name], abs=5e-10)
    assert isinstance(EVERY[name](R), float)


@pytest.mark.parametrize("name", EVERY)
def test_columns_are_measured_one_by_one(name):
    g = np.random.default_rng(1)
    table = g.normal(0, 0.02, (50, 3))
    table[4, 1] = np.nan
    each = [EVERY[name](table[:, k].copy()) for k in range(3)]
    np.testing.assert_allclose(EVERY[name](table), each, rtol=1e-12)
    assert np.isnan(each[1]) and np.isfinite(each[0])


@pytest.mark.parametrize("name", EVERY)
def test_nothing_is_undefined(name):
    assert np.isnan(EVERY[name]([]))


@pytest.mark.parametrize("name", ["sharpe", "sortino", "calmar", "omega", "profit factor", "expectancy ratio", "skew"])
def test_without_range_or_loss_undefined(name):
    assert np.isnan(EVERY[name]([0.1] * 3)) and np.isnan(EVERY[name]([0.0] * 3))


def test_one_bar_has_no_deviation():
    assert np.isnan(p.sharpe_ratio([0.1])) and np.isnan(p.annual_volatility([0.1], periods_per_year=4))


def test_equity_starts_before_the_first_bar_and_stays_at_zero():
    assert p.max_drawdown([-0.1, 0.05]) == pytest.approx(-0.1)
    assert p.max_drawdown([0.1, -1.5, 9.0]) == -1.0
    assert p.annual_return([0.1, -1.5, -9.0], periods_per_year=2) == -1.0
    assert list(p.drawdowns([0.1, -1.0, 0.5])) == [0, 0, -1, -1]


def test_options():
    assert p.sortino_ratio(R, minimum=0.01) == pytest.approx(
        (0.0075 - 0.01) / np.sqrt(np.mean(np.minimum(np.array(R) - 0.01, 0) ** 2))
    )
    # above 1 %: .01 .02 .01 .04; below: .02 .05 .03
    assert p.omega_ratio(R, threshold=0.01) == pytest.approx(0.08 / 0.10)
    assert p.turnover([0.5, -0.5, 0.0], [0.2, 0.1, 0.1]) == pytest.approx(1.0)
    np.testing.assert_allclose(p.turnover([[1.0, 0.0], [0.5, 0.5]], [[0.0, 1.0], [0.4, 0.6]]), [2.0, 0.2])


def test_misuse_is_a_config_error():
    with pytest.raises(ConfigError):
        p.sharpe_ratio(np.zeros((2, 2, 2)))
    with pytest.raises(ConfigError):
        p.turnover([1.0], [1.0, 0.0])
    with pytest.raises(ValueError):
        p.max_drawdown(0.5)


@given(st.lists(st.floats(-2, 5), max_size=30))
@settings(deadline=None)
def test_never_an_infinity(returns):
    for measure in EVERY.values():
        assert not np.isinf(measure(returns))
