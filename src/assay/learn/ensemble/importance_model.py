"""A small LightGBM, quickly fitted, to ask what it leans on. Implements
`assay.features.importance.selection.Quick`.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.seeding import integer
from assay.learn.ensemble.boosting import lightgbm_options
from assay.learn.ensemble.preprocessing import Matrix

if TYPE_CHECKING:
    import lightgbm

_ROUNDS = 60
_SHAPE = {
    "learning_rate": 0.1,
    "num_leaves": 8,
    "max_depth": 4,
    "min_data_in_leaf": 20,
    "min_sum_hessian_in_leaf": 5.0,
    "lambda_l2": 1.0,
    "max_bin": 63,
    # What the best of some thousand splits on nothing gains: a chi-squared of one degree, once in a thousand.
    "min_gain_to_split": 10.8,
}
_TINY = 1e-15


@dataclass(frozen=True, slots=True, eq=False)
class QuickModel:
    """n_classes: 0 for real values, which are scaled by `centre` and `spread` of the rows learnt from."""

    booster: "lightgbm.Booster"
    n_classes: int
    centre: float
    spread: float

    @property
    def gain(self) -> FloatArray:
        """See `Quick`."""
        return np.asarray(self.booster.feature_importance("gain"), np.float64)

    def score(self, x: Matrix, y: FloatArray, weight: FloatArray) -> float:
        """See `Quick`; minus the mean log loss, or minus the mean squared error in units of the spread."""
        document = np.asarray(self.booster.predict(x, num_threads=1), np.float64)
        if not self.n_classes:
            return -float(np.average((document - self._scaled(y)) ** 2, weights=weight))
        p = document if document.ndim == 2 else np.column_stack([1.0 - document, document])
        hit = p[np.arange(len(y)), y.astype(np.int64)]
        return float(np.average(np.log(np.maximum(hit, _TINY)), weights=weight))

    def contributions(self, x: Matrix) -> FloatArray:
        """See `Quick`; TreeSHAP of the margin (Lundberg et al. 2020), summed over classes."""
        k = x.shape[1]
        document = np.asarray(self.booster.predict(x, pred_contrib=True, num_threads=1), np.float64)
        return np.abs(document).mean(axis=0).reshape(-1, k + 1)[:, :k].sum(axis=0)

    def _scaled(self, y: FloatArray) -> FloatArray:
        return (y - self.centre) / self.spread


def fit_quick(x: Matrix, y: FloatArray, weight: FloatArray, *, n_classes: int, seed: int) -> QuickModel:
    """See `assay.features.importance.selection.Fit`: 60 rounds of 8 leaves, deterministic, on one thread."""
    import lightgbm

    centre = spread = 0.0
    options = lightgbm_options(max(2, n_classes), integer(seed, "quick")) | _SHAPE
    if not n_classes:
        centre = float(np.average(y, weights=weight))
        spread = float(np.sqrt(np.average((y - centre) ** 2, weights=weight))) or 1.0
        y = (y - centre) / spread
        options |= {"objective": "regression", "metric": "l2"}
    booster = lightgbm.train(options, lightgbm.Dataset(x, y, weight=weight, params=options), _ROUNDS)
    return QuickModel(booster, n_classes, centre, spread)
