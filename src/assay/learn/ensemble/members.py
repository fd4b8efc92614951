"""The three members behind one face: fit, vote, importance, write, read.

Boosting runs on one thread: a float sum that is split over threads depends on their number, and the walk has folds
enough to keep all cores busy (see ``docs/why/one-thread-per-fit.md``). The forest's trees do not know of each other:
they may be grown on `EnsembleParams.num_threads`, and the bytes stay the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.seeding import integer
from assay.learn.ensemble.boosting import LightGBM, XGBoost
from assay.learn.ensemble.samples import Learning, Matrix, Member

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

__all__ = ["FITS", "READS", "Forest", "Learning", "LightGBM", "Member", "XGBoost"]


@dataclass(frozen=True, slots=True, eq=False)
class Forest:
    """Breiman 2001, "Random Forests", Machine Learning 45(1)."""

    name: ClassVar[str] = "random_forest"
    forest: "RandomForestClassifier"
    n_classes: int

    @classmethod
    def fit(cls, learning: Learning) -> "Forest":
        """Grow the trees; the validation rows are not looked at."""
        from sklearn.ensemble import RandomForestClassifier

        p = learning.params
        forest = RandomForestClassifier(
            n_estimators=p.forest_trees,
            max_depth=p.forest_depth,
            min_samples_leaf=p.min_leaf,
            max_features="sqrt",
            max_samples=min(1.0, p.row_share),
            n_jobs=p.num_threads,
            random_state=integer(learning.seed, cls.name),
        )
        learning.tick()
        forest.fit(learning.x, learning.y, sample_weight=learning.weight)
        # Votes are summed in the order in which threads end, so that only growing may use several.
        return cls(forest.set_params(n_jobs=1), learning.n_classes)

    def vote(self, x: Matrix) -> FloatArray:
        """See `Member`; a class that the forest never saw gets 0. The bits of ``forest.predict_proba``, without the
        jobs that it makes of every tree: these cost more than the trees on a short panel.
        """
        rows = np.ascontiguousarray(x, np.float32)
        total = np.zeros((len(x), len(self.forest.classes_)))
        for tree in self.forest.estimators_:
            total += tree.tree_.predict(rows)[:, : total.shape[1]]
        out = np.zeros((len(x), self.n_classes))
        out[:, self.forest.classes_] = total / len(self.forest.estimators_)
        return out

    def importance(self) -> FloatArray:
        """See `Member`; mean decrease in impurity."""
        return np.asarray(self.forest.feature_importances_, np.float64)

    def write(self, folder: Path) -> None:
        """See `Member`."""
        from assay.learn.ensemble.model import write_forest

        write_forest(self.forest, folder / f"{self.name}.skops")

    @classmethod
    def read(cls, folder: Path, *, columns: int, n_classes: int) -> "Forest":
        """Inverse of `write`."""
        from assay.learn.ensemble.model import read_forest

        return cls(read_forest(folder / f"{cls.name}.skops", columns=columns, n_classes=n_classes), n_classes)


FITS: dict[str, Callable[[Learning], Member]] = {
    Forest.name: Forest.fit,
    XGBoost.name: XGBoost.fit,
    LightGBM.name: LightGBM.fit,
}


class _Read(Protocol):
    def __call__(self, folder: Path, *, columns: int, n_classes: int) -> Member: ...


READS: dict[str, _Read] = {Forest.name: Forest.read, XGBoost.name: XGBoost.read, LightGBM.name: LightGBM.read}
