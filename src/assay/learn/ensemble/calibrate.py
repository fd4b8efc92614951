"""Calibrate votes into probabilities, class against rest."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray

_EDGE = 1e-6
_FEW = 20  # rows of a class below which it is left as voted


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """One monotone curve a class, then rows are normalised to 1.

    kind:   ``sigmoid``: p = 1 / (1 + exp(-(a·logit(vote) + b))) (Platt 1999); ``isotonic``: piecewise linear through
            (x, y) (Zadrozny & Elkan 2002); ``none``: as voted.
    curves: for each class the two lists of its curve: ``(a, b)`` as ``([a], [b])``, or the knots; empty: as voted.
    """

    kind: Literal["sigmoid", "isotonic", "none"]
    curves: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]

    def apply(self, votes: FloatArray) -> FloatArray:
        """``(m, n_classes)`` votes to probabilities; rows sum to 1."""
        if self.kind == "none":
            return votes
        out = np.column_stack([self._curve(votes[:, j], *curve) for j, curve in enumerate(self.curves)])
        if out.shape[1] == 2:
            out[:, 0] = 1.0 - out[:, 1]
            return out
        total = out.sum(axis=1, keepdims=True)
        return np.where(total > 0, out / np.where(total > 0, total, 1.0), votes)

    def _curve(self, vote: FloatArray, first: tuple[float, ...], second: tuple[float, ...]) -> FloatArray:
        if not first:
            return vote
        if self.kind == "isotonic":
            return np.interp(vote, first, second)
        return 1.0 / (1.0 + np.exp(-(first[0] * _logit(vote) + second[0])))

    def check(self, n_classes: int) -> None:
        """Raise ValueError unless there is one sound curve a class."""
        if self.kind not in ("sigmoid", "isotonic", "none") or len(self.curves) != (n_classes if self.curves else 0):
            raise ValueError(f"calibration {self.kind!r} with {len(self.curves)} curves for {n_classes} classes")
        for first, second in self.curves:
            numbers = np.asarray([first, second], np.float64)
            rising = self.kind == "sigmoid" or bool((np.diff(numbers) >= 0).all())
            if not np.isfinite(numbers).all() or not rising or (self.kind == "sigmoid" and len(first) > 1):
                raise ValueError("calibration: a curve is not one")
        if self.kind != "none" and not self.curves:
            raise ValueError("calibration without curves")

    def as_dict(self) -> dict[str, object]:
        """JSON-able; `from_dict` gives an equal object back."""
        return {"kind": self.kind, "curves": [[list(a), list(b)] for a, b in self.curves]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Calibration":
        """The inverse of `as_dict`."""
        return cls(document["kind"], tuple((tuple(a), tuple(b)) for a, b in document["curves"]))


def fit_calibration(
    kind: Literal["sigmoid", "isotonic", "none"], votes: FloatArray, y: IntArray, weight: FloatArray
) -> Calibration:
    """Fit on votes ``(m, n_classes)`` of rows that no member learnt from.

    A class with fewer than 20 rows on either side is left as voted. A sigmoid that would turn the order round is left
    out too: the votes then carry no information on these rows, and a constant is more honest than a mirror.
    """
    if kind == "none":
        return Calibration("none", ())
    fit = _sigmoid if kind == "sigmoid" else _isotonic
    return Calibration(kind, tuple(fit(votes[:, j], y == j, weight) for j in range(votes.shape[1])))


Curve = tuple[tuple[float, ...], tuple[float, ...]]


def _sigmoid(vote: FloatArray, hit: np.ndarray[tuple[int], np.dtype[np.bool_]], weight: FloatArray) -> Curve:
    from sklearn.linear_model import LogisticRegression

    if min(hit.sum(), (~hit).sum()) < _FEW:
        return (), ()
    line = LogisticRegression(C=1e4, tol=1e-8, max_iter=1000).fit(_logit(vote)[:, None], hit, sample_weight=weight)
    slope, base = float(line.coef_[0, 0]), float(line.intercept_[0])
    if slope <= 0:
        share = float(np.average(hit, weights=weight))
        return (0.0,), (float(np.log(share / (1 - share))),)
    return (slope,), (base,)


def _isotonic(vote: FloatArray, hit: np.ndarray[tuple[int], np.dtype[np.bool_]], weight: FloatArray) -> Curve:
    from sklearn.isotonic import IsotonicRegression

    if min(hit.sum(), (~hit).sum()) < _FEW:
        return (), ()
    steps = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(vote, hit.astype(float), weight)
    return tuple(map(float, steps.X_thresholds_)), tuple(map(float, steps.y_thresholds_))


def _logit(p: FloatArray) -> FloatArray:
    cut = np.clip(p, _EDGE, 1 - _EDGE)
    return np.log(cut / (1 - cut))
