"""Parameter sweeps beside the peers; one JSON line a figure (median of 5, warm).

Ours goes through the public API: indicators, signals, fills, full statistics. A peer runs if it can be imported, else a
line says that it is absent (pip install vectorbt backtesting, in an environment beside this one). All have the same
candles and rules; vectorbt fills on the signal's close and ignores stops on the entry bar. Usage: sweep.py [ours|peers]
"""

import importlib.metadata
import importlib.util
import itertools
import json
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.instrument import Instrument
from assay.simulate.sweep import Candidates, Exits, Side, States, sweep

REPEATS = 5
WINDOWS = (10, 20, 40, 60)
AT_LEAST = np.array([True, True])
COSTS = Costs()


def walk(n: int) -> Bars:
    """A random walk of minute candles, each opening at the close before, with log-normal volume."""
    g = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(g.normal(0, 0.001, n)))
    opens = np.r_[100.0, close[:-1]]
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, 0.0005, n)))
    low = np.minimum(opens, close) * (1 - np.abs(g.normal(0, 0.0005, n)))
    times = np.arange(n, dtype=np.int64) * 60_000
    return Bars(Instrument("binance", "BTC/USDT", "1m"), times, opens, high, low, close, g.lognormal(0, 0.5, n))


@njit(cache=True, nogil=True, error_model="numpy")
def true_range_mean(high, low, close, window):
    """Simple mean of the true range over `window` rows; NaN before row `window`."""
    n = len(close)
    out = np.full(n, np.nan)
    ranges = np.empty(window)
    total = 0.0
    for t in range(1, n):
        value = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
        if t > window:
            total -= ranges[t % window]
        ranges[t % window] = value
        total += value
        if t >= window:
            out[t] = total / window
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def volume_ratio(volume, window):
    """Volume over the mean of the `window` rows before."""
    out = np.full(len(volume), np.nan)
    total = 0.0
    for t in range(len(volume)):
        if t >= window:
            out[t] = volume[t] * window / total
            total -= volume[t - window]
        total += volume[t]
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def lowest_before(low, window):
    """Lowest of the `window` rows before, by minima over blocks from both ends (van Herk 1992): three looks a row."""
    n = len(low)
    out = np.full(n, np.nan)
    after = np.empty(window)  # of the block before: the minimum from a place in it to its end
    for first in range(0, n, window):
        end = min(first + window, n)
        so_far = np.inf
        for t in range(first, end):
            if first > 0:
                out[t] = min(after[t - first], so_far)
            so_far = min(so_far, low[t])
        so_far = np.inf
        for t in range(end - 1, first - 1, -1):
            so_far = min(so_far, low[t])
            after[t - first] = so_far
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def swept(low, close, floor, ratio, first, depth, ratio_at_least):
    """Rows that sweep the floor and close above it, and pass the loosest thresholds; depth and ratio of each."""
    rows = np.empty(len(low), np.int32)
    count = 0
    for t in range(first, len(low)):
        if low[t] <= floor[t] * (1.0 - depth) and close[t] > floor[t] and ratio[t] >= ratio_at_least:
            rows[count] = t
            count += 1
    columns = np.empty((2, count))
    for c in range(count):
        columns[0, c] = 1.0 - low[rows[c]] / floor[rows[c]]
        columns[1, c] = ratio[rows[c]]
    return rows[:count].copy(), columns


def setups(bars: Bars, thresholds: np.ndarray) -> list[Callable[[], Candidates]]:
    """The four structural sets of range_sweep, each computed when the sweep asks for it."""
    depth, ratio_at_least = thresholds.min(axis=0)
    unit = true_range_mean(bars.high, bars.low, bars.close, 14)
    ratio = volume_ratio(bars.volume, 20)

    def of(window: int) -> Candidates:
        floor = lowest_before(bars.low, window)
        # a hair below the loosest depth: the column decides, its rounding is not that of the product
        rows, columns = swept(bars.low, bars.close, floor, ratio, max(window, 20), depth * (1 - 1e-9), ratio_at_least)
        side = Side(np.ones(len(rows), np.bool_), columns, None, unit[rows])
        return Candidates(rows, side, None, AT_LEAST, lookback=max(window, 20))

    return [lambda w=w: of(w) for w in WINDOWS]


