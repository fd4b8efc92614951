"""Summary of a search: objective, windows, trials, and where its parameters lie."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.runs.gate_decision import cost_words
from assay.runs.report.components import alike, floats, general, number, percent, ratio
from assay.runs.report.svg import Scale, log_ticks, ticks
from assay.runs.run_artifacts import SHOWN_BEST, RunArtifacts
from assay.validate import thresholds_from_document

_THIN = "\u202f"
_ROUNDING = 1.000001


@dataclass(frozen=True, slots=True)
class Objective:
    """A score's name and form.   name: for an axis, with its unit.   fraction: written in percent."""

    name: str
    fraction: bool = False

    def write(self, value: object, *, sign: bool = False) -> str:
        """One score, or a difference of two (`sign`)."""
        return percent(value, 2, sign=sign) if self.fraction else ratio(value, 2, sign=sign)

    def marks(self, values: Sequence[float], *, sign: bool = False) -> list[tuple[float, str]]:
        """Labels of an axis."""
        written = alike([v * 100 for v in values] if self.fraction else values)
        unit = _THIN + "%" if self.fraction else ""
        return [(v, ("+" if sign and v > 0 else "") + text + unit) for v, text in zip(values, written, strict=True)]


_NOTES = {
    "sharpe_ratio": Objective("Sharpe ratio a year"),
    "net_profit": Objective("net profit", fraction=True),
    "sortino": Objective("Sortino ratio a year"),
    "calmar": Objective("Calmar ratio"),
    "profit_factor": Objective("profit factor"),
    "deflated": Objective("deflated Sharpe probability"),
}


def objective(name: str) -> Objective:
    """By the name that the document carries; one without an entry is written plainly."""
    return _NOTES.get(name, Objective(name.replace("_", " ")))


def stress_text(evidence: RunArtifacts) -> str:
    """The costs of the stressed curve in words; a backtest is stressed by the default."""
    sides = (evidence.document.get("evidence") or {}).get("cost_sides") or []
    factor = thresholds_from_document(evidence.document.get("thresholds", {})).cost_factor
    if any(side["stressed"] > factor * side["assumed"] * _ROUNDING for side in sides):
        mean = sum(side["stressed"] for side in sides) / len(sides)
        return f"{mean * 1e4:.1f} basis points a side"
    return cost_words(factor)


def has_unseen_window(document: Mapping[str, Any]) -> bool:
    """Whether any window was judged on bars that its search had not seen."""
    return any(w["test"] for w in document["windows"])


