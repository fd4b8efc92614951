"""What the machine could do: a hand-written loop over all bars, the streaming of the candles, and set-ups by hand.

The loop is range_sweep's 192 combinations on 2 threads, entries computed once per entry-parameter set; it keeps only
count, mean and deviation of the returns. The set-ups by hand go through the house's sweep, full statistics included.
Prints one JSON line a figure.  Usage: python benchmarks/limit.py
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from by_hand import grids, lowest_before, range_sweep, true_range_mean, volume_ratio
from numba import njit
from sweep import SMALL, WINDOWS, report, walk

from assay.kernel.bars import Bars

THREADS = 2


@njit(cache=True, nogil=True, error_model="numpy")
def stream(opens, highs, lows, closes, volume):
    """One look at every value."""
    a = b = c = d = e = 0.0
    for t in range(len(opens)):
        a, b, c = max(a, opens[t]), max(b, highs[t]), max(c, lows[t])
        d, e = max(d, closes[t]), max(e, volume[t])
    return a + b + c + d + e


@njit(cache=True, nogil=True, error_model="numpy")
def entries(low, close, floor, ratio, first, depth, least, out):
    for t in range(len(low)):
        swept = low[t] <= floor[t] * (1.0 - depth) and close[t] > floor[t]
        out[t] = t >= first and swept and ratio[t] >= least


@njit(cache=True, nogil=True, error_model="numpy")
def loop(opens, highs, lows, closes, entry, unit, stop_by, take_by, hold):
    """Long only, fee 0.1 %, slippage 5 bps a side: the shortest loop that a careful person would write."""
    cash, held, stop, take, expiry = 1.0, 0.0, 0.0, 0.0, 0
    before, total, squares, trades = 1.0, 0.0, 0.0, 0
    for t in range(1, len(opens)):
        if held > 0.0 and t >= expiry:
            cash += held * opens[t] * 0.9995 * 0.999
            held = 0.0
        if held == 0.0 and entry[t - 1]:
            paid = opens[t] * 1.0005
            held = cash / paid
            cash -= held * paid * 1.001
            stop, take, expiry = paid - stop_by * unit[t - 1], paid + take_by * unit[t - 1], t + hold
            trades += 1
        if held > 0.0 and (lows[t] <= stop or highs[t] >= take):
            price = min(stop, opens[t]) if lows[t] <= stop else max(take, opens[t])
            cash += held * price * 0.9995 * 0.999
            held = 0.0
        now = cash + held * closes[t]
        r = now / before - 1.0
        total += r
        squares += r * r
        before = now
    return trades, total, squares


def by_hand(bars: Bars) -> list[object]:
    """All 192 combinations, two threads."""
    unit = true_range_mean(bars.high, bars.low, bars.close, 14)
    ratio = volume_ratio(bars.volume, 20)
    thresholds, exits = grids(SMALL)

    def one(job: tuple[int, np.ndarray]) -> list[object]:
        window, (depth, least) = job
        entry = np.empty(len(bars), np.bool_)
        entries(bars.low, bars.close, floors[window], ratio, max(window, 20), depth, least, entry)
        rules = zip(exits.stop_multiple, exits.take_multiple, exits.hold, strict=True)
        return [loop(bars.open, bars.high, bars.low, bars.close, entry, unit, s, k, int(h)) for s, k, h in rules]

    with ThreadPoolExecutor(THREADS) as pool:
        floors = dict(zip(WINDOWS, pool.map(lambda w: lowest_before(bars.low, w), WINDOWS), strict=True))
        return list(pool.map(one, [(w, row) for w in WINDOWS for row in thresholds]))


def streamed(bars: Bars, times: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        columns = bars.open, bars.high, bars.low, bars.close, bars.volume
        list(pool.map(lambda _: stream(*columns), range(times)))


def main() -> None:
    """All three figures, at 100k and 1M bars."""
    for n in (100_000, 1_000_000):
        bars = walk(n)
        report("hand-written loop range_sweep", n, 192, lambda b=bars: by_hand(b))
        report("set-ups by hand range_sweep", n, 192, lambda b=bars: range_sweep(b, SMALL))
        report("streaming OHLCV", n, 192, lambda b=bars: streamed(b, 192))


if __name__ == "__main__":
    main()
