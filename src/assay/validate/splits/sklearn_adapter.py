"""Our plans where scikit-learn asks for a cross-validator."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from assay.kernel.arrays import IntArray
from assay.kernel.errors import ConfigError, printable
from assay.validate.splits.base import Splitter


@dataclass(frozen=True, slots=True, eq=False)
class SklearnSplitter:
    """A plan as the ``cv`` of ``cross_val_score`` and ``GridSearchCV``: it splits by label interval, not by X or y.

    splitter: any plan of `assay.validate.splits`.   known_at, decided_at: as for `Splitter.folds`, one a row of X.
    """

    splitter: Splitter
    known_at: IntArray
    decided_at: IntArray | None = None

    def split(self, X: Any, y: Any = None, groups: Any = None) -> Iterator[tuple[IntArray, IntArray]]:
        """Train and test rows of every fold. Raises ConfigError ``CONFIG_FOLDS`` if X has another number of rows."""
        if not (getattr(X, "shape", ()) or hasattr(X, "__len__")):
            raise ConfigError(
                f"X is {printable(X)}: a table of {len(self.known_at)} rows is needed", code="CONFIG_FOLDS"
            )
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        if rows != len(self.known_at):
            raise ConfigError(f"X has {rows} rows, known_at {len(self.known_at)}", code="CONFIG_FOLDS")
        for fold in self.splitter.folds(self.known_at, self.decided_at):
            yield fold.train, fold.test

    def get_n_splits(self, X: Any = None, y: Any = None, groups: Any = None) -> int:
        """Folds that there will be."""
        return sum(1 for _ in self.splitter.folds(self.known_at, self.decided_at))
