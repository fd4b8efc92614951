"""Forecast statistics: correlation with outcomes, and calibration."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import BoolArray, FloatArray, IntArray, numbers
from assay.kernel.errors import ConfigError, printable
from assay.validate.argument_checks import plain, whole

_FEWEST = 3


def information_coefficient(forecast: ArrayLike, realised: ArrayLike) -> object:
    """Pearson correlation over the pairs that are both finite: ``(n,)`` a number, ``(n, k)`` one a row, across columns.

    NaN for fewer than 3 pairs or where either does not vary.
    """
    return _by_rows(forecast, realised, ranked=False)


def rank_information_coefficient(forecast: ArrayLike, realised: ArrayLike) -> object:
    """The same on average ranks. Source: Spearman 1904, Am. J. Psychology 15(1)."""
    return _by_rows(forecast, realised, ranked=True)


class IcSummary(NamedTuple):
    """Mean and deviation (ddof 1) of information coefficients, their ratio, and its t-value; ``(k,)`` of ``(n, k)``."""

    mean: Any
    std: Any
    icir: Any
    t: Any


def ic_summary(ic: ArrayLike, *, overlap: float = 1) -> IcSummary:
    """Of ``(n,)`` or ``(n, k)`` coefficients, NaN left out; ``t = icir·√(n / overlap)``.

    overlap: the label's horizon in bars, >= 1. NaN below two coefficients or where they do not vary.
    """
    values, bars = numbers("ic", ic), numbers("overlap", overlap)
    if bars.ndim or not 1 <= bars < np.inf:
        raise ConfigError(f"overlap is {printable(overlap)}, must be >= 1", code="CONFIG_PARAMETER", field="overlap")
    if values.ndim not in (1, 2):
        raise ConfigError(f"ic has shape {values.shape}; (n,) or (n, k) is needed", code="CONFIG_PARAMETER")
    columns = values[:, np.newaxis] if values.ndim == 1 else values
    of_each = [_summary(column[np.isfinite(column)], float(bars)) for column in columns.T]
    if values.ndim == 1:
        return IcSummary(*of_each[0])
    return IcSummary(*np.array(of_each, np.float64).reshape(-1, 4).T)


def _summary(values: FloatArray, overlap: float) -> tuple[float, float, float, float]:
    nan = float("nan")
    if len(values) < 2:
        return float(values.mean()) if len(values) else nan, nan, nan, nan
    mean = float(values.mean())
    if values.max() == values.min():
        return mean, 0.0, nan, nan
    std = float(values.std(ddof=1))
    ratio = mean / std if std > 0 else nan
    return mean, std, ratio, ratio * float(np.sqrt(len(values) / overlap))


def brier_score(probability: ArrayLike, outcome: ArrayLike) -> object:
    """``mean((p - y)²)``, y 0 or 1, of ``(n,)`` or ``(n, k)``; NaN for a NaN or without pairs.

    Source: Brier 1950, Monthly Weather Review 78(1).
    """
    p, y = _pairs(probability, outcome)
    return plain(((p - y) ** 2).mean(axis=0) if len(p) else np.full(p.shape[1:], np.nan))


def expected_calibration_error(probability: ArrayLike, outcome: ArrayLike, *, n_bins: int = 10) -> object:
    """``Σ_b (n_b/n)·|mean p - mean y|`` over equal bins ``[i/B, (i+1)/B)``, the last closed; empty ones left out.

    Of ``(n,)`` or ``(n, k)``. NaN for a NaN or without pairs. Source: Naeini, Cooper & Hauskrecht 2015, AAAI.
    """
    whole("n_bins", n_bins, 1)
    p, y = _pairs(probability, outcome)
    if p.ndim == 2:
        return np.array([expected_calibration_error(*pair, n_bins=n_bins) for pair in zip(p.T, y.T, strict=True)])
    if not len(p) or not (np.isfinite(p).all() and np.isfinite(y).all()):
        return float("nan")
    rows = calibration_table(p, y, n_bins=n_bins)
    return float(sum(r.count / len(p) * abs(r.mean_probability - r.share_true) for r in rows if r.count))


class Calibration(NamedTuple):
    """A bin of probabilities: its ends, how many fell in, what they said on average, what came true; NaN when empty."""

    low: float
    high: float
    count: int  # type: ignore[assignment]  # a tuple's method of that name is given up
    mean_probability: float
    share_true: float


def calibration_table(probability: ArrayLike, outcome: ArrayLike, *, n_bins: int = 10) -> tuple[Calibration, ...]:
    """The bins of `expected_calibration_error` of ``(n,)``, empty ones with count 0. Pairs with a NaN are left out."""
    whole("n_bins", n_bins, 1)
    p, y = _pairs(probability, outcome)
    if p.ndim != 1:
        raise ConfigError(f"shape {p.shape}; a table is of (n,)", code="CONFIG_PARAMETER")
    available = np.isfinite(p) & np.isfinite(y)
    p, y = p[available], y[available]
    edges = np.arange(n_bins + 1) / n_bins
    place: IntArray = np.minimum(np.searchsorted(edges, p, side="right") - 1, n_bins - 1)
    rows = []
    for b in range(n_bins):
        own = place == b
        message, came = (float(x[own].mean()) if own.any() else float("nan") for x in (p, y))
        rows.append(Calibration(float(edges[b]), float(edges[b + 1]), int(own.sum()), message, came))
    return tuple(rows)


def _pairs(probability: ArrayLike, outcome: ArrayLike) -> tuple[FloatArray, FloatArray]:
    p, y = numbers("probability", probability), numbers("outcome", outcome)
    if p.shape != y.shape or p.ndim not in (1, 2):
        raise ConfigError(f"shapes {p.shape} and {y.shape}; two of (n,) or (n, k) are needed", code="CONFIG_PARAMETER")
    if ((p < 0) | (p > 1)).any() or ((y != 0) & (y != 1) & ~np.isnan(y)).any():
        raise ConfigError("probabilities must be in [0, 1] and outcomes 0 or 1", code="CONFIG_PARAMETER")
    return p, y


def _by_rows(forecast: ArrayLike, realised: ArrayLike, *, ranked: bool) -> object:
    f, r = numbers("forecast", forecast), numbers("realised", realised)
    if f.shape != r.shape or f.ndim not in (1, 2):
        raise ConfigError(f"shapes {f.shape} and {r.shape}; two of (n,) or (n, k) are needed", code="CONFIG_PARAMETER")
    both = np.isfinite(f) & np.isfinite(r)
    f, r = (np.atleast_2d(np.where(both, x, np.nan)) for x in (f, r))
    if ranked:
        from scipy.stats import rankdata

        f, r = (rankdata(x, axis=1, nan_policy="omit") for x in (f, r))
    result = _correlations(f, r)
    return float(result[0]) if both.ndim == 1 else result


def _correlations(f: FloatArray, r: FloatArray) -> FloatArray:
    """``(n,)`` of ``(n, k)`` with NaN in the same places of both."""
    available = np.isfinite(f)
    count = available.sum(axis=1)
    varied = (_range(f, available) > 0) & (_range(r, available) > 0) & (count >= _FEWEST)
    f, r = (_centred(x, available) for x in (f, r))
    below = np.sqrt((f * f).sum(axis=1)) * np.sqrt((r * r).sum(axis=1))
    sound = varied & (below > 0)
    return np.where(sound, np.clip((f * r).sum(axis=1) / np.where(sound, below, 1.0), -1.0, 1.0), np.nan)


def _centred(x: FloatArray, available: BoolArray) -> FloatArray:
    """Deviations from the row's mean, in units of the largest value: squares neither overflow nor vanish."""
    largest = np.where(available, np.abs(x), 0.0).max(axis=1, initial=0.0, keepdims=True)
    scaled = np.where(available, x, 0.0) / np.where(largest > 0, largest, 1.0)
    size = np.maximum(available.sum(axis=1, keepdims=True), 1)
    return np.where(available, scaled - scaled.sum(axis=1, keepdims=True) / size, 0.0)


def _range(x: FloatArray, available: BoolArray) -> FloatArray:
    high, low = np.where(available, x, -np.inf), np.where(available, x, np.inf)
    return np.maximum(high.max(axis=1, initial=-np.inf) - low.min(axis=1, initial=np.inf), 0.0)