def newest(windows: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The last window whose parameters are traded on; None if none found any."""
    return next((w for w in reversed(windows) if w["parameters"]), None)


def part(window: Mapping[str, Any], which: str, name: str) -> Any:
    """A metric of a window's train or test part; None where it has none."""
    return (window[which] or {}).get(name)


def place_in_range(space: Mapping[str, Any], value: object) -> float:
    """Where a value lies in its searched range, 0 the low end and 1 the high; NaN for what has no order."""
    if space.get("type") == "choice":
        values = [number(v) for v in space["values"]]
        at = number(value)
        if not np.isfinite([*values, at]).all() or at not in values or len(values) < 2:
            return float("nan")
        return sorted(values).index(at) / (len(values) - 1)
    low, high, at = number(space.get("low")), number(space.get("high")), number(value)
    if space.get("log") and min(low, high, at) > 0:
        low, high, at = (float(np.log(v)) for v in (low, high, at))
    return (at - low) / (high - low) if high > low else float("nan")


_CHOICES, _STEPS = 12, 10  # values that stand each for itself: of a choice or whole numbers, of a grid of fractions
_BINS = (3, 10)  # fewest and most bins of a range
_A_BIN = 6.0  # trials that a cell of two binned parameters should hold
_OTHER = "other"


@dataclass(frozen=True, slots=True, eq=False)
class Axis:
    """A searched parameter laid on a line.

    at:     ``(n,)`` place of each trial in ``[low, high]``: its number, or the index of its choice; NaN is unknown.
    bins:   ``(n,)`` bin of each trial, -1 for NaN.   edges: ``(k + 1,)`` of the bins.
    labels: of the choices, in order; empty where the axis holds a range of numbers.
    """

    name: str
    at: FloatArray
    edges: FloatArray
    bins: IntArray
    labels: tuple[str, ...] = ()
    log: bool = False
    whole: bool = False

    def scale(self, start: float, stop: float) -> Scale:
        """The axis on paper."""
        return Scale(float(self.edges[0]), float(self.edges[-1]), start, stop, self.log)

    def marks(self, about: int) -> list[tuple[float, str]]:
        """Ticks with their words; all choices, or round numbers."""
        if self.labels:
            return [(float(k), words) for k, words in enumerate(self.labels)]
        low, high = float(self.edges[0]), float(self.edges[-1])
        result = (log_ticks if self.log else ticks)(low, high, about)
        result = [t for t in result if t == int(t)] if self.whole else result
        if self.log and high / low >= 30:
            return [(t, f"{t:g}") for t in result]
        return list(zip(result, alike(result), strict=True))

    def place(self, value: object) -> float:
        """Where a value of the document stands, NaN if it is not on this axis."""
        if self.labels:
            words = _words(value)
            return float(self.labels.index(words)) if words in self.labels else math.nan
        inside = number(value)
        return inside if self.edges[0] <= inside <= self.edges[-1] else math.nan

    def span(self, k: int) -> str:
        """Words of one bin."""
        if self.labels:
            return self.labels[k]
        low, high = float(self.edges[k]), float(self.edges[k + 1])
        if self.whole:
            first, last = math.ceil(low), math.ceil(high) - 1
            return f"{first:g}" if first >= last else f"{first:g} to {last:g}"
        return f"{low:.4g} to {high:.4g}"


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """All kept trials.

    window: ``(n,)`` number of the window.   score: ``(n,)``, NaN where the trial was rejected.
    gain:   ``(n,)`` score less the median score of its window: what the parameters and not the market gave.
    fair:   ``(n,)`` rows that stand for all trials that were made; the best are kept more often than their share.
    """

    window: IntArray
    score: FloatArray
    gain: FloatArray
    axes: tuple[Axis, ...]
    fair: BoolArray

    @property
    def valid(self) -> BoolArray:
        """``(n,)`` trials that have a score."""
        good: BoolArray = np.isfinite(self.score)
        return good

    def sample(self) -> "Trials":
        """The rows to compare parameters by: fair ones, of windows in which two or more of them are valid."""
        several = [k for k in np.unique(self.window) if (self.valid & self.fair & (self.window == k)).sum() > 1]
        rows = np.flatnonzero(self.fair & np.isin(self.window, several))
        axes = tuple(replace(each, at=each.at[rows], bins=each.bins[rows]) for each in self.axes)
        return Trials(self.window[rows], self.score[rows], self.gain[rows], axes, self.fair[rows])

    @property
    def flat(self) -> bool:
        """Whether no trial is better than another of its window: nothing to compare."""
        gains = self.gain[self.valid]
        return not gains.size or float(np.abs(gains).max()) <= 1e-12


def trials(evidence: RunArtifacts) -> Trials | None:
    """The trials of a search; None if none were kept."""
    frame = evidence.trials
    if frame is None or not len(frame):
        return None
    score = np.where(frame["valid"].fill_null(value=False).to_numpy(), floats(frame, "score"), np.nan)
    score[~np.isfinite(score)] = np.nan
    window = frame["window"].cast(pl.Int64).to_numpy().astype(np.int64)
    space = evidence.document["space"]
    names = [name for name in evidence.document["searched"] if f"p_{name}" in frame.columns]
    fair = np.ones(len(score), bool)
    for each in evidence.document["windows"]:
        rows = np.flatnonzero(window == each["number"])
        fair[rows] = fair_rows(score[rows], each["trials"])
    fine = _fineness(int(np.isfinite(score[fair]).sum()))
    axes = tuple(axis(name, frame[f"p_{name}"], space.get(name, {}), fine) for name in names)
    return Trials(window, score, score - _medians(window, np.where(fair, score, np.nan)), axes, fair)


def fair_rows(score: FloatArray, made: int) -> BoolArray:
    """``(n,)`` kept trials of a window that stand for all it made: the sample, and of the best as large a share."""
    fair = np.ones(len(score), bool)
    if made <= len(score) or len(score) <= SHOWN_BEST:
        return fair
    best = np.argsort(np.where(np.isfinite(score), -score, np.inf), kind="stable")[:SHOWN_BEST]
    share = (len(score) - SHOWN_BEST) / (made - SHOWN_BEST)
    fair[best] = False
    fair[best[np.linspace(0, SHOWN_BEST - 1, round(share * SHOWN_BEST)).astype(np.int64)]] = True
    return fair


def axis(name: str, column: pl.Series, space: Mapping[str, object], bins: int) -> Axis:
    """The axis of one parameter: each choice for itself, a range of many numbers in so many bins."""
    values = _choices(column, space)
    if values is not None:
        return _of_choices(name, column, values)
    at = column.cast(pl.Float64).to_numpy().astype(np.float64)
    whole = column.dtype.is_integer()
    low, high = number(space.get("low")), number(space.get("high"))
    available = at[np.isfinite(at)]
    low = low if math.isfinite(low) else float(available.min(initial=math.inf))
    high = high if math.isfinite(high) else float(available.max(initial=-math.inf))
    if not high > low:
        return _of_choices(name, column, column.drop_nulls().unique().sort().to_list())
    log = bool(space.get("log")) and low > 0
    air = 0.5 if whole and not log else 0.0
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low - air, high + air, bins + 1)
    stored = np.clip(at, edges[0], edges[-1])
    result = np.clip(np.searchsorted(edges, stored, side="right") - 1, 0, bins - 1)
    return Axis(name, stored, edges, np.where(np.isfinite(at), result, -1), log=log, whole=whole)


