"""Sharpe ratio tests with autocorrelation and spread. Per-bar ratios, non-excess kurtosis; elementwise.

γ3 is skew, γ4 kurtosis, ``v = 1 - γ3·SR + (γ4 - 1)/4·SR²``. Undefined is NaN, also of what is not finite, never an
infinity and never 0 instead. What is no number, or of shapes that do not go together, raises ConfigError.
"""

from dataclasses import dataclass
from math import nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri, psi

from assay.kernel.arrays import BoolArray, FloatArray, numbers
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, printable
from assay.simulate import sharpe_ratio
from assay.validate.argument_checks import plain, together, whole

_EULER = 0.5772156649015329


def probabilistic_sharpe_ratio(
    sharpe: ArrayLike, n: ArrayLike, skew: ArrayLike, kurtosis: ArrayLike, benchmark: ArrayLike = 0.0
) -> Any:
    """``Φ((SR - b)·√(n - 1) / √v)``: probability that the true per-bar Sharpe ratio exceeds `benchmark`.

    NaN where v <= 0 or n < 2.
    Source: Bailey & López de Prado 2012, "The Sharpe Ratio Efficient Frontier", J. Risk 15(2).
    """
    sharpe, n, skew, kurtosis, benchmark = together(
        sharpe=sharpe, n=n, skew=skew, kurtosis=kurtosis, benchmark=benchmark
    )
    with np.errstate(all="ignore"):
        v = _v(sharpe, skew, kurtosis)
        z = (sharpe - benchmark) * np.sqrt(n - 1) / np.sqrt(v)
    return plain(np.where(_positive(v) & (n >= 2) & np.isfinite(z), ndtr(z), np.nan))


def expected_max_sharpe(n_trials: ArrayLike, variance: ArrayLike) -> Any:
    """``√variance · E[max_N]``: the best per-bar Sharpe ratio that N worthless trials show by luck.

    ``E[max_N] = max(0, (1 - γ)Φ⁻¹(1 - 1/N) + γΦ⁻¹(1 - 1/(N·e)))``; N = 1 gives 0, N may be a fraction.
    Raises ConfigError for N < 1 and for a variance < 0.
    Source: Bailey & López de Prado 2014, "The Deflated Sharpe Ratio", J. Portfolio Management 40(5).
    """
    trials, spread = together(n_trials=n_trials, variance=variance)
    if np.any(trials < 1):
        raise ConfigError(f"n_trials is {printable(n_trials)}, must be >= 1", code="CONFIG_PARAMETER", field="n_trials")
    if np.any(spread < 0):
        raise ConfigError(f"variance is {printable(variance)}, must be >= 0", code="CONFIG_PARAMETER", field="variance")
    with np.errstate(all="ignore"):
        largest = -(1 - _EULER) * ndtri(1 / trials) - _EULER * ndtri(1 / (trials * np.e))
        return plain(np.sqrt(spread) * np.maximum(0.0, np.where(trials == 1, 0.0, largest)))


def deflated_sharpe_ratio(
    sharpe: ArrayLike,
    n: ArrayLike,
    skew: ArrayLike,
    kurtosis: ArrayLike,
    n_trials: ArrayLike,
    trials_variance: ArrayLike,
) -> object:
    """`probabilistic_sharpe_ratio` against what `n_trials` worthless trials would show by luck. Source: as there."""
    return probabilistic_sharpe_ratio(sharpe, n, skew, kurtosis, expected_max_sharpe(n_trials, trials_variance))


def min_track_record_length(
    sharpe: ArrayLike,
    skew: ArrayLike,
    kurtosis: ArrayLike,
    benchmark: ArrayLike = 0.0,
    *,
    probability: ArrayLike = 0.95,
) -> object:
    """``1 + v·(Φ⁻¹(p) / (SR - b))²``: bars, not rounded, until `probabilistic_sharpe_ratio` is `probability`.

    NaN where SR <= b or v <= 0. Raises ConfigError for a probability outside (0, 1). Source: as there, MinTRL.
    """
    sharpe, skew, kurtosis, benchmark, wanted = together(
        sharpe=sharpe, skew=skew, kurtosis=kurtosis, benchmark=benchmark, probability=probability
    )
    if not np.all((wanted > 0) & (wanted < 1)):
        raise ConfigError(
            f"probability is {printable(probability)}, must be in (0, 1)", code="CONFIG_PARAMETER", field="probability"
        )
    with np.errstate(all="ignore"):
        v, over = _v(sharpe, skew, kurtosis), sharpe - benchmark
        length = 1 + v * (ndtri(wanted) / over) ** 2
    return plain(np.where(_positive(v) & _positive(over), length, np.nan))


