"""Rank columns by importance inside each train fold; find pattern candidates among the steady ones."""

import logging
import warnings as python_warnings
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from assay.features.importance.report import (
    DRIFT_PSI,
    CandidateVerdict,
    FeatureScore,
    FoldTimes,
    ImportanceReport,
    PatternCandidate,
    newest_reason,
    nogueira,
    psi,
    rank_corr,
    selection_flags,
    twins,
    verdict,
)
from assay.features.importance.selection import Chosen, Fit, TrainRows, select_features
from assay.features.patterns import format_number, parse_name, refuse_twins
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.contracts import Fold
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.seeding import integer

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


_LOG = logging.getLogger(__name__)
Weigh = Callable[[IntArray], FloatArray]


def rank_features(
    x: FloatArray,
    y: FloatArray,
    weights: FloatArray | Weigh | None,
    folds: Iterable[Fold],
    seed: int,
    *,
    names: Sequence[str],
    fit: Fit,
    classes: Sequence[float] = (),
    lookbacks: Sequence[int] | None = None,
    groups: Sequence[str] | None = None,
    warm_up: int = 0,
    max_features: int | None = None,
    threads: int = 1,
) -> ImportanceReport:
    """Rank the columns of ``x`` inside each train fold; test rows take part in `psi` alone, which selects nothing.

    x:       ``(n, k)``, row t knows bars <= t; NaN where there is no value. Base pattern columns are candidates for y:
             they are taken out before anything is learnt and stand in a part of their own.
    y:       ``(n,)``, NaN where there is no label.   classes: the values that y may take; empty for real values.
    weights: ``(n,)`` >= 0; or a function of a fold's labelled train rows that gives theirs, so that no label outside
             the fold weighs in; None weighs all alike.
    names, lookbacks, groups: of the k columns.   warm_up: first rows of ``x`` that the screen does not count.
    fit:     gives the quick model, see `assay.features.importance.selection`.
    threads: folds that are ranked side by side; the result does not depend on it.

    Raises DataError ``DATA_SCHEMA``, ``DATA_TOO_FEW``, ``DATA_DEGENERATE``; LeakError ``LEAK_COLUMN``,
    ``LEAK_SUSPECT``; ConfigError ``CONFIG_PARAMETER``, ``CONFIG_FOLDS`` without a fold. Cost: `select_features` for
    each fold. Source: López de Prado 2020, *Machine Learning for Asset Managers*, ch. 6 (clustered importance).
    """
    _check(x, y, names, lookbacks, groups, max_features)
    all_folds = tuple(folds)
    if not all_folds:
        raise ConfigError("importance needs at least one fold", code="CONFIG_FOLDS")
    inside, outside = split_names(names)
    stored = tuple(names[j] for j in inside)
    backs = [0 if lookbacks is None else int(lookbacks[j]) for j in inside]
    matrix = x if len(inside) == len(names) else np.ascontiguousarray(x[:, inside])

    def one(number: int) -> Chosen:
        rows = _rows(matrix, y, weights, all_folds[number], classes, warm_up)
        part = integer(seed, f"importance of fold {number}")
        return select_features(rows, stored, backs, fit=fit, seed=part, max_features=max_features)

    with ThreadPoolExecutor(max(1, threads)) as pool:
        chosen = tuple(pool.map(one, range(len(all_folds))))
    named = ["" if groups is None else groups[j] for j in inside]
    apart = pattern_candidates([names[j] for j in outside], x[:, outside], all_folds)
    return _together(matrix, stored, named, backs, all_folds, chosen, apart)


def _together(
    x: FloatArray,
    names: tuple[str, ...],
    groups: Sequence[str],
    lookbacks: Sequence[int],
    folds: tuple[Fold, ...],
    chosen: tuple[Chosen, ...],
    apart: tuple[PatternCandidate, ...],
) -> ImportanceReport:
    drift = np.array([[psi(x[f.train, j], x[f.test, j]) for j in range(len(names))] for f in folds])
    return ImportanceReport(
        names=names,
        rows=_table(names, groups, lookbacks, chosen, drift),
        folds=chosen,
        times=tuple(_times(f) for f in folds),
        psi=drift,
        rank_corr=_agreement(chosen),
        nogueira=nogueira(selection_flags(chosen, len(names))),
        candidates=apart,
        warnings=(*_warned(chosen), *_unranked(chosen)),
    )


def _check(
    x: FloatArray,
    y: FloatArray,
    names: Sequence[str],
    lookbacks: Sequence[int] | None,
    groups: Sequence[str] | None,
    max_features: int | None,
) -> None:
    value = [len(each) for each in (lookbacks, groups) if each is not None]
    if x.ndim != 2 or x.shape != (len(y), len(names)) or any(length != len(names) for length in value):
        raise DataError(
            f"x has shape {x.shape} for {len(y)} labels and {len(names)} names, lookbacks and groups {value}",
            code="DATA_SCHEMA",
        )
    if len(set(names)) < len(names):
        twice = next(n for n in names if list(names).count(n) > 1)
        raise ConfigError(f"column {twice!r} is named twice", code="CONFIG_FEATURE_DUPLICATE")
    if max_features is not None and max_features < 1:
        raise ConfigError(
            f"max_features is {max_features}, must be an integer >= 1", code="CONFIG_PARAMETER", field="max_features"
        )


