"""Volume, prices weighted by it, and shapes of candles. What needs volume is absent where a market has none."""

from collections.abc import Callable

import numpy as np
import talib

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import run_lengths
from assay.features.registry import Feature, Unit, add, family, feature
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars

NEEDS = ("volume",)


def volume_of(study: FeatureContext) -> FloatArray:
    """``(n,)`` base units; only columns that declare ``needs=("volume",)`` may ask."""
    if study.bars.volume is None:
        raise TypeError("a column that reads volume must declare needs=('volume',)")
    return study.bars.volume


@feature(lookback=0, unit="base", group="volume", needs=NEEDS, name="volume")
def _volume(study: FeatureContext) -> FloatArray:
    return volume_of(study)


@feature(lookback=0, unit="log", group="volume", needs=NEEDS)
def log_volume(study: FeatureContext) -> FloatArray:
    """log(1 + volume)."""
    return np.log1p(volume_of(study))


def _prior(w: int) -> Feature:
    return Feature("", "volume", w, "ratio", lambda s: kernels.prior_ratio(volume_of(s), w), needs=NEEDS)


def _zscore(w: int) -> Feature:
    return Feature("", "volume", w - 1, "z", lambda s: kernels.zscore(volume_of(s), w), needs=NEEDS)


def _dollar(w: int) -> Feature:
    return Feature("", "volume", w, "ratio", lambda s: kernels.prior_ratio(volume_of(s) * s.bars.close, w), needs=NEEDS)


def _amihud(w: int) -> Feature:
    """Amihud 2002."""

    def values(study: FeatureContext) -> FloatArray:
        moved = np.abs(kernels.change(study.bars.close, 1, 1e6))
        return kernels.mean(kernels.ratio(moved, volume_of(study) * study.bars.close), w)

    return Feature("", "volume", w, "other", values, needs=NEEDS)


def _vwap(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        bars, volume = study.bars, volume_of(study)
        typical = (bars.high + bars.low + bars.close) / 3.0
        price = kernels.ratio(kernels.mean(typical * volume, w), kernels.mean(volume, w))
        return kernels.relative(bars.close, price)

    return Feature("", "volume", w - 1, "ratio", values, needs=NEEDS)


def _obv(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        signed = np.sign(kernels.change(study.bars.close, 1, 1.0)) * volume_of(study)
        return kernels.zscore(kernels.mean(signed, w), w)

    return Feature("", "volume", 2 * w - 1, "z", values, needs=NEEDS)


def _money(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        bars, volume = study.bars, volume_of(study)
        span = bars.high - bars.low
        place = ((bars.close - bars.low) - (bars.high - bars.close)) / np.where(span > 0, span, 1.0)
        flow = np.where(span > 0, place, 0.0) * volume
        return kernels.ratio(kernels.mean(flow, w), kernels.mean(volume, w))

    return Feature("", "volume", w - 1, "unit", values, needs=NEEDS)


family("volume_ratio_{}", _prior, {"volume_ratio_20": (20,)})
family("volume_z_{}", _zscore, {"volume_z_20": (20,)})
family("dollar_volume_ratio_{}", _dollar, {"dollar_volume_ratio_20": (20,)})
family("amihud_{}", _amihud, {"amihud_20": (20,)})
family("vwap_dist_{}", _vwap, {"vwap_dist_20": (20,)})
family("obv_z_{}", _obv, {"obv_z_50": (50,)})
family("cmf_{}", _money, {"cmf_20": (20,)})


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
