"""Base pattern columns: candidates for y."""

from collections.abc import Sequence

import numpy as np

from assay.features.importance.rank_stability import DRIFT_PSI, psi
from assay.features.importance.report import CandidateVerdict, PatternCandidate
from assay.features.patterns import format_number, parse_name, refuse_twins
from assay.kernel.arrays import FloatArray
from assay.kernel.fold import Fold

RARE = 0.01
_ORDER: tuple[CandidateVerdict, ...] = ("usable", "drifting", "rare", "constant", "counter")


def split_names(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of the columns that may stand in X, and of the base pattern columns. Raises as `refuse_twins`."""
    refuse_twins(names)
    base = [j for j, name in enumerate(names) if (p := parse_name(name)) is not None and not p.lag]
    return [j for j in range(len(names)) if j not in set(base)], base


def pattern_candidates(names: Sequence[str], values: FloatArray, folds: Sequence[Fold]) -> tuple[PatternCandidate, ...]:
    """One for each base column, ``(n, len(names))``, usable ones first, then by how many events the thinnest fold has.

    Counted on train rows; the rows of a test fold take part in the drift alone.
    """
    result = [_candidate(name, values[:, j], folds) for j, name in enumerate(names)]
    return tuple(sorted(result, key=lambda c: (_ORDER.index(c.verdict), -c.events, c.name)))


def _candidate(name: str, column: FloatArray, folds: Sequence[Fold]) -> PatternCandidate:
    pattern = parse_name(name)
    if pattern is None:
        raise ValueError(f"{name!r} is no pattern column")
    train = [column[f.train][np.isfinite(column[f.train])] for f in folds]
    ones = [int((part == 1.0).sum()) for part in train]
    rates = [n / len(part) if len(part) else 0.0 for n, part in zip(ones, train, strict=True)]
    drift = [psi(column[f.train], column[f.test]) for f in folds]
    moved = max((d for d in drift if np.isfinite(d)), default=float("nan"))
    total = sum(len(part) for part in train)
    return PatternCandidate(
        name=name,
        window=pattern.window,
        std_dev=format_number(pattern.std_dev),
        event=pattern.event,
        rate=sum(ones) / total if total else float("nan"),
        lowest=min(rates),
        highest=max(rates),
        events=min(ones),
        psi_max=moved,
        verdict=_verdict(pattern.since or pattern.threshold != 1, rates, moved),
    )


def _verdict(counter: bool, rates: Sequence[float], moved: float) -> CandidateVerdict:
    if counter:
        return "counter"
    if min(rates) <= 0 or max(rates) >= 1:
        return "constant"
    if min(rates) < RARE:
        return "rare"
    return "drifting" if moved > DRIFT_PSI else "usable"