def min_backtest_length_years(n_trials: ArrayLike, target_annual_sharpe: ArrayLike) -> object:
    """``(E[max_N] / SR)²``: years below which the best of N worthless trials is expected to show the target.

    NaN for a target <= 0. Source: Bailey, Borwein, López de Prado & Zhu 2014, "Pseudo-Mathematics and Financial
    Charlatanism", Notices AMS 61(5).
    """
    trials, target = together(n_trials=n_trials, target_annual_sharpe=target_annual_sharpe)
    with np.errstate(all="ignore"):
        years = (np.asarray(expected_max_sharpe(trials, 1.0)) / target) ** 2
    return plain(np.where(_positive(target), years, np.nan))


def sharpe_p_value(
    sharpe: ArrayLike, n: ArrayLike, skew: ArrayLike, kurtosis: ArrayLike, benchmark: ArrayLike = 0.0
) -> Any:
    """``1 - Φ(SR·√(n-1)/√v)``, ``v = 1 - ⅔·skew·SR + (kurtosis-1)/4·SR²``: how probable luck alone is.

    As ``1 - probabilistic_sharpe_ratio(…)``, with two thirds of its skew: that one holds for the spread of the ratio,
    this for the far tail of a ratio that is divided by the spread of the same returns, where many looks are judged. It
    is a survival function, so that small values keep their digits. NaN where v <= 0 or n < 2.
    Source: Hall 1992, "On the Removal of Skewness by Transformation", JRSS B 54(1), T + skew·T²/(3√n) for a studentized
    mean; what it changes was simulated: docs/why/gate-thresholds.md.
    """
    sharpe, n, skew, kurtosis, benchmark = together(
        sharpe=sharpe, n=n, skew=skew, kurtosis=kurtosis, benchmark=benchmark
    )
    with np.errstate(all="ignore"):
        v = _tail_v(sharpe, skew, kurtosis)
        z = (sharpe - benchmark) * np.sqrt(n - 1) / np.sqrt(v)
    return plain(np.where(_positive(v) & (n >= 2) & np.isfinite(z), ndtr(-z), np.nan))


def best_of_many_p_value(p_value: ArrayLike, n_trials: ArrayLike) -> Any:
    """``1 - (1 - p)^N``: probability that the best of N independent skill-less trials has a p-value this small.

    N may be a fraction, >= 1. Computed as ``-expm1(N·log1p(-p))``. NaN for a p outside [0, 1].
    Source: Šidák 1967, "Rectangular Confidence Regions for the Means of Multivariate Normal Distributions", JASA 62.
    """
    p, trials = together(p_value=p_value, n_trials=n_trials)
    if np.any(trials < 1):
        raise ConfigError(f"n_trials is {printable(n_trials)}, must be >= 1", code="CONFIG_PARAMETER", field="n_trials")
    with np.errstate(all="ignore"):
        return plain(np.where((p >= 0) & (p <= 1), -np.expm1(trials * np.log1p(-p)), np.nan))


def sharpe_that_passes(n_trials: ArrayLike, error: ArrayLike) -> Any:
    """``Φ⁻¹((1 - error)^(1/N))``: deviations above 0 that the best of N must show so that its p-value is `error`.

    Raises ConfigError for N < 1 and for an error outside (0, 1). Source: `best_of_many_p_value`, solved for p.
    """
    trials, wrong = together(n_trials=n_trials, error=error)
    if np.any(trials < 1):
        raise ConfigError(f"n_trials is {printable(n_trials)}, must be >= 1", code="CONFIG_PARAMETER", field="n_trials")
    if not np.all((wrong > 0) & (wrong < 1)):
        raise ConfigError(f"error is {printable(error)}, must be in (0, 1)", code="CONFIG_PARAMETER", field="error")
    return plain(-ndtri(-np.expm1(np.log1p(-wrong) / trials)))


