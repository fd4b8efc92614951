"""Stability of a selection over folds, and drift of the features themselves."""

import numpy as np
from scipy.stats import rankdata

from assay.kernel.arrays import BoolArray, FloatArray

STABLE_PSI, DRIFT_PSI = 0.1, 0.25
"""Below the first a column is stable, above the second it drifts; between them it is to be watched."""
_BINS = 10
_FLOOR = 1e-4


def rank_corr(ranks: FloatArray) -> float:
    """Mean Spearman correlation over all pairs of folds.

    ranks: ``(F, d)`` importance ranks of d columns in F folds. A fold in which all are equal has none and its pairs are
    left out; NaN if no pair is left.
    """
    centred = np.array([rankdata(row) for row in ranks], np.float64) - (ranks.shape[1] + 1) / 2
    size = np.sqrt((centred**2).sum(axis=1))
    unit = centred[size > 0] / size[size > 0, None]
    if len(unit) < 2:
        return float("nan")
    pairs = np.triu_indices(len(unit), 1)
    return float((unit @ unit.T)[pairs].mean())


def nogueira(selected: BoolArray) -> float:
    """``1 - mean_j(p_j (1 - p_j) F / (F - 1)) / (k/d (1 - k/d))`` for ``(F, d)`` flags; 1 is always the same choice.

    p_j: share of folds that chose column j; k: mean number chosen. NaN for fewer than 2 folds and where none or all
    are chosen. Source: Nogueira, Sechidis & Brown 2018, "On the Stability of Feature Selection Algorithms", JMLR 18.
    """
    folds, d = selected.shape
    p = selected.mean(axis=0) if folds else np.zeros(d)
    share = float(p.sum()) / d if d else 0.0
    if folds < 2 or share <= 0 or share >= 1:
        return float("nan")
    return 1.0 - float((p * (1 - p)).mean()) * folds / (folds - 1) / (share * (1 - share))


def psi(train: FloatArray, test: FloatArray) -> float:
    """Population stability index ``sum (q - p) ln(q / p)`` over ten quantile bins of train; >= 0.

    p, q: shares of train and test in a bin, floored at 1e-4. Bins that ties make equal are one; a column of at most ten
    values has a bin for each; what is not finite is a bin of its own. NaN if either side is empty.
    Source: Siddiqi 2006, *Credit Risk Scorecards*. Cost: O(n log n).
    """
    if not len(train) or not len(test):
        return float("nan")
    edges = _edges(train[np.isfinite(train)])
    p, q = (np.maximum(_shares(values, edges), _FLOOR) for values in (train, test))
    return float(((q - p) * np.log(q / p)).sum())


def _edges(values: FloatArray) -> FloatArray:
    """Right ends of all bins but the last."""
    distinct = np.unique(values)
    if len(distinct) <= _BINS:
        return distinct[:-1]
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
    if edges[-1] == distinct[-1]:  # many at the top: they are a bin, and not the only one
        edges[-1] = distinct[-2]
    return np.unique(edges)


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    finite = np.isfinite(values)
    counts = np.bincount(np.searchsorted(edges, values[finite], side="left"), minlength=len(edges) + 1)
    return np.append(counts, (~finite).sum()) / len(values)
