"""Synthetic markets with a planted edge of exact size or none, and random continuations of real candles.

Volatility: GARCH(1,1) (Bollerslev 1986) in two regimes of a Markov chain, Student-t(5) innovations.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, printable
from assay.kernel.instrument import Instrument
from assay.kernel.seeding import generator
from assay.kernel.timeframe import Timeframe

MOMENTUM_BARS = 24
SYNTHETIC_SIGMA = 0.005  # typical volatility of a bar
DEGREES = 5.0
FLOOR = -0.5  # no bar loses more
START_MS = 1_577_836_800_000  # 2020-01-01T00:00Z

# calm, wild: factor on SIGMA, alpha, beta, chance to stay
REGIMES = np.array([[0.6, 0.05, 0.90, 0.995], [1.8, 0.10, 0.85, 0.98]])
_BURN_IN = 1_000  # until regime, variance and momentum have forgotten their start
_FIRST_CLOSE = 100.0


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """A synthetic market and what nobody in a real one sees.

    bars:   the candles.
    sigma:  ``(n,)`` volatility of each bar's return, fixed before the bar.
    side:   ``(n,)`` +1 or -1, sign of the last 24 bars' log return up to this close; row t predicts bar t + 1.
    regime: ``(n,)`` int8, 0 calm and 1 wild.
    before: side before the first row, which predicts row 0.
    """

    bars: Bars
    sigma: FloatArray
    side: FloatArray
    regime: NDArray[np.int8]
    before: float


def synthetic(
    *,
    bars: int,
    seed: int,
    ic: float = 0.0,
    timeframe: str = "1h",
    symbol: str = "GOLD/USDT",
    exchange: str = "synthetic",
    start: int = START_MS,
) -> Bars:
    """`bars` closed candles from `start` (ms) on; the same arguments give the same bytes, more bars the same beginning.

    The simple return of bar t is ``e_t = sigma_t (ic s_{t-1} + sqrt(1 - ic^2) z_t)``, at least -0.5, with s the sign of
    the last 24 bars' log return: ``corr(s_{t-1}, e_t / sigma_t) = ic``, and holding ``s / sigma`` has a gross Sharpe
    ratio of ``ic / sqrt(1 - ic^2)`` a bar. With ic 0 no strategy gains before costs. Each bar opens at the last close,
    so that a decision at the close is filled at the price it was made on. High and low are those of a Brownian bridge
    from open to close. Volume rises with sigma and with the size of the move. Symbols of one seed are independent.

    Raises ConfigError ``CONFIG_FIELD`` for bars < 1 or an ic outside (-1, 1). Cost: 0.3 s for 1M bars.
    """
    return synthetic_truth(
        bars=bars, seed=seed, ic=ic, timeframe=timeframe, symbol=symbol, exchange=exchange, start=start
    ).bars


def synthetic_truth(
    *,
    bars: int,
    seed: int,
    ic: float = 0.0,
    timeframe: str = "1h",
    symbol: str = "GOLD/USDT",
    exchange: str = "synthetic",
    start: int = START_MS,
) -> Truth:
    """As `synthetic`, with the hidden part."""
    _check(bars, ic)
    instrument = Instrument(exchange, symbol, timeframe)
    n = bars + _BURN_IN
    scale = math.sqrt((DEGREES - 2) / DEGREES)
    z = generator(seed, f"synthetic/{symbol}/innovations").standard_t(DEGREES, n) * scale
    switch = generator(seed, f"synthetic/{symbol}/regimes").random(n)
    returns, sigma, side, regime = _walk(z, switch, ic, REGIMES, SYNTHETIC_SIGMA, FLOOR, MOMENTUM_BARS)
    stored = slice(_BURN_IN, None)
    close = np.asarray(_FIRST_CLOSE * np.cumprod(1.0 + returns[stored]), np.float64)
    opened = np.concatenate([[_FIRST_CLOSE], close[:-1]])
    high, low = _extremes(opened, close, sigma[stored], generator(seed, f"synthetic/{symbol}/ranges"))
    noise = generator(seed, f"synthetic/{symbol}/volume").standard_normal(bars)
    volume = _volume(returns[stored], sigma[stored], noise)
    made = Bars(instrument, _times(instrument.bar, start, bars), opened, high, low, close, volume)
    return Truth(made, sigma[stored].copy(), side[stored].copy(), regime[stored].copy(), float(side[_BURN_IN - 1]))


def _check(bars: int, ic: float) -> None:
    if bars < 1:
        raise ConfigError(f"bars is {printable(bars)}, must be 1 or more", code="CONFIG_FIELD", field="bars")
    if not -1.0 < ic < 1.0:
        raise ConfigError(f"ic is {printable(ic)}, must lie between -1 and 1", code="CONFIG_FIELD", field="ic")


def _times(bar: Timeframe, start: int, bars: int) -> IntArray:
    first = bar.floor(np.array([start], np.int64))
    if bar.name == "1M":
        month = first.astype("datetime64[ms]").astype("datetime64[M]")
        months: IntArray = (month + np.arange(bars)).astype("datetime64[ms]").astype(np.int64)
        return months
    return first + np.arange(bars, dtype=np.int64) * bar.ms


def _extremes(
    opened: FloatArray, close: FloatArray, sigma: FloatArray, random: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Highest and lowest price on a Brownian path with these ends; P(max > m) = exp(-2 m (m - x) / sigma^2)."""
    moved = np.log(close / opened)
    spread = -2.0 * sigma[:, None] ** 2 * np.log1p(-random.random((len(close), 2)))
    reach = np.sqrt(moved[:, None] ** 2 + spread)
    high = opened * np.exp((moved + reach[:, 0]) / 2)
    low = opened * np.exp((moved - reach[:, 1]) / 2)
    return np.maximum(high, np.maximum(opened, close)), np.minimum(low, np.minimum(opened, close))


