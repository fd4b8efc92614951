"""What holds for every simulation."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Joined
from assay.kernel.decisions import Costs, Decisions
from assay.simulate.engine import run_panel, simulate
from assay.simulate.fills import leave
from assay.simulate.prepare import (
    CASH,
    CLOSED,
    END_OF_DATA,
    LEDGER_WIDTH,
    QUANTITY,
    cost_vector,
    new_account,
    new_positions,
)
from assay.simulate.step import step
from tests.simulate.candles import FREE, HOUR, random_candles, random_decisions

SEEDS = st.integers(0, 2**32 - 1)
COSTS = Costs(fee=0.001, slippage_bps=5, spread_bps=2, borrow_rate=0.2, impact_coefficient=0.01)
CHEAP = settings(max_examples=40, deadline=None)


def funded(bars, seed):
    g = np.random.default_rng(seed)
    at = np.arange(8, len(bars) + 8, 8) * HOUR
    return replace(bars, joined={"funding_rate": Joined(at, at, g.normal(0, 1e-3, len(at)))})


def same_trades(a, b, rows=slice(None)):
    for name in ("entry_row", "exit_row", "side", "exit_reason", "pnl", "entry_price", "exit_price"):
        np.testing.assert_array_equal(getattr(a, name)[rows], getattr(b, name)[rows], err_msg=name)


@given(SEEDS, st.integers(0, 50))
@CHEAP
def test_every_cent_is_in_a_trade(seed, start):
    bars = funded(random_candles(300, seed), seed)
    record = simulate(bars, random_decisions(300, seed), COSTS, start=start, equity=500.0)
    t = record.trades
    assert record.equity[-1] == pytest.approx(500.0 + t.pnl.sum() + record.shortfall, rel=1e-9)
    assert np.prod(1 + record.returns) * 500.0 == pytest.approx(record.equity[-1], rel=1e-9)
    for name, own in (("fees", t.fees), ("slippage", t.slippage_cost), ("funding", t.funding), ("borrow", t.borrow)):
        assert getattr(record, name) == pytest.approx(own.sum(), rel=1e-9, abs=1e-12)
    by_price = t.side * t.quantity * (t.exit_price - t.entry_price) - t.fees - t.funding - t.borrow
    np.testing.assert_allclose(t.pnl, by_price, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(t.pnl_gross, t.pnl + t.fees + t.slippage_cost + t.funding + t.borrow, atol=1e-9)
    assert np.all(t.exit_row >= t.entry_row) and np.all(t.entry_row > start)
    assert np.all(t.entry_row[1:] >= t.exit_row[:-1])
    assert not record.position[-1]


@given(SEEDS)
@CHEAP
def test_all_in_without_costs_is_buy_and_hold(seed):
    bars = random_candles(100, seed)
    record = simulate(bars, Decisions.weights(np.ones(100)), FREE)
    assert record.equity[-1] - 1 == pytest.approx(record.buy_and_hold, rel=1e-12, abs=1e-12)
    np.testing.assert_allclose(record.equity[1:], bars.close[1:] / bars.open[1], rtol=1e-12)
    assert len(record.trades) == 1


@given(SEEDS)
@CHEAP
def test_the_unit_of_price_does_not_matter(seed):
    bars, d = random_candles(200, seed), random_decisions(200, seed)
    by7 = replace(bars, **{name: getattr(bars, name) * 7 for name in ("open", "high", "low", "close")})
    by7 = replace(by7, volume=bars.volume / 7)
    a = simulate(bars, d, COSTS)
    b = simulate(by7, Decisions(d.target, d.stop * 7, d.take * 7, d.hold), COSTS)
    np.testing.assert_allclose(a.returns, b.returns, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(a.trades.exit_reason, b.trades.exit_reason)


@given(SEEDS, st.integers(20, 180))
@CHEAP
def test_the_future_changes_nothing_before_it(seed, cut):
    bars, d = funded(random_candles(200, seed), seed), random_decisions(200, seed)
    other = random_candles(200, seed + 1)
    mixed = replace(
        bars,
        **{
            name: np.r_[getattr(bars, name)[:cut], getattr(other, name)[cut:]]
            for name in ("open", "high", "low", "close", "volume")
        },
    )
    whole, part, scrambled = simulate(bars, d, COSTS), simulate(bars[:cut], d[:cut], COSTS), simulate(mixed, d, COSTS)
    np.testing.assert_array_equal(whole.equity[: cut - 1], part.equity[: cut - 1])
    np.testing.assert_array_equal(whole.equity[:cut], scrambled.equity[:cut])
    done = int((whole.trades.exit_row < cut - 1).sum())
    same_trades(whole.trades, part.trades, slice(0, done))
    same_trades(whole.trades, scrambled.trades, slice(0, done))


@given(SEEDS)
@CHEAP
def test_a_short_is_a_long_in_the_mirror(seed):
    # one order on candles that are mirrored about the entry price: gains and losses per unit are opposite
    g = np.random.default_rng(seed)
    bars = random_candles(40, seed)
    around = 2 * bars.open[5]
    mirror = replace(
        bars, open=around - bars.open, high=around - bars.low, low=around - bars.high, close=around - bars.close
    )
    stop, take = g.uniform(1, 10, 2)
    d = random_decisions(40, seed)
    d.target[:], d.stop[:], d.take[:], d.hold[:] = np.nan, np.nan, np.nan, 0
    d.target[4], d.stop[4], d.take[4] = 1.0, stop, take
    long = simulate(bars, d, FREE)
    short = simulate(mirror, Decisions(-d.target, d.stop, d.take, d.hold), FREE)
    np.testing.assert_allclose(long.equity, short.equity, rtol=1e-9)
    assert long.trades.reasons == short.trades.reasons
    assert list(long.trades.exit_row) == list(short.trades.exit_row)


@given(SEEDS, st.sampled_from(["fee", "slippage_bps", "borrow_rate"]))
@CHEAP
def test_dearer_is_never_better(seed, name):
    bars = random_candles(200, seed)
    weights = Decisions.weights(random_decisions(200, seed).target)
    cheap = Costs(fee=0.0005, slippage_bps=3, borrow_rate=0.1)
    dear = replace(cheap, **{name: getattr(cheap, name) * 3})
    assert simulate(bars, weights, dear).equity[-1] <= simulate(bars, weights, cheap).equity[-1] * (1 + 1e-12)


@given(SEEDS)
@CHEAP
def test_repeating_a_weight_changes_nothing(seed):
    bars, weights = random_candles(200, seed), random_decisions(200, seed).target
    filled = weights.copy()
    for t in range(1, len(filled)):
        if np.isnan(filled[t]):
            filled[t] = filled[t - 1]
    kept, said = simulate(bars, Decisions.weights(weights), COSTS), simulate(bars, Decisions.weights(filled), COSTS)
    np.testing.assert_array_equal(kept.equity, said.equity)


@given(SEEDS)
@CHEAP
def test_stepping_by_hand_is_the_backtest(seed):
    bars, d = random_candles(150, seed), random_decisions(150, seed)
    record = simulate(bars, d, COSTS)
    account, position = new_account(1.0), new_positions(1)[0]
    ledger, costs = np.empty((400, LEDGER_WIDTH)), cost_vector(COSTS, HOUR)
    equity = [1.0]
    for t in range(1, 150):
        o, h, low, c, v = (float(getattr(bars, k)[t]) for k in ("open", "high", "low", "close", "volume"))
        at_open = account[CASH] + position[QUANTITY] * o
        said = (d.target[t - 1], d.stop[t - 1], d.take[t - 1], d.hold[t - 1])
        step(account, position, ledger, costs, at_open, t, 0, o, h, low, c, v, 0.0, *said)
        now = account[CASH] + position[QUANTITY] * c
        if t == 149 and position[QUANTITY]:
            leave(account, position, ledger, costs, now, t, 0, c, v, END_OF_DATA)
            now = account[CASH]
        equity.append(now)
    np.testing.assert_array_equal(record.equity, equity)
    assert len(record.trades) == account[CLOSED]


@given(SEEDS, st.integers(0, 60))
@CHEAP
def test_a_panel_of_one_is_the_instrument_alone(seed, start):
    bars, d = funded(random_candles(200, seed), seed), random_decisions(200, seed)
    one = simulate(bars, d, COSTS, start=start)
    panel = run_panel({"BTC/USDT": bars}, {"BTC/USDT": d}, COSTS, since=int(bars.known_at[start]))
    for name in ("timestamp", "equity", "returns", "exposed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(panel, name))
    np.testing.assert_array_equal(one.position, panel.position[:, 0])
    same_trades(one.trades, panel.trades)
    assert (one.turnover, one.funding, one.zero_volume_fills) == (
        panel.turnover,
        panel.funding,
        panel.zero_volume_fills,
    )


@given(SEEDS)
@CHEAP
def test_a_panel_keeps_its_cents_too(seed):
    a, b = random_candles(120, seed), random_candles(150, seed + 1, symbol="ETH/USDT", volume=False)
    rows = np.sort(np.random.default_rng(seed).choice(150, 110, replace=False))
    b = replace(b, volume=None, **{k: getattr(b, k)[rows] for k in ("timestamp", "open", "high", "low", "close")})
    decisions = {"BTC/USDT": random_decisions(120, seed), "ETH/USDT": random_decisions(110, seed + 1)}
    record = run_panel({"BTC/USDT": a, "ETH/USDT": b}, decisions, COSTS)
    assert record.equity[-1] == pytest.approx(1 + record.trades.pnl.sum() + record.shortfall, rel=1e-9, abs=1e-12)
    assert not record.position[-1].any()
