"""What the gate's checks on costs, fills, trades and candles rest on, by hand."""

from dataclasses import replace
from math import isinf, isnan, nan

import numpy as np
import pytest

from assay.kernel.bars import USABLE, Bars
from assay.kernel.decisions import Costs
from assay.kernel.instrument import Instrument
from assay.market.sources.files import read_file
from assay.market.sources.synthetic import synthetic
from assay.simulate.engine import simulate
from assay.simulate.result import Trades
from assay.validate.active import alike, count_independent_trades
from assay.validate.diagnostics import at_side, bar_fills, break_even, cost_sides, summarize_fills
from assay.validate.gate_input import find_data_problems
from assay.validate.statistics.sharpe import HalfSpread, half_spread
from tests.simulate.candles import FREE, HOUR, candles, decide, flat_candles, random_candles

NOT_SEEN = HalfSpread(nan, nan, 0)
near = lambda value: pytest.approx(value, rel=1e-9)  # noqa: E731


def bouncing(n: int, half: float, seed: int = 1, steps: int = 6) -> Bars:
    """A random walk of the middle price, traded at bid or ask `half` away from it by the toss of a coin."""
    g = np.random.default_rng(seed)
    middle = 100 * np.exp(np.cumsum(g.normal(0, 0.001, n * steps)))
    price = (middle * (1 + half * g.choice([-1, 1], n * steps))).reshape(n, steps)
    times = np.arange(n) * HOUR
    rows = price[:, 0], price.max(axis=1), price.min(axis=1), price[:, -1]
    return Bars(Instrument("binance", "BTC/USDT", "1h"), times, *(np.ascontiguousarray(row) for row in rows))


class TestCosts:
    def test_the_side_that_must_be_survived(self) -> None:
        costs = Costs(fee=0.001, slippage_bps=5.0)
        usual = cost_sides(costs, NOT_SEEN, cost_factor=2.0, min_cost=5.0)
        assert (usual.assumed, usual.shown, usual.stressed) == near((0.0015, 0.0015, 0.003)) and isnan(
            usual.half_spread
        )
        wide = cost_sides(costs, HalfSpread(0.005, 0.004, 9), cost_factor=2.0, min_cost=5.0)
        assert (wide.shown, wide.stressed) == near((0.005, 0.005))
        free = cost_sides(Costs(fee=0.0, slippage_bps=0.0), NOT_SEEN, cost_factor=2.0, min_cost=5.0)
        assert (free.assumed, free.shown, free.stressed) == near((0.0, 0.0, 0.0005))
        assert cost_sides(costs, NOT_SEEN, cost_factor=1.0, min_cost=40.0).stressed == near(0.004)

    def test_costs_are_raised_to_a_side_and_never_lowered(self) -> None:
        costs = Costs(fee=0.001, slippage_bps=5.0, spread_bps=2.0, borrow_rate=0.1)
        raised = at_side(costs, 0.01, factor=2.0)
        assert raised.fee + raised.price_share == near(0.01)
        assert (raised.fee, raised.spread_bps, raised.borrow_rate) == near((0.002, 4.0, 0.2))
        assert at_side(costs, 0.0, factor=2.0) == costs.times(2.0)

    def test_break_even_is_where_the_mean_is_nothing(self) -> None:
        costs = Costs(fee=0.001, slippage_bps=5.0)
        found = break_even(costs, lambda c: 0.006 - (c.fee + c.price_share))
        assert found.multiple == pytest.approx(4.0, rel=1e-3) and found.side == pytest.approx(0.006, rel=1e-3)
        below = break_even(costs, lambda c: 0.0003 - (c.fee + c.price_share))
        assert below.multiple == pytest.approx(0.2, rel=1e-2)
        assert break_even(costs, lambda c: -0.1).side == 0.0 and isinf(break_even(costs, lambda c: 1.0).multiple)
        free = break_even(Costs(fee=0.0, slippage_bps=0.0), lambda c: 0.0012 - c.price_share)
        assert isnan(free.multiple) and free.side == pytest.approx(0.0012, rel=1e-3)

    def test_break_even_of_real_trades_by_hand(self) -> None:
        bars = flat_candles(10, 10, 10.5, 10.5, 10.5)
        decisions = decide(5, r0=1.0, r2=0.0)
        # -f at the entry, 0.05 / (1 - f) in between, -1.05 f / (1.05 - f) at the exit: 0 at f = 0.02533
        mean_at = lambda costs: float(simulate(bars, decisions, costs).returns.mean())  # noqa: E731
        assert break_even(Costs(fee=0.001, slippage_bps=0.0), mean_at).side == pytest.approx(0.02533, rel=1e-3)