def bars_for_error(sharpe: float, skew: float, kurtosis: float, n_trials: float, error: float) -> float:
    """Bars, not rounded, after which the best of N at this per-bar Sharpe ratio has a p-value of `error`.

    ``1 + (z·√v / SR)²`` with v of `sharpe_p_value` and z of `sharpe_that_passes`, at least 2. NaN unless SR and v are
    positive.
    Source: solved from `best_of_many_p_value` and `sharpe_p_value`.
    """
    ratio = numbers("sharpe", sharpe)
    with np.errstate(all="ignore"):
        v = _tail_v(ratio, numbers("skew", skew), numbers("kurtosis", kurtosis))
        needed = np.maximum(0.0, sharpe_that_passes(n_trials, error))
        bars = np.maximum(2.0, 1 + (needed * np.sqrt(v) / ratio) ** 2)
    return float(plain(np.where(_positive(v) & _positive(ratio), bars, np.nan)))


def harmonic(n_trials: ArrayLike) -> Any:
    """``H_N = 1 + 1/2 + … + 1/N``, continued between whole N by the digamma function.

    A best-so-far record is new at the k-th of N exchangeable looks with probability 1/k: whoever judges after every
    look and stops at the first success errs at most H_N times as often as who judges the best of all once.
    """
    (trials,) = together(n_trials=n_trials)
    return plain(psi(trials + 1.0) + _EULER)


def _v(sharpe: FloatArray, skew: FloatArray, kurtosis: FloatArray) -> FloatArray:
    return np.asarray(1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2)


def _tail_v(sharpe: FloatArray, skew: FloatArray, kurtosis: FloatArray) -> FloatArray:
    return _v(sharpe, 2 / 3 * skew, kurtosis)


def _positive(x: FloatArray) -> BoolArray:
    return np.isfinite(x) & (x > 0)


BLOCK = 100  # bars that one estimate needs
MOST_BLOCKS = 60
LEAST_BLOCKS = 5  # estimates that a bound needs
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """Half the bid-ask spread as a fraction of price: mean of `blocks` estimates, and its lower bound at 95 %.

    Both NaN where there are too few bars. `low` is never below 0: noise around no spread costs nothing.
    """

    mean: float
    low: float
    blocks: int