def _choices(column: pl.Series, space: Mapping[str, Any]) -> list[object] | None:
    """The values that stand each for itself, numbers in order; None for a range of many."""
    declared = list(space.get("values", ())) if space.get("type") == "choice" else None
    if not column.dtype.is_numeric():
        return declared or column.drop_nulls().unique().sort().to_list()
    seen = column.drop_nulls().unique().sort().to_list()
    if declared is not None and len(declared) <= _CHOICES:
        return sorted(declared) if all(isinstance(v, int | float) for v in declared) else declared
    if space.get("type") == "int" and not space.get("points"):
        every = range(int(space["low"]), int(space["high"]) + 1, int(space.get("step") or 1))
        return list(every) if len(every) <= _CHOICES else None
    return seen if len(seen) <= _STEPS and 2 * len(seen) <= len(column) else None


def _of_choices(name: str, column: pl.Series, values: Sequence[object]) -> Axis:
    labels = list(dict.fromkeys(_words(v) for v in values))
    value = [None if v is None else _words(v) for v in column.to_list()]
    if len(labels) > _CHOICES:
        often = sorted(labels, key=lambda v: -value.count(v))[: _CHOICES - 1]
        labels = [v for v in labels if v in often] + [_OTHER]
        value = [v if v is None or v in often else _OTHER for v in value]
    index = {words: k for k, words in enumerate(labels)}
    bins = np.array([-1 if v is None else index.get(v, -1) for v in value], np.int64)
    edges: FloatArray = np.arange(len(labels) + 1, dtype=np.float64) - 0.5
    return Axis(name, np.where(bins < 0, np.nan, bins), edges, bins, tuple(labels))


def _words(value: object) -> str:
    if isinstance(value, float) and value == int(value):
        return general(int(value))
    return general(value)


def _fineness(valid: int) -> int:
    return int(min(max(math.sqrt(valid / _A_BIN), _BINS[0]), _BINS[1]))


def _medians(window: IntArray, score: FloatArray) -> FloatArray:
    """``(n,)`` median score of each trial's window, NaN where no trial is valid."""
    frame = pl.DataFrame({"window": window, "score": score}).with_columns(pl.col("score").fill_nan(None))
    return floats(frame.select(pl.col("score").median().over("window")), "score")


def explained_share(bins: IntArray, gain: FloatArray) -> float:
    """Share of the spread of the ranks of `gain` that lies between bins and not inside them, at least 0.

    bins: ``(n,)`` >= 0.   gain: ``(n,)`` finite. Less what so many bins would explain by luck: epsilon squared, Kelley
    (1935), on ranks as in Kruskal and Wallis (1952). 0 without any spread; NaN, for it cannot be told, with no more
    values than bins.
    """
    return between(bins, ranks(gain))


def ranks(gain: FloatArray) -> FloatArray:
    """``(n,)`` ranks from 1, equal values at their mean rank. Cost: O(n log n)."""
    result: FloatArray = pl.Series(gain).rank("average").to_numpy().astype(np.float64)
    return result


def between(bins: IntArray, rank: FloatArray) -> float:
    """`explained_share` of ranks at hand. Cost: O(n)."""
    holding = np.bincount(bins)
    n, k = len(rank), int((holding > 0).sum())
    total = float(((rank - rank.mean()) ** 2).sum()) if n else 0.0
    if n <= k:
        return math.nan
    if total <= 0:
        return 0.0
    mean = np.bincount(bins, rank) / np.maximum(holding, 1)
    inside = float(((rank - mean[bins]) ** 2).sum())
    return max(0.0, 1.0 - (inside / (n - k)) / (total / (n - 1)))