def grid(*columns: Any) -> np.ndarray:
    return np.array([*itertools.product(*columns)], np.float64)


def exit_sets(stops: Any, takes: Any, holds: Any) -> Exits:
    stop, take, hold = grid(stops, takes, holds).T
    return Exits.of(stop_multiple=stop, take_multiple=take, hold=hold)


SMALL = grid((0.0002, 0.0005, 0.001), (1.0, 1.5)), exit_sets((1, 2), (2, 3), (30, 60))
LARGE = (
    grid(np.linspace(0.0002, 0.002, 25), np.linspace(1.0, 2.9, 20)),
    exit_sets(np.linspace(1, 3, 8), np.linspace(1.5, 5, 8), (20, 30, 45, 60)),
)


def range_sweep(bars: Bars, thresholds: np.ndarray, exits: Exits, threads: int = 2) -> Any:
    return sweep(bars, setups(bars, thresholds), thresholds, exits, COSTS, threads=threads)


@njit(cache=True, nogil=True, error_model="numpy")
def crossings(sums, close, fast, slow):
    """Rows where the faster mean changes sides, and the side."""
    n = len(close)
    rows, sides = np.empty(n, np.int32), np.empty(n, np.int8)
    count, before = 0, 0
    for t in range(slow - 1, n):
        difference = (sums[t + 1] - sums[t + 1 - fast]) * slow - (sums[t + 1] - sums[t + 1 - slow]) * fast
        if difference * before <= 0.0 and difference != 0.0:
            before = 1 if difference > 0.0 else -1
            rows[count], sides[count] = t, before
            count += 1
    return rows[:count].copy(), sides[:count].copy()


def moving_averages(bars: Bars, pairs: list[tuple[int, int]], threads: int = 2) -> Any:
    """SMA crossing as orders: stop 1 %, take 2 %."""
    sums = np.r_[0.0, np.cumsum(bars.close)]

    def of(fast: int, slow: int) -> Candidates:
        rows, sides = crossings(sums, bars.close, fast, slow)
        unit, none = bars.close[rows], np.empty((0, len(rows)))
        long, short = (Side(sides == s, none, None, unit) for s in (1, -1))
        return Candidates(rows, long, short, np.empty(0, np.bool_), lookback=slow - 1)

    lazy = [lambda f=f, s=s: of(f, s) for f, s in pairs]
    return sweep(bars, lazy, np.empty((1, 0)), Exits.of(stop_multiple=0.01, take_multiple=0.02), COSTS, threads=threads)


def held_averages(bars: Bars, pairs: list[tuple[int, int]], threads: int = 2) -> Any:
    """SMA crossing as weights: always long or short, no level."""
    sums = np.r_[0.0, np.cumsum(bars.close)]

    def of(fast: int, slow: int) -> States:
        rows, sides = crossings(sums, bars.close, fast, slow)
        return States(rows, sides.astype(np.float64))

    return sweep(
        bars, [lambda f=f, s=s: of(f, s) for f, s in pairs], np.empty((1, 0)), Exits.of(), COSTS, threads=threads
    )


PAIRS = [(f, s) for f in range(5, 50, 5) for s in range(60, 160, 10)]


def report(name: str, bars: int, combinations: int, work: Callable[[], Any], **facts: Any) -> None:
    """Warm up once, then print the median."""
    work()
    seconds, busy = [], []
    for _ in range(REPEATS):
        begin, used = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - begin)
        busy.append(time.process_time() - used)
    median = statistics.median(seconds)
    line = {
        "benchmark": name,
        "bars": bars,
        "combinations": combinations,
        "seconds": round(median, 4),
        "ns": round(median * 1e9 / bars / combinations, 4),
        "best_ns": round(min(seconds) * 1e9 / bars / combinations, 4),
        "cpu_ns": round(min(busy) * 1e9 / bars / combinations, 4),  # over all threads: halve it for two calm cores
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load": round(os.getloadavg()[0], 2),
    }
    print(json.dumps(line | facts), flush=True)


