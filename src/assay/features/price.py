"""Prices as stored and their changes."""

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.registry import Feature, family, feature
from assay.kernel.arrays import FloatArray


@feature(lookback=0, unit="quote", group="price", name="open")
def _open(study: FeatureContext) -> FloatArray:
    return study.bars.open


@feature(lookback=0, unit="quote", group="price", name="high")
def _high(study: FeatureContext) -> FloatArray:
    return study.bars.high


@feature(lookback=0, unit="quote", group="price", name="low")
def _low(study: FeatureContext) -> FloatArray:
    return study.bars.low


@feature(lookback=0, unit="quote", group="price", name="close")
def _close(study: FeatureContext) -> FloatArray:
    return study.bars.close


@feature(lookback=0, unit="ratio", group="price", name="price_range")
def _price_range(study: FeatureContext) -> FloatArray:
    return kernels.ratio(study.bars.high - study.bars.low, study.bars.close)


@feature(lookback=1, unit="percent", group="price", name="pct_change")
def _pct_change(study: FeatureContext) -> FloatArray:
    return kernels.change(study.bars.close, 1, 100.0)


@feature(lookback=1, unit="ratio", group="price", name="gap")
def _gap(study: FeatureContext) -> FloatArray:
    return kernels.relative(study.bars.open, kernels.later(study.bars.close, 1))


def returns(k: int) -> Feature:
    """close / close[-k] - 1."""
    return Feature("", "price", k, "ratio", lambda study: kernels.change(study.bars.close, k, 1.0))


def log_returns(k: int) -> Feature:
    """log(close / close[-k])."""
    return Feature("", "price", k, "ratio", lambda study: kernels.log_change(study.bars.close, k))


_SPANS = (1, 5, 10, 20)
family("return_{}", returns, {f"return_{k}": (k,) for k in _SPANS})
family("log_return_{}", log_returns, {f"log_return_{k}": (k,) for k in _SPANS})
