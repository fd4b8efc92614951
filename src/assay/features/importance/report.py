"""Feature importance over all folds: the report, rank stability and drift (PSI)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.stats import rankdata

from assay.features.importance.selection import Chosen
from assay.kernel.arrays import BoolArray, FloatArray, IntArray

STABLE_PSI, DRIFT_PSI = 0.1, 0.25
"""Below the first a column is stable, above the second it drifts; between them it is to be watched."""
_BINS = 10
_FLOOR = 1e-4


def rank_corr(ranks: FloatArray) -> float:
    """Mean Spearman correlation over all pairs of folds.

    ranks: ``(F, d)`` importance ranks of d columns in F folds. A fold in which all are equal has none and its pairs are
    left out; NaN if no pair is left.
    """
    centred = np.array([rankdata(row) for row in ranks], np.float64) - (ranks.shape[1] + 1) / 2
    size = np.sqrt((centred**2).sum(axis=1))
    unit = centred[size > 0] / size[size > 0, None]
    if len(unit) < 2:
        return float("nan")
    pairs = np.triu_indices(len(unit), 1)
    return float((unit @ unit.T)[pairs].mean())


def nogueira(selected: BoolArray) -> float:
    """``1 - mean_j(p_j (1 - p_j) F / (F - 1)) / (k/d (1 - k/d))`` for ``(F, d)`` flags; 1 is always the same choice.

    p_j: share of folds that chose column j; k: mean number chosen. NaN for fewer than 2 folds and where none or all
    are chosen. Source: Nogueira, Sechidis & Brown 2018, "On the Stability of Feature Selection Algorithms", JMLR 18.
    """
    folds, d = selected.shape
    p = selected.mean(axis=0) if folds else np.zeros(d)
    share = float(p.sum()) / d if d else 0.0
    if folds < 2 or share <= 0 or share >= 1:
        return float("nan")
    return 1.0 - float((p * (1 - p)).mean()) * folds / (folds - 1) / (share * (1 - share))


def psi(train: FloatArray, test: FloatArray) -> float:
    """Population stability index ``sum (q - p) ln(q / p)`` over ten quantile bins of train; >= 0.

    p, q: shares of train and test in a bin, floored at 1e-4. Bins that ties make equal are one; a column of at most ten
    values has a bin for each; what is not finite is a bin of its own. NaN if either side is empty.
    Source: Siddiqi 2006, *Credit Risk Scorecards*. Cost: O(n log n).
    """
    if not len(train) or not len(test):
        return float("nan")
    edges = _edges(train[np.isfinite(train)])
    p, q = (np.maximum(_shares(values, edges), _FLOOR) for values in (train, test))
    return float(((q - p) * np.log(q / p)).sum())


def _edges(values: FloatArray) -> FloatArray:
    """Right ends of all bins but the last."""
    distinct = np.unique(values)
    if len(distinct) <= _BINS:
        return distinct[:-1]
    edges = np.unique(np.quantile(values, np.arange(1, _BINS) / _BINS))
    if edges[-1] == distinct[-1]:  # many at the top: they are a bin, and not the only one
        edges[-1] = distinct[-2]
    return np.unique(edges)


def _shares(values: FloatArray, edges: FloatArray) -> FloatArray:
    finite = np.isfinite(values)
    counts = np.bincount(np.searchsorted(edges, values[finite], side="left"), minlength=len(edges) + 1)
    return np.append(counts, (~finite).sum()) / len(values)


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
