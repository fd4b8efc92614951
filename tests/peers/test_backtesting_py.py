"""range_sweep in backtesting.py, written anew with pandas, beside ours: trade by trade.

Every trade is equal, or its difference has a name (`differences`). Theirs buys one unit and ours a share of equity, so
pnl is compared a unit. Read docs/why/differences-from-backtesting-py.md for what the names mean and why ours differs.
"""

import warnings

import numpy as np
import pandas as pd
import pytest
from backtesting import Backtest, Strategy

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.instrument import Instrument
from assay.learn.strategies import strategy_named
from assay.simulate.engine import simulate
from tests.peers.differences import (
    FILLED_IN_THE_PAST,
    KNOCK_ON,
    LAST_OPEN,
    LEVELS_BEFORE_FILL,
    SPREAD_ONCE,
    STOP_BEFORE_GAP,
    WARM_UP,
    Fill,
    Story,
    explained,
)

HOUR = 3_600_000
FEE = 0.001
RULE = strategy_named("range_sweep")
LIVELY = {"N": 10, "p": 0.0002, "k": 0.7, "atr_multiplier_sl": 1.5, "atr_multiplier_tp": 2.0, "max_holding_periods": 12}


def mean(values, window):
    return pd.Series(np.asarray(values)).rolling(window).mean()


def range_of(high, low, close):
    before = pd.Series(np.asarray(close)).shift()
    true_range = np.maximum(np.asarray(high), before) - np.minimum(np.asarray(low), before)
    return true_range.rolling(14).mean().to_numpy()


class RangeSweep(Strategy):
    """As one writes it there: levels from the close, the hold counted in `next`."""

    window, depth, ratio, stop, take, hold = 10, 0.0002, 0.7, 1.5, 2.0, 12

    def init(self):
        d = self.data
        self.unit = self.I(range_of, d.High, d.Low, d.Close)
        self.floor = self.I(lambda low: pd.Series(low).rolling(self.window).min().shift().to_numpy(), d.Low)
        self.volume = self.I(lambda v: (v / mean(v, 20).shift()).to_numpy(), d.Volume)

    def next(self):
        low, close = self.data.Low[-1], self.data.Close[-1]
        leaving = False
        for trade in self.trades:
            if len(self.data) - trade.entry_bar >= self.hold:
                trade.close()
                leaving = True
        dips = low <= self.floor[-1] and 1 - low / self.floor[-1] >= self.depth and close > self.floor[-1]
        if dips and self.volume[-1] >= self.ratio and (leaving or not self.trades):
            self.buy(size=1, sl=close - self.stop * self.unit[-1], tp=close + self.take * self.unit[-1])


def synthetic(n, seed, *, gaps, size=0.01):
    """Hourly candles; without gaps each opens at the close before, else some open far from it."""
    g = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(g.normal(0, size, n)))
    jump = np.where(g.random(n) < 0.15, np.exp(g.normal(0, 3 * size, n)), 1.0) if gaps else 1.0
    opens = np.r_[100.0, close[:-1]] * jump
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, size, n)))
    low = np.minimum(opens, close) / (1 + np.abs(g.normal(0, size, n)))
    times = np.arange(n, dtype=np.int64) * HOUR
    return Bars(Instrument("binance", "BTC/USDT", "1h"), times, opens, high, low, close, g.lognormal(0, 0.5, n))


def frame_of(bars):
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, pd.to_datetime(bars.timestamp, unit="ms"))


def their_trades(bars, given, slippage):
    names = ("window", "depth", "ratio", "stop", "take", "hold")
    cash = 1e3 * bars.high.max()  # one unit is always affordable
    with warnings.catch_warnings():
        # its statistics, which nobody reads here, divide by zero and use what pandas deprecates
        warnings.filterwarnings("ignore", module=r"backtesting\._stats")
        test = Backtest(frame_of(bars), RangeSweep, cash=cash, commission=FEE, spread=slippage, finalize_trades=True)
        trades = test.run(**dict(zip(names, given.values(), strict=True)))["_trades"].sort_values("EntryBar")
    assert (trades["Size"] == 1).all()
    columns = (trades[name] for name in ("EntryBar", "ExitBar", "EntryPrice", "ExitPrice", "PnL"))
    return [Fill(*row) for row in zip(*columns, strict=True)]


def our_trades(bars, values, slippage):
    t = simulate(bars, RULE.decisions(bars, values), Costs(fee=FEE, slippage_bps=slippage * 1e4)).trades
    columns = t.entry_row, t.exit_row, t.entry_price, t.exit_price, t.pnl / t.quantity
    return [Fill(*row) for row in zip(*columns, strict=True)]


