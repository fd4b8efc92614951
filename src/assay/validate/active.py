"""Active returns: what a record earns beyond holding its average position.

In a market with drift every rule that is long most of the time has a Sharpe ratio above 0 without any skill, and so has
one that is long in it at random. The drift is taken out by the position that the record held on average.
"""

from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError


@dataclass(frozen=True, slots=True, eq=False)
class Active:
    """Active returns ``(n,)``, and the mean exposure ``(k,)`` to each instrument that was taken out of them."""

    returns: FloatArray
    mean_exposure: FloatArray


def active_returns(returns: FloatArray, exposure: FloatArray, market: FloatArray) -> Active:
    """``a_t = r_t - Σ_i w̄_i·m_{i,t}``, with w̄_i the mean of w_{i,t} over the bars on which i could be traded.

    returns:  ``(n,)`` of the account, net.
    exposure: ``(n,)`` or ``(n, k)`` w, notional after the fills at a bar's open over the account's equity.
    market:   the same shape: m, returns of holding each instrument, NaN on bars on which it could not be traded (it has
              none, or the fold begins there): such bars enter neither w̄ nor the sum.
    A constant w = 1 or 0 leaves exactly what was paid in costs; a weight that drifts leaves terms of second order.
    Raises ConfigError ``CONFIG_PARAMETER`` for shapes that do not go together. O(n k).
    """
    weights, moves = np.atleast_2d(exposure.T).T, np.atleast_2d(market.T).T
    if weights.shape != moves.shape or len(weights) != len(returns):
        raise ConfigError(
            f"{len(returns)} returns stand beside exposures of shape {exposure.shape} and market returns of shape "
            f"{market.shape}; each needs one row a bar",
            code="CONFIG_PARAMETER",
        )
    tradable = np.isfinite(moves)
    count = np.maximum(tradable.sum(axis=0), 1)
    mean: FloatArray = np.where(tradable, weights, 0.0).sum(axis=0) / count
    return Active(returns - np.where(tradable, moves, 0.0) @ mean, mean)


def market_returns(bars: Bars) -> FloatArray:
    """``(n,)`` returns of holding through each bar of a fold: close to close; the first tradable bar open to close.

    NaN on the first row: a fold decides there and trades nothing before the next open.
    """
    returns = np.full(len(bars), np.nan)
    returns[1:2] = bars.close[1:2] / bars.open[1:2] - 1.0
    returns[2:] = bars.close[2:] / bars.close[1:-1] - 1.0
    return returns
