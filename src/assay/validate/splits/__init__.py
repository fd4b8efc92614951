"""Plans of folds. The gap between train and test comes from the labels' own intervals, never from a count of rows."""

from assay.kernel.fold import Fold
from assay.validate.splits.base import SklearnSplitter, Splitter
from assay.validate.splits.purged import CombinatorialPurged, PurgedKFold, purge
from assay.validate.splits.rolling import DAY_MS, Days, WalkForward

__all__ = [
    "DAY_MS",
    "CombinatorialPurged",
    "Days",
    "Fold",
    "Splitter",
    "PurgedKFold",
    "SklearnSplitter",
    "WalkForward",
    "purge",
]
