"""Plans of folds. The gap between train and test comes from the labels' own intervals, never from a count of rows."""

from assay.kernel.fold import Fold
from assay.validate.split.plan import Splitter
from assay.validate.split.purged import CombinatorialPurged, PurgedKFold, purged
from assay.validate.split.sklearn import SklearnSplitter
from assay.validate.split.walking import DAY_MS, Days, WalkForward

__all__ = [
    "DAY_MS",
    "CombinatorialPurged",
    "Days",
    "Fold",
    "Splitter",
    "PurgedKFold",
    "SklearnSplitter",
    "WalkForward",
    "purged",
]
