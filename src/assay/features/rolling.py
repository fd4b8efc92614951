"""Rolling statistics of prices and log returns; Fibonacci levels of the rolling range."""

import numpy as np

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import autocorrelation, shape
from assay.features.price import log_return
from assay.features.registry import Feature, add, family, feature
from assay.features.technical import ranges
from assay.kernel.arrays import FloatArray

_W = 50
LEVELS = {
    "fib_0": 0.0,
    "fib_236": 0.236,
    "fib_382": 0.382,
    "fib_50": 0.5,
    "fib_618": 0.618,
    "fib_786": 0.786,
    "fib_100": 1.0,
}


def _level(name: str, share: float) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        top, bottom = ranges(study, _W)
        if share in (0.0, 1.0):
            return top if share else bottom
        return bottom + share * (top - bottom)

    return Feature(name, "fibonacci", _W - 1, "quote", values)


for _name, _share in LEVELS.items():
    add(_level(_name, _share))


@feature(lookback=_W - 1, unit="unit", group="fibonacci")
def fib_position(study: FeatureContext) -> FloatArray:
    """Where the close lies between the lowest low (0) and the highest high (1)."""
    top, bottom = ranges(study, _W)
    return kernels.ratio(study.bars.close - bottom, top - bottom)


def _moments(study: FeatureContext, w: int) -> tuple[FloatArray, FloatArray]:
    return study.once(f"moments {w}", lambda: kernels.moments(study.bars.close, w))


family(
    "price_rolling_mean_{}",
    lambda w: Feature("", "rolling", w - 1, "quote", lambda s: _moments(s, w)[0]),
    {f"price_rolling_mean_{w}": (w,) for w in (10, 20, 50)},
)
family(
    "price_rolling_std_{}",
    lambda w: Feature("", "rolling", w - 1, "quote", lambda s: np.sqrt(_moments(s, w)[1] / (w - 1)), level=False),
    {f"price_rolling_std_{w}": (w,) for w in (10, 20)},
)
family(
    "price_rolling_max_{}",
    lambda w: Feature("", "rolling", w - 1, "quote", lambda s: kernels.rolling_max(s.bars.high, w)),
    {"price_rolling_max_20": (20,)},
)
family(
    "price_rolling_min_{}",
    lambda w: Feature("", "rolling", w - 1, "quote", lambda s: kernels.rolling_min(s.bars.low, w)),
    {"price_rolling_min_20": (20,)},
)


@feature(lookback=19, unit="z", group="rolling")
def dist_from_rolling_mean_20(study: FeatureContext) -> FloatArray:
    """(close - mean) / std (ddof 1) over 20 bars."""
    return kernels.zscore(study.bars.close, 20)


family(
    "skew_{}",
    lambda w: Feature("", "rolling", w, "z", lambda s: shape(log_return(s), w)[0]),
    {"skew_50": (50,)},
)
family(
    "kurt_{}",
    lambda w: Feature("", "rolling", w, "z", lambda s: shape(log_return(s), w)[1]),
    {"kurt_50": (50,)},
)
family(
    "autocorr_1_{}",
    lambda w: Feature("", "rolling", w, "ratio", lambda s: autocorrelation(log_return(s), w)),
    {"autocorr_1_50": (50,)},
)
