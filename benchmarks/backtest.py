"""One backtest of a million bars through the public API; prints one JSON line per figure (median of 7, warm)."""

import json
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument
from assay.simulate import performance_metrics, simulate

ROWS = 1_000_000
REPEATS = 7


def walk(n: int) -> Bars:
    """A random walk of minute candles, each opening at the close before."""
    g = np.random.default_rng(0)
    close = 100 * np.exp(np.cumsum(g.normal(0, 0.001, n)))
    opens = np.r_[100.0, close[:-1]]
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, 0.0005, n)))
    low = np.minimum(opens, close) * (1 - np.abs(g.normal(0, 0.0005, n)))
    times = np.arange(n, dtype=np.int64) * 60_000
    return Bars(Instrument("binance", "BTC/USDT", "1m"), times, opens, high, low, close, np.ones(n))


def orders(bars: Bars) -> Decisions:
    """An order with stop, take and hold on 2 % of the rows."""
    g = np.random.default_rng(1)
    n = len(bars)
    chosen = g.random(n) < 0.02
    target = np.where(chosen, g.choice([-1.0, 1.0], n), np.nan)
    stop, take = np.where(chosen, bars.close * 0.005, np.nan), np.where(chosen, bars.close * 0.01, np.nan)
    return Decisions(target, stop, take, np.where(chosen, 48, 0).astype(np.int32))


def weights(bars: Bars) -> Decisions:
    """A target on every row: long above the mean of 200 closes, else short."""
    total = np.cumsum(bars.close)
    mean = np.full(len(bars), np.nan)
    mean[200:] = (total[200:] - total[:-200]) / 200
    return Decisions.weights(np.where(np.isnan(mean), 0.0, np.sign(bars.close - mean)))


def report(name: str, work: Callable[[], object], **facts: object) -> None:
    """Warm up once, then print the median."""
    work()
    seconds = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    median = statistics.median(seconds)
    line = {"benchmark": name, "rows": ROWS, "ms": round(median * 1e3, 2), "ns_per_bar": round(median * 1e9 / ROWS, 2)}
    print(json.dumps(line | facts | {"peak_mib": round(peak)}))


def main() -> None:
    """Orders with levels, weights on every row, and the metrics of the first."""
    bars = walk(ROWS)
    for name, decisions in (("orders", orders(bars)), ("weights", weights(bars))):
        record = simulate(bars, decisions, Costs())
        report(f"backtest {name}", lambda d=decisions: simulate(bars, d, Costs()), trades=len(record.trades))
    record = simulate(bars, orders(bars), Costs())
    report("metrics", lambda: performance_metrics(record, bars_per_year=525_600), trades=len(record.trades))


if __name__ == "__main__":
    main()