class TestSpread:
    @pytest.mark.parametrize("half", [0.0005, 0.004])
    def test_a_planted_spread_is_seen(self, half: float) -> None:
        found = half_spread(bouncing(6_000, half))
        assert found.blocks == 60 and found.mean == pytest.approx(half, rel=0.15) and 0 < found.low < found.mean

    def test_opens_at_the_close_before_hide_nothing(self) -> None:
        bars = bouncing(6_000, 0.004)
        opens = np.r_[bars.close[0], bars.close[:-1]]
        bars = replace(bars, open=opens, high=np.maximum(bars.high, opens), low=np.minimum(bars.low, opens))
        found = half_spread(bars)
        assert found.mean == pytest.approx(0.004, rel=0.15) and 0.0035 < found.low < found.mean

    def test_no_spread_costs_nothing(self) -> None:
        low = [half_spread(bouncing(3_000, 0.0, seed)).low for seed in range(8)]
        assert np.mean(low) < 2e-5 and min(low) == 0.0
        assert half_spread(synthetic(bars=4_000, seed=1)).low == 0.0

    def test_few_or_dead_bars_say_nothing(self) -> None:
        assert isnan(half_spread(bouncing(499, 0.004)).low)
        assert isnan(half_spread(flat_candles(*[10.0] * 600)).low)


class TestFills:
    def test_where_the_notional_was_filled(self) -> None:
        bars = candles((10, 11, 9, 10), (10, 10, 10, 10), (10, 11, 9, 10), (10, 10, 10, 10), volume=[5, 0, 100, nan])
        fills = bar_fills(np.array([0.0, 0.5, 1.0, 0.5]), bars, "unknown")
        found = summarize_fills([fills], capital=10_000)
        assert (found.silent, found.flat, found.doubtful) == near((0.25, 0.25, 0.5))
        assert isnan(found.large) and isnan(found.capacity)

    def test_a_flat_bar_that_traded_is_a_bar(self) -> None:
        bars = flat_candles(10, 10, volume=[3, 4])
        assert summarize_fills([bar_fills(np.array([0.0, 1.0]), bars, "unknown")], capital=1.0).doubtful == 0.0

    @pytest.mark.parametrize(("unit", "amount"), [("base", 1.0), ("quote", 10.0)])
    def test_too_much_of_a_bar_and_the_capacity(self, unit: str, amount: float) -> None:
        bars = candles(*[(10, 11, 9, 10)] * 2, volume=[500 * amount, 5_000 * amount])
        fills = bar_fills(np.array([1.0, 1.0]), bars, unit)  # type: ignore[arg-type]
        # 1,000 into a bar of 5,000: 500 of it are beyond a tenth; the other bar holds 50,000
        found = summarize_fills([fills], capital=1_000)
        assert found.large == found.doubtful == near(0.25)
        # an account of 50 is 1 % of the first bar, one of 500 of the second; 5 % of the way between them
        assert found.capacity == near(50 + 0.05 * 450)

    def test_nothing_traded_is_not_known(self) -> None:
        assert isnan(summarize_fills([bar_fills(np.zeros(2), flat_candles(1, 1), "base")], capital=1.0).doubtful)


