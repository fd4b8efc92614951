"""Sample weights: uniqueness of labels, and class shares."""

import logging

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.panel import Labels

_LOG = logging.getLogger(__name__)


def average_uniqueness(labels: Labels) -> FloatArray:
    """``(n,)``: mean of 1 / (labels that cover the bar) over bars i+1..end_i of each label, else NaN.

    Its sum is the effective sample size. From these labels only: cut them to the train fold first. A label that ends at
    its own row covers that row. Cost: O(n).
    Source: López de Prado 2018, *Advances in Financial Machine Learning*, 4.3-4.4.
    """
    n = len(labels)
    rows = np.flatnonzero(np.isfinite(labels.y))
    last = np.minimum(labels.end[rows], n - 1)
    first = np.minimum(rows + 1, last)
    edges = np.zeros(n + 1, np.int64)
    np.add.at(edges, first, 1)
    np.add.at(edges, last + 1, -1)
    covering = np.cumsum(edges[:n])
    shares = np.zeros(n + 1)
    shares[1:] = np.cumsum(np.divide(1.0, covering, out=np.zeros(n), where=covering > 0))
    out = np.full(n, np.nan)
    out[rows] = (shares[last + 1] - shares[first]) / (last + 1 - first)
    return out


def uniqueness(labels: Labels, magnitude: FloatArray | None = None) -> FloatArray:
    """``(n,)`` weights: average uniqueness (times `magnitude`, such as the absolute return), mean 1 over labelled rows.

    0 where the row has no label. From these labels only: cut them to the train fold first. Cost: O(n).
    """
    raw = average_uniqueness(labels)
    if magnitude is not None:
        raw = raw * np.abs(magnitude)
    there = np.isfinite(raw)
    total = raw[there].sum()
    if total <= 0:
        return np.zeros(len(raw))
    return np.where(there, raw, 0.0) * (there.sum() / total)


def class_shares(labels: Labels) -> dict[float, float]:
    """Share of each class among the labelled rows, in order; empty for real-valued targets and for no labels.

    Warns in the log of a class under 1 %.
    """
    y = labels.y[np.isfinite(labels.y)]
    if not labels.classes or not len(y):
        return {}
    shares = {value: float((y == value).mean()) for value in labels.classes}
    for value, share in shares.items():
        if share < 0.01:
            _LOG.warning("%s: class %g is %.2f %% of %d labels", labels.name, value, 100 * share, len(y))
    return shares
