"""Clusters of features by rank correlation."""

import numpy as np
from scipy.stats import rankdata

from assay.features.importance.screening import Single, pick_evenly
from assay.kernel.arrays import FloatArray, IntArray

_ROWS = 20_000
_LEAST = 10  # rows that two columns must share
CLUSTER_CUT = 0.1
"""Mean distance ``1 - |rho|`` at which two clusters stay apart."""


def rank_correlations(x: FloatArray | Single) -> FloatArray:
    """``(k, k)`` modulus of Spearman's rho on at most 20,000 evenly spaced rows, each pair on the rows it shares.

    0 for a pair with fewer than ten rows or with a column that is constant on them; 1 on the diagonal.
    Cost: O(k n log n) for columns that are missing on the same rows, times the number of such groups for all others.
    """
    x = x[pick_evenly(np.arange(len(x)), _ROWS)]
    finite = np.isfinite(x)
    k = x.shape[1]
    _, group = np.unique(finite, axis=1, return_inverse=True)
    groups = [np.flatnonzero(group.reshape(-1) == g) for g in range(int(group.max()) + 1)] if k else []
    out = np.zeros((k, k))
    for i, one in enumerate(groups):
        for two in groups[i:]:
            rows = finite[:, one[0]] & finite[:, two[0]]
            if rows.sum() < _LEAST:
                continue
            rho = np.abs(_unit_ranks(x[rows][:, one]).T @ _unit_ranks(x[rows][:, two]))
            out[np.ix_(one, two)] = rho
            out[np.ix_(two, one)] = rho.T
    np.fill_diagonal(out, 1.0)
    return np.minimum(out, 1.0)


def cluster_columns(rho: FloatArray) -> tuple[tuple[int, ...], ...]:
    """Clusters of average linkage on ``1 - rho`` cut at 0.1, each increasing, ordered by their first column.

    rho: ``(k, k)`` of `rank_correlations`. Source: Sokal & Michener 1958. Cost: O(k^2).
    """
    from scipy.cluster.hierarchy import fcluster

    k = len(rho)
    if k < 2:
        return tuple((j,) for j in range(k))
    marks = fcluster(_tree(rho), CLUSTER_CUT, criterion="distance")
    result = {mark: tuple(np.flatnonzero(marks == mark).tolist()) for mark in np.unique(marks).tolist()}
    return tuple(sorted(result.values()))


def cluster_order(rho: FloatArray) -> IntArray:
    """``(k,)`` order of the columns along the tree of `cluster_columns`, like beside like."""
    from scipy.cluster.hierarchy import leaves_list

    if len(rho) < 2:
        return np.arange(len(rho))
    return np.asarray(leaves_list(_tree(rho)), np.int64)


def _tree(rho: FloatArray) -> FloatArray:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(1.0 - rho, checks=False), "average"))


def _unit_ranks(x: FloatArray | Single) -> FloatArray:
    ranks = rankdata(x, axis=0) - (len(x) + 1) / 2
    size = np.sqrt((ranks**2).sum(axis=0))
    return np.asarray(ranks / np.where(size > 0, size, 1.0))
