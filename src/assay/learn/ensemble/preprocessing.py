"""Columns as the members see them: screened, selected, imputed, scaled; every number from the fitted rows only."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.features import TrainRows, screen_columns, select_features
from assay.kernel.arrays import FloatArray
from assay.kernel.errors import DataError
from assay.learn.ensemble.params import EnsembleParams
from assay.learn.ensemble.samples import Matrix, Samples

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Fitted columns.

    names:   all columns in the order they arrive.   kept: positions of those that are used.
    fill, centre, spread: ``(len(kept),)``: value for a missing one, and the scale.
    dropped: reason by name for the columns that are not used.
    """

    names: tuple[str, ...]
    kept: tuple[int, ...]
    fill: FloatArray
    centre: FloatArray
    spread: FloatArray
    dropped: Mapping[str, str]

    def apply(self, x: FloatArray | Matrix) -> Matrix:
        """``(m, k)`` raw columns to ``(m, len(kept))`` float32: missing values filled, then scaled."""
        out = np.empty((len(x), len(self.kept)), np.float32)
        with np.errstate(over="ignore"):
            for j, source in enumerate(self.kept):
                column = x[:, source].astype(np.float64)
                column[~np.isfinite(column)] = self.fill[j]
                out[:, j] = (column - self.centre[j]) / self.spread[j]
        return out

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; `from_dict` gives an equal object back."""
        return {
            "names": list(self.names),
            "kept": list(self.kept),
            "fill": self.fill.tolist(),
            "centre": self.centre.tolist(),
            "spread": self.spread.tolist(),
            "dropped": dict(self.dropped),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Columns":
        """The inverse of `as_dict`."""
        fill, centre, spread = (np.asarray(document[k], np.float64) for k in ("fill", "centre", "spread"))
        return cls(tuple(document["names"]), tuple(document["kept"]), fill, centre, spread, dict(document["dropped"]))


def fit_columns(samples: Samples, names: tuple[str, ...], params: EnsembleParams, *, seed: int) -> Columns:
    """Screen, select, and measure fill and scale, all on these samples.

    With `max_features` columns are selected as the importance service does in each fold (`select_features`): one of
    each cluster of columns that say the same, whose permutation costs the newest quarter something. Without, all stay
    that pass the screen. Raises DataError ``DATA_DEGENERATE`` when no column is left, LeakError ``LEAK_SUSPECT`` from
    the screen; to select also DataError ``DATA_TOO_FEW``.
    """
    if params.max_features is None:
        screened = screen_columns(samples.x, names, samples.y.astype(np.float64))
        stored, dropped = tuple(screened.retained), dict(screened.dropped)
    else:
        stored, dropped = _selected(samples, names, params.max_features, seed)
    if not stored:
        raise DataError(
            f"no usable feature is left of {len(names)}: "
            + "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:5]),
            code="DATA_DEGENERATE",
        )
    fill, centre, spread = np.array([_measure(samples.x[:, j], params.scale) for j in stored]).T.copy()
    return Columns(names, stored, fill, centre, spread, dropped)


def _measure(column: np.ndarray[tuple[int], np.dtype[np.float32]], how: str) -> tuple[float, float, float]:
    """Fill (the median), centre and spread of one column's finite values."""
    values = column[np.isfinite(column)].astype(np.float64)
    fill = float(np.median(values))
    if how == "none":
        return fill, 0.0, 1.0
    if how == "robust":
        low, centre, high = np.quantile(values, [0.25, 0.5, 0.75])
        spread = (high - low) / 1.349  # quartile range of a normal distribution
    else:
        centre, spread = values.mean(), values.std()
    return fill, float(centre), float(spread) if spread > 0 else 1.0


def _selected(
    samples: Samples, names: tuple[str, ...], count: int, seed: int
) -> tuple[tuple[int, ...], dict[str, str]]:
    """Positions of the columns selected, and why each other is not."""
    from assay.learn.ensemble.importance_model import fit_quick

    rows = TrainRows(
        samples.x, samples.y.astype(np.float64), samples.weight, samples.decided_at, samples.known_at,
        n_classes=int(samples.y.max()) + 1,
    )  # fmt: skip
    result = select_features(rows, names, [0] * len(names), fit=fit_quick, seed=seed, max_features=count)
    if result.warning:
        log.warning("max_features: %s (%s)", result.warning, names[result.selected[0]])
    dropped = dict(result.dropped)
    for group, first in zip(result.clusters, result.representatives, strict=True):
        dropped |= {names[j]: f"says what {names[first]} says" for j in group if j != first}
        if first not in result.selected:
            costs = result.perm_mean[first] > 0
            dropped[names[first]] = "not among max_features" if costs else "to permute it costs nothing"
    return tuple(sorted(result.selected)), dropped
