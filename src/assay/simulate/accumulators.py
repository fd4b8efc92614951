"""Sums over bars and trades, added up in one order by everybody who measures: a single record and the sweep.

A tally is a ``(TALLY_SIZE,)`` float64 vector. Sums run over time, one addend after the other, so a bar whose return
is 0 adds exactly nothing and need not be visited: that is what lets the sweep skip the bars between two positions and
still agree bit for bit with a record that has them all.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate.prepare import EXIT_REASONS

# bars: power sums of the returns, sum of squared losses, growth, deepest drawdown, sum and count of its episodes
SUM, SQUARES, CUBES, FOURTHS, DOWNSIDE, GROWTH, DEEPEST, DEPTHS, EPISODES = range(9)
# trades: counts, sums of pnl, sums of returns, mean and squared deviations of all returns, extremes, bars, streak
TRADES, WINS, LOSSES, GROSS_WINS, WON, LOST, WON_SHARE, LOST_SHARE = range(9, 17)
MEAN_GAIN, GAIN_SPREAD, HIGHEST, LOWEST, BARS_HELD, LONGEST_STREAK = range(17, 23)
EXITS = 23  # five counts, in the order of `EXIT_REASONS`
# the account
EXPOSED, FEES_PAID, SLIPPED, FUNDING_PAID, BORROW_PAID, TURNED_OVER, SILENT_FILLS, SHORT_BY = range(28, 36)
RESULT_COLUMNS = 36  # so many columns are results; the rest is needed on the way
PEAK, TROUGH, STREAK = range(36, 39)
TALLY_SIZE = 39

# For functions that are handed arrays and make none: without it Numba counts references at every call, by atomic
# operations that empty the registers and cost more than a trade.
UNCOUNTED: Mapping[str, Any] = {"cache": True, "error_model": "numpy", "_nrt": False}

Bar = tuple[float, float, float, float, float, float, float, float, float, float, float]


@njit(cache=True, error_model="numpy")
def begin(tally: FloatArray) -> None:
    """Empty a tally: nothing happened, growth 1."""
    tally[:] = 0.0
    tally[GROWTH] = 1.0
    tally[PEAK] = 1.0
    tally[TROUGH] = 1.0
    tally[HIGHEST] = -np.inf
    tally[LOWEST] = np.inf


@njit(**UNCOUNTED, forceinline=True)
def open_sums(tally: FloatArray) -> Bar:
    """The sums over bars as scalars, for a loop to keep in registers."""
    return (
        tally[SUM],
        tally[SQUARES],
        tally[CUBES],
        tally[FOURTHS],
        tally[DOWNSIDE],
        tally[GROWTH],
        tally[PEAK],
        tally[TROUGH],
        tally[DEEPEST],
        tally[DEPTHS],
        tally[EPISODES],
    )


@njit(**UNCOUNTED, forceinline=True)
def close_sums(tally: FloatArray, sums: Bar) -> None:
    """Write the scalars of `open_sums` back."""
    tally[SUM], tally[SQUARES], tally[CUBES], tally[FOURTHS], tally[DOWNSIDE] = sums[:5]
    tally[GROWTH], tally[PEAK], tally[TROUGH] = sums[5:8]
    tally[DEEPEST], tally[DEPTHS], tally[EPISODES] = sums[8:11]


@njit(**UNCOUNTED, forceinline=True)
def add_bar(sums: Bar, r: float) -> Bar:
    """The sums with one more bar of return r; 0 changes nothing, -1 and less is ruin."""
    total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes = sums
    square = r * r
    total += r
    squares += square
    cubes += square * r
    fourths += square * square
    downside += min(r, 0.0) * min(r, 0.0)  # not a branch: half of them would be guessed wrong
    growth *= 0.0 if r <= -1.0 else 1.0 + r
    if growth >= peak:
        if trough < peak:
            depth = trough / peak - 1.0
            deepest = min(deepest, depth)
            depths += depth
            episodes += 1.0
        peak = growth
        trough = growth
    else:
        trough = min(trough, growth)
    return total, squares, cubes, fourths, downside, growth, peak, trough, deepest, depths, episodes


@njit(cache=True, error_model="numpy")
def finish(tally: FloatArray) -> None:
    """Count the drawdown that lasts to the end."""
    if tally[TROUGH] < tally[PEAK]:
        depth = tally[TROUGH] / tally[PEAK] - 1.0
        tally[DEEPEST] = min(tally[DEEPEST], depth)
        tally[DEPTHS] += depth
        tally[EPISODES] += 1.0


@njit(**UNCOUNTED, forceinline=True)
def add_trade(tally: FloatArray, pnl: float, gross: float, gain: float, bars: float, reason: int) -> None:
    """One more closed trade. gain: net pnl over entry notional; its spread by Welford 1962, Technometrics 4(3)."""
    tally[TRADES] += 1.0
    tally[EXITS + reason] += 1.0
    tally[BARS_HELD] += bars
    # no branches: which of them a trade takes cannot be guessed
    tally[GROSS_WINS] += 1.0 if gross > 0.0 else 0.0
    tally[WINS] += 1.0 if pnl > 0.0 else 0.0
    tally[LOSSES] += 1.0 if pnl < 0.0 else 0.0
    tally[WON] += max(pnl, 0.0)
    tally[LOST] += min(pnl, 0.0)
    tally[WON_SHARE] += max(gain, 0.0)
    tally[LOST_SHARE] += min(gain, 0.0)
    tally[STREAK] = tally[STREAK] + 1.0 if pnl < 0.0 else 0.0
    tally[LONGEST_STREAK] = max(tally[LONGEST_STREAK], tally[STREAK])
    off = gain - tally[MEAN_GAIN]
    tally[MEAN_GAIN] += off / tally[TRADES]
    tally[GAIN_SPREAD] += off * (gain - tally[MEAN_GAIN])
    tally[HIGHEST] = max(tally[HIGHEST], gain)
    tally[LOWEST] = min(tally[LOWEST], gain)


@njit(cache=True, error_model="numpy")
def of_bars(returns: FloatArray) -> FloatArray:
    """``(TALLY_SIZE,)`` tally of ``(n,)`` returns."""
    tally = np.empty(TALLY_SIZE)
    begin(tally)
    sums = open_sums(tally)
    for r in returns:
        if r != 0.0:
            sums = add_bar(sums, r)
    close_sums(tally, sums)
    finish(tally)
    return tally


@njit(cache=True, error_model="numpy")
def of_trades(
    pnl: FloatArray, gross: FloatArray, gain: FloatArray, bars: NDArray[np.int64], reason: NDArray[np.int8]
) -> FloatArray:
    """``(TALLY_SIZE,)`` tally of ``(k,)`` closed trades."""
    tally = np.empty(TALLY_SIZE)
    begin(tally)
    for k in range(len(pnl)):
        add_trade(tally, pnl[k], gross[k], gain[k], float(bars[k]), int(reason[k]))
    return tally


def bar_measures(tally: FloatArray, n: int, bars_per_year: float, flat: NDArray[np.bool_]) -> dict[str, FloatArray]:
    """What tallies ``(m, >= KEPT)`` of `n` bars each say of returns: ``(m,)`` a name; undefined is NaN.

    flat: ``(m,)`` whether all returns are equal: then there is no Sharpe ratio, and the spread is exactly 0.
    """
    total, growth, deepest = (np.ascontiguousarray(tally[:, c]) for c in (SUM, GROWTH, DEEPEST))
    deepest = np.where(np.isnan(total) | (n == 0), np.nan, deepest)
    root = math.sqrt(bars_per_year)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        mean = total / n
        second, third, fourth = _central(tally, mean, n)
        second = np.where(flat, np.nan, second)
        std = np.where(flat, 0.0, np.sqrt(second / (n - 1))) if n > 1 else np.full(len(tally), np.nan)
        sharpe = over(mean, std)
        sortino = over(mean, np.sqrt(tally[:, DOWNSIDE] / n))
        annual = finite(np.power(growth, bars_per_year / n) - 1.0) if n else mean
        variance = second / n
        return {
            "net_profit": growth - 1.0,
            "sharpe": sharpe,
            "sharpe_annual": sharpe * root,
            "lifetime_sharpe_ratio": sharpe * root,
            "sortino": sortino,
            "sortino_annual": sortino * root,
            "annual_return": annual,
            "annual_volatility": std * root,
            "calmar": over(annual, np.abs(deepest)),
            "max_drawdown": deepest,
            "avg_drawdown": over(tally[:, DEPTHS], tally[:, EPISODES]),
            "skew": over(third / n, variance * np.sqrt(variance)),
            "kurtosis": over(fourth / n, variance * variance),
        }


def trade_measures(tally: FloatArray) -> dict[str, FloatArray]:
    """What tallies ``(m, >= KEPT)`` say of closed trades: ``(m,)`` a name; undefined is NaN."""
    from scipy.special import stdtr

    count, wins, losses = tally[:, TRADES], tally[:, WINS], tally[:, LOSSES]
    flat = tally[:, HIGHEST] == tally[:, LOWEST]
    with np.errstate(divide="ignore", invalid="ignore"):
        expectancy = np.where(count > 0, tally[:, MEAN_GAIN], np.nan)
        std = np.where(flat | (count < 2), np.nan, np.sqrt(tally[:, GAIN_SPREAD] / (count - 1)))
        sharpe = over(expectancy, std)
        rate = over(wins, count)
        won, lost = over(tally[:, WON_SHARE], wins), over(tally[:, LOST_SHARE], losses)
        kelly = rate - (1.0 - rate) * np.abs(lost) / won
        return {
            "total_trades": count,
            "winning_trades": wins,
            "losing_trades": losses,
            "gross_win_rate": over(tally[:, GROSS_WINS], count),
            "win_rate": rate,
            "profit_factor": over(tally[:, WON], -tally[:, LOST]),
            "avg_win": won,
            "avg_loss": lost,
            "largest_win": np.where(wins > 0, tally[:, HIGHEST], np.nan),
            "largest_loss": np.where(losses > 0, tally[:, LOWEST], np.nan),
            "avg_holding_bars": over(tally[:, BARS_HELD], count),
            "expectancy": expectancy,
            "expectancy_ratio": (1.0 + over(won, -lost)) * rate - 1.0,
            "sharpe_trade": sharpe,
            "p_value_single": stdtr(count - 1.0, -sharpe * np.sqrt(count)),
            "kelly_fraction": np.where(np.isfinite(kelly), np.maximum(0.0, kelly), np.nan),
            "longest_losing_streak": tally[:, LONGEST_STREAK],
        } | {f"exit_{name.lower()}": tally[:, EXITS + k] for k, name in enumerate(EXIT_REASONS)}


def over(above: FloatArray, below: FloatArray) -> FloatArray:
    """The quotient; NaN wherever it is not finite."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return finite(above / below)


def finite(values: FloatArray) -> FloatArray:
    """The values, NaN in place of infinities."""
    return np.where(np.isfinite(values), values, np.nan)


def _central(tally: FloatArray, mean: FloatArray, n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Sums of the second, third and fourth powers of the deviations from the mean."""
    total, squares, cubes, fourths = (tally[:, c] for c in (SUM, SQUARES, CUBES, FOURTHS))
    second = np.maximum(squares - total * mean, 0.0)
    third = cubes - mean * (3.0 * squares - 2.0 * total * mean)
    fourth = fourths - mean * (4.0 * cubes - mean * (6.0 * squares - 3.0 * total * mean))
    return second, third, fourth
