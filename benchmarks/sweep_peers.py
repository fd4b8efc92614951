"""The two rules of `sweep.py` as vectorbt and backtesting.py have them; run in an interpreter that has these.

Both get the same candles, indicators by pandas, fee 0.1 % and slippage 5 bps, and give their own statistics.
vectorbt: all combinations of a chunk are columns; it fills on the signal's close, ignores stops on the entry bar and
knows no longest hold, so its exits are the entries that many bars later. Of its statistics only return, Sharpe ratio,
drawdown and count of trades are asked for: each further one costs it more.
backtesting.py: one run a combination, two processes; whole units, and the spread is paid at the entry only.
"""

import math
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

CELLS = 8_000_000  # bars x columns that vectorbt is given at once: 64 MB an array, of which it makes dozens
FEE, SLIPPAGE = 0.001, 0.0005
STOP, TAKE = 0.01, 0.02
Frame = pd.DataFrame


def frame_of(bars: Any) -> Frame:
    """Candles under the names that backtesting.py wants."""
    columns = {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume}
    return pd.DataFrame(columns, pd.to_datetime(bars.timestamp, unit="ms"))


def mean_of(values: Any, window: int) -> Any:
    """Mean over the last `window` rows."""
    return pd.Series(np.asarray(values)).rolling(window).mean().to_numpy()


def unit_of(high: Any, low: Any, close: Any) -> Any:
    """Mean of the last 14 true ranges."""
    before = pd.Series(np.asarray(close)).shift().to_numpy()
    return mean_of(np.maximum(np.asarray(high), before) - np.minimum(np.asarray(low), before), 14)


def floor_of(low: Any, window: int) -> Any:
    """Lowest of the `window` lows before."""
    return pd.Series(np.asarray(low)).rolling(window).min().shift().to_numpy()


def ratio_of(volume: Any) -> Any:
    """Volume over the mean of the 20 before."""
    return np.asarray(volume) / pd.Series(mean_of(volume, 20)).shift().to_numpy()


def chunks(columns: list[Any], bars: int) -> Iterator[list[Any]]:
    """So many columns at a time that `CELLS` are not exceeded."""
    width = max(1, CELLS // bars)
    for at in range(0, len(columns), width):
        yield columns[at : at + width]


def statistics_by_vectorbt(frame: Frame, **signals: Any) -> tuple[Any, ...]:
    """Run a portfolio a column and ask for its statistics."""
    import vectorbt as vbt

    prices = {name.lower(): frame[name].to_numpy()[:, None] for name in ("Open", "High", "Low")}
    folio = vbt.Portfolio.from_signals(frame["Close"], **prices, **signals, fees=FEE, slippage=SLIPPAGE, freq="1min")
    return folio.total_return(), folio.sharpe_ratio(), folio.max_drawdown(), folio.trades.count()


def sma_by_vectorbt(frame: Frame, pairs: list[tuple[int, int]]) -> list[Any]:
    close = frame["Close"].to_numpy()
    means = {w: mean_of(close, w) for w in sorted({w for pair in pairs for w in pair})}
    out = []
    for some in chunks(pairs, len(frame)):
        above = np.column_stack([means[f] > means[s] for f, s in some])
        known = np.column_stack([~np.isnan(means[s]) for f, s in some])
        before = np.vstack([above[:1], above[:-1]])
        rises, falls = above & ~before, ~above & before & known
        out.append(statistics_by_vectorbt(frame, entries=rises, short_entries=falls, sl_stop=STOP, tp_stop=TAKE))
    return out


def range_sweep_by_vectorbt(
    frame: Frame, windows: tuple[int, ...], thresholds: list[Any], exits: list[Any]
) -> list[Any]:
    low, close = frame["Low"].to_numpy(), frame["Close"].to_numpy()
    unit = unit_of(frame["High"], low, close) / close
    ratio = ratio_of(frame["Volume"])
    floors = {w: floor_of(low, w) for w in windows}
    out = []
    for some in chunks([(w, p, k) for w in windows for p, k in thresholds], len(frame)):
        dips = [(low <= floors[w] * (1 - p)) & (close > floors[w]) & (ratio >= k) for w, p, k in some]
        entries = np.column_stack(dips)
        for stop, take, hold in exits:
            over = np.zeros_like(entries)
            over[int(hold) :] = entries[: -int(hold)]
            levels = {"sl_stop": (stop * unit)[:, None], "tp_stop": (take * unit)[:, None]}
            out.append(statistics_by_vectorbt(frame, entries=entries, exits=over, **levels))
    return out


def _crossing() -> Any:
    from backtesting import Strategy
    from backtesting.lib import crossover

    class Crossing(Strategy):
        fast, slow = 5, 60

        def init(self) -> None:
            self.quick, self.calm = (self.I(mean_of, self.data.Close, w) for w in (self.fast, self.slow))

        def next(self) -> None:
            price = self.data.Close[-1]
            for one, other, way in ((self.quick, self.calm, 1), (self.calm, self.quick, -1)):
                if crossover(one, other):
                    self.position.close()
                    order = self.buy if way > 0 else self.sell
                    order(sl=price * (1 - STOP * way), tp=price * (1 + TAKE * way))

    return Crossing


def _dips() -> Any:
    from backtesting import Strategy

    class Dips(Strategy):
        window, depth, least, stop, take, hold = 20, 0.0005, 1.5, 2.0, 3.0, 30

        def init(self) -> None:
            d = self.data
            self.floor, self.ratio = self.I(floor_of, d.Low, self.window), self.I(ratio_of, d.Volume)
            self.unit = self.I(unit_of, d.High, d.Low, d.Close)

        def next(self) -> None:
            i, d = len(self.data) - 1, self.data
            for trade in self.trades:
                if i - trade.entry_bar >= self.hold - 1:
                    trade.close()
            low, close, floor, unit = d.Low[-1], d.Close[-1], self.floor[-1], self.unit[-1]
            dips = low <= floor * (1 - self.depth) and close > floor and self.ratio[-1] >= self.least
            if dips and not self.trades:
                self.buy(sl=close - self.stop * unit, tp=close + self.take * unit)

    return Dips


RULES: dict[str, Callable[[], Any]] = {"sma": _crossing, "range_sweep": _dips}


def one_by_backtesting(rule: str, frame: Frame, values: dict[str, Any]) -> tuple[float, int]:
    """One run: Sharpe ratio and count of trades."""
    import warnings

    from backtesting import Backtest

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of every order that its cash does not cover
        test = Backtest(frame, RULES[rule](), cash=1e7, commission=FEE, spread=SLIPPAGE, finalize_trades=True)
        found = test.run(**values)
    return found["Sharpe Ratio"], found["# Trades"]


def all_by_backtesting(pool: Any, rule: str, frame: Frame, sets: list[dict[str, Any]]) -> list[Any]:
    return list(pool.map(partial(one_by_backtesting, rule, frame), sets, chunksize=math.ceil(len(sets) / 8)))


def two_processes() -> Any:
    return ProcessPoolExecutor(2, multiprocessing.get_context("spawn"))
