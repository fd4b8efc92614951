"""Labels: the outcome of each row, and when it was known."""

from dataclasses import dataclass, replace

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The answers that a trainer learns from, one a row.

    y:        ``(n,)`` float64; NaN where the row has no label (its future is not complete, or the target cannot say).
    known_at: ``(n,)`` int64 ms, when ``y`` is fully known; the row's own decision time where ``y`` is NaN.
    end:      ``(n,)`` int64 row of the bar that makes ``y`` known; the row itself where ``y`` is NaN.
    name:     the target and its parameters, as it stands in the spec.
    horizon:  most bars that any label looks ahead.
    classes:  the values that ``y`` may take, increasing; empty for a real-valued target.
    side:     +1 if a larger ``y`` speaks for holding the instrument, -1 if it speaks against it.
    dropped:  rows without a label, counted by reason (``tail``, ``warm_up``, ``nan`` …).
    """

    y: FloatArray
    known_at: IntArray
    end: IntArray
    name: str
    horizon: int
    classes: tuple[float, ...] = ()
    side: int = 1
    dropped: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not len(self.y) == len(self.known_at) == len(self.end):
            raise DataError(f"{self.name}: y, known_at and end need one length", code="DATA_SCHEMA")

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: slice) -> "Labels":
        """A stretch of rows; a label whose end lies beyond the last row of the stretch is taken away.

        Its `known_at` still says when it would have been known: `Window` puts that right, it has the bars.
        """
        if rows.step not in (None, 1):
            raise IndexError("labels are cut in stretches, without a step")
        start, stop, _ = rows.indices(len(self))
        y, end = self.y[start:stop].copy(), self.end[start:stop] - start
        beyond = end >= stop - start
        y[beyond] = np.nan
        return replace(self, y=y, known_at=self.known_at[start:stop], end=end)

    def only(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "Labels":
        """The same labels with ``y`` NaN outside the mask ``rows`` ``(n,)``."""
        return replace(self, y=np.where(rows, self.y, np.nan))

    def settle(self, decided_at: IntArray) -> "Labels":
        """Rows without a label are known at their own decision and end at themselves, so that they tell nothing.

        decided_at: ``(n,)`` int64 ms. When a barrier would be touched is an answer too.
        """
        there = np.isfinite(self.y)
        return replace(
            self,
            known_at=np.where(there, self.known_at, decided_at),
            end=np.where(there, self.end, np.arange(len(self))),
        )
