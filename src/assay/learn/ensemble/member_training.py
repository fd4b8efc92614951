"""Training data and fit of one ensemble member."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

from assay.kernel.arrays import FloatArray, IntArray
from assay.learn.ensemble.params import EnsembleParams
from assay.learn.ensemble.samples import Matrix

Tick = Callable[[], None]


@dataclass(frozen=True, slots=True, eq=False)
class Learning:
    """What a member is fitted on. x float32 ``(m, k)``, y ``(m,)`` class index, weight ``(m,)``; `v…` to stop on.

    `vplain` are the weights of the rows to stop on before classes were balanced, for calibration.
    """

    x: Matrix
    y: IntArray
    weight: FloatArray
    vx: Matrix
    vy: IntArray
    vweight: FloatArray
    vplain: FloatArray
    n_classes: int
    params: EnsembleParams
    seed: int
    tick: Tick


class Member(Protocol):
    """A fitted classifier over prepared columns."""

    name: ClassVar[str]

    def vote(self, x: Matrix) -> FloatArray:
        """``(m, n_classes)`` probabilities, rows sum to 1."""
        ...

    def importance(self) -> FloatArray:
        """``(k,)`` share of each column in the member's total gain; sums to 1, or all 0 when nothing was split."""
        ...

    def write(self, folder: Path) -> None:
        """Write the member's file."""
        ...
