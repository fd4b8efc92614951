"""The quick model that importances are read from. Boosting lives in `assay.learn`, so it is handed in."""

from typing import Protocol

from assay.features.importance.screening import Single
from assay.kernel.arrays import FloatArray


class Quick(Protocol):
    """A fitted model that tells what it leans on."""

    @property
    def gain(self) -> FloatArray:
        """``(k,)`` total gain of each column's splits, >= 0."""
        ...

    def score(self, x: Single, y: FloatArray, weight: FloatArray) -> float:
        """How well it says y of these rows; the larger, the better."""
        ...

    def contributions(self, x: Single) -> FloatArray:
        """``(k,)`` mean modulus of each column's additive share in the forecasts of these rows, >= 0."""
        ...


class Fit(Protocol):
    """Fits one."""

    def __call__(self, x: Single, y: FloatArray, weight: FloatArray, *, n_classes: int, seed: int) -> Quick:
        """x ``(m, k)`` with NaN where missing, y ``(m,)`` class indices 0.. or, with ``n_classes=0``, real values.

        weight: ``(m,)`` >= 0, in independent labels. Equal input and seed give an equal model.
        """
        ...
