"""Stability of a search over windows, and reasons to call it overfitted.

The inputs are what each window earned on its train part and on the test part that follows, as the metrics of
`assay.simulate.metrics`: fractions, Sharpe ratios annual. A window without trades has Sharpe 0, is not profitable, and
is left out of the win-rate terms; so is an undefined Sharpe ratio 0. Deviations have ddof 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Literal

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError
from assay.kernel.suggestions import did_you_mean
from assay.validate.robustness import parameter_stability as parameter_stability
from assay.validate.robustness import plateau_score as plateau_score

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
