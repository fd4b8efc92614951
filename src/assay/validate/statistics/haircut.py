"""Effective number of trials, and the haircut Sharpe ratio."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from assay.kernel.arrays import FloatArray, numbers
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.validate.argument_checks import plain, together, whole

Method = Literal["bonferroni", "holm", "bhy"]
_ROUNDING = 1e-9
_METHODS = {"bonferroni": "bonferroni", "holm": "holm", "bhy": "fdr_by"}


def effective_number_of_trials(
    trial_returns: ArrayLike | None = None, *, correlation: ArrayLike | None = None
) -> float:
    """``ρ̄ + (1 - ρ̄)·M``: independent trials that M correlated ones amount to.

    trial_returns: ``(n, M)``; a constant column correlates 0 with all.   correlation: ``(M, M)``; exactly one.
    ρ̄ is the mean correlation off the diagonal, clipped to [0, 1]. NaN for a NaN in the input. O(n M), no M × M matrix.
    Raises ConfigError for other shapes, and for what is no correlation: not symmetric, or beyond [-1, 1].
    Source: Bailey & López de Prado 2014, "The Deflated Sharpe Ratio", J. Portfolio Management 40(5), appendix.
    """
    if (trial_returns is None) == (correlation is None):
        raise ConfigError("give trial_returns or correlation, exactly one of them", code="CONFIG_PARAMETER")
    value = numbers("trials", correlation if trial_returns is None else trial_returns)
    square = trial_returns is None
    if value.ndim != 2 or not value.size or (square and value.shape[0] != value.shape[1]):
        raise ConfigError(f"shape {value.shape}; {'(M, M)' if square else '(n, M)'} is needed", code="CONFIG_PARAMETER")
    count = value.shape[1]
    if not np.isfinite(value).all():
        return float("nan")
    if square and not (np.abs(value).max() <= 1 + _ROUNDING and np.allclose(value, value.T, atol=_ROUNDING)):
        raise ConfigError(
            f"correlation is not symmetric or goes beyond [-1, 1]: its largest entry is {np.abs(value).max():g}",
            code="CONFIG_PARAMETER",
            hint="A covariance is no correlation: divide by the deviations.",
            field="correlation",
        )
    if count == 1:
        return 1.0
    off = value.sum() - np.trace(value) if square else _off_diagonal(value)
    mean = min(1.0, max(0.0, float(off) / (count * (count - 1))))
    return mean + (1.0 - mean) * count


def _off_diagonal(returns: FloatArray) -> float:
    """Sum of all correlations but a column's with itself: what the sum of unit columns has beyond their number."""
    moves = returns.max(axis=0) > returns.min(axis=0)
    scaled = returns[:, moves] / np.abs(returns[:, moves]).max(axis=0)
    centred = scaled - scaled.mean(axis=0)
    summed = centred @ (1 / np.sqrt(np.einsum("ij,ij->j", centred, centred)))
    return float(summed @ summed) - float(moves.sum())


@dataclass(frozen=True, slots=True)
class Haircut:
    """p-value of a Sharpe ratio, the same as one of many, the Sharpe ratio that this leaves, and the share that went.

    Numbers, or ``(m,)`` for a family of m.
    """

    p_value: Any
    adjusted_p_value: Any
    sharpe: Any
    haircut: Any


def haircut_sharpe(
    sharpe: ArrayLike, n: ArrayLike, *, n_trials: int | None = None, method: Method = "bonferroni"
) -> Haircut:
    """What multiple testing leaves of per-bar Sharpe ratios over `n` bars; ``(m,)`` is judged as one family.

    ``t = SR√n``; two-sided normal p; adjusted by `method` among `n_trials` (default m; the untold ones have p = 1);
    turned back: ``SR' = sign·Φ⁻¹(1 - p'/2)/√n``; ``haircut = 1 - SR'/SR``, NaN for SR = 0. A NaN or infinity among the
    ratios makes all NaN. Raises ConfigError for fewer trials than ratios, n < 1 or infinite and an unknown method.
    Source: Harvey & Liu 2015, "Backtesting", J. Portfolio Management 42(1), normal approximation.
    """
    from statsmodels.stats.multitest import multipletests

    alone = np.ndim(sharpe) == 0 and np.ndim(n) == 0
    ratios, bars = (np.atleast_1d(x) for x in np.broadcast_arrays(*together(sharpe=sharpe, n=n)))
    trials = _demand(ratios, bars, n_trials, method)
    p = adjusted = np.full(len(ratios), np.nan)
    if np.isfinite(ratios).all() and np.isfinite(bars).all():
        p = 2 * ndtr(-np.abs(ratios) * np.sqrt(bars))
        family = np.concatenate([p, np.ones(trials - len(p))])
        adjusted = multipletests(family, method=_METHODS[method])[1][: len(p)]
    with np.errstate(divide="ignore", invalid="ignore"):
        turned = np.minimum(-ndtri(adjusted / 2) / np.sqrt(bars), np.abs(ratios))  # p may be too small to tell
        left = np.sign(ratios) * turned + 0.0
        lost = np.where(ratios == 0, np.nan, 1 - left / ratios)
    result = [plain(x) for x in (p, adjusted, left, lost)]
    return Haircut(*(float(x[0]) for x in result)) if alone else Haircut(*result)


def _demand(ratios: FloatArray, bars: FloatArray, n_trials: int | None, method: str) -> int:
    """How many trials there are, everything checked."""
    if ratios.ndim != 1 or not len(ratios):
        raise ConfigError(f"sharpe has shape {ratios.shape}; one or (m,) is needed", code="CONFIG_PARAMETER")
    if not isinstance(method, str) or method not in _METHODS:
        raise ConfigError(
            f"method is {printable(method)}, one of {', '.join(_METHODS)}",
            code="CONFIG_PARAMETER",
            hint=did_you_mean(str(method), _METHODS),
        )
    if np.any(bars < 1) or np.any(np.isinf(bars)):
        raise ConfigError(
            f"n is {printable(bars.tolist())}, must be finite and >= 1", code="CONFIG_PARAMETER", field="n"
        )
    trials = len(ratios) if n_trials is None else whole("n_trials", n_trials, 1)
    if trials < len(ratios):
        raise ConfigError(
            f"n_trials is {trials} for {len(ratios)} Sharpe ratios; no fewer can have been tried",
            code="CONFIG_PARAMETER",
            field="n_trials",
        )
    return trials
