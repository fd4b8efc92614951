"""Select columns on one train window: clusters of alike columns, importances, thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.stats import rankdata

from assay.features.importance.screening import Screen, Single, pick_evenly, screen_columns
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import DataError
from assay.kernel.seeding import generator, integer

_ROWS = 20_000
_LEAST = 10  # rows that two columns must share
CLUSTER_CUT = 0.1
"""Mean distance ``1 - |rho|`` at which two clusters stay apart."""


def rank_correlations(x: FloatArray | Single) -> FloatArray:
    """``(k, k)`` modulus of Spearman's rho on at most 20,000 evenly spaced rows, each pair on the rows it shares.

    0 for a pair with fewer than ten rows or with a column that is constant on them; 1 on the diagonal.
    Cost: O(k n log n) for columns that are missing on the same rows, times the number of such groups for all others.
    """
    x = x[pick_evenly(np.arange(len(x)), _ROWS)]
    finite = np.isfinite(x)
    k = x.shape[1]
    _, group = np.unique(finite, axis=1, return_inverse=True)
    groups = [np.flatnonzero(group.reshape(-1) == g) for g in range(int(group.max()) + 1)] if k else []
    out = np.zeros((k, k))
    for i, one in enumerate(groups):
        for two in groups[i:]:
            rows = finite[:, one[0]] & finite[:, two[0]]
            if rows.sum() < _LEAST:
                continue
            rho = np.abs(_unit_ranks(x[rows][:, one]).T @ _unit_ranks(x[rows][:, two]))
            out[np.ix_(one, two)] = rho
            out[np.ix_(two, one)] = rho.T
    np.fill_diagonal(out, 1.0)
    return np.minimum(out, 1.0)


def cluster_columns(rho: FloatArray) -> tuple[tuple[int, ...], ...]:
    """Clusters of average linkage on ``1 - rho`` cut at 0.1, each increasing, ordered by their first column.

    rho: ``(k, k)`` of `rank_correlations`. Source: Sokal & Michener 1958. Cost: O(k^2).
    """
    from scipy.cluster.hierarchy import fcluster

    k = len(rho)
    if k < 2:
        return tuple((j,) for j in range(k))
    marks = fcluster(_tree(rho), CLUSTER_CUT, criterion="distance")
    result = {mark: tuple(np.flatnonzero(marks == mark).tolist()) for mark in np.unique(marks).tolist()}
    return tuple(sorted(result.values()))


def cluster_order(rho: FloatArray) -> IntArray:
    """``(k,)`` order of the columns along the tree of `cluster_columns`, like beside like."""
    from scipy.cluster.hierarchy import leaves_list

    if len(rho) < 2:
        return np.arange(len(rho))
    return np.asarray(leaves_list(_tree(rho)), np.int64)


def _tree(rho: FloatArray) -> FloatArray:
    from scipy.cluster.hierarchy import linkage
    from scipy.spatial.distance import squareform

    return np.asarray(linkage(squareform(1.0 - rho, checks=False), "average"))


def _unit_ranks(x: FloatArray | Single) -> FloatArray:
    ranks = rankdata(x, axis=0) - (len(x) + 1) / 2
    size = np.sqrt((ranks**2).sum(axis=0))
    return np.asarray(ranks / np.where(size > 0, size, 1.0))


class Quick(Protocol):
    """A fitted model that tells what it leans on."""

    @property
    def gain(self) -> FloatArray:
        """``(k,)`` total gain of each column's splits, >= 0."""
        ...

    def score(self, x: Single, y: FloatArray, weight: FloatArray) -> float:
        """How well it says y of these rows; the larger, the better."""
        ...

    def contributions(self, x: Single) -> FloatArray:
        """``(k,)`` mean modulus of each column's additive share in the forecasts of these rows, >= 0."""
        ...


class Fit(Protocol):
    """Fits one."""

    def __call__(self, x: Single, y: FloatArray, weight: FloatArray, *, n_classes: int, seed: int) -> Quick:
        """x ``(m, k)`` with NaN where missing, y ``(m,)`` class indices 0.. or, with ``n_classes=0``, real values.

        weight: ``(m,)`` >= 0, in independent labels. Equal input and seed give an equal model.
        """
        ...


NEWEST = 0.25  # share of the window that the permutation is judged on
REPEATS = 5
_SHAP_ROWS = 5_000