def ours() -> None:
    for n in (100_000, 1_000_000):
        bars = walk(n)
        report("assay range_sweep", n, 192, lambda b=bars: range_sweep(b, *SMALL))
        report("assay sma", n, len(PAIRS), lambda b=bars: moving_averages(b, PAIRS))
        report("assay sma weights", n, len(PAIRS), lambda b=bars: held_averages(b, PAIRS))
    bars = walk(100_000)
    report("assay range_sweep", 100_000, 512_000, lambda: range_sweep(bars, *LARGE))


def sma_by_vectorbt(bars: Bars, pairs: list[tuple[int, int]]) -> Any:
    """All pairs as columns of one call: total return, Sharpe ratio and drawdown."""
    import pandas as pd
    import vectorbt as vbt

    close = pd.Series(bars.close, pd.to_datetime(bars.timestamp, unit="ms"))
    means = {w: close.rolling(w).mean() for w in sorted({w for pair in pairs for w in pair})}
    above = pd.concat([means[f] > means[s] for f, s in pairs], axis=1, keys=pairs)
    rises, falls = above & ~above.shift(fill_value=False), ~above & above.shift(fill_value=False)
    folio = vbt.Portfolio.from_signals(
        close,
        entries=rises,
        short_entries=falls,
        open=bars.open[:, None],
        high=bars.high[:, None],
        low=bars.low[:, None],
        sl_stop=0.01,
        tp_stop=0.02,
        fees=0.001,
        slippage=0.0005,
        freq="1min",
    )
    return folio.total_return(), folio.sharpe_ratio(), folio.max_drawdown()


def sma_by_backtesting(bars: Bars, pairs: list[tuple[int, int]]) -> Any:
    """One run a pair; its statistics come with it."""
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    frame = pd.DataFrame(
        {"Open": bars.open, "High": bars.high, "Low": bars.low, "Close": bars.close, "Volume": bars.volume},
        pd.to_datetime(bars.timestamp, unit="ms"),
    )

    class Crossing(Strategy):
        fast, slow = 5, 60

        def init(self):
            self.quick, self.calm = (
                self.I(lambda c, w: pd.Series(c).rolling(w).mean(), self.data.Close, w) for w in (self.fast, self.slow)
            )

        def next(self):
            price = self.data.Close[-1]
            for one, other, way in ((self.quick, self.calm, 1), (self.calm, self.quick, -1)):
                if crossover(one, other):
                    self.position.close()
                    order = self.buy if way > 0 else self.sell
                    order(sl=price * (1 - 0.01 * way), tp=price * (1 + 0.02 * way))

    test = Backtest(frame, Crossing, cash=1e7, commission=0.001, spread=0.001, finalize_trades=True)
    return [test.run(fast=f, slow=s)["Sharpe Ratio"] for f, s in pairs]


def peers() -> None:
    """SMA crossing by whoever is there, on as many bars as it can take in seconds."""
    rows = {
        "vectorbt": (sma_by_vectorbt, 100_000, PAIRS[::9]),
        "backtesting": (sma_by_backtesting, 10_000, PAIRS[::45]),
    }
    for name, (work, n, pairs) in rows.items():
        if importlib.util.find_spec(name) is None:
            print(json.dumps({"benchmark": f"{name} sma", "absent": True}))
            continue
        bars, version = walk(n), importlib.metadata.version(name)
        report(f"{name} sma", n, len(pairs), lambda w=work, b=bars, p=pairs: w(b, p), version=version)


if __name__ == "__main__":
    what = sys.argv[1:] or ["ours", "peers"]
    for chosen in what:
        {"ours": ours, "peers": peers}[chosen]()