def half_spread(bars: Bars) -> HalfSpread:
    """Half of the spread that opens, highs, lows and closes show, at least.

    The bars are cut into up to `MOST_BLOCKS` blocks of `BLOCK` bars or more, the spread of each is estimated with its
    sign (negative by noise alone), and the bound is that of their mean by Student's t. Two estimators are asked, and
    the higher bound stays: the first is the sharper one, and blind where every bar opens at the close before. Blocks
    without an estimate (no bar moves) are left out. O(n).
    Source: Ardia, Guidotti & Kroencke 2024, "Efficient estimation of bid-ask spreads from open, high, low, and close
    prices", J. Financial Economics 161; Abdi & Ranaldo 2017, "A Simple Estimation of Bid-Ask Spreads from Daily Close,
    High, and Low Prices", Review of Financial Studies 30(12), eq. 7.
    """
    count = min(MOST_BLOCKS, len(bars) // BLOCK)
    if count < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    edges = np.linspace(0, len(bars), count + 1).astype(np.int64)
    blocks = [bars[a:b] for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    estimates = [_bounded(np.array([estimate(block) for block in blocks])) for estimate in (_of_all_prices, _of_closes)]
    usable = [each for each in estimates if each.blocks]
    return max(usable, key=lambda each: each.low) if usable else HalfSpread(nan, nan, 0)


def _bounded(spreads: FloatArray) -> HalfSpread:
    """Of full spreads, one a block; those that are undefined are left out."""
    from scipy.special import stdtrit

    half = spreads[np.isfinite(spreads)] / 2
    if len(half) < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    mean, error = float(half.mean()), float(half.std(ddof=1)) / sqrt(len(half))
    return HalfSpread(mean, max(0.0, mean - float(stdtrit(len(half) - 1, _LEVEL)) * error), len(half))


def _of_all_prices(bars: Bars) -> float:
    """Full spread of one block as a fraction, with its sign (Ardia, Guidotti & Kroencke)."""
    from bidask import edge

    columns: list[FloatArray] = [bars.open, bars.high, bars.low, bars.close]
    return float(edge(*columns, sign=True))


def _of_closes(bars: Bars) -> float:
    """The same by closes and the middles of the ranges (Abdi & Ranaldo): ``s² = 4·E[(c - η)(c - η')]``, η' the next."""
    close, middle = np.log(bars.close), (np.log(bars.high) + np.log(bars.low)) / 2
    if not np.ptp(close) > 0:
        return nan
    square = 4 * float(np.mean((close[:-1] - middle[:-1]) * (close[:-1] - middle[1:])))
    return sqrt(square) if square > 0 else -sqrt(-square)


def lo_factor(periods: ArrayLike, autocorrelations: ArrayLike) -> object:
    """``η(q) = q / √(q + 2 Σ_{k<q} (q - k) ρ_k)``: from a per-bar Sharpe ratio to that of q = `periods` bars.

    autocorrelations: ρ_1, ρ_2 … ``(L,)``, or ``(L, k)`` for one value a column; missing lags are 0, lags >= q are
    ignored. `periods` broadcasts. NaN where the root's argument is <= 0 or a lag that counts is not finite.
    Raises ConfigError for periods < 1 or infinite. Source: Lo 2002, "The Statistics of Sharpe Ratios", FAJ 58(4),
    eq. 20.
    """
    q, rho = _periods(periods), np.atleast_1d(numbers("autocorrelations", autocorrelations))
    if rho.ndim > 2:
        raise ConfigError(f"autocorrelations have shape {rho.shape}; (L,) or (L, k) is needed", code="CONFIG_PARAMETER")
    if rho.ndim == 2:
        together(periods=q, autocorrelations=rho[0] if len(rho) else np.empty(rho.shape[1]))
    lags = np.arange(1, len(rho) + 1).reshape(-1, *[1] * max(q.ndim, rho.ndim - 1))
    across = rho if rho.ndim == 2 else rho.reshape(lags.shape)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        weighed = np.where(lags < q, (q - lags) * across, 0.0)
        under = q + 2 * weighed.sum(axis=0)
        return plain(np.where((under > 0) & np.isfinite(under), q / np.sqrt(under), np.nan))


def lo_annual_sharpe(returns: ArrayLike, *, periods_per_year: ArrayLike, lags: int | None = None) -> object:
    """Annual Sharpe ratio of ``(n,)`` or ``(n, k)`` returns, ``SR·η(P)``, corrected for autocorrelation.

    lags: of the biased sample autocorrelations that enter, >= 0; default ``min(P - 1, ⌊10·log10 n⌋)``.
    Source and errors: as `lo_factor`.
    """
    r, periods = numbers("returns", returns), _periods(periods_per_year)
    ratio = np.asarray(sharpe_ratio(r))
    together(periods_per_year=periods, columns=ratio)
    ratio, periods = np.broadcast_arrays(ratio, periods)
    columns = np.ascontiguousarray(r.T).reshape(-1, len(r)) if r.size else np.empty((int(ratio.size), 0))
    factors = np.full(ratio.shape, np.nan)
    for place in np.ndindex(ratio.shape):
        column, year = columns[place[-1] if len(columns) > 1 else 0], float(periods[place])
        most = int(min(year - 1, 10 * np.log10(max(len(r), 1)))) if lags is None else whole("lags", lags, 0)
        factors[place] = lo_factor(year, _autocorrelations(column, min(most, len(r) - 1)))
    return plain(ratio * factors)


def _periods(value: ArrayLike) -> FloatArray:
    result = numbers("periods", value)
    if not np.all((result >= 1) & np.isfinite(result)):
        raise ConfigError(
            f"periods is {printable(value)}, must be finite and >= 1", code="CONFIG_PARAMETER", field="periods"
        )
    return result


def _autocorrelations(x: FloatArray, lags: int) -> FloatArray:
    """ρ_1 … ρ_lags with the sum of squares over all rows below each; NaN without range."""
    if len(x) < 2 or not np.isfinite(x).all() or x.max() == x.min():
        return np.full(max(lags, 1), np.nan)
    centred = x - x.mean()
    whole_sum = centred @ centred
    return np.array([centred[k:] @ centred[:-k] / whole_sum for k in range(1, lags + 1)])