@dataclass(frozen=True, slots=True, eq=False)
class TrainRows:
    """The labelled rows of one train window, by decision time.

    x: ``(m, k)`` single, not finite is NaN.   y: ``(m,)`` class indices, or real values if `n_classes` is 0.
    weight: ``(m,)`` >= 0.   decided_at, known_at: ``(m,)`` int64.   warm_up: first rows that the screen does not count.
    """

    x: Single
    y: FloatArray
    weight: FloatArray
    decided_at: IntArray
    known_at: IntArray
    n_classes: int
    warm_up: int = 0

    def __len__(self) -> int:
        return len(self.y)

    @property
    def overlap(self) -> IntArray:
        """``(m,)`` int64 >= 1: rows decided after each row until its label is known."""
        ends = np.searchsorted(self.decided_at, self.known_at, side="right") - 1
        return np.maximum(ends - np.arange(len(self)), 1)

    def of(self, rows: IntArray | slice) -> "TrainRows":
        """Some of the rows."""
        cut = (self.x[rows], self.y[rows], self.weight[rows], self.decided_at[rows], self.known_at[rows])
        return TrainRows(*cut, self.n_classes)

    def split(self) -> tuple["TrainRows", "TrainRows"]:
        """The older rows whose label is known before the newest quarter decides, and the newest quarter."""
        begins = int(np.searchsorted(self.decided_at, self.decided_at[int(len(self) * (1 - NEWEST))]))
        available = np.flatnonzero(self.known_at[:begins] < self.decided_at[begins])
        return self.of(available), self.of(slice(begins, None))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What one train window says of its k columns; positions are those of the columns given.

    dropped:     name -> reason, with the value that decided.
    clusters:    of the columns left, those that say the same together; representatives: one of each, in that order.
    correlation: ``(k, k)`` modulus of Spearman's rho; NaN where a column is dropped.
    gain_share, shap_share: ``(k,)`` each column's own share of the model's gain and contributions; NaN if dropped.
    perm_mean, perm_std:    ``(k,)`` drop of the score when the column's cluster is permuted, over 5 repeats.
    rank:        ``(k,)`` of the column's cluster, 1 is best: mean of its ranks by gain, permutation and contributions;
                 dropped columns share the place behind the last.
    selected:    representatives whose permutation costs something, best first, at most `max_features`.
    warning:     why `selected` is not what the rule says; empty if it is.
    """

    dropped: Mapping[str, str]
    clusters: tuple[tuple[int, ...], ...]
    representatives: tuple[int, ...]
    correlation: FloatArray
    gain_share: FloatArray
    perm_mean: FloatArray
    perm_std: FloatArray
    shap_share: FloatArray
    rank: FloatArray
    selected: tuple[int, ...]
    warning: str = ""


def select_features(
    rows: TrainRows,
    names: Sequence[str],
    lookbacks: Sequence[int],
    *,
    fit: Fit,
    seed: int,
    max_features: int | None = None,
) -> Chosen:
    """Screen, cluster, gain, permutation, contributions, selection: on these rows, the same for a fold and at the end.

    One quick model on the older three quarters gives all three importances. Permutation moves a cluster's columns
    together, in blocks as long as the longest label, on the newest quarter. Raises what `screen_columns` raises;
    DataError ``DATA_TOO_FEW``, ``DATA_DEGENERATE``. Equal input and seed give an equal answer. Cost: a fit of 60
    rounds, and 5 forecasts of the newest quarter for each cluster that the model uses.
    """
    result = screen_columns(rows.x, names, rows.y, warm_up=rows.warm_up)
    stored = rows.x[:, result.retained]
    rho = rank_correlations(stored)
    groups = cluster_columns(rho)
    older, newest = _parts(rows, result)
    # Labels that overlap tell the same story: the model weighs rows in independent labels.
    share = 1.0 / float(older.overlap.mean())
    model = fit(older.x, older.y, older.weight * share, n_classes=rows.n_classes, seed=integer(seed, "quick model"))
    gain = _shares(model.gain)
    costs = _permuted(model, newest, groups, [names[j] for j in result.retained], int(rows.overlap.max()), seed)
    shap = _shares(model.contributions(newest.x[pick_evenly(np.arange(len(newest)), _SHAP_ROWS)]))
    missing = (~np.isfinite(stored)).sum(axis=0)
    first = [
        min(g, key=lambda j: (-gain[j], missing[j], lookbacks[result.retained[j]], names[result.retained[j]]))
        for g in groups
    ]
    rank = _ranks(groups, gain, costs.mean(axis=1), shap)
    order = sorted(range(len(groups)), key=lambda c: (rank[c], names[result.retained[first[c]]]))
    good = [c for c in order if costs[c].mean() > 0]
    warning = "" if good else "no column's permutation costs anything: the best by rank is kept alone"
    selected = tuple(result.retained[first[c]] for c in (good or order[:1])[:max_features])
    return _laid_out(result, groups, tuple(first), rho, gain, costs, shap, rank, selected, warning, len(names))


def _parts(rows: TrainRows, result: Screen) -> tuple[TrainRows, TrainRows]:
    slim = TrainRows(
        np.ascontiguousarray(rows.x[:, result.retained]),
        rows.y,
        rows.weight,
        rows.decided_at,
        rows.known_at,
        rows.n_classes,
    )
    older, newest = slim.split()
    longest = int(rows.overlap.max())
    if len(older) < 50 or len(newest) < 2 * longest:
        raise DataError(
            f"{len(rows)} labelled rows leave {len(older)} to fit and {len(newest)} to permute in blocks of {longest}; "
            f"50 and {2 * longest} are needed",
            code="DATA_TOO_FEW",
            have=len(rows),
        )
    if older.weight.sum() <= 0 or newest.weight.sum() <= 0:
        raise DataError("all rows to fit or all rows to permute weigh nothing", code="DATA_DEGENERATE")
    for part, what in ((older, "older three quarters"), (newest, "newest quarter")):
        if part.y.min() == part.y.max():
            raise DataError(
                f"the labels of the {what} of the train window are all {part.y[0]:g}: nothing tells columns apart",
                code="DATA_DEGENERATE",
            )
    return older, newest


def _permuted(
    model: Quick, rows: TrainRows, groups: Sequence[Sequence[int]], names: Sequence[str], block: int, seed: int
) -> FloatArray:
    """``(clusters, repeats)`` drops of the score; 0 without asking for columns that the model does not use."""
    full = model.score(rows.x, rows.y, rows.weight)
    gain = model.gain
    out = np.zeros((len(groups), REPEATS))
    x = rows.x.copy()
    for c, group in enumerate(groups):
        members = np.array(group)
        if not gain[members].any():
            continue
        random = generator(seed, f"permutation of {names[members[0]]}")
        for r in range(REPEATS):
            x[:, members] = rows.x[_shuffled(len(rows), block, random)][:, members]
            out[c, r] = full - model.score(x, rows.y, rows.weight)
        x[:, members] = rows.x[:, members]
    return out


def _shuffled(n: int, block: int, random: np.random.Generator) -> IntArray:
    """Rows 0..n-1 in blocks of that length (the last may be shorter), the blocks in another order."""
    starts = np.arange(0, n, block)
    return np.concatenate([np.arange(s, min(s + block, n)) for s in random.permutation(starts)])


def _shares(values: FloatArray) -> FloatArray:
    total = values.sum()
    return values / total if total > 0 else np.zeros(len(values))


def _ranks(groups: Sequence[Sequence[int]], gain: FloatArray, costs: FloatArray, shap: FloatArray) -> FloatArray:
    """``(clusters,)``: mean of the ranks by gain, permutation and contributions of whole clusters, 1 is best."""
    sums = [np.array([values[list(g)].sum() for g in groups]) for values in (gain, shap)]
    return np.asarray(np.mean([rankdata(-values) for values in (*sums, costs)], axis=0))


def _laid_out(
    result: Screen,
    groups: tuple[tuple[int, ...], ...],
    first: tuple[int, ...],
    rho: FloatArray,
    gain: FloatArray,
    costs: FloatArray,
    shap: FloatArray,
    rank: FloatArray,
    selected: tuple[int, ...],
    warning: str,
    k: int,
) -> Chosen:
    """From positions among the columns left to positions among all."""
    stored = np.array(result.retained)
    of = np.empty(len(stored), np.int64)
    for c, group in enumerate(groups):
        of[list(group)] = c

    def wide(values: FloatArray, fill: float = np.nan) -> FloatArray:
        out = np.full(k, fill)
        out[stored] = values
        return out

    correlation = np.full((k, k), np.nan)
    correlation[np.ix_(stored, stored)] = rho
    return Chosen(
        dropped=result.dropped,
        clusters=tuple(tuple(stored[list(g)].tolist()) for g in groups),
        representatives=tuple(stored[list(first)].tolist()),
        correlation=correlation,
        gain_share=wide(gain),
        perm_mean=wide(costs.mean(axis=1)[of]),
        perm_std=wide(costs.std(axis=1, ddof=1)[of]),
        shap_share=wide(shap),
        rank=wide(rank[of], len(groups) + 1.0),
        selected=selected,
        warning=warning,
    )
