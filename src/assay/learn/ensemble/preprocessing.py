"""Columns and rows as the members see them: screened, imputed, scaled, weighted; fitted on train rows only."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np

from assay.features import TrainRows, screen_columns, select_features
from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.errors import DataError
from assay.kernel.panel import Labels, Panel, Window
from assay.learn.ensemble.params import EnsembleParams
from assay.targets import uniqueness

_ROW_QUALITY = 0.9  # least share of finite features for a row to be learnt from
_CHUNK = 8192

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """``m`` labelled rows, by decision time.

    x: ``(m, k)`` float32.   y: ``(m,)`` int64 index into the classes.   weight: ``(m,)`` of mean 1.
    decided_at, known_at: ``(m,)`` int64 ms.
    """

    x: Matrix
    y: IntArray
    weight: FloatArray
    decided_at: IntArray
    known_at: IntArray

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: BoolArray | IntArray | slice) -> "Samples":
        return Samples(self.x[rows], self.y[rows], self.weight[rows], self.decided_at[rows], self.known_at[rows])


def gather(panel: Panel, classes: tuple[float, ...], *, weigh: bool) -> Samples:
    """Every row of the panel with a label and with at least 90 % of its features, oldest first.

    Raises DataError ``DATA_TOO_FEW`` when none is left.
    """
    parts = [_of_window(window, classes, weigh) for _, window in panel]
    decided = np.concatenate([p.decided_at for p in parts])
    if not decided.size:
        raise DataError(
            "no row to learn from: every row lacks its label or more than 10 % of its features (warm-up)",
            code="DATA_TOO_FEW",
            hint="Import more history, or choose features with a shorter warm-up and a target with a nearer horizon.",
        )
    if len(parts) == 1:
        return parts[0]
    order = np.argsort(decided, kind="stable")
    return Samples(
        np.concatenate([p.x for p in parts])[order],
        np.concatenate([p.y for p in parts])[order],
        np.concatenate([p.weight for p in parts])[order],
        decided[order],
        np.concatenate([p.known_at for p in parts])[order],
    )


def _of_window(window: Window, classes: tuple[float, ...], weigh: bool) -> Samples:
    labels = window.labels
    if labels is None:
        raise DataError(f"{window.bars.instrument}: a trainer needs labels", code="DATA_SCHEMA")
    labelled = np.flatnonzero(np.isfinite(labels.y))
    x, good = _single(window.features, labelled)
    rows = labelled[good]
    weight = _weights(labels, rows) if weigh and rows.size else np.ones(rows.size)
    return Samples(
        x if good.all() else x[good],
        np.searchsorted(np.asarray(classes), labels.y[rows]).astype(np.int64),
        weight,
        window.bars.known_at[rows],
        labels.known_at[rows],
    )


def _weights(labels: Labels, rows: IntArray) -> FloatArray:
    """Uniqueness of the labels of these rows among themselves; only the stretch that they cover is looked at."""
    first, last = int(rows[0]), min(len(labels), int(labels.end[rows].max()) + 1)
    y = np.full(last - first, np.nan)
    y[rows - first] = labels.y[rows]
    stretch = replace(labels, y=y, known_at=labels.known_at[first:last], end=labels.end[first:last] - first)
    return uniqueness(stretch)[rows - first]


def _single(features: FloatArray, rows: IntArray) -> tuple[Matrix, BoolArray]:
    """These rows in single precision, and which of them have enough finite features; never a whole double copy."""
    x = np.empty((len(rows), features.shape[1]), np.float32)
    good = np.ones(len(rows), np.bool_)
    with np.errstate(over="ignore"):
        for first in range(0, len(rows), _CHUNK):
            part = features[rows[first : first + _CHUNK]]
            x[first : first + _CHUNK] = part
            good[first : first + _CHUNK] = np.isfinite(part).sum(axis=1) > _ROW_QUALITY * part.shape[1]
    return x, good


def inner_split(samples: Samples, share: float) -> tuple[Samples, Samples]:
    """The older rows to fit, the newest `share` of them to validate; rows that the validation could know of are purged.

    A row is fitted only if its label is known before the first validation row decides.
    """
    first = samples.decided_at[min(len(samples) - 1, int(len(samples) * (1 - share)))]
    begins = int(np.searchsorted(samples.decided_at, first))
    available = samples.known_at[:begins] < first
    ends = int(available.sum())
    # Labels of one length leave a stretch without holes: a view, not a copy of the largest array of a fit.
    older = samples[:ends] if available[:ends].all() else samples[np.flatnonzero(available)]
    return older, samples[begins:]


def demand_classes(samples: Samples, classes: tuple[float, ...], *, what: str) -> None:
    """Raise DataError ``DATA_DEGENERATE`` with the counts unless at least two classes occur."""
    counts = np.bincount(samples.y, minlength=len(classes))
    if (counts > 0).sum() < 2:
        shown = ", ".join(f"{c:g}: {n}" for c, n in zip(classes, counts, strict=True))
        raise DataError(
            f"the {what} rows hold one class only ({shown}); a longer train window or another target gives both",
            code="DATA_DEGENERATE",
            counts=[int(n) for n in counts],
        )


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

    def as_dict(self) -> dict[str, object]:
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
