"""Is the Sharpe ratio real? Per-bar Sharpe ratios and non-excess kurtosis throughout; scalars broadcast elementwise.

γ3 is skew, γ4 kurtosis, ``v = 1 - γ3·SR + (γ4 - 1)/4·SR²``. Undefined is NaN, never an infinity and never 0 instead.
"""

from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from assay.kernel.errors import ConfigError

_EULER = 0.5772156649015329


def probabilistic_sharpe_ratio(sharpe: Any, n: Any, skew: Any, kurtosis: Any, benchmark: Any = 0.0) -> Any:
    """``Φ((SR - b)·√(n - 1) / √v)``: probability that the true per-bar Sharpe ratio exceeds `benchmark`.

    NaN where v <= 0 or n < 2.
    Source: Bailey & López de Prado 2012, "The Sharpe Ratio Efficient Frontier", J. Risk 15(2).
    """
    sharpe, n, skew, kurtosis, benchmark = map(np.asarray, (sharpe, n, skew, kurtosis, benchmark))
    v = _v(sharpe, skew, kurtosis)
    sound = (v > 0) & (n >= 2)
    z = (sharpe - benchmark) * np.sqrt(np.maximum(n - 1, 1)) / np.sqrt(np.where(sound, v, 1.0))
    return _plain(np.where(sound, ndtr(z), np.nan))


def expected_max_sharpe(n_trials: Any, variance: Any) -> Any:
    """``√variance · E[max_N]``: the best per-bar Sharpe ratio that N worthless trials show by luck.

    ``E[max_N] = max(0, (1 - γ)Φ⁻¹(1 - 1/N) + γΦ⁻¹(1 - 1/(N·e)))``; N = 1 gives 0, N may be a fraction.
    Raises ConfigError for N < 1.
    Source: Bailey & López de Prado 2014, "The Deflated Sharpe Ratio", J. Portfolio Management 40(5).
    """
    trials, variance = np.asarray(n_trials, np.float64), np.asarray(variance, np.float64)
    if np.any(trials < 1):
        raise ConfigError(f"n_trials is {n_trials}, must be >= 1", code="CONFIG_PARAMETER", field="n_trials")
    with np.errstate(invalid="ignore"):
        largest = -(1 - _EULER) * ndtri(1 / trials) - _EULER * ndtri(1 / (trials * np.e))
    return _plain(np.sqrt(variance) * np.maximum(0.0, np.where(trials == 1, 0.0, largest)))


def deflated_sharpe_ratio(sharpe: Any, n: Any, skew: Any, kurtosis: Any, n_trials: Any, trials_variance: Any) -> Any:
    """`probabilistic_sharpe_ratio` against what `n_trials` worthless trials would show by luck. Source: as there."""
    return probabilistic_sharpe_ratio(sharpe, n, skew, kurtosis, expected_max_sharpe(n_trials, trials_variance))


def min_track_record_length(
    sharpe: Any, skew: Any, kurtosis: Any, benchmark: Any = 0.0, *, probability: float = 0.95
) -> Any:
    """``1 + v·(Φ⁻¹(p) / (SR - b))²``: bars, not rounded, until `probabilistic_sharpe_ratio` is `probability`.

    NaN where SR <= b or v <= 0. Raises ConfigError for a probability outside (0, 1). Source: as there, MinTRL.
    """
    if not 0 < probability < 1:
        raise ConfigError(
            f"probability is {probability}, must be in (0, 1)", code="CONFIG_PARAMETER", field="probability"
        )
    sharpe, skew, kurtosis, benchmark = map(np.asarray, (sharpe, skew, kurtosis, benchmark))
    v, over = _v(sharpe, skew, kurtosis), sharpe - benchmark
    sound = (v > 0) & (over > 0)
    return _plain(np.where(sound, 1 + v * (ndtri(probability) / np.where(sound, over, 1.0)) ** 2, np.nan))


def min_backtest_length_years(n_trials: Any, target_annual_sharpe: Any) -> Any:
    """``(E[max_N] / SR)²``: years below which the best of N worthless trials is expected to show the target.

    NaN for a target <= 0. Source: Bailey, Borwein, López de Prado & Zhu 2014, "Pseudo-Mathematics and Financial
    Charlatanism", Notices AMS 61(5).
    """
    target = np.asarray(target_annual_sharpe, np.float64)
    largest = np.asarray(expected_max_sharpe(n_trials, 1.0))
    return _plain(np.where(target > 0, (largest / np.where(target > 0, target, 1.0)) ** 2, np.nan))


def bars_for_confidence(sharpe: float, skew: float, kurtosis: float, n_trials: float, confidence: float) -> float:
    """Bars after which the deflated Sharpe ratio reaches `confidence` at this per-bar Sharpe ratio; SR0 = E/√(n-1).

    ``1 + ((E[max_N] + z√v) / SR)²``; NaN unless SR > 0 and v > 0. Source: solved from the same paper's formula.
    """
    v = float(_v(np.asarray(sharpe), np.asarray(skew), np.asarray(kurtosis)))
    if not (sharpe > 0 and v > 0):
        return float("nan")
    luck = expected_max_sharpe(n_trials, 1.0)
    return float(1 + ((luck + ndtri(confidence) * np.sqrt(v)) / sharpe) ** 2)


def _v(sharpe: Any, skew: Any, kurtosis: Any) -> Any:
    return 1 - skew * sharpe + (kurtosis - 1) / 4 * sharpe**2


def _plain(x: Any) -> Any:
    return float(x) if np.ndim(x) == 0 else x
