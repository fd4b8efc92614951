"""Indicators and set-ups written by hand for the sweep: no rule is declared, nothing is checked twice."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.simulate import Candidates, Exits, Side, States, sweep_product

AT_LEAST = np.array([True, True])
COSTS = Costs()


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


def setups(bars: Bars, windows: tuple[int, ...], thresholds: np.ndarray) -> list[Callable[[], Candidates]]:
    """The structural sets of range_sweep, each computed when the sweep asks for it."""
    depth, ratio_at_least = thresholds.min(axis=0)
    unit = true_range_mean(bars.high, bars.low, bars.close, 14)
    ratio = volume_ratio(bars.volume, 20)

    def of(window: int) -> Candidates:
        floor = lowest_before(bars.low, window)
        # a hair below the loosest depth: the column decides, its rounding is not that of the product
        rows, columns = swept(bars.low, bars.close, floor, ratio, max(window, 20), depth * (1 - 1e-9), ratio_at_least)
        side = Side(np.ones(len(rows), np.bool_), columns, None, unit[rows])
        return Candidates(rows, side, None, AT_LEAST, lookback=max(window, 20))

    return [lambda w=w: of(w) for w in windows]


def grids(grid: Any) -> tuple[np.ndarray, Exits]:
    """Thresholds and exits as the sweep reads them."""
    thresholds, exits = (np.array([*itertools.product(*columns)], np.float64) for columns in grid)
    return thresholds, Exits.of(stop_multiple=exits[:, 0], take_multiple=exits[:, 1], hold=exits[:, 2])


def range_sweep(bars: Bars, windows: tuple[int, ...], grid: Any, threads: int = 2) -> Any:
    """The rule of that name without the house's bridge from rules to sweeps."""
    thresholds, exits = grids(grid)
    return sweep_product(bars, setups(bars, windows, thresholds), thresholds, exits, COSTS, threads=threads)


@njit(cache=True, nogil=True, error_model="numpy")
def crossings(sums, close, fast, slow):
    """Rows where the faster mean changes sides, and the side."""
    n = len(close)
    rows, sides = np.empty(n, np.int32), np.empty(n, np.int8)
    count, before, over = 0, 0, np.empty(64, np.int8)
    for first in range(slow - 1, n, len(over)):
        m = min(len(over), n - first)
        now, quick, calm = sums[first + 1 :][:m], sums[first + 1 - fast :][:m], sums[first + 1 - slow :][:m]
        total = 0
        for k in range(m):
            gap = (now[k] - quick[k]) * slow - (now[k] - calm[k]) * fast
            over[k] = (gap > 0.0) * 1 - (gap < 0.0) * 1
            total += over[k]
        if before != 0 and total == before * m:
            continue
        for k in range(m):
            if over[k] != before and over[k] != 0:
                before = over[k]
                rows[count], sides[count] = first + k, before
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
    return sweep_product(
        bars, lazy, np.empty((1, 0)), Exits.of(stop_multiple=0.01, take_multiple=0.02), COSTS, threads=threads
    )


def held_averages(bars: Bars, pairs: list[tuple[int, int]], threads: int = 2) -> Any:
    """SMA crossing as weights: always long or short, no level."""
    sums = np.r_[0.0, np.cumsum(bars.close)]

    def of(fast: int, slow: int) -> States:
        rows, sides = crossings(sums, bars.close, fast, slow)
        return States(rows, sides.astype(np.float64))

    return sweep_product(
        bars, [lambda f=f, s=s: of(f, s) for f, s in pairs], np.empty((1, 0)), Exits.of(), COSTS, threads=threads
    )
