"""Bull, bear, sideways or volatile: the labels of the rules, as columns."""

import numpy as np

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import finite_ema, median, true_range
from assay.features.registry import feature
from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars

REGIME_LOOKBACK = 513
REGIME_NAMES: tuple[str, ...] = ("sideways", "bull", "bear", "volatile")
_ROWS = 100


def regime_codes(bars: Bars) -> IntArray:
    """``(n,)`` int64: place in `REGIME_NAMES` of each bar's label, -1 before row 513. Known at the bar's close."""
    side = trend(bars)
    label = np.where(volatile(bars), 3, np.where(side < 0, 2, side)).astype(np.int64)
    label[:REGIME_LOOKBACK] = -1
    return label


def volatile(bars: Bars) -> BoolArray:
    """``(n,)``: simple ATR14 / close exceeds twice its median over 500 bars. False before row 513."""
    share = kernels.mean(true_range(bars.high, bars.low, bars.close), 14) / bars.close
    return np.asarray(share > 2.0 * median(share, 500))


def trend(bars: Bars) -> FloatArray:
    """``(n,)``: +1 bull, -1 bear, 0 otherwise, volatility not asked. Thresholds of ``scale="absolute"``."""
    close = bars.close
    e20, e50 = finite_ema(close, 20, _ROWS), finite_ema(close, 50, _ROWS)
    aligned = (e20 > e50).astype(np.int64) + (close > e20) + (close > e50)
    d20, d50 = close / e20 - 1.0, close / e50 - 1.0
    rises = np.full(len(close), np.nan)
    rises[1:] = close[1:] > close[:-1]
    up = kernels.mean(rises, 20)
    # Twenty equal parts: 12 of 20 must not count as more than 0.60 by a rounding error.
    up = np.round(up * 20) / 20
    bull = (aligned >= 2) & (d20 > 0.02) & (d50 > 0.01) & (up > 0.60)
    bear = (aligned <= 1) & (d20 < -0.02) & (d50 < -0.01) & (up < 0.40)
    return bull.astype(np.float64) - bear


@feature(lookback=REGIME_LOOKBACK, unit="category", group="regime")
def regime_trend(study: FeatureContext) -> FloatArray:
    """+1 bull, -1 bear, 0 sideways or volatile."""
    return np.where(study.column("regime_volatile") == 1.0, 0.0, trend(study.bars))


@feature(lookback=REGIME_LOOKBACK, unit="flag", group="regime")
def regime_volatile(study: FeatureContext) -> FloatArray:
    """1 if the label is volatile."""
    return volatile(study.bars).astype(np.float64)
