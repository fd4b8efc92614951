"""What each bar held and traded as shares of equity, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.decisions import Costs
from assay.simulate.engine import run_panel, simulate
from assay.simulate.result import BacktestResult, combine_in_sequence, combine_instruments
from tests.simulate.candles import FREE, HOUR, candles, decide, flat_candles, random_candles

A, B = "BTC/USDT", "ETH/USDT"
near = lambda value: pytest.approx(value, rel=1e-12)  # noqa: E731


def random_record(seed: int) -> BacktestResult:
    bars = random_candles(300, seed)
    g = np.random.default_rng(seed)
    rows = {f"r{t}": (float(g.choice([-1, 0, 0.5, 1])), 0.8, 1.2, 9) for t in range(0, 298, 4)}
    return simulate(bars, decide(300, **rows), Costs())


def test_a_weight_is_the_notional_after_the_open_over_the_equity_at_the_open() -> None:
    record = simulate(flat_candles(10, 10, 20, 20, 20), decide(5, r0=0.5, r2=0.0), FREE)
    # 0.05 units at 10; at the open of row 2 they are worth 1 of an equity of 1.5; row 3 opens flat
    assert record.exposure == near([0, 0.5, 1 / 1.5, 0, 0])
    assert record.traded == near([0, 0.5, 0, 1 / 1.5, 0])


def test_a_bar_that_closes_its_position_counts_half() -> None:
    bars = candles((10, 10, 10, 10), (10, 10.5, 8.9, 10.2), (10.2, 10.3, 10.1, 10.2))
    record = simulate(bars, decide(3, r0=(1.0, 1.0)), FREE)
    assert record.exposure == near([0, 0.5, 0])
    assert record.traded == near([0, 1.9, 0])  # bought for 1, sold at 9 of 10


def test_a_short_is_negative_and_what_the_last_close_ends_counts_whole() -> None:
    record = simulate(flat_candles(10, 10, 10), decide(3, r0=-1.0), FREE)
    assert record.exposure == near([0, -1, -1])
    assert record.traded == near([0, 1, 1])


def test_a_reversal_that_is_stopped_in_its_own_bar_shows_the_new_side() -> None:
    bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (10, 12, 10, 10), (10, 10, 10, 10))
    record = simulate(bars, decide(4, r0=(1.0, 5.0), r1=(-1.0, 1.0)), FREE)
    assert record.exposure == near([0, 1, -0.5, 0])


@pytest.mark.parametrize("seed", range(4))
def test_what_is_traded_sums_to_the_turnover(seed: int) -> None:
    record = random_record(seed)
    assert record.traded.sum() == near(record.turnover)
    assert (record.traded[record.exposure == 0][1:] >= 0).all()
    assert not record.exposure[~record.exposed].any() and record.exposure[record.exposed].all()


@pytest.mark.parametrize("seed", range(4))
def test_a_panel_of_one_is_the_instrument_alone(seed: int) -> None:
    bars = random_candles(300, seed)
    g = np.random.default_rng(seed)
    rows = {f"r{t}": (float(g.choice([-1, 0, 0.5, 1])), 0.8, 1.2, 9) for t in range(0, 298, 4)}
    decisions = decide(300, **rows)
    one, panel = simulate(bars, decisions, Costs()), run_panel({A: bars}, {A: decisions}, Costs())
    np.testing.assert_allclose(panel.exposure[:, 0], one.exposure, rtol=1e-12)
    np.testing.assert_allclose(panel.traded[:, 0], one.traded, rtol=1e-12, atol=1e-15)


def test_an_instrument_without_a_bar_keeps_its_weight_and_trades_nothing() -> None:
    b = replace(flat_candles(5, 5, 8, 8, symbol=B), timestamp=np.array([0, 1, 3, 4]) * HOUR)
    record = run_panel({A: flat_candles(10, 10, 10, 10, 10), B: b}, {A: decide(5), B: decide(4, r0=0.5, r1=0.0)}, FREE)
    assert record.exposure[:, 1] == near([0, 0.5, 0.5, 0, 0]) and not record.exposure[:, 0].any()
    assert record.traded[:, 1] == near([0, 0.5, 0, 0.8 / 1.3, 0])


def test_what_the_end_of_a_panel_closes_is_traded_too() -> None:
    bars = {A: flat_candles(10, 10, 10, 10), B: flat_candles(5, 5, 5, symbol=B)}
    record = run_panel(bars, {A: decide(4, r0=0.5), B: decide(3, r0=0.5)}, FREE)
    assert record.traded == near(np.array([[0, 0], [0.5, 0.5], [0, 0.5], [0.5, 0]]))


def test_stitching_carries_weights_and_shares_them_as_it_shares_returns() -> None:
    whole = simulate(flat_candles(10, 10, 10, 10), decide(4, r0=1.0), FREE)
    short = simulate(flat_candles(5, 5, 5, symbol=B), decide(3, r0=-1.0), FREE)  # has no fourth bar
    both = combine_instruments([whole, short])
    assert both.exposure == near(np.array([[0, 0], [0.5, -0.5], [0.5, -0.5], [1, 0]]))
    assert both.traded == near(np.array([[0, 0], [0.5, 0.5], [0, 0.5], [1, 0]]))
    later = replace(whole, timestamp=whole.timestamp + 4 * HOUR)
    assert combine_in_sequence([whole, later], offsets=[0, 4]).exposure == near([0, 1, 1, 1] * 2)