class TestIndependentTrades:
    @staticmethod
    def trades(*spans: tuple[int, int]) -> Trades:
        template = simulate(flat_candles(10, 10, 10), decide(3, r0=1.0), FREE).trades
        one = template.only(np.zeros(1, bool))
        times = np.array(spans, np.int64).reshape(-1, 2) * HOUR
        rows = {f: np.repeat(getattr(template, f), len(spans)) for f in ("pnl", "side", "quantity")}
        return replace(one, entry_time=times[:, 0], exit_time=times[:, 1], **rows)

    def test_copies_count_once(self) -> None:
        g = np.random.default_rng(1)
        close = 100 * np.exp(np.cumsum(g.normal(0, 0.01, 300)))
        times = np.arange(300)
        own = self.trades((0, 5), (6, 9), (9, 9), (20, 30), (40, 50))
        trades = {f"X{k}": own for k in range(7)}
        closes = {f"X{k}": (times, close * (k + 1)) for k in range(7)}
        assert count_independent_trades(trades, closes) == 5
        apart = {s: (times, 100 * np.exp(np.cumsum(g.normal(0, 0.01, 300)))) for s in closes}
        assert count_independent_trades(trades, apart) == 35

    def test_one_series_keeps_all_its_trades(self) -> None:
        own = self.trades((0, 5), (1, 6), (2, 7))
        assert count_independent_trades({"A": own}, {"A": (np.arange(3), np.ones(3))}) == 3

    def test_alike_is_transitive_and_by_common_bars(self) -> None:
        g = np.random.default_rng(2)
        base = np.cumsum(g.normal(0, 0.01, 400))
        near_ = base + np.cumsum(g.normal(0, 0.003, 400))
        far = near_ + np.cumsum(g.normal(0, 0.004, 400))
        times = np.arange(400)
        closes = {"A": (times, np.exp(base)), "C": (times, np.exp(far)), "B": (times, np.exp(near_))}
        assert np.corrcoef(np.diff(base), np.diff(far))[0, 1] < 0.9
        assert sorted(map(sorted, alike(closes))) == [["A", "B", "C"]]
        assert alike({"A": (times, np.exp(base)), "L": (times + 400, np.exp(base))}) == [["A"], ["L"]]

    def test_overlaps_of_alike_series_are_one_and_others_are_not(self) -> None:
        close = np.exp(np.cumsum(np.random.default_rng(3).normal(0, 0.01, 100)))
        closes = {"A": (np.arange(100), close), "B": (np.arange(100), close)}
        found = {"A": self.trades((0, 5), (10, 15)), "B": self.trades((5, 9), (12, 20), (20, 21))}
        assert count_independent_trades(found, closes) == 4  # 0-5, 5-9, 10-15 or 12-20, 20-21


class TestDataProblems:
    def test_ordinary_candles_have_none(self) -> None:
        for bars in (synthetic(bars=4_000, seed=2, ic=0.15), random_candles(800, 1)):
            assert find_data_problems(bars, int(bars.timestamp[0]), int(bars.timestamp[-1])) == ()

    def test_a_split_is_a_problem_where_it_is_judged_and_not_marked(self) -> None:
        whole = random_candles(600, 1)
        factor = np.where(np.arange(600) < 300, 1.0, 0.25)
        prices = {name: getattr(whole, name) * factor for name in ("open", "high", "low", "close")}
        bars = replace(whole, volume=whole.volume / factor, **prices)
        first, last = int(bars.timestamp[0]), int(bars.timestamp[-1])
        (problem,) = find_data_problems(bars, first, last)
        assert "looks like a split 4:1" in problem and "1970-01-13T12:00" in problem
        assert find_data_problems(bars, int(bars.timestamp[301]), last) == ()
        assert find_data_problems(bars, first, int(bars.timestamp[299])) == ()
        marked = replace(bars, columns={USABLE: np.where(np.arange(600) == 300, 0.0, 1.0)})
        assert find_data_problems(marked, first, last) == ()

    def test_a_change_of_the_volumes_unit_is_a_problem(self) -> None:
        whole = random_candles(600, 1)
        bars = replace(whole, volume=whole.volume * np.where(np.arange(600) < 300, 1.0, whole.close * 10))
        (problem,) = find_data_problems(bars, int(bars.timestamp[0]), int(bars.timestamp[-1]))
        assert "the volume's unit changes" in problem

    @pytest.mark.market_data
    @pytest.mark.parametrize(
        ("name", "count"),
        [("binance_BTC-USDT_1h", 0), ("usa_AAPL_1d_adj", 0), ("usa_SPY_1d_adj", 0), ("usa_AAPL_1d_raw", 4)],
    )
    def test_real_candles(self, market_data, name: str, count: int) -> None:
        bars = read_file(market_data / f"{name}.parquet").one.bars
        assert len(find_data_problems(bars, int(bars.timestamp[0]), int(bars.timestamp[-1]))) == count
