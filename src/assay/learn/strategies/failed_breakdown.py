"""A spring: a weak break under a tight range, and a strong return."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import atr, compiled, fold_window, rolling_max, rolling_min
from assay.learn.strategies.parameters import Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side

_TOUCHES = 3  # of either end of the range
_NEAR = 0.005  # fraction within which a bar touches an end
_FAR = 1.03  # × support, above which a return is too late
_WEIGHTS = (0.25, 0.30, 0.20, 0.15, 0.10)  # weak break, strong return, speed, touches, absorption


@compiled
def _touches(high: FloatArray, low: FloatArray, support: float, top: float, first: int, stop: int) -> int:
    """Both counts together, 0 where either is too small."""
    below = above = 0
    for i in range(first, stop):
        below += low[i] <= (1.0 + _NEAR) * support
        above += high[i] >= (1.0 - _NEAR) * top
    return below + above if below >= _TOUCHES and above >= _TOUCHES else 0


@compiled
def _ranges(
    high: FloatArray, low: FloatArray, volume: FloatArray, length: int, tightness: float, decline: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """For the range before each row e: support (NaN where it is none), mean volume, touches."""
    n = len(low)
    support, mean, touched = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n)
    floor, ceiling = rolling_min(low, length), rolling_max(high, length)
    older, newer = length // 2, length - length // 2
    first, second, whole = (
        fold_window(volume, older, 1.0),
        fold_window(volume, newer, 1.0),
        fold_window(volume, length, 1.0),
    )
    for e in range(length, n):
        bottom, top = floor[e - 1], ceiling[e - 1]
        quieter = second[e - 1] / newer < decline * (first[e - 1 - newer] / older)
        if (top - bottom) / bottom <= tightness and quieter and whole[e - 1] > 0:
            count = _touches(high, low, bottom, top, e - length, e)
            if count > 0:
                support[e], mean[e], touched[e] = bottom, whole[e - 1] / length, count
    return support, mean, touched


@compiled
def _return_row(close: FloatArray, support: float, b: int, duration: int) -> int:
    """First row after b, at most `duration` later, that closes above the support; -1 if none."""
    for r in range(b + 1, min(b + duration + 1, len(close))):
        if close[r] > support:
            return r
    return -1


@compiled
def _score(
    weak: float, strong: float, late: float, touched: float, absorption: float, limits: tuple[float, float, float]
) -> float:
    """Weighted parts over the weights used; absorption NaN is not used."""
    most, least, demanded = limits
    w1, w2, w3, w4, w5 = _WEIGHTS
    total = w1 * max(0.0, 1.0 - weak / most) + w2 * min(1.0, strong / (1.5 * least)) + w3 * max(0.0, 1.0 - late)
    total += w4 * min(1.0, touched / 10.0)
    used = w1 + w2 + w3 + w4
    if np.isfinite(absorption):
        total += w5 * min(1.0, absorption / demanded)
        used += w5
    return total / used


@compiled
def _springs(
    bars: tuple[FloatArray, FloatArray, FloatArray], ranges: tuple[FloatArray, FloatArray, FloatArray],
    absorption: FloatArray, limits: tuple[float, float, float], depth: float, duration: int, memory: int,
) -> tuple[FloatArray, FloatArray]:  # fmt: skip
    """Best score of the springs that return in each row, and its support; NaN where there is none."""
    low, close, volume = bars
    support, mean, touched = ranges
    n = len(close)
    best, level = np.full(n, np.nan), np.full(n, np.nan)
    for e in range(n):
        if np.isnan(support[e]):
            continue
        for b in range(e, min(e + memory, n)):
            weak = volume[b] / mean[e]
            if not (low[b] <= support[e] * (1.0 - depth) and weak <= limits[0]):
                continue
            r = _return_row(close, support[e], b, duration)
            if r < 0 or close[r] > _FAR * support[e] or not volume[r] / mean[e] >= limits[1]:
                continue
            score = _score(weak, volume[r] / mean[e], (r - b) / duration, touched[e], absorption[r], limits)
            if not best[r] > score:  # an equal score: the newer range, then the newer break
                best[r], level[r] = score, support[e]
    return best, level


@strategy(
    "failed_breakdown",
    {
        "range_lookback_periods": Structural(30, search=(20, 30, 40, 50), unit="bars"),
        "range_tightness_threshold": Structural(0.15, search=Range(0.10, 0.25), unit="fraction of the low"),
        "breakdown_depth": Structural(0.005, search=Range(0.001, 0.015), unit="fraction of the low"),
        "breakdown_volume_threshold": Structural(0.6, search=Range(0.2, 0.9), unit="× range mean, at most"),
        "spring_max_duration": Structural(20, search=(15, 20, 25, 30), unit="bars"),
        "recovery_volume_threshold": Structural(1.5, search=Range(1.0, 3.5), unit="× range mean, at least"),
        "accumulation_score_minimum": Threshold(0.4, search=Range(0.2, 0.7), unit="0..1"),
        "volume_decline": Structural(0.8, unit="newer half over older half"),
        "range_memory": Structural(50, unit="bars"),
        "orderbook_absorption_threshold": Structural(None, search=Range(1.0, 4.0), unit="×", book="book_absorption"),
        "atr_period": Structural(14, unit="bars"),
        "atr_multiplier_sl": Exit(1.2, search=Range(0.8, 2.5), unit="ATR"),
        "risk_reward_ratio": Exit(2.0, search=Range(1.5, 4.0), unit="× stop"),
        "max_holding_periods": Exit(40, search=(25, 40, 60, 80), unit="bars", zero=True),
    },
    lookback=lambda values, timeframe: max(
        values["range_lookback_periods"] + values["spring_max_duration"] + values["range_memory"] - 1,
        values["atr_period"],
    ),
    min_trades=3,
)
def failed_breakdown(
    bars: Bars,
    *,
    range_lookback_periods: int,
    range_tightness_threshold: float,
    breakdown_depth: float,
    breakdown_volume_threshold: float,
    spring_max_duration: int,
    recovery_volume_threshold: float,
    volume_decline: float,
    range_memory: int,
    orderbook_absorption_threshold: float | None,
    atr_period: int,
) -> Setups:
    """Long when price returns on volume above a range that it left downwards on little volume. Long only.

    The range is tight, touched three times at either end, and its volume declines. The stop lies a multiple of the ATR
    under its low. The confidence is the score; of several springs that return in one bar the best one counts.
    """
    volume = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    ranges = _ranges(bars.high, bars.low, volume, range_lookback_periods, range_tightness_threshold, volume_decline)
    absorption = np.full(len(bars), np.nan)
    if orderbook_absorption_threshold is not None:
        absorption = bars.columns["book_absorption"]
    limits = (breakdown_volume_threshold, recovery_volume_threshold, orderbook_absorption_threshold or 1.0)
    score, support = _springs(
        (bars.low, bars.close, volume), ranges, absorption, limits, breakdown_depth, spring_max_duration, range_memory
    )
    hold: BoolArray = np.isfinite(score)
    columns = {"accumulation_score_minimum": score}
    return Setups(
        Side(hold, columns, stop_base=bars.close - support, stop_unit=atr(bars, atr_period), confidence=score)
    )
