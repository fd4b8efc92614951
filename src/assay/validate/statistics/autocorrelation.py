"""What autocorrelation does to a Sharpe ratio over longer periods."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError
from assay.simulate.performance import sharpe_ratio


def lo_factor(periods: float, autocorrelations: ArrayLike) -> float:
    """``η(q) = q / √(q + 2 Σ_{k<q} (q - k) ρ_k)``: from a per-bar Sharpe ratio to that of q = `periods` bars.

    autocorrelations: ρ_1, ρ_2 …; missing lags are 0, lags >= q are ignored. NaN where the root's argument is <= 0 or a
    lag is NaN. Raises ConfigError for periods < 1.
    Source: Lo 2002, "The Statistics of Sharpe Ratios", FAJ 58(4), eq. 20.
    """
    if not periods >= 1:
        raise ConfigError(f"periods is {periods}, must be >= 1", code="CONFIG_PARAMETER", field="periods")
    rho = np.asarray(autocorrelations, np.float64)
    lags = np.arange(1, len(rho) + 1)
    near = lags < periods
    under = periods + 2 * float(((periods - lags[near]) * rho[near]).sum())
    return float(periods / np.sqrt(under)) if under > 0 else float("nan")


def lo_annual_sharpe(returns: ArrayLike, *, periods_per_year: float, lags: int | None = None) -> Any:
    """Annual Sharpe ratio of ``(n,)`` or ``(n, k)`` returns, ``SR·η(P)``, corrected for autocorrelation.

    lags: of the biased sample autocorrelations that enter; default ``min(P - 1, ⌊10·log10 n⌋)``.
    Source: as `lo_factor`.
    """
    r = np.asarray(returns, np.float64)
    ratio = np.asarray(sharpe_ratio(r))
    most = int(min(periods_per_year - 1, 10 * np.log10(max(len(r), 1)))) if lags is None else lags
    columns = r.reshape(len(r), -1).T
    factors = [lo_factor(periods_per_year, _autocorrelations(column, min(most, len(r) - 1))) for column in columns]
    found = ratio * np.array(factors).reshape(ratio.shape)
    return float(found) if found.ndim == 0 else found


def _autocorrelations(x: FloatArray, lags: int) -> FloatArray:
    """ρ_1 … ρ_lags with the sum of squares over all rows below each; NaN without range."""
    if len(x) < 2 or not np.isfinite(x).all() or x.max() == x.min():
        return np.full(max(lags, 1), np.nan)
    centred = x - x.mean()
    whole = centred @ centred
    return np.array([centred[k:] @ centred[:-k] / whole for k in range(1, lags + 1)])
