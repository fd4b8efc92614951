"""A small record whose every number was worked out by hand."""

import numpy as np
import pytest

from assay.kernel.decisions import Costs, Decisions
from assay.simulate.engine import simulate
from assay.simulate.metrics import (
    EXPORT_NAMES,
    daily_returns,
    export,
    final_return_quantile,
    kelly_fraction,
    performance_metrics,
)
from tests.simulate.candles import FREE, HOUR, candles, decide, flat_candles, random_candles

near = lambda value: pytest.approx(value, rel=1e-9)  # noqa: E731

# four trades, one bar each, all in: +10 %, -10 %, -5 %, +20 %
PRICES = [100, 100, 110, 100, 90, 100, 95, 100, 120, 120]


@pytest.fixture(scope="module")
def four():
    bars = candles(*[(p, p, p, p) for p in PRICES])
    orders = {f"r{t}": (1.0, None, None, 1) for t in (0, 2, 4, 6)}
    return simulate(bars, decide(10, **orders), FREE, equity=1000.0)


def test_the_record_is_what_the_numbers_below_were_worked_from(four):
    assert list(four.trades.entry_row) == [1, 3, 5, 7]
    assert four.equity / 1000 == near([1, 1, 1.1, 1.1, 0.99, 0.99, 0.9405, 0.9405, 1.1286, 1.1286])


def test_trade_metrics(four):
    m = performance_metrics(four, bars_per_year=8760)
    g = np.array([0.10, -0.10, -0.05, 0.20])
    assert (m["total_trades"], m["winning_trades"], m["losing_trades"]) == (4, 2, 2)
    assert (m["win_rate"], m["gross_win_rate"]) == (0.5, 0.5)
    # pnl: 100, -110, -49.5, 188.1
    assert m["profit_factor"] == near(288.1 / 159.5)
    assert (m["avg_win"], m["avg_loss"]) == (near(0.15), near(-0.075))
    assert (m["largest_win"], m["largest_loss"]) == (near(0.2), near(-0.1))
    assert (m["expectancy"], m["avg_holding_bars"]) == (near(0.0375), 1)
    # (1 + 2) * 0.5 - 1, R = mean win / mean loss
    assert m["expectancy_ratio"] == near(0.5)
    assert m["sharpe_trade"] == near(0.0375 / g.std(ddof=1))
    # t = 0.0375 / (0.137689 / 2) = 0.544705, 3 degrees of freedom: Student's table gives 0.3119
    assert m["p_value_single"] == pytest.approx(0.31190, abs=2e-5)
    assert m["kelly_fraction"] == near(0.5 - 0.5 * 0.075 / 0.15)
    assert m["longest_losing_streak"] == 2
    assert m["exit_max_hold"] == 4 and m["exit_sl"] == m["exit_tp"] == m["exit_signal"] == m["exit_end_of_data"] == 0
    assert np.isnan(m["trade_clustering"])


def test_bar_metrics(four):
    m = performance_metrics(four, bars_per_year=8760)
    r = np.array([0, 0, 0.1, 0, -0.1, 0, -0.05, 0, 0.2, 0])
    assert m["net_profit"] == near(0.1286)
    assert m["sharpe"] == near(r.mean() / r.std(ddof=1))
    assert m["sharpe_annual"] == m["lifetime_sharpe_ratio"] == m["rolling_30d_sharpe"] == near(m["sharpe"] * 8760**0.5)
    assert m["sortino_annual"] == near(r.mean() / np.sqrt((0.01 + 0.0025) / 10) * 8760**0.5)
    assert m["max_drawdown"] == m["avg_drawdown"] == near(0.9405 / 1.1 - 1)
    assert m["calmar"] == near((1.1286**876 - 1) / (1 - 0.9405 / 1.1))
    # from the close of row 3, the last at the maximum, to the close of row 8
    assert m["drawdown_duration"] == near(5 / 24)
    assert m["exposure"] == near(0.4) and m["turnover"] == near(8)  # in and out at the open, all in
    assert m["buy_and_hold"] == near(0.2)
    # one UTC day: its return is all
    assert m["var_95"] == m["cvar_95"] == near(-1286.0)


def test_costs_are_shares_of_the_starting_equity():
    bars, d = flat_candles(100, 100, 110, 110), decide(4, r0=1.0)
    a, b = (performance_metrics(simulate(bars, d, Costs(), equity=e), bars_per_year=8760) for e in (1.0, 5000.0))
    assert a["fees"] == near(b["fees"]) and a["fees"] == pytest.approx(0.0021, rel=1e-2)
    assert a["slippage"] == near(b["slippage"]) and a["slippage"] > 0


def test_without_trades_undefined_is_nan_and_never_infinite():
    m = performance_metrics(simulate(flat_candles(10, 11, 12), decide(3), FREE), bars_per_year=8760)
    assert m["net_profit"] == 0 and m["total_trades"] == 0 and m["drawdown_duration"] == 0
    for name in ("sharpe", "sortino", "calmar", "avg_drawdown", "win_rate", "profit_factor", "kelly_fraction"):
        assert np.isnan(m[name]), name
    assert not np.isinf(list(m.values())).any()
    assert all(type(value) is float for value in m.values())


