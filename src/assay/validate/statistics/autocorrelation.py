"""Autocorrelation and annual Sharpe ratios."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray, numbers
from assay.kernel.errors import ConfigError, printable
from assay.simulate import sharpe_ratio
from assay.validate.argument_checks import plain, together, whole


def lo_factor(periods: ArrayLike, autocorrelations: ArrayLike) -> Any:
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


def lo_annual_sharpe(returns: ArrayLike, *, periods_per_year: ArrayLike, lags: int | None = None) -> Any:
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