def _rows(
    x: FloatArray, y: FloatArray, weights: FloatArray | Weigh | None, fold: Fold, classes: Sequence[float], warm_up: int
) -> TrainRows:
    """The labelled train rows of a fold, in single precision."""
    at = fold.train[np.isfinite(y[fold.train])]
    if not at.size:
        raise DataError(f"none of {fold.train.size} train rows has a label", code="DATA_TOO_FEW")
    with np.errstate(over="ignore"):
        single = x[at].astype(np.float32)
    single[~np.isfinite(single)] = np.nan
    values = y[at]
    if len(classes):
        order = np.asarray(classes, np.float64)
        result = np.searchsorted(order, values)
        if np.any(order[np.minimum(result, len(order) - 1)] != values):
            raise DataError(f"y holds values that are none of the classes {tuple(classes)}", code="DATA_SCHEMA")
        values = result.astype(np.float64)
    weight = np.ones(len(at)) if weights is None else weights(at) if callable(weights) else weights[at]
    if weight.shape != at.shape or not (weight >= 0).all():
        raise DataError("weights must be numbers >= 0, one for each labelled train row", code="DATA_SCHEMA")
    skipped = int(np.searchsorted(at, warm_up))
    return TrainRows(single, values, weight, fold.decided_at[at], fold.known_at[at], len(classes), skipped)


def _agreement(folds: tuple[Chosen, ...]) -> float:
    """`rank_corr` of the columns that no fold dropped: a place behind the last is not an importance."""
    return rank_corr(_common(folds))


def _common(folds: tuple[Chosen, ...]) -> FloatArray:
    always = np.flatnonzero(np.isfinite([f.gain_share for f in folds]).all(axis=0))
    return np.array([f.rank[always] for f in folds])


def _unranked(folds: tuple[Chosen, ...]) -> tuple[str, ...]:
    """A mean over pairs of folds says little where most folds have no part in it."""
    ranks = _common(folds)
    level = int((ranks == ranks[:, :1]).all(axis=1).sum()) if ranks.size else 0
    if not level:
        return ()
    return (f"{level} of {len(folds)} folds rank no column above another: they have no part in the agreement of ranks",)


def _times(fold: Fold) -> FoldTimes:
    first, last, begins, ends = fold.decided_at[[fold.train[0], fold.train[-1], fold.test[0], fold.test[-1]]].tolist()
    return FoldTimes(first, last, begins, ends, len(fold.train), len(fold.test))


def _table(
    names: Sequence[str], groups: Sequence[str], lookbacks: Sequence[int], folds: tuple[Chosen, ...], drift: FloatArray
) -> tuple[FeatureScore, ...]:
    d = len(names)
    ranks, flags, stands = np.array([f.rank for f in folds]), selection_flags(folds, d), twins(folds, d)
    means = {
        what: _mean(np.array([getattr(f, what) for f in folds]))
        for what in ("gain_share", "perm_mean", "perm_std", "shap_share")
    }
    psi_max = _largest(drift)
    rows = []
    for j, name in enumerate(names):
        other = (stands[:, j] >= 0) & (stands[:, j] != j)
        frequency = float(flags[:, j].mean())
        numbers = [c for c, group in enumerate(folds[-1].clusters) if j in group]
        rows.append(
            FeatureScore(
                name=name,
                group=groups[j],
                lookback=lookbacks[j],
                cluster=numbers[0] if numbers else None,
                twin_of=names[stands[-1, j]] if other[-1] else "",
                **{what: float(values[j]) for what, values in means.items()},
                rank_mean=float(ranks[:, j].mean()),
                rank_std=float(ranks[:, j].std(ddof=1)) if len(folds) > 1 else float("nan"),
                selection_frequency=frequency,
                psi_max=float(psi_max[j]),
                verdict=verdict(frequency, float(means["perm_mean"][j]), float(other.mean()), float(psi_max[j])),
                dropped=newest_reason(folds, name),
            )
        )
    return tuple(sorted(rows, key=lambda row: (row.rank_mean, -row.selection_frequency, row.name)))


def _mean(values: FloatArray) -> FloatArray:
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore", RuntimeWarning)  # a column that every fold dropped has no mean
        return np.asarray(np.nanmean(values, axis=0))


def _largest(drift: FloatArray) -> FloatArray:
    result = np.where(np.isnan(drift), -np.inf, drift).max(axis=0)
    return np.where(np.isfinite(result), result, np.nan)


def _warned(folds: tuple[Chosen, ...]) -> tuple[str, ...]:
    texts = [fold.warning for fold in folds if fold.warning]
    document = tuple(f"{texts.count(text)} of {len(folds)} folds: {text}" for text in dict.fromkeys(texts))
    for text in document:
        _LOG.warning("feature importance, %s", text)
    return document
