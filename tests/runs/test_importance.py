"""Weights of a ranking come from the fold's own labels."""

import numpy as np

from assay.kernel.panel import Labels
from assay.runs.feature_ranking import _weigh
from assay.targets.sample_weights import average_uniqueness


def test_only_the_labels_of_the_fold_weigh() -> None:
    at = np.arange(60)
    y = np.ones(60)
    y[50:] = np.nan
    labels = Labels(y, at + 6, np.minimum(at + 6, 59), "made", 6)
    rows = np.arange(0, 30)
    weights = _weigh(labels)(rows)
    alone = average_uniqueness(labels.only(at < 30))[rows]
    np.testing.assert_allclose(weights, alone / alone.mean())
    assert weights[-1] > weights[10] * 1.5, "the last label of the fold shares its bars with fewer"
    later = Labels(np.where(at >= 30, np.nan, y), at + 6, np.minimum(at + 6, 59), "made", 6)
    np.testing.assert_array_equal(weights, _weigh(later)(rows))
