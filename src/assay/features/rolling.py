"""Rolling statistics of prices and log returns."""

import numpy as np

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import autocorrelation, shape
from assay.features.registry import Feature, family, feature
from assay.features.volatility import log_return
from assay.kernel.arrays import FloatArray


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
