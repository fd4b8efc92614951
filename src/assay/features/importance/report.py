"""Importance of each feature over all folds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.features.importance.rank_stability import DRIFT_PSI
from assay.features.importance.selection import Chosen
from assay.kernel.arrays import BoolArray, FloatArray, IntArray

Verdict = Literal["keep", "redundant", "weak", "unstable", "drifting"]
CandidateVerdict = Literal["usable", "rare", "constant", "drifting", "counter"]


@dataclass(frozen=True, slots=True)
class FeatureScore:
    """One column over all folds; means over the folds that did not drop it, NaN if all did.

    cluster:   number of its cluster in the newest fold, None if dropped there.
    twin_of:   name that stands for its cluster in the newest fold; empty if it does itself, or was dropped.
    rank_mean, rank_std: over all folds, ddof 1.   psi_max: largest drift between a train fold and its test fold.
    verdict:   of what at least half of the folds selected ``keep``, or ``drifting`` if psi_max > 0.25, or ``weak`` if
               its permutation costs nothing on average; of the others ``redundant`` if another column stood for it in
               at least half of the folds, ``unstable`` if some fold selected it, else ``weak``.
    dropped:   the newest reason of the screen, with the value that decided; empty if it always passed.
    """

    name: str
    group: str
    lookback: int
    cluster: int | None
    twin_of: str
    gain_share: float
    perm_mean: float
    perm_std: float
    shap_share: float
    rank_mean: float
    rank_std: float
    selection_frequency: float
    psi_max: float
    verdict: Verdict
    dropped: str


@dataclass(frozen=True, slots=True)
class PatternCandidate:
    """A base pattern column: something to learn, never something to learn from.

    rate: share of ones over all labelled train rows of the folds.   lowest, highest: of a single train fold.
    events: ones in the train fold that has fewest.   psi_max: largest drift between a train fold and its test fold.
    verdict: ``counter`` (no flag, no target), ``constant`` (one value in some train fold), ``rare`` (below 1 % in
             some), ``drifting`` (psi_max > 0.25), else ``usable``.
    """

    name: str
    window: int
    std_dev: str
    event: str
    rate: float
    lowest: float
    highest: float
    events: int
    psi_max: float
    verdict: CandidateVerdict


@dataclass(frozen=True, slots=True)
class FoldTimes:
    """When a fold learns and is tested: first and last decision of each, in the unit of the folds."""

    train_from: int
    train_to: int
    test_from: int
    test_to: int
    train_rows: int
    test_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class ImportanceReport:
    """Columns ranked inside each train fold, and how steady that is.

    names:     the d columns.   rows: one each, best mean rank first.
    folds:     what each of the F train folds chose, oldest first.   times: when they were.
    psi:       ``(F, d)`` drift of each column between a train fold and its test fold; reported, never selected by.
    rank_corr: mean Spearman of the ranks over all pairs of folds.   nogueira: stability of the selections.
    candidates: base pattern columns, in a part of their own.
    warnings:  what a reader has to know.
    """

    names: tuple[str, ...]
    rows: tuple[FeatureScore, ...]
    folds: tuple[Chosen, ...]
    times: tuple[FoldTimes, ...]
    psi: FloatArray
    rank_corr: float
    nogueira: float
    candidates: tuple[PatternCandidate, ...]
    warnings: tuple[str, ...]

    @property
    def selected(self) -> BoolArray:
        """``(F, d)`` whether a fold selected a column."""
        return selection_flags(self.folds, len(self.names))

    @property
    def ranks(self) -> FloatArray:
        """``(F, d)`` ranks, 1 is best."""
        return np.array([fold.rank for fold in self.folds])

    @property
    def recommended(self) -> tuple[str, ...]:
        """Names to keep, best first."""
        return tuple(row.name for row in self.rows if row.verdict == "keep")


def selection_flags(folds: tuple[Chosen, ...], d: int) -> BoolArray:
    """``(F, d)`` whether a fold selected a column."""
    out = np.zeros((len(folds), d), np.bool_)
    for f, fold in enumerate(folds):
        out[f, list(fold.selected)] = True
    return out


def twins(folds: tuple[Chosen, ...], d: int) -> IntArray:
    """``(F, d)`` position of the column that stands for a column's cluster: itself, another, or -1 if dropped."""
    out = np.full((len(folds), d), -1, np.int64)
    for f, fold in enumerate(folds):
        for group, first in zip(fold.clusters, fold.representatives, strict=True):
            out[f, list(group)] = first
    return out


def verdict(frequency: float, perm_mean: float, redundant: float, psi_max: float) -> Verdict:
    """See `FeatureScore`; redundant: share of folds in which another column stood for it."""
    if frequency >= 0.5:
        if not perm_mean > 0:  # selected only because there was nothing better
            return "weak"
        return "drifting" if psi_max > DRIFT_PSI else "keep"
    if redundant >= 0.5:
        return "redundant"
    return "unstable" if frequency > 0 else "weak"


def newest_reason(folds: tuple[Chosen, ...], name: str) -> str:
    """Why the screen dropped a column last, empty if it never did."""
    reasons: list[Mapping[str, str]] = [fold.dropped for fold in folds if name in fold.dropped]
    return reasons[-1][name] if reasons else ""
