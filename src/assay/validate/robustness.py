"""Robustness of searched parameters: stability over windows, and the neighbourhood of the best."""

from collections.abc import Mapping, Sequence
from math import isfinite, nan, sqrt
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ConfigError
from assay.kernel.seeding import generator
from assay.kernel.suggestions import did_you_mean

MIN_WINDOWS = 2
NEIGHBOURS = 5
NEIGHBOUR_SHARE = 0.05
_SAMPLED = 50_000  # trials looked at; the error of a median of 2,500 neighbours is far below what anybody acts on


def parameter_stability(result: Sequence[Mapping[str, Any]], space: Mapping[str, Mapping[str, Any]]) -> float:
    """How little the best parameters moved between windows: 1 not at all, 0 as much as drawn at random, or more.

    result: the best of each window that found one, by searched name.
    space: ``{"type": "float" | "int" | "choice", "low", "high", "log", "values"}`` by name.

    The mean over parameters of

    - ``1 - std / std of a uniform draw`` for numbers, of their positions 0..1 in the range (in its logarithm where it
      was searched so); rising numeric choices and integers by their rank, against a uniform draw of as many ranks;
    - ``(share of the mode - s) / (1 - s)`` for choices without an order, s the least share that the mode can have.

    Each is clipped to 0..1. A parameter with one possible value cannot move and is left out. NaN below two windows or
    without a parameter that can move. Raises ConfigError ``CONFIG_METRIC`` for a window that lacks a searched name.
    """
    if len(result) < MIN_WINDOWS:
        return nan
    terms = []
    for name, table in space.items():
        values = [_parameter(window, name, number) for number, window in enumerate(result)]
        term = _movement(values, table)
        if term is not None:
            terms.append(term)
    return float(np.mean(terms)) if terms else nan


def plateau_score(positions: FloatArray, scores: FloatArray, best: int) -> float:
    """How much of the best trial's score its neighbourhood keeps: 1 a plateau, 0 a lone peak.

    positions: ``(n, k)`` in 0..1, the place of each trial's parameters in their ranges.   scores: ``(n,)``, larger is
    better, NaN for rejected trials.   best: row of the best.

    The neighbours are the nearest 5 % (Euclid) of the valid trials, at least 5, the best itself apart; all that lie as
    near as the last of them count. A share, not a number: so the neighbourhood is the same part of the space whatever
    the number of trials, and short and long searches compare; a sampler that crowds around the best looks at a smaller
    part of it. The median, because a few good neighbours (or one more lucky one) make no plateau.

    The score is median / best for a best > 0: the share of the promise that is left when the parameters are a little
    off. It is not set against the typical trial: a wide plain where every point earns the same would then count as a
    peak of noise, though it is the safest ground there is. For a best < 0 it is best / median (both are losses), for a
    best of 0 it is 1 where the median is 0 too. Clipped to 0..1, so neighbours that lose where the best earns give 0.
    NaN where the best is no valid trial or fewer than 5 others are.

    Above 50,000 trials a fixed random sample of them stands for all. Cost: O(n) flags and O(50,000 k).
    """
    positions, scores = np.asarray(positions, np.float64), np.asarray(scores, np.float64)
    if positions.ndim != 2 or scores.shape != positions.shape[:1] or not 0 <= best < len(scores):
        raise ConfigError(
            f"positions {positions.shape}, scores {scores.shape} and best {best} do not belong together",
            code="CONFIG_PARAMETER",
        )
    top = float(scores[best])
    rows = _sample(scores, best)
    if not isfinite(top) or len(rows) < NEIGHBOURS:
        return nan
    distance = np.square(positions[rows] - positions[best]).sum(axis=1)
    count = max(NEIGHBOURS, int(np.ceil(NEIGHBOUR_SHARE * len(rows))))
    reach = np.partition(distance, count - 1)[count - 1]
    median = float(np.median(scores[rows[distance <= reach]]))
    return _plateau_share(top, median)


def _plateau_share(top: float, median: float) -> float:
    if top == 0.0:
        return 1.0 if median == 0.0 else 0.0
    share = median / top if top > 0.0 else top / median
    return min(max(share, 0.0), 1.0)


def _sample(scores: FloatArray, best: int) -> IntArray:
    """Rows of valid trials, the best apart; a fixed random draw of them where there are very many."""
    rows: IntArray = np.flatnonzero(np.isfinite(scores))
    rows = rows[rows != best]
    if len(rows) > _SAMPLED:
        rows = rows[np.unique(generator(0, "plateau").integers(0, len(rows), _SAMPLED))]
    return rows


def _parameter(window: Mapping[str, Any], name: str, number: int) -> Any:
    if name not in window:
        raise ConfigError(
            f"window {number} lacks the searched parameter {name}",
            code="CONFIG_METRIC",
            hint=did_you_mean(name, window),
            field=name,
        )
    return window[name]


def _movement(values: Sequence[Any], table: Mapping[str, Any]) -> float | None:
    """1 for values that stay, 0 for such as a uniform draw gives; None for a parameter with one possible value."""
    if table["type"] == "choice":
        return _chosen(values, list(table["values"]))
    low, high = float(table["low"]), float(table["high"])
    if low == high:
        return None
    step = 1 if table["type"] == "int" and not table.get("step") else table.get("step")
    ranks = None if not step else int(np.floor((high - low) / step + 1e-9)) + 1
    numbers = np.array(values, np.float64)
    if table.get("log"):
        ranks, low, high, numbers = None, np.log(low), np.log(high), np.log(numbers)
    return _still((numbers - low) / (high - low), ranks)


def _chosen(values: Sequence[Any], options: list[Any]) -> float | None:
    m = len(options)
    if m < 2:
        return None
    if all(isinstance(o, int | float) and not isinstance(o, bool) for o in options) and options == sorted(options):
        return _still(np.array([options.index(v) / (m - 1) for v in values]), m)
    most = max(values.count(v) for v in values) / len(values)
    least = -(-len(values) // m) / len(values)  # the mode of a sample spread as evenly as it can be
    return (most - least) / (1.0 - least) if least < 1.0 else None


def _still(positions: FloatArray, ranks: int | None) -> float:
    # Variance of m evenly spaced points on 0..1 is (m + 1) / (12 (m - 1)); 1/12 as m grows.
    uniform = sqrt(1 / 12) if ranks is None else sqrt((ranks + 1) / (12 * (ranks - 1)))
    return min(max(1.0 - float(positions.std(ddof=1)) / uniform, 0.0), 1.0)
