"""How good forecasts are: their correlation with what came, and whether their probabilities mean what they say."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.errors import ConfigError

_FEWEST = 3


def information_coefficient(forecast: ArrayLike, realised: ArrayLike) -> Any:
    """Pearson correlation over the pairs that are both finite: ``(n,)`` a number, ``(n, k)`` one a row, across columns.

    NaN for fewer than 3 pairs or where either does not vary.
    """
    return _by_rows(forecast, realised, ranked=False)


def rank_information_coefficient(forecast: ArrayLike, realised: ArrayLike) -> Any:
    """The same on average ranks. Source: Spearman 1904, Am. J. Psychology 15(1)."""
    return _by_rows(forecast, realised, ranked=True)


class IcSummary(NamedTuple):
    """Mean and deviation (ddof 1) of information coefficients, their ratio, and its t-value."""

    mean: float
    std: float
    icir: float
    t: float


def ic_summary(ic: ArrayLike, *, overlap: float = 1) -> IcSummary:
    """Of ``(n,)`` coefficients, NaN left out; ``t = icir·√(n / overlap)``.

    overlap: the label's horizon in bars, >= 1. NaN below two coefficients or where they do not vary.
    """
    if not overlap >= 1:
        raise ConfigError(f"overlap is {overlap}, must be >= 1", code="CONFIG_PARAMETER", field="overlap")
    values = np.asarray(ic, np.float64).ravel()
    values = values[np.isfinite(values)]
    nan = float("nan")
    if len(values) < 2:
        return IcSummary(float(values.mean()) if len(values) else nan, nan, nan, nan)
    mean, std = float(values.mean()), float(values.std(ddof=1))
    ratio = mean / std if values.max() > values.min() else nan
    return IcSummary(
        mean, std if values.max() > values.min() else 0.0, ratio, float(ratio * np.sqrt(len(values) / overlap))
    )


def brier_score(probability: ArrayLike, outcome: ArrayLike) -> float:
    """``mean((p - y)²)``, y 0 or 1; NaN for a NaN or without pairs.

    Source: Brier 1950, Monthly Weather Review 78(1).
    """
    p, y = _pairs(probability, outcome)
    return float(((p - y) ** 2).mean()) if len(p) else float("nan")


def expected_calibration_error(probability: ArrayLike, outcome: ArrayLike, *, n_bins: int = 10) -> float:
    """``Σ_b (n_b/n)·|mean p - mean y|`` over equal bins ``[i/B, (i+1)/B)``, the last closed; empty ones left out.

    NaN for a NaN or without pairs. Source: Naeini, Cooper & Hauskrecht 2015, AAAI.
    """
    p, y = _pairs(probability, outcome)
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
    """The bins of `expected_calibration_error`, empty ones with count 0. Pairs with a NaN are left out."""
    if n_bins < 1:
        raise ConfigError(f"n_bins is {n_bins}, must be >= 1", code="CONFIG_PARAMETER", field="n_bins")
    p, y = _pairs(probability, outcome)
    known = np.isfinite(p) & np.isfinite(y)
    p, y = p[known], y[known]
    edges = np.arange(n_bins + 1) / n_bins
    place: IntArray = np.minimum(np.searchsorted(edges, p, side="right") - 1, n_bins - 1)
    rows = []
    for b in range(n_bins):
        own = place == b
        said, came = (float(x[own].mean()) if own.any() else float("nan") for x in (p, y))
        rows.append(Calibration(float(edges[b]), float(edges[b + 1]), int(own.sum()), said, came))
    return tuple(rows)


def _pairs(probability: ArrayLike, outcome: ArrayLike) -> tuple[FloatArray, FloatArray]:
    p, y = np.asarray(probability, np.float64), np.asarray(outcome, np.float64)
    if p.shape != y.shape or p.ndim != 1:
        raise ConfigError(f"shapes {p.shape} and {y.shape}; two of (n,) are needed", code="CONFIG_PARAMETER")
    if ((p < 0) | (p > 1)).any() or ((y != 0) & (y != 1) & ~np.isnan(y)).any():
        raise ConfigError("probabilities must be in [0, 1] and outcomes 0 or 1", code="CONFIG_PARAMETER")
    return p, y


def _by_rows(forecast: ArrayLike, realised: ArrayLike, *, ranked: bool) -> Any:
    f, r = np.asarray(forecast, np.float64), np.asarray(realised, np.float64)
    if f.shape != r.shape or f.ndim not in (1, 2):
        raise ConfigError(f"shapes {f.shape} and {r.shape}; two of (n,) or (n, k) are needed", code="CONFIG_PARAMETER")
    both = np.isfinite(f) & np.isfinite(r)
    f, r = (np.atleast_2d(np.where(both, x, np.nan)) for x in (f, r))
    if ranked:
        from scipy.stats import rankdata

        f, r = (rankdata(x, axis=1, nan_policy="omit") for x in (f, r))
    found = _correlations(f, r)
    return float(found[0]) if both.ndim == 1 else found


def _correlations(f: FloatArray, r: FloatArray) -> FloatArray:
    """``(n,)`` of ``(n, k)`` with NaN in the same places of both."""
    known = np.isfinite(f)
    count = known.sum(axis=1)
    varied = (_range(f, known) > 0) & (_range(r, known) > 0) & (count >= _FEWEST)
    size = np.maximum(count, 1)[:, np.newaxis]
    f, r = (np.where(known, x - np.where(known, x, 0.0).sum(axis=1, keepdims=True) / size, 0.0) for x in (f, r))
    below = np.sqrt((f * f).sum(axis=1)) * np.sqrt((r * r).sum(axis=1))
    sound = varied & (below > 0)
    return np.where(sound, np.clip((f * r).sum(axis=1) / np.where(sound, below, 1.0), -1.0, 1.0), np.nan)


def _range(x: FloatArray, known: BoolArray) -> FloatArray:
    high, low = np.where(known, x, -np.inf), np.where(known, x, np.inf)
    return np.maximum(high.max(axis=1, initial=-np.inf) - low.min(axis=1, initial=np.inf), 0.0)
