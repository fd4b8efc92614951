"""Diagnostics of a verdict: is the best of several better than cash, and than buying and holding?

Nothing here decides. The bootstrap runs on returns summed over spans of bars: it asks for the mean, which a sum keeps,
and draws blocks anyway.
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtr, ndtri

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.validate.statistics import Moments, expected_max_sharpe, superior_predictive_ability
from assay.validate.statistics import probabilistic_sharpe_ratio as psr

SPANS, DRAWS = 500, 500


def span_sums(returns: FloatArray) -> FloatArray:
    """``(m, …)`` sums of ``(n, …)`` per-bar returns over m = min(n, 500) spans as even as they can be."""
    n = len(returns)
    if n <= SPANS:
        return returns
    return np.add.reduceat(returns, np.arange(SPANS) * n // SPANS, axis=0)


def holding_returns(bars: Bars, start: int = 0) -> FloatArray:
    """``(n - start,)`` per-bar returns of who buys at the open of row ``start + 1`` and keeps it, without costs."""
    result = np.zeros(len(bars) - start)
    result[1:2] = bars.close[start + 1 : start + 2] / bars.open[start + 1 : start + 2] - 1.0
    result[2:] = bars.close[start + 2 :] / bars.close[start + 1 : -1] - 1.0
    return result


def superiority_p_values(returns: FloatArray, holding: FloatArray, *, seed: int) -> dict[str, Any]:
    """p-values of "none of these configurations beats the benchmark", by Hansen's test, on `span_sums`.

    returns: ``(m, k)``, of k configurations.   holding: ``(m,)``, of buying and holding.   cash: against nothing at
    all. ``{configurations, cash, buy_and_hold}``, the last two ``{lower, consistent, upper}``, NaN where undefined.
    Source: see `superior_predictive_ability`.
    """

    def against(benchmark: FloatArray | None) -> dict[str, float]:
        if len(returns) < 2:
            return {"lower": nan, "consistent": nan, "upper": nan}
        return asdict(superior_predictive_ability(returns, benchmark, reps=DRAWS, seed=seed))

    return {"configurations": returns.shape[1], "cash": against(None), "buy_and_hold": against(holding)}


def deflated_by_spread(m: Moments, n_trials: float, trials_variance: float) -> Mapping[str, float]:
    """What the paper makes of a Sharpe ratio after so many trials; by this nothing is judged.

    deflated_by_spread, luck_by_spread: the deflated Sharpe ratio with the variance between trials, and its benchmark;
    NaN where the spread or the Sharpe ratio is not known. deflated: the same with the sampling variance 1/(n - 1).
    haircut: share of the Sharpe ratio that Bonferroni's correction for the trials takes.
    Source: Bailey & López de Prado 2014; Harvey & Liu 2015, see `haircut_sharpe`.
    """
    luck = expected_max_sharpe(n_trials, trials_variance) if isfinite(trials_variance) else nan
    sampled = expected_max_sharpe(n_trials, 1 / (m.n - 1)) if m.n > 1 else nan
    return {
        "luck_by_spread": luck,
        "deflated_by_spread": psr(m.sharpe, m.n, m.skew, m.kurtosis, luck),
        "deflated": psr(m.sharpe, m.n, m.skew, m.kurtosis, sampled),
        "haircut": _haircut(m, n_trials),
    }


def _haircut(m: Moments, n_trials: float) -> float:
    """As `haircut_sharpe` of one ratio, in closed form: a family of millions of trials is never laid out."""
    if not m.n > 1 or not isfinite(m.sharpe) or m.sharpe == 0:
        return nan
    adjusted = min(1.0, n_trials * 2 * float(ndtr(-abs(m.sharpe) * sqrt(m.n))))
    return 1.0 - min(float(-ndtri(adjusted / 2)) / sqrt(m.n), abs(m.sharpe)) / abs(m.sharpe)
