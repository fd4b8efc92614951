"""Resampled futures of a return series."""

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray
from assay.kernel.seeding import generator


def final_return_quantile(
    returns: FloatArray, level: float, *, resamples: int = 1000, block: float | None = None, seed: int
) -> float:
    """Quantile `level` of the final return of stationary-bootstrap resamples of ``(n,)`` per-bar returns.

    Blocks of geometric length, wrapped around the end (Politis & Romano 1994, JASA 89). block: mean length in bars,
    default ``max(1, n ** (1/3))``, the order that the paper finds best. NaN for an empty series or a NaN in it.
    Cost: O(n + resamples * n / block).
    """
    n = len(returns)
    if n == 0 or not np.isfinite(returns).all():
        return float("nan")
    ruin = returns <= -1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log1p(np.where(ruin, 0.0, returns)))])
    ruins = np.concatenate([[0], np.cumsum(ruin)])
    mean = max(1.0, n ** (1 / 3)) if block is None else block
    finals = _finals(logs, ruins.astype(np.float64), mean, resamples, generator(seed, "monte_carlo_var"))
    return float(np.quantile(finals, level))


@njit(cache=True, error_model="numpy")
def _finals(logs: FloatArray, ruins: FloatArray, mean: float, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Final returns; sums over a block are differences of the running sums."""
    n = len(logs) - 1
    out = np.empty(resamples)
    shrink = np.log1p(-1.0 / mean) if mean > 1.0 else -np.inf
    for i in range(resamples):
        grown, ruined, left = 0.0, 0.0, n
        while left > 0:
            first = int(rng.random() * n)
            length = 1 + int(np.log1p(-rng.random()) / shrink) if mean > 1.0 else 1
            length = min(length, left)
            left -= length
            end = first + length
            if end > n:
                grown += logs[n] - logs[first] + logs[end - n]
                ruined += ruins[n] - ruins[first] + ruins[end - n]
            else:
                grown += logs[end] - logs[first]
                ruined += ruins[end] - ruins[first]
        out[i] = -1.0 if ruined > 0.0 else np.expm1(grown)
    return out
