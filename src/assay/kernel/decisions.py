"""Decisions of a model at each close."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import TrainError


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What to hold, decided at the close of each bar and traded at the open of the next.

    target: ``(n,)`` share of equity in [-1, 1]; 0 is flat, NaN means "keep what you have".
    stop:   ``(n,)`` distance from the fill price, quote currency, > 0; NaN is none.
    take:   ``(n,)`` distance from the fill price, quote currency, > 0; NaN is none.
    hold:   ``(n,)`` int32, most bars to stay in the position that this row opens; 0 is no limit.

    Raises TrainError ``TRAIN_DECISIONS`` naming field, row and value that break this.
    """

    target: FloatArray
    stop: FloatArray
    take: FloatArray
    hold: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.target)
        if any(len(a) != n for a in (self.stop, self.take, self.hold)):
            raise TrainError("decisions need four arrays of one length", code="TRAIN_DECISIONS")
        _refuse("target", self.target, np.abs(self.target) > 1.0, "in [-1, 1] or NaN")
        _refuse("stop", self.stop, ~((self.stop > 0) & np.isfinite(self.stop) | np.isnan(self.stop)), "> 0 or NaN")
        _refuse("take", self.take, ~((self.take > 0) & np.isfinite(self.take) | np.isnan(self.take)), "> 0 or NaN")
        _refuse("hold", self.hold, self.hold < 0, ">= 0")

    @classmethod
    def weights(cls, target: FloatArray) -> "Decisions":
        """Decisions that only say how much to hold: no stop, no take, no limit."""
        n = len(target)
        return cls(target, np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int32))

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: slice) -> "Decisions":
        return Decisions(self.target[rows], self.stop[rows], self.take[rows], self.hold[rows])


def _refuse(name: str, values: NDArray[np.generic], wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrainError(
            f"decisions: {name} in row {row} is {values[row]}, must be {rule}", code="TRAIN_DECISIONS", row=row
        )
