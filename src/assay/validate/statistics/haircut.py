"""How many trials there really were, and what is left of a Sharpe ratio when they are counted."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError
from assay.kernel.names import did_you_mean

Method = Literal["bonferroni", "holm", "bhy"]
_METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bhy": "fdr_by"}


def effective_number_of_trials(
    trial_returns: ArrayLike | None = None, *, correlation: ArrayLike | None = None
) -> float:
    """``ρ̄ + (1 - ρ̄)·M``: independent trials that M correlated ones amount to.

    trial_returns: ``(n, M)``; a constant column correlates 0 with all.   correlation: ``(M, M)``; exactly one.
    ρ̄ is the mean correlation off the diagonal, clipped to [0, 1]. NaN for a NaN in the input. O(n M), no M × M matrix.
    Source: Bailey & López de Prado 2014, "The Deflated Sharpe Ratio", J. Portfolio Management 40(5), appendix.
    """
    if (trial_returns is None) == (correlation is None):
        raise ConfigError("give trial_returns or correlation, exactly one of them", code="CONFIG_PARAMETER")
    given = np.asarray(correlation if trial_returns is None else trial_returns, np.float64)
    square = trial_returns is None
    if given.ndim != 2 or not given.size or (square and given.shape[0] != given.shape[1]):
        raise ConfigError(f"shape {given.shape}; {'(M, M)' if square else '(n, M)'} is needed", code="CONFIG_PARAMETER")
    count = given.shape[1]
    if not np.isfinite(given).all():
        return float("nan")
    if count == 1:
        return 1.0
    off = given.sum() - np.trace(given) if square else _off_diagonal(given)
    mean = min(1.0, max(0.0, float(off) / (count * (count - 1))))
    return mean + (1.0 - mean) * count


def _off_diagonal(returns: FloatArray) -> float:
    """Sum of all correlations but a column's with itself: what the sum of unit columns has beyond their number."""
    moves = returns.max(axis=0) > returns.min(axis=0)
    centred = returns[:, moves] - returns[:, moves].mean(axis=0)
    unit = centred / np.sqrt((centred**2).sum(axis=0))
    together = unit.sum(axis=1)
    return float(together @ together) - float(moves.sum())


@dataclass(frozen=True, slots=True)
class Haircut:
    """p-value of a Sharpe ratio, the same as one of many, the Sharpe ratio that this leaves, and the share that went.

    Numbers, or ``(m,)`` for a family of m.
    """

    p_value: Any
    adjusted_p_value: Any
    sharpe: Any
    haircut: Any


def haircut_sharpe(sharpe: ArrayLike, n: int, *, n_trials: int | None = None, method: Method = "bonferroni") -> Haircut:
    """What multiple testing leaves of per-bar Sharpe ratios over `n` bars; ``(m,)`` is judged as one family.

    ``t = SR√n``; two-sided normal p; adjusted by `method` among `n_trials` (default m; the untold ones have p = 1);
    turned back: ``SR' = sign·Φ⁻¹(1 - p'/2)/√n``; ``haircut = 1 - SR'/SR``, NaN for SR = 0. A NaN among the ratios makes
    all NaN. Raises ConfigError for fewer trials than ratios, n < 1 and an unknown method.
    Source: Harvey & Liu 2015, "Backtesting", J. Portfolio Management 42(1), normal approximation.
    """
    from statsmodels.stats.multitest import multipletests

    ratios = np.atleast_1d(np.asarray(sharpe, np.float64))
    trials = len(ratios) if n_trials is None else n_trials
    _demand(ratios, n, trials, method)
    p = 2 * ndtr(-np.abs(ratios) * np.sqrt(n))
    adjusted = np.full(len(p), np.nan)
    if np.isfinite(p).all():
        family = np.concatenate([p, np.ones(trials - len(p))])
        adjusted = multipletests(family, method=_METHODS[method])[1][: len(p)]
    left = (
        np.sign(ratios) * np.minimum(-ndtri(adjusted / 2) / np.sqrt(n), np.abs(ratios)) + 0.0
    )  # p may be too small to tell
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(ratios == 0, np.nan, 1 - left / ratios)
    found = (p, adjusted, left, lost)
    return Haircut(*(float(x[0]) for x in found)) if np.ndim(sharpe) == 0 else Haircut(*found)


def _demand(ratios: FloatArray, n: int, trials: int, method: str) -> None:
    if ratios.ndim != 1 or not len(ratios):
        raise ConfigError(f"sharpe has shape {ratios.shape}; one or (m,) is needed", code="CONFIG_PARAMETER")
    if method not in _METHODS:
        raise ConfigError(
            f"method is {method!r}, one of {', '.join(_METHODS)}",
            code="CONFIG_PARAMETER",
            hint=did_you_mean(method, _METHODS),
        )
    if n < 1 or trials < len(ratios):
        raise ConfigError(
            f"n is {n} and n_trials {trials} for {len(ratios)} Sharpe ratios; n must be >= 1 and n_trials no fewer",
            code="CONFIG_PARAMETER",
        )
