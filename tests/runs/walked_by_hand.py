"""A walk of searches as a person would do it: every candidate traded alone, the best one traded on the next days."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import USABLE, Bars
from assay.kernel.decisions import Costs, Decisions
from assay.learn.rules import RuleModel
from assay.learn.strategies.declaration import Strategy
from assay.simulate.engine import simulate
from assay.simulate.metrics import performance_metrics
from assay.simulate.result import BacktestResult

DAY = 86_400_000


@dataclass(frozen=True)
class ByHand:
    """One window. train, test: rows. score and trades: of every point on the train rows, NaN where rejected."""

    train: IntArray
    test: IntArray
    score: list[float]
    trades: list[int]
    best: int | None
    record: BacktestResult


def cut(bars: Bars, train: float, test: float, gap: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Rows of each window by the clock: what closes before the test begins less the gap, what closes in it."""
    known, step = bars.known_at, int(np.diff(bars.timestamp).min())
    start = int(known[0] + (train + gap) * DAY)
    while start + test * DAY <= known[-1] + step:
        learnt = np.flatnonzero((known >= start - (gap + train) * DAY) & (known < start - gap * DAY))
        judged = np.flatnonzero((known >= start) & (known < start + test * DAY))
        if len(learnt) and len(judged):
            yield learnt, judged
        start += int(test * DAY)


def traded(
    bars: Bars, rule: Strategy, values: Mapping[str, Any], rows: IntArray, costs: Costs, regime: str
) -> BacktestResult:
    """These rows as one account, everything before them to look back at and nothing after them there at all."""
    past = bars[: rows[-1] + 1]
    decided = RuleModel(rule, rule.resolve(values), bars.instrument.timeframe, regime).decisions(past)
    if USABLE in past.columns:
        marked = past.columns[USABLE] != 1
        target = np.where(marked, np.nan, decided.target)
        decided = Decisions(target, decided.stop, decided.take, decided.hold)
    return simulate(past, decided, costs, start=int(rows[0]))


def by_hand(
    bars: Bars,
    rule: Strategy,
    points: Sequence[Mapping[str, Any]],
    windows: Iterator[tuple[IntArray, IntArray]],
    *,
    base: Mapping[str, Any] | None = None,
    costs: Costs = Costs(),  # noqa: B008
    min_trades: int = 10,
    metric: str = "sharpe_annual",
    regime: str = "",
    fixed: bool = False,
) -> list[ByHand]:
    """Every window: all points scored, the best by score, then more trades, then the earlier one."""
    found: list[ByHand] = []
    for train, test in windows:
        scores, trades = [], []
        for point in points:
            record = traded(bars, rule, {**(base or {}), **point}, train, costs, regime)
            value = performance_metrics(record, bars_per_year=bars[: train[-1] + 1].bars_per_year)[metric]
            valid = len(record.trades) >= min_trades and np.isfinite(value)
            scores.append(value if valid else float("nan"))
            trades.append(len(record.trades))
        valid_ones = [k for k, score in enumerate(scores) if np.isfinite(score)]
        best = max(valid_ones, key=lambda k: (scores[k], trades[k], -k), default=None)
        if fixed and found:
            best = found[0].best
        if best is None:
            past = bars[: test[-1] + 1]
            idle = simulate(past, Decisions.weights(np.zeros(len(past))), costs, start=int(test[0]))
            found.append(ByHand(train, test, scores, trades, None, idle))
            continue
        chosen = {**(base or {}), **points[best]}
        found.append(ByHand(train, test, scores, trades, best, traded(bars, rule, chosen, test, costs, regime)))
    return found
