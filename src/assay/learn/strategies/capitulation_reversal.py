"""Buy the recovery after a panic, sell after a blow-off."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import (
    atr,
    book_column,
    compiled,
    over_prior_mean,
    rolling_max,
    rsi,
    volume_ratio,
)
from assay.learn.strategies.parameters import Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side

_CALM = 20  # rows of ATR that an explosion is measured by
_RECENT = 5  # rows in which the RSI was extreme
_SLACK = 1e-12


@compiled
def _panic(
    bodies: FloatArray, wicks: FloatArray, velocity: FloatArray, volume: FloatArray, ranges: FloatArray,
    strength: FloatArray, limits: tuple[float, float, float, float, float],
) -> FloatArray:  # fmt: skip
    """Score 0..1 of each bar; what is NaN adds nothing."""
    explosion, speed, widening, wick, extreme = limits
    out = np.zeros(len(bodies))
    for t in range(len(bodies)):
        score = 0.30 * (volume[t] >= explosion) + 0.25 * (velocity[t] >= speed) + 0.20 * (ranges[t] >= widening)
        score += 0.15 * (wicks[t] >= wick * bodies[t] and wicks[t] > 0)
        out[t] = score + 0.10 * (strength[t] <= extreme or strength[t] >= 100.0 - extreme)
    return out


@compiled
def _worst(panic: FloatArray, falling: BoolArray, run: int, window: int) -> FloatArray:
    """Highest panic in rows t-window..t-1 of those that end `run` bars of one direction; -1 where there is none."""
    n = len(panic)
    ended = np.full(n, -1.0)
    length = 0
    for t in range(n):
        length = length + 1 if falling[t] else 0
        if length >= run:
            ended[t] = panic[t]
    out = np.full(n, -1.0)
    top = rolling_max(ended, window)
    for t in range(window, n):
        out[t] = top[t - 1]
    return out


@compiled
def _recent_low(x: FloatArray, window: int) -> FloatArray:
    """Smallest of the `window` rows before; NaN where one of them is NaN."""
    out = np.full(len(x), np.nan)
    for t in range(window, len(x)):
        least = x[t - 1]
        for i in range(t - window, t):
            least = x[i] if np.isnan(x[i]) or x[i] < least else least
        out[t] = least
    return out


@strategy(
    "capitulation_reversal",
    {
        "volume_explosion_threshold": Structural(1.8, search=Range(1.3, 2.2), unit="× prior mean volume"),
        "price_velocity_threshold": Structural(0.010, search=Range(0.006, 0.015), unit="fraction of the open"),
        "atr_explosion_threshold": Structural(1.8, search=Range(1.3, 2.5), unit="× mean ATR"),
        "exhaustion_wick_ratio": Structural(2.0, search=Range(1.5, 2.5), unit="× body"),
        "rsi_extreme_threshold": Structural(30.0, search=(25.0, 30.0, 35.0), unit="RSI"),
        "consecutive_panic_candles": Structural(2, search=(2, 3), unit="bars"),
        "recovery_volume_threshold": Threshold(1.3, search=Range(1.3, 2.5), unit="× prior mean volume"),
        "panic_score_minimum": Threshold(0.4, search=(0.4, 0.5, 0.6), unit="0..1"),
        "panic_window": Structural(15, unit="bars"),
        "orderbook_imbalance_threshold": Threshold(None, search=Range(0.5, 0.7), unit="0..1", book="book_bid_share"),
        "atr_period": Structural(14, unit="bars"),
        "rsi_period": Structural(14, unit="bars"),
        "volume_sma_period": Structural(20, unit="bars"),
        "atr_multiplier_sl": Exit(1.5, search=Range(1.2, 2.0), unit="ATR"),
        "risk_reward_ratio": Exit(2.5, search=Range(1.5, 3.0), unit="× stop"),
        "max_holding_periods": Exit(50, search=(30, 50, 75), unit="bars", zero=True),
    },
    lookback=lambda values, timeframe: values["panic_window"] + 1 + max(
        _CALM + values["atr_period"], values["rsi_period"] + _RECENT, values["volume_sma_period"],
        values["consecutive_panic_candles"],
    ),
    two_sided=True,
)  # fmt: skip
def capitulation_reversal(
    bars: Bars,
    *,
    volume_explosion_threshold: float,
    price_velocity_threshold: float,
    atr_explosion_threshold: float,
    exhaustion_wick_ratio: float,
    rsi_extreme_threshold: float,
    consecutive_panic_candles: int,
    panic_window: int,
    atr_period: int,
    rsi_period: int,
    volume_sma_period: int,
) -> Setups:
    """Long on a bullish bar with volume, after a panic among the last `panic_window` bars and an RSI that left 35.

    A bar's panic adds up: volume .30, speed .25, range .20, wicks .15, RSI .10. It counts where it ends enough falling
    bars. Short mirrored, after rising ones. Edge rule; the confidence is the highest panic of the window.
    """
    strength, unit = rsi(bars, rsi_period), atr(bars, atr_period)
    volume = volume_ratio(bars, volume_sma_period)
    body = np.abs(bars.close - bars.open)
    limits = (
        volume_explosion_threshold, price_velocity_threshold, atr_explosion_threshold, exhaustion_wick_ratio,
        rsi_extreme_threshold,
    )  # fmt: skip
    ranges = over_prior_mean(unit, _CALM)
    panic = _panic(body, bars.high - bars.low - body, body / bars.open, volume, ranges, strength, limits)
    share = bars.columns.get("book_bid_share")
    sides = []
    for sign, mirrored in ((1.0, strength), (-1.0, 100.0 - strength)):
        worst = _worst(panic, sign * (bars.close - bars.open) < 0, consecutive_panic_candles, panic_window)
        hold = (worst >= 0) & (sign * (bars.close - bars.open) > 0)
        hold &= (_recent_low(mirrored, _RECENT) < 35.0) & (mirrored >= 25.0)
        bids = book_column(bars, "book_bid_share", absent=np.inf)
        if share is not None and sign < 0:
            bids = np.where(np.isfinite(share), 1.0 - share, np.inf)
        columns = {
            "recovery_volume_threshold": volume,
            "panic_score_minimum": worst + _SLACK,
            "orderbook_imbalance_threshold": bids,
        }
        sides.append(Side(hold, columns, stop_unit=unit, confidence=worst))
    return Setups(long=sides[0], short=sides[1], edge=True)
