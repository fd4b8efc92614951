"""The shape of single candles and of short runs of them."""

from collections.abc import Callable

import numpy as np
import talib

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import run_lengths
from assay.features.registry import Feature, Unit, add, family, feature
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars


def _share(part: Callable[[Bars], FloatArray]) -> Callable[[FeatureContext], FloatArray]:
    """A part of the candle over its whole length; NaN for a candle without length."""
    return lambda study: kernels.ratio(part(study.bars), study.bars.high - study.bars.low)


_SHARES: dict[str, Callable[[Bars], FloatArray]] = {
    "body_share": lambda b: np.abs(b.close - b.open),
    "upper_wick": lambda b: b.high - np.maximum(b.open, b.close),
    "lower_wick": lambda b: np.minimum(b.open, b.close) - b.low,
    "close_location": lambda b: b.close - b.low,
}
for _name, _part in _SHARES.items():
    add(Feature(_name, "candlestick", 0, "unit", _share(_part)))


@feature(lookback=0, unit="category", group="candlestick")
def body_dir(study: FeatureContext) -> FloatArray:
    """+1 bullish, -1 bearish, 0 doji."""
    return np.sign(study.bars.close - study.bars.open)


def green_ratio(study: FeatureContext, w: int) -> FloatArray:
    """Share of bullish candles among the last w."""
    return kernels.mean((study.bars.close > study.bars.open).astype(np.float64), w)


family(
    "green_ratio_{}",
    lambda w: Feature("", "candlestick", w - 1, "unit", lambda s: green_ratio(s, w)),
    {"green_ratio_5": (5,)},
)


@feature(lookback=9, unit="count", group="candlestick")
def run_length(study: FeatureContext) -> FloatArray:
    """Bars in a row of this bar's direction, signed, cut at 10; 0 on a doji."""
    return run_lengths(np.sign(study.bars.close - study.bars.open), 10)


_SHAPES = {
    "engulfing": talib.CDLENGULFING,
    "hammer": talib.CDLHAMMER,
    "shooting_star": talib.CDLSHOOTINGSTAR,
    "doji": talib.CDLDOJI,
    "morning_star": talib.CDLMORNINGSTAR,
    "evening_star": talib.CDLEVENINGSTAR,
    "three_white_soldiers": talib.CDL3WHITESOLDIERS,
    "three_black_crows": talib.CDL3BLACKCROWS,
    "harami": talib.CDLHARAMI,
    "marubozu": talib.CDLMARUBOZU,
}


def _shape(find: Callable[..., np.ndarray]) -> Callable[[FeatureContext], FloatArray]:
    def values(study: FeatureContext) -> FloatArray:
        bars = study.bars
        # TA-Lib gives 80 for a match with one end equal; here a match is a match.
        return np.sign(find(bars.open, bars.high, bars.low, bars.close)).astype(np.float64)

    return values


_CATEGORY: Unit = "category"
for _name, _find in _SHAPES.items():
    add(Feature(f"cdl_{_name}", "candlestick", 15, _CATEGORY, _shape(_find)))
