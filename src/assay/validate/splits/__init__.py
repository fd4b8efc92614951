"""Plans of folds. The gap between train and test comes from the labels' own intervals, never from a count of rows."""

from assay.kernel.contracts import Fold
from assay.validate.splits.base import SklearnSplitter, Splitter
from assay.validate.splits.splitters import DAY_MS, CombinatorialPurged, Days, PurgedKFold, WalkForward, purge

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
