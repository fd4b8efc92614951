"""Prices as stored, their changes, and volatility."""

from math import log, sqrt

import numpy as np
import talib

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


def log_return(study: FeatureContext) -> FloatArray:
    """log(close / close[-1]), kept: many columns read it."""
    return study.once("log return", lambda: kernels.log_change(study.bars.close, 1))


def realized_volatility(study: FeatureContext, w: int) -> FloatArray:
    """std (ddof 1) of the last w log returns."""
    return study.once(f"realized {w}", lambda: kernels.deviation(log_return(study), w, 1))


family(
    "realized_vol_{}",
    lambda w: Feature("", "volatility", w, "ratio", lambda s: realized_volatility(s, w)),
    {f"realized_vol_{w}": (w,) for w in (10, 20, 50)},
)


def _parkinson(w: int) -> Feature:
    """Parkinson 1980."""

    def values(study: FeatureContext) -> FloatArray:
        squared = np.log(study.bars.high / study.bars.low) ** 2
        return np.sqrt(kernels.mean(squared, w)) / sqrt(4 * log(2))

    return Feature("", "volatility", w - 1, "ratio", values)


def _garman_klass(w: int) -> Feature:
    """Garman & Klass 1980."""

    def values(study: FeatureContext) -> FloatArray:
        bars = study.bars
        terms = 0.5 * np.log(bars.high / bars.low) ** 2 - (2 * log(2) - 1) * np.log(bars.close / bars.open) ** 2
        return np.sqrt(np.maximum(kernels.mean(terms, w), 0.0))

    return Feature("", "volatility", w - 1, "ratio", values)


def _rogers_satchell(w: int) -> Feature:
    """Rogers & Satchell 1991."""

    def values(study: FeatureContext) -> FloatArray:
        bars = study.bars
        o, h, low, c = np.log(bars.open), np.log(bars.high), np.log(bars.low), np.log(bars.close)
        return np.sqrt(np.maximum(kernels.mean((h - c) * (h - o) + (low - c) * (low - o), w), 0.0))

    return Feature("", "volatility", w - 1, "ratio", values)


family("parkinson_{}", _parkinson, {"parkinson_20": (20,)})
family("garman_klass_{}", _garman_klass, {"garman_klass_20": (20,)})
family("rogers_satchell_{}", _rogers_satchell, {"rogers_satchell_20": (20,)})


def _atr(study: FeatureContext, p: int) -> FloatArray:
    return study.once(f"atr {p}", lambda: talib.ATR(study.bars.high, study.bars.low, study.bars.close, p))


family(
    "atr_{}",
    lambda p: Feature("", "volatility", 15 * p, "quote", lambda s: _atr(s, p), windowed=False, level=False),
    {"atr_14": (14,)},
)
family(
    "natr_{}",
    lambda p: Feature(
        "", "volatility", 15 * p, "ratio", lambda s: kernels.ratio(_atr(s, p), s.bars.close), windowed=False
    ),
    {"natr_14": (14,)},
)


@feature(lookback=20, unit="ratio", group="volatility")
def vol_ratio_5_20(study: FeatureContext) -> FloatArray:
    """realized_vol_5 / realized_vol_20."""
    return kernels.ratio(realized_volatility(study, 5), realized_volatility(study, 20))


@feature(lookback=39, unit="ratio", group="volatility")
def vol_of_vol_20(study: FeatureContext) -> FloatArray:
    """std (ddof 1) of realized_vol_20 over 20 bars, over its mean."""
    center, spread = kernels.moments(realized_volatility(study, 20), 20)
    return kernels.ratio(np.sqrt(spread / 19), center)
