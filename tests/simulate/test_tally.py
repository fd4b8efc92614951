"""Sums against the definitions that numpy computes from all the values."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.simulate import accumulators, performance
from assay.simulate.metrics import return_metrics

SEEDS = st.integers(0, 2**32 - 1)


def returns(seed):
    g = np.random.default_rng(seed)
    n = int(g.integers(2, 3000))
    return np.where(g.random(n) < g.choice([0.0, 0.5, 0.99]), 0.0, g.normal(g.normal(0, 0.003), 0.01, n))


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_measures_of_bars_are_their_definitions(seed):
    r = returns(seed)
    got, m = return_metrics(r, bars_per_year=8760), performance.moments(r)
    wanted = {
        "net_profit": np.prod(1 + r) - 1,
        "sharpe": m.sharpe,
        "sortino": performance.sortino_ratio(r),
        "annual_return": performance.annual_return(r, periods_per_year=8760),
        "annual_volatility": performance.annual_volatility(r, periods_per_year=8760),
        "calmar": performance.calmar_ratio(r, periods_per_year=8760),
        "max_drawdown": performance.max_drawdown(r),
        "skew": m.skew,
        "kurtosis": m.kurtosis,
    }
    for name, value in wanted.items():
        assert got[name] == pytest.approx(value, rel=1e-9, abs=1e-12, nan_ok=True), name


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_flat_bars_add_nothing(seed):
    r = returns(seed)
    np.testing.assert_array_equal(accumulators.of_bars(r), accumulators.of_bars(r[r != 0]))


def test_drawdown_episodes_by_hand():
    # 1 -> 1.1 -> 0.99 (-10 %) -> 1.1 -> 0.88 (-20 %) to the end
    sums = accumulators.of_bars(np.array([0.1, -0.1, 1.1 / 0.99 - 1, 0.0, -0.2]))
    assert sums[accumulators.EPISODES] == 2
    assert sums[accumulators.DEPTHS] == pytest.approx(-0.3) and sums[accumulators.DEEPEST] == pytest.approx(-0.2)


def test_equal_and_few_returns():
    same = return_metrics(np.full(10, 0.01), bars_per_year=8760)
    assert np.isnan(same["sharpe"]) and np.isnan(same["kurtosis"]) and same["annual_volatility"] == 0.0
    one = return_metrics(np.array([0.01]), bars_per_year=8760)
    assert np.isnan(one["sharpe"]) and np.isnan(one["annual_volatility"]) and one["net_profit"] == pytest.approx(0.01)
    none = return_metrics(np.empty(0), bars_per_year=8760)
    assert none["net_profit"] == 0.0 and np.isnan(none["max_drawdown"]) and np.isnan(none["sortino"])


def test_ruin_stays():
    sums = return_metrics(np.array([0.5, -1.0, 0.5]), bars_per_year=8760)
    assert (sums["net_profit"], sums["max_drawdown"]) == (-1.0, -1.0)


def test_an_undefined_return_makes_every_measure_undefined():
    got = return_metrics(np.array([0.1, np.nan, -0.1]), bars_per_year=8760)
    assert all(np.isnan(got[name]) for name in ("sharpe", "max_drawdown", "net_profit", "skew", "sortino"))


def test_trades_by_hand():
    pnl = np.array([1.0, -1.0, -3.0, 0.0, 2.0])
    gain = pnl / 10
    sums = accumulators.of_trades(pnl, pnl + 0.5, gain, np.arange(5), np.zeros(5, np.int8))
    m = {name: float(values[0]) for name, values in accumulators.trade_measures(sums[None]).items()}
    assert (m["winning_trades"], m["losing_trades"], m["longest_losing_streak"], m["exit_tp"]) == (2, 2, 2, 5)
    assert (m["win_rate"], m["gross_win_rate"], m["avg_holding_bars"]) == (0.4, 0.6, 2.0)
    assert m["sharpe_trade"] == pytest.approx(gain.mean() / gain.std(ddof=1), rel=1e-12)
    assert (m["largest_win"], m["largest_loss"]) == (0.2, -0.3)
    assert m["profit_factor"] == 0.75
