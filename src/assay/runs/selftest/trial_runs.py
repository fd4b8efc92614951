"""A simulated researcher: candidate rules walked forward on one market and counted, the best judged."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from math import inf, isfinite, sqrt
from pathlib import Path
from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.instrument import Instrument
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn import Range, RuleTrainer, State, Strategy, Structural, strategy, strategy_named
from assay.market import SYNTHETIC_SIGMA
from assay.runs import run_outputs
from assay.runs.audits import Audited, audit_walk
from assay.runs.context import Context, Recording
from assay.runs.documents import document, trial
from assay.runs.evaluation import OutOfSampleResult, evaluate_walk
from assay.runs.gate_decision import decide_gate
from assay.runs.run_artifacts import RunArtifacts, tables
from assay.runs.run_inputs import History, bare
from assay.validate import (
    JudgedWalk,
    SearchOverfit,
    Verdict,
    evaluate_gate,
    overfitting_of,
    span_sums,
    split_plan,
    walk_forward,
)

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


@contextmanager
def open_laboratory(home: Path) -> Iterator[Context]:
    """A home of its own with the default stores, for one market."""
    home.mkdir(parents=True)
    record, candles = f"sqlite:///{home}/assay.db", f"duckdb:///{home}/candles.duckdb"
    context = Context(home=home, record_url=record, candles_url=candles)
    with context.record:
        yield context


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """An idea's out-of-sample record. number: that the market's ledger gave it; walked: what it was judged on.

    passes: whether every check of the gate but the audit passed when it was judged, after those that were tried before.
    """

    idea: CandidateRule
    spec: TrainSpec
    past: History
    decision: OutOfSampleResult
    number: int
    walked: JudgedWalk
    passes: bool

    @property
    def sharpe(self) -> float:
        """Per bar; undefined is never best."""
        value = float(self.decision.metrics["sharpe"])
        return value if isfinite(value) else -inf


def try_idea(idea: CandidateRule, bars: Bars, context: Context, *, costs: Costs, seed: int) -> Tried:
    """Walk an idea forward, count it in the ledger and leave its evidence: `assay.runs._train` without a model.

    bars: as they are stored in the home.
    """
    began = time.monotonic()
    spec, by = idea.spec(bars.instrument, costs, seed), idea.rule.name
    digest = run_outputs.data_digest([bars], spec)
    past = bare([bars])
    folds = split_plan(spec.folds, past.panel, horizon=past.horizon)
    with run_outputs.track_run(spec, digest, [bars], context, by=by) as run:
        report = Recording(context, run.id, "walking forward")
        outcomes = list(walk_forward(idea.trainer, past.panel, folds, costs=costs, seed=seed, report=report))
        result = evaluate_walk(outcomes, past, costs, seed=seed, limits=context.limits)
        number = report.trial(trial(spec, result, digest, time.monotonic() - began, strategy=by))
        verdict = decide_gate(result, past, spec, context, number=number, audit=None, compared=False)
        summary = document(spec, digest, past, outcomes, result, verdict.verdict, verdict_fields=verdict.document)
        run_outputs.leave(spec, context, run, RunArtifacts(summary, *tables(result, outcomes, past)), by=by)
    passes = all(r.state == "PASS" for r in verdict.verdict.reasons if r.check != "audit")
    return Tried(idea, spec, past, result, number, JudgedWalk(past.panel, outcomes), passes)


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What the gate says of the best of all that was tried.

    alone:  its verdict as a run of its own has it: with the market's trials counted.
    among:  the same, told what it was chosen among: how the best of all records fares elsewhere.
    naive:  a gate that counts one trial.
    trials: what the market's ledger counts; its chain was walked.
    any_gold: whether any of all that was tried was GOLD when it was judged.
    """

    best: Tried
    audit: Audited
    trials: int
    alone: Verdict
    among: Verdict
    naive: Verdict
    any_gold: bool


def choose_attempt(attempts: Sequence[Tried], context: Context) -> Chosen:
    """Hand the best out-of-sample record to the gate that judges every run; its pipeline is audited before.

    Raises StoreError ``STORE_CORRUPT`` where the ledger's chain is broken.
    """
    best = max(attempts, key=lambda each: each.sharpe)
    peeked = audit_walk(
        best.idea.trainer, best.spec, list(best.past.bars.values()), context, walked=best.walked
    )  # fmt: skip
    verdict = partial(
        decide_gate, best.decision, best.past, best.spec, context, number=best.number, audit=peeked.report
    )
    alone = verdict()
    count = alone.evidence.n_trials
    among = verdict(n_searched=count, fared=_fared([each.decision for each in attempts]))
    one = replace(alone.evidence, n_trials=1, effective_trials=1.0)
    return Chosen(
        best, peeked, count, alone.verdict, among.verdict, evaluate_gate(one, context.limits),
        any(_gold_when_judged(each, context) for each in attempts),
    )  # fmt: skip


def _gold_when_judged(attempt: Tried, context: Context) -> bool:
    """Whether the record passed all other checks then, and its audit passes."""
    if not attempt.passes:
        return False
    bars = list(attempt.past.bars.values())
    report = audit_walk(attempt.idea.trainer, attempt.spec, bars, context, walked=attempt.walked).report
    return report is not None and report.passed


def _fared(result: Sequence[OutOfSampleResult]) -> SearchOverfit:
    """All of them on the bars that they were judged on, which are the same."""
    every = [each.whole.returns for each in result]
    return SearchOverfit(
        overfitting_of(every), np.column_stack([span_sums(each) for each in every]), span_sums(result[0].holding)
    )
