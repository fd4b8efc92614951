"""Stability of a search: over windows and around its optimum; reasons to call it overfitted.

The inputs are what each window earned on its train part and on the test part that follows, as the metrics of
`assay.simulate.metrics`: fractions, Sharpe ratios annual. A window without trades has Sharpe 0, is not profitable, and
is left out of the win-rate terms; so is an undefined Sharpe ratio 0. Deviations have ddof 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import Any, Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ConfigError, did_you_mean
from assay.kernel.seeding import generator

MIN_WINDOWS = 2
NEIGHBOURS = 5
NEIGHBOUR_SHARE = 0.05
_SAMPLED = 50_000  # trials looked at; the error of a median of 2,500 neighbours is far below what anybody acts on


def parameter_stability(result: Sequence[Mapping[str, object]], space: Mapping[str, Mapping[str, object]]) -> float:
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


def _parameter(window: Mapping[str, object], name: str, number: int) -> object:
    if name not in window:
        raise ConfigError(
            f"window {number} lacks the searched parameter {name}",
            code="CONFIG_METRIC",
            hint=did_you_mean(name, window),
            field=name,
        )
    return window[name]


def _movement(values: Sequence[object], table: Mapping[str, Any]) -> float | None:
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


def _chosen(values: Sequence[object], options: list[Any]) -> float | None:
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


Metrics = Mapping[str, Any]
OverfitVerdict = Literal["REJECT", "CAUTION", "ACCEPT"]

SHARPE_KEPT = 0.7
WIN_RATE_KEPT = 0.8
MOST_DEVIATION = 1.5
LEAST_PROFITABLE = 0.5
LEAST_STABILITY = 0.6
MIN_STABILITY_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class OverfitReason:
    """One rule that found overfitting: what it saw (`value`) and the `limit` that this crossed."""

    code: str
    text: str
    value: float
    limit: float


@dataclass(frozen=True, slots=True)
class Stability:
    """What the windows say together; NaN and None where too few of them can say it.

    detected:        True with any reason; None where no reason was found but fewer than two windows could be asked.
    stability_score: 0..1; NaN below two windows, as is train_sharpe_std.
    verdict:         REJECT when detected, else CAUTION below a stability of 0.6, else ACCEPT; None where `detected` is.
    train_sharpe, test_sharpe, train_win_rate, test_win_rate, test_net_profit: means over the windows.
    """

    windows: int
    detected: bool | None
    reasons: tuple[OverfitReason, ...]
    stability_score: float
    train_sharpe_std: float
    verdict: OverfitVerdict | None
    train_sharpe: float
    test_sharpe: float
    train_win_rate: float
    test_win_rate: float
    test_net_profit: float


_NO_TRADES: Metrics = {"sharpe_annual": None, "win_rate": None, "net_profit": None, "total_trades": 0}


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """``(w,)`` arrays of one side of the windows; win_rate only of those with trades."""

    sharpe: FloatArray
    win_rate: FloatArray
    net_profit: FloatArray
    profitable: float


def stability(train: Sequence[Metrics], test: Sequence[Metrics]) -> Stability:
    """Judge windows by what each earned in its train part and in its test part.

    Each needs ``sharpe_annual``, ``win_rate``, ``net_profit`` and ``total_trades``; NaN and None are undefined. With
    one window the four rules that need no deviation are still asked, and can only reject; with none nothing is known.
    The win-rate term of the score, ``1 / (1 + 10 * std)``, is 0 where fewer than two test windows traded: nothing
    speaks for steadiness. Raises ConfigError ``CONFIG_METRIC`` for a missing metric and for unequal counts.
    """
    if len(train) != len(test):
        raise ConfigError(f"{len(train)} train windows stand beside {len(test)} test windows", code="CONFIG_METRIC")
    if not test:
        return Stability(0, None, (), nan, nan, None, nan, nan, nan, nan, nan)
    fitted, judged = _side(train, "train"), _side(test, "test")
    reasons = _reasons(fitted, judged)
    enough = len(test) >= MIN_STABILITY_WINDOWS
    score = _score(judged) if enough else nan
    detected = True if reasons else (False if enough else None)
    return Stability(
        windows=len(test),
        detected=detected,
        reasons=reasons,
        stability_score=score,
        train_sharpe_std=_std(fitted.sharpe),
        verdict=_verdict(detected, score),
        train_sharpe=_mean(fitted.sharpe),
        test_sharpe=_mean(judged.sharpe),
        train_win_rate=_mean(fitted.win_rate),
        test_win_rate=_mean(judged.win_rate),
        test_net_profit=_mean(judged.net_profit),
    )


def windows_stability(windows: Sequence[Mapping[str, Any]]) -> Stability:
    """`stability` of the ``windows`` of a search's document, each with the metrics of its ``train`` and ``test`` part.

    A window whose search found nothing valid has neither and counts as one that did not trade. Where no window was
    judged on bars that its search had not seen, there are no windows.
    """
    if not any(w["test"] for w in windows):
        return stability([], [])
    train, test = ([w[part] or _NO_TRADES for w in windows] for part in ("train", "test"))
    return stability(train, test)


def _verdict(detected: bool | None, score: float) -> OverfitVerdict | None:
    if detected is None:
        return None
    return "REJECT" if detected else "CAUTION" if score < LEAST_STABILITY else "ACCEPT"


def _side(windows: Sequence[Metrics], part: str) -> _Side:
    rows = [
        [_metric(w, name, f"window {i}, {part}") for name in ("sharpe_annual", "win_rate", "net_profit")]
        + [_metric(w, "total_trades", f"window {i}, {part}")]
        for i, w in enumerate(windows)
    ]
    sharpe, win_rate, net_profit, trades = np.array(rows, np.float64).T
    traded = trades > 0
    return _Side(
        sharpe=np.where(traded & np.isfinite(sharpe), sharpe, 0.0),
        win_rate=win_rate[traded & np.isfinite(win_rate)],
        net_profit=np.where(np.isfinite(net_profit), net_profit, 0.0),
        profitable=float(np.mean(traded & (net_profit > 0.0))),
    )


def _metric(values: Metrics, name: str, where: str) -> float:
    if name not in values:
        raise ConfigError(
            f"{where} lacks the metric {name}", code="CONFIG_METRIC", hint=did_you_mean(name, values), field=name
        )
    return nan if values[name] is None else float(values[name])


def _reasons(train: _Side, test: _Side) -> tuple[OverfitReason, ...]:
    sharpe, win_rate, spread = _mean(test.sharpe), _mean(test.win_rate), _std(test.sharpe)
    stored, kept_wins = SHARPE_KEPT * _mean(train.sharpe), WIN_RATE_KEPT * _mean(train.win_rate)
    result = []
    if _mean(train.sharpe) > 0 and sharpe < stored:
        text = f"mean test Sharpe {sharpe:.2f}, below {SHARPE_KEPT:g} of the {_mean(train.sharpe):.2f} in training"
        result.append(OverfitReason("SHARPE_DROP", text, sharpe, stored))
    if win_rate < kept_wins:
        text = f"mean test win rate {win_rate:.1%}, below {WIN_RATE_KEPT:g} of {_mean(train.win_rate):.1%} in training"
        result.append(OverfitReason("WIN_RATE_DROP", text, win_rate, kept_wins))
    if sharpe < 0:
        result.append(OverfitReason("NEGATIVE_TEST", f"mean test Sharpe {sharpe:.2f}, below 0", sharpe, 0.0))
    if spread > MOST_DEVIATION:
        text = f"test Sharpe ratios spread by {spread:.2f}, more than {MOST_DEVIATION:g}"
        result.append(OverfitReason("UNSTABLE", text, spread, MOST_DEVIATION))
    if test.profitable < LEAST_PROFITABLE:
        text = f"{test.profitable:.0%} of the test windows earn, fewer than half"
        result.append(OverfitReason("FEW_PROFITABLE", text, test.profitable, LEAST_PROFITABLE))
    return tuple(result)


def _score(test: _Side) -> float:
    steady = 1.0 / (1.0 + _std(test.sharpe)) if _mean(test.sharpe) > 0 else 0.0
    spread = _std(test.win_rate)
    wins = 1.0 / (1.0 + 10.0 * spread) if isfinite(spread) else 0.0
    return 0.4 * steady + 0.3 * wins + 0.3 * test.profitable


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else nan


def _std(values: FloatArray) -> float:
    return float(values.std(ddof=1)) if values.size >= 2 else nan
