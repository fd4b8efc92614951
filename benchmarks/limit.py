"""What the machine could do: hand-written loops over all bars, the streaming of the candles, and set-ups by hand.

The loops are range_sweep's 192 combinations and the SMA crossing's 90 on 2 threads, entries computed once per
entry-parameter set; they keep only count, mean and deviation of the returns. The set-ups by hand and the declared rule
go through the house's sweep, full statistics included. Prints one JSON line a figure.
Usage: python benchmarks/limit.py
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from by_hand import grids, lowest_before, range_sweep, true_range_mean, volume_ratio
from numba import njit
from sweep import PAIRS, SMALL, WINDOWS, declared_averages, report, walk

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


@njit(cache=True, nogil=True, error_model="numpy")
def crossing_loop(opens, highs, lows, closes, sums, fast, slow):
    """Long and short by the faster mean, entered where it changes sides, stop 1 %, take 2 % of the close; as above."""
    cash, held, stop, take = 1.0, 0.0, 0.0, 0.0
    before, total, squares, trades, old = 1.0, 0.0, 0.0, 0, 0
    for t in range(slow, len(opens)):
        gap = (sums[t] - sums[t - fast]) * slow - (sums[t] - sums[t - slow]) * fast  # known at the close of t - 1
        side = (gap > 0.0) * 1 - (gap < 0.0) * 1
        if side != old and old != 0 and side != 0:
            if held != 0.0:
                change = opens[t] * (0.9995 if held > 0.0 else 1.0005)
                cash += held * change - abs(held) * change * 0.001
            paid = opens[t] * (1.0 + 0.0005 * side)
            held = side * cash / paid
            cash -= held * paid + abs(held) * paid * 0.001
            stop, take = paid - side * 0.01 * closes[t - 1], paid + side * 0.02 * closes[t - 1]
            trades += 1
        old = side if side != 0 else old
        if held != 0.0:
            stopped = lows[t] <= stop if held > 0.0 else highs[t] >= stop
            if stopped or (highs[t] >= take if held > 0.0 else lows[t] <= take):
                price = (stop if stopped else take) * (0.9995 if held > 0.0 else 1.0005)
                cash += held * price - abs(held) * price * 0.001
                held = 0.0
        now = cash + held * closes[t]
        r = now / before - 1.0
        total += r
        squares += r * r
        before = now
    return trades, total, squares


def crossings_by_hand(bars: Bars) -> list[object]:
    """All 90 pairs, two threads."""
    sums = np.r_[0.0, np.cumsum(bars.close)]
    with ThreadPoolExecutor(THREADS) as pool:
        prices = bars.open, bars.high, bars.low, bars.close
        return list(pool.map(lambda pair: crossing_loop(*prices, sums, *pair), PAIRS))


def streamed(bars: Bars, times: int) -> None:
    with ThreadPoolExecutor(THREADS) as pool:
        columns = bars.open, bars.high, bars.low, bars.close, bars.volume
        list(pool.map(lambda _: stream(*columns), range(times)))


def main() -> None:
    """All figures, at 100k and 1M bars."""
    for n in (100_000, 1_000_000):
        bars = walk(n)
        report("hand-written loop range_sweep", n, 192, lambda b=bars: by_hand(b))
        report("set-ups by hand range_sweep", n, 192, lambda b=bars: range_sweep(b, WINDOWS, SMALL))
        report("hand-written loop sma", n, len(PAIRS), lambda b=bars: crossings_by_hand(b))
        report("declared rule sma", n, len(PAIRS), lambda b=bars: declared_averages(b))
        report("streaming OHLCV", n, 192, lambda b=bars: streamed(b, 192))


if __name__ == "__main__":
    main()