def compared(bars, given=LIVELY, slippage=0.0):
    """Counts of the classes; fails on a trade without a class."""
    values = RULE.resolve(given)
    unit = range_of(bars.high, bars.low, bars.close)
    distances = given["atr_multiplier_sl"] * unit, given["atr_multiplier_tp"] * unit
    story = Story(bars, *distances, given["max_holding_periods"], FEE, slippage)
    first = RULE.lookback(values, bars.instrument.timeframe)
    return explained(story, our_trades(bars, values, slippage), their_trades(bars, given, slippage), first)


def test_without_gaps_every_trade_is_equal():
    found = compared(synthetic(4_000, 3, gaps=False))
    assert found["equal"] >= 100
    assert set(found) <= {"equal", LAST_OPEN}


def test_where_bars_open_with_a_gap_their_levels_are_elsewhere():
    found = compared(synthetic(8_000, 3, gaps=True))
    assert found["equal"] >= 100  # those that opened at the close before, and those whose levels decided nothing
    assert min(found[name] for name in (LEVELS_BEFORE_FILL, KNOCK_ON)) >= 5
    assert set(found) <= {"equal", LEVELS_BEFORE_FILL, STOP_BEFORE_GAP, KNOCK_ON, LAST_OPEN}


def test_a_bar_that_opens_above_the_take_gives_them_the_stop_when_it_falls_later():
    found = compared(synthetic(8_000, 3, gaps=True), LIVELY | {"atr_multiplier_sl": 0.4, "atr_multiplier_tp": 0.4})
    assert found[STOP_BEFORE_GAP] >= 3 and found["equal"] >= 100
    assert set(found) <= {"equal", LEVELS_BEFORE_FILL, STOP_BEFORE_GAP, KNOCK_ON, LAST_OPEN}


def test_slippage_is_paid_once_there_and_twice_here():
    found = compared(synthetic(4_000, 3, gaps=False), slippage=0.0005)
    assert found[SPREAD_ONCE] >= 100 and found["equal"] == 0
    # a level from a fill that paid slippage is a little higher than one from the close
    assert set(found) <= {SPREAD_ONCE, LEVELS_BEFORE_FILL, KNOCK_ON, LAST_OPEN}


def test_the_last_open_is_gone_when_the_last_close_is_known():
    whole = synthetic(4_000, 3, gaps=False)
    open_trade = our_trades(whole, RULE.resolve(LIVELY), 0.0)[5]
    assert open_trade.exit - open_trade.entry >= 2
    found = compared(whole[: open_trade.exit])
    assert found[LAST_OPEN] == 1


def test_an_order_of_the_last_close_is_filled_in_the_past():
    # a stop nearer than the wick of the signal's bar: filled at that bar's open, it is stopped by that very wick
    whole, given = synthetic(4_000, 3, gaps=False), LIVELY | {"atr_multiplier_sl": 0.1}
    entered = np.array([fill.entry for fill in our_trades(whole, RULE.resolve(given), 0.0)])
    unit = range_of(whole.high, whole.low, whole.close)
    stopped = whole.low[entered - 1] <= whole.close[entered - 1] - 0.1 * unit[entered - 1]
    alone = entered[stopped & ~np.isin(entered - 1, entered)]
    found = compared(whole[: alone[3]], given)
    assert found[FILLED_IN_THE_PAST] == 1


def test_the_first_bar_with_all_indicators_is_heard_here_only():
    # cut the history so that a signal falls on the first row with a full lookback
    whole, values = synthetic(4_000, 3, gaps=False), RULE.resolve(LIVELY)
    first = RULE.lookback(values, "1h")
    signal = our_trades(whole, values, 0.0)[5].entry - 1
    found = compared(whole[signal - first :])
    assert found[WARM_UP] == 1


@pytest.mark.market_data
def test_real_candles(market_data):
    import polars as pl

    table = pl.read_parquet(market_data / "binanceusdm_ETH-USDT-PERP_1h_2025.parquet")
    names = ("open", "high", "low", "close", "volume")
    columns = [table[name].to_numpy().astype(np.float64) for name in names]
    times = table["timestamp"].to_numpy().astype(np.int64)
    bars = Bars(Instrument("binanceusdm", "ETH/USDT:USDT", "1h"), times, *columns)
    found = compared(bars)
    assert found["equal"] >= 100
    assert set(found) <= {"equal", LEVELS_BEFORE_FILL, STOP_BEFORE_GAP, KNOCK_ON, LAST_OPEN}