def _volume(returns: FloatArray, sigma: FloatArray, noise: FloatArray) -> FloatArray:
    size = np.abs(returns) / sigma
    volume: FloatArray = 1_000.0 * (sigma / SYNTHETIC_SIGMA) * (0.5 + 0.5 * size) * np.exp(0.25 * noise)
    return volume


@njit(cache=True, error_model="numpy")
def _walk(
    z: FloatArray,
    switch: FloatArray,
    ic: float,
    regimes: FloatArray,
    typical: float,
    floor: float,
    momentum: int,
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int8]]:
    n = len(z)
    returns, sigma, side = np.empty(n), np.empty(n), np.empty(n)
    regime = np.empty(n, np.int8)
    log_price = np.zeros(n + 1)  # entry t + 1 is the close of bar t
    rest = math.sqrt(1.0 - ic * ic)
    g, last_side = 0, 1.0
    variance, last_return = (regimes[0, 0] * typical) ** 2, 0.0
    for t in range(n):
        if switch[t] >= regimes[g, 3]:
            g = 1 - g
        factor, alpha, beta = regimes[g, 0], regimes[g, 1], regimes[g, 2]
        omega = (factor * typical) ** 2 * (1.0 - alpha - beta)
        variance = omega + alpha * last_return * last_return + beta * variance
        sigma[t] = math.sqrt(variance)
        regime[t] = g
        returns[t] = max(floor, sigma[t] * (ic * last_side + rest * z[t]))
        last_return = returns[t]
        log_price[t + 1] = log_price[t] + math.log1p(last_return)
        gained = log_price[t + 1] - log_price[max(0, t + 1 - momentum)]
        last_side = -1.0 if gained < 0.0 else 1.0
        side[t] = last_side
    return returns, sigma, side, regime


def scramble_future(bars: Bars, first: int, *, seed: int = 0, factor: float = 1.0) -> Bars:
    """Plausible candles in place of the rows from `first` on: their log returns shuffled, times `factor`.

    The open of row `first` stays: it is known when the bar before closes. Volume is shuffled, other columns too.
    """
    n = len(bars) - first
    if n <= 0:
        return bars
    draw = generator(seed, f"testing.scramble/{first}")
    moves = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))[first:]
    # Drawn with a sign of their own, so that even a row of equal moves changes.
    moves = draw.permutation(moves) * draw.choice([-1.0, 1.0], n) * factor + draw.normal(0, 1e-3, n)
    close = bars.open[first] * np.exp(np.cumsum(moves))
    opened = np.r_[bars.open[first], close[:-1]]
    wick = 1 + np.abs(draw.normal(0, 2e-3, n))
    new = {
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) * wick,
        "low": np.minimum(opened, close) / wick,
    }
    mixed = {name: np.r_[getattr(bars, name)[:first], values] for name, values in new.items()}
    columns = {name: np.r_[column[:first], draw.permutation(column[first:])] for name, column in bars.columns.items()}
    volume = None if bars.volume is None else np.r_[bars.volume[:first], draw.permutation(bars.volume[first:]) * 1.5]
    return replace(bars, volume=volume, columns=columns, **mixed)
