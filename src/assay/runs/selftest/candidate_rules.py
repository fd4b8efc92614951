"""The twenty rules that the self-test's researcher tries on a market."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from math import sqrt
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.instrument import Instrument
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn import Range, RuleTrainer, State, Strategy, Structural, strategy, strategy_named
from assay.market import SYNTHETIC_SIGMA

FOLDS = SplitSpec(train_bars=2_000, test_bars=500)
BARS = 6_000  # of a market: eight test folds, 4,000 judged bars
LOOKBACKS = (6, 12, 18, 24, 36, 48, 72, 96)  # bars; the truth of a market with an edge is 24
HOUSE: tuple[tuple[str, Mapping[str, Any]], ...] = (
    ("sma_cross", {"fast": 10, "slow": 40}),
    ("sma_cross", {"fast": 5, "slow": 20}),
    ("volume_breakout", {}),
    ("capitulation_reversal", {}),
)


@strategy(
    "momentum",
    {"lookback": Structural(24, search=Range(6, 96), unit="bars"), "mirrored": Structural(False)},
    lookback=lambda values, timeframe: values["lookback"],
    needs_volume=False,
    two_sided=True,
    state=True,
    sizing="fixed",
)
def momentum(bars: Bars, *, lookback: int, mirrored: bool) -> State:
    """Long while the close lies above that of `lookback` bars ago, short while below; mirrored the other way round."""
    before = np.concatenate([np.full(lookback, np.nan), bars.close[:-lookback]])
    return State.above(before, bars.close) if mirrored else State.above(bars.close, before)


@dataclass(frozen=True, slots=True)
class CandidateRule:
    """One rule at given parameters."""

    rule: Strategy
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Short, for people and for the figures."""
        message = " ".join(f"{k}={v}" for k, v in self.params.items())
        return f"{self.rule.name} {message}".strip()

    @property
    def trainer(self) -> RuleTrainer:
        """The trainer of the rule at these parameters."""
        return RuleTrainer(self.rule, self.params)

    def spec(self, market: Instrument, costs: Costs, seed: int) -> TrainSpec:
        """As the record and the ledger keep it."""
        return TrainSpec(
            exchange=market.exchange, symbols=(market.symbol,), timeframe=market.timeframe, learner="rules",
            features=(), folds=FOLDS, costs=costs, seed=seed,
            params={"strategy": self.rule.name, "fixed": dict(self.params)},
        )  # fmt: skip


@cache
def ideas() -> tuple[CandidateRule, ...]:
    """The twenty: momentum of eight lookbacks, their mirror images, and four of the house's rules."""
    followed = [CandidateRule(momentum, {"lookback": n, "mirrored": m}) for m in (False, True) for n in LOOKBACKS]
    return (*followed, *(CandidateRule(strategy_named(name), params) for name, params in HOUSE))


@cache
def drift_ideas() -> tuple[CandidateRule, ...]:
    """Twenty for a market with drift: momentum and its mirror images, half of them long only, and the house's rules.

    None knows anything; those that are long more often than short earn what the drift earns.
    """
    sides = [
        CandidateRule(momentum, {"lookback": n, "mirrored": m, "allow_short": short})
        for short in (True, False)
        for m in (False, True)
        for n in LOOKBACKS[::2]
    ]
    return (*sides, *(CandidateRule(strategy_named(name), params) for name, params in HOUSE))


def with_drift(bars: Bars, holding_sharpe: float) -> Bars:
    """The same candles with a drift at which holding has this annual Sharpe ratio in expectation, and nothing else."""
    rate = holding_sharpe * SYNTHETIC_SIGMA / sqrt(bars.bars_per_year)
    grown = np.exp(rate * np.arange(1, len(bars) + 1))
    opened, close = bars.open * np.r_[1.0, grown[:-1]], bars.close * grown
    high = np.maximum(bars.high * grown, np.maximum(opened, close))
    low = np.minimum(bars.low * grown, np.minimum(opened, close))
    return replace(bars, open=opened, high=high, low=low, close=close)
