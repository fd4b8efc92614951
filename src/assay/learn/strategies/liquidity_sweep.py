"""Fade a stop run through a level that was touched several times."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.timeframe import Timeframe
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import (
    atr,
    book_column,
    clusters,
    compiled,
    deepest,
    enter,
    leave,
    swings,
    volume_ratio,
)
from assay.learn.strategies.parameters import AT_MOST, Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side

_REACH = 3.0  # ATR from the close within which a level counts
_CONFIDENCE = 0.71


def _lookback(values: Mapping[str, Any], timeframe: Timeframe) -> int:
    rows = max(values["key_level_lookback"], values["volume_sma_period"])
    return int(max(values["reversal_candles"] + 2 + rows, values["atr_period"] + 1))


@compiled
def _extreme(near: FloatArray, first: int, stop: int, sign: float) -> float:
    value = near[first]
    for i in range(first + 1, stop):
        value = near[i] if sign * near[i] < sign * value else value
    return value


@compiled
def _pierced(
    near: FloatArray, close: FloatArray, unit: FloatArray, sign: float, run: int, window: int, width: float,
    touches: int,
) -> FloatArray:  # fmt: skip
    """``(n,)``: deepest pierce of a level that the close is back inside of; NaN where there is none.

    near: lows for the long side (sign +1), highs for the short one. Level window: `window` rows up to t-run-2.
    """
    n = len(close)
    out = np.full(n, np.nan)
    if window < 5:  # no room for a swing
        return out
    swing = swings(sign * near)
    prices, levels = np.empty(window + 1), np.empty(window + 1)
    count = result = 0
    for t in range(run + 6, n):
        newest, gone = t - run - 4, t - run - window  # may be a swing inside the level window; may be no more
        left = gone >= 0 and swing[gone]
        if swing[newest]:
            count = enter(prices, count, near[newest])
        if left:
            count = leave(prices, count, near[gone])
        if left or swing[newest]:
            result = clusters(prices, count, width, touches, levels)
        if result > 0 and gone > 0:  # gone > 0: the level window is whole
            extreme = _extreme(near, t - run - 1, t, sign)
            out[t] = deepest(levels, result, close[t], extreme, _REACH * unit[t], sign)
    return out


@compiled
def _turned(gain: FloatArray, unit: FloatArray, run: int) -> FloatArray:
    """``(n,)``: largest body over ATR in rows t-run..t if at least `run` of them close on the side's way, else NaN."""
    out = np.full(len(gain), np.nan)
    for t in range(run, len(gain)):
        turned, body = 0, 0.0
        for i in range(t - run, t + 1):
            if gain[i] > 0:
                turned += 1
                body = max(body, gain[i])
        if turned >= run:
            out[t] = np.inf if unit[t] == 0.0 else body / unit[t]
    return out


@compiled
def _loudest(volume: FloatArray, run: int) -> FloatArray:
    """``(n,)``: largest known volume ratio in rows t-run-1..t-1; NaN where none is known."""
    out = np.full(len(volume), np.nan)
    for t in range(run + 1, len(volume)):
        for i in range(t - run - 1, t):
            if not out[t] >= volume[i]:
                out[t] = volume[i] if not np.isnan(volume[i]) else out[t]
    return out


@strategy(
    "liquidity_sweep",
    {
        "pierce_depth": Threshold(0.002, search=Range(0.0005, 0.005), unit="fraction of the level"),
        "volume_spike_threshold": Threshold(2.0, search=Range(1.5, 5.0), unit="× prior mean volume"),
        "reversal_candles": Structural(2, search=(1, 2, 3, 4, 5), unit="bars"),
        "min_distance_from_level": Structural(0.001, search=Range(0.0005, 0.003), unit="fraction, cluster width"),
        "key_level_lookback": Structural(100, search=(50, 100, 150, 200), unit="bars"),
        "min_level_touches": Structural(3, search=(2, 3, 4, 5), unit="count"),
        "reversal_body_atr": Threshold(0.0, zero=True, unit="ATR, 0 is off"),
        "min_stop_density_score": Threshold(None, search=Range(0.5, 1.0), unit="0..1", book="stop_density"),
        "max_spread_tolerance": Threshold(None, search=Range(1.0, 10.0), unit="bps", book="spread_bps", holds=AT_MOST),
        "atr_period": Structural(14, unit="bars"),
        "volume_sma_period": Structural(20, unit="bars"),
        "atr_multiplier_sl": Exit(1.5, search=Range(1.0, 3.0), unit="ATR"),
        "risk_reward_ratio": Exit(2.0, search=Range(1.5, 4.0), unit="× stop"),
        "max_holding_periods": Exit(30, search=(30, 50, 75, 100, 150), unit="bars", zero=True),
    },
    lookback=_lookback,
    two_sided=True,
)
def liquidity_sweep(
    bars: Bars,
    *,
    reversal_candles: int,
    min_distance_from_level: float,
    key_level_lookback: int,
    min_level_touches: int,
    atr_period: int,
    volume_sma_period: int,
) -> Setups:
    """Long when a support was pierced on volume and reclaimed by `reversal_candles` bullish bars; short mirrored.

    Levels are means of clusters of swing prices that existed before the sweep began, at most 3 ATR from the close.
    The stop is a multiple of the ATR. Edge rule.
    """
    unit = atr(bars, atr_period)
    loudest = _loudest(volume_ratio(bars, volume_sma_period), reversal_candles)
    shared = {
        "volume_spike_threshold": loudest,
        "min_stop_density_score": book_column(bars, "stop_density", absent=np.inf),
        "max_spread_tolerance": book_column(bars, "spread_bps", absent=-np.inf),
    }
    sides = []
    for sign, near in ((1.0, bars.low), (-1.0, bars.high)):
        depth = _pierced(
            near, bars.close, unit, sign, reversal_candles, key_level_lookback, min_distance_from_level,
            min_level_touches,
        )  # fmt: skip
        turned = _turned(sign * (bars.close - bars.open), unit, reversal_candles)
        columns = {"pierce_depth": depth, "reversal_body_atr": turned, **shared}
        hold = np.isfinite(depth) & ~np.isnan(turned)
        sides.append(Side(hold, columns, stop_unit=unit, confidence=_CONFIDENCE))
    return Setups(long=sides[0], short=sides[1], edge=True)