def test_export_has_the_seventeen_original_names(four):
    m = performance_metrics(four, bars_per_year=8760)
    out = export(m)
    assert len(out) == len(EXPORT_NAMES) == 17
    assert out["net_profit_pct"] == near(12.86) and out["max_drawdown_pct"] == near(100 * m["max_drawdown"])
    assert out["gross_win_rate"] == 0.5 and out["expectancy"] == near(0.0375)


def test_several_drawdowns_and_one_that_lasts():
    # 1 -> 0.9 -> 1 -> 1.1 -> 0.88 -> 0.99: depths -10 % and -20 %, the second from row 4's close to the end
    record = simulate(flat_candles(100, 100, 90, 100, 110, 88, 99), decide(7, r0=1.0), FREE)
    m = performance_metrics(record, bars_per_year=8760)
    assert m["avg_drawdown"] == near(-0.15) and m["drawdown_duration"] == near(2 / 24)


def test_daily_returns_by_utc_day():
    times = np.array([22, 23, 24, 25, 72]) * HOUR
    out = daily_returns(times, np.array([1.0, 1.1, 1.2, 1.21, 0.0]), 1.0)
    assert out == near([0.1, 0.1, -1.0])
    assert list(daily_returns(np.array([0, 24]) * HOUR, np.array([0.0, 0.0]), 1.0)) == [-1.0, 0.0]


def test_var_and_cvar_of_days():
    n = 24 * 40
    bars = random_candles(n, 5)
    record = simulate(bars, Decisions.weights(np.ones(n)), FREE)
    m = performance_metrics(record, bars_per_year=8760, capital=500.0)
    ends = np.r_[1.0, record.equity[23::24]]
    days = ends[1:] / ends[:-1] - 1
    low = np.quantile(days, 0.05)
    assert m["var_95"] == near(-500 * low) and m["cvar_95"] == near(-500 * days[days <= low].mean())
    assert m["cvar_95"] >= m["var_95"]


def test_rolling_sharpe_sees_thirty_days_only():
    n = 24 * 60
    record = simulate(random_candles(n, 6), Decisions.weights(np.ones(n)), FREE)
    r = record.returns[-24 * 30 :]
    m = performance_metrics(record, bars_per_year=8760)
    assert m["rolling_30d_sharpe"] == near(r.mean() / r.std(ddof=1) * 8760**0.5) != m["lifetime_sharpe_ratio"]


def test_clustering():
    # 22 entries, 20 of them in the first of 20 slices of 20 bars; then two in each slice
    n = 401
    bunched = {f"r{t}": (1.0, None, None, 1) for t in range(0, 20)} | {f"r{t}": (1.0, None, None, 1) for t in (60, 80)}
    record = simulate(flat_candles(*[10.0] * n), decide(n, **bunched), FREE)
    entries = record.trades.entry_time // HOUR
    counts = np.histogram(entries, bins=20, range=(0, n))[0]
    f = counts.var(ddof=1) / counts.mean()
    assert f > 2 and performance_metrics(record, bars_per_year=8760)["trade_clustering"] == near(1 - 1 / f)
    even = {f"r{t}": (1.0, None, None, 1) for t in range(0, n, 10)}
    assert (
        performance_metrics(simulate(flat_candles(*[10.0] * n), decide(n, **even), FREE), bars_per_year=8760)[
            "trade_clustering"
        ]
        == 0
    )


def test_kelly():
    assert kelly_fraction(0.6, 0.02, -0.01) == near(0.4)
    assert kelly_fraction(0.2, 0.01, -0.01) == 0.0
    assert np.isnan(kelly_fraction(1.0, 0.02, float("nan")))


class TestMonteCarlo:
    def test_same_seed_same_number_and_other_seed_another(self):
        r = np.random.default_rng(1).normal(0.001, 0.01, 500)
        a, b, c = (final_return_quantile(r, 0.05, seed=s) for s in (1, 1, 2))
        assert a == b != c

    def test_constant_returns_have_one_future(self):
        assert final_return_quantile(np.full(100, 0.01), 0.05, seed=0) == near(1.01**100 - 1)

    def test_agrees_with_the_normal_quantile_of_independent_returns(self):
        # log returns sum to N(n mu, n s^2) around the sample's own moments
        r = np.random.default_rng(3).normal(0, 0.01, 2000)
        logs = np.log1p(r)
        expected = np.expm1(2000 * logs.mean() - 1.6448536 * np.sqrt(2000) * logs.std())
        got = final_return_quantile(r, 0.05, resamples=20_000, block=1.0, seed=0)
        assert got == pytest.approx(expected, abs=0.02)

    def test_blocks_keep_what_belongs_together(self):
        # +50 % and -1/3 alternate: in long blocks they cancel, one by one they do not
        r = np.tile([0.5, -1 / 3], 200)
        assert final_return_quantile(r, 0.05, block=200.0, seed=0) > final_return_quantile(r, 0.05, block=1.0, seed=0)

    def test_ruin_is_total_and_nan_is_undefined(self):
        assert final_return_quantile(np.array([0.1, -1.0, 0.1]), 0.05, seed=0) == -1.0
        assert np.isnan(final_return_quantile(np.array([0.1, np.nan]), 0.05, seed=0))
