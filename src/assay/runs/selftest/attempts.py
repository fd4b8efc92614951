"""One researcher on one market: every idea walked forward and counted, the best handed to the gate."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import inf, isfinite
from pathlib import Path

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.spec import TrainSpec
from assay.runs import keep
from assay.runs.audit import FULL, Audited, audited
from assay.runs.context import Context, Recording
from assay.runs.documents import document, trial
from assay.runs.evidence import RunEvidence, tables
from assay.runs.history import History, bare
from assay.runs.judged import Judged, judged, verdict
from assay.runs.selftest.researcher import Idea
from assay.validate.split.asked import plan
from assay.validate.statistics.overfitting import overfitting_of
from assay.validate.verdict import Verdict
from assay.validate.walk import walk


@contextmanager
def laboratory(home: Path) -> Iterator[Context]:
    """A home of its own with the default stores, for one market.

    Audits ask all they have to ask: how far a budget of seconds goes would depend on what else the machine does.
    """
    home.mkdir(parents=True)
    record, candles = f"sqlite:///{home}/assay.db", f"duckdb:///{home}/candles.duckdb"
    context = Context(home=home, record_url=record, candles_url=candles, audit=FULL)
    with context.record:
        yield context


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """An idea's out-of-sample record. number: that the market's ledger gave it; seconds: of its fits."""

    idea: Idea
    spec: TrainSpec
    past: History
    found: Judged
    number: int
    seconds: float

    @property
    def sharpe(self) -> float:
        """Per bar; undefined is never best."""
        value = float(self.found.metrics["sharpe"])
        return value if isfinite(value) else -inf


def tried(idea: Idea, bars: Bars, context: Context, *, costs: Costs, seed: int) -> Tried:
    """Walk an idea forward, count it in the ledger and leave its evidence: `assay.runs.train` without a model."""
    began = time.monotonic()
    spec, by = idea.spec(bars.instrument, costs, seed), idea.rule.name
    read, _ = keep.candles(spec, context)
    digest = keep.data_digest(read, spec)
    past = bare(read)
    folds = plan(spec.folds, past.panel, horizon=past.horizon)
    with keep.running(spec, digest, read, context, by=by) as run:
        report = Recording(context, run.id, "walking forward")
        outcomes = list(walk(idea.trainer, past.panel, folds, costs=costs, seed=seed, report=report))
        found = judged(outcomes, past, costs, seed=seed)
        number = report.trial(trial(spec, found, digest, time.monotonic() - began, strategy=by))
        word = verdict(found, past, n_trials=number, counted=True)
        told = document(spec, digest, past, outcomes, found, word)
        keep.leave(spec, context, run, RunEvidence(told, *tables(found, outcomes, past)), by=by)
    return Tried(idea, spec, past, found, number, sum(o.seconds for o in outcomes))


@dataclass(frozen=True, slots=True, eq=False)
class Chosen:
    """What the gate says of the best of all that was tried.

    alone:  its verdict as a run of its own has it: with the market's trials counted.
    among:  the same, told what it was chosen among: how the best of all records fares elsewhere.
    naive:  a gate that counts one trial.   trials: what the market's ledger counts; its chain was walked.
    """

    best: Tried
    audit: Audited
    trials: int
    alone: Verdict
    among: Verdict
    naive: Verdict


def chosen(attempts: Sequence[Tried], context: Context) -> Chosen:
    """Hand the best out-of-sample record to the gate with the ledger's counts; its pipeline is audited before.

    Raises StoreError ``STORE_CORRUPT`` where the chain is broken.
    """
    best = max(attempts, key=lambda each: each.sharpe)
    market = best.spec.market_key
    rows = context.record.ledger.check(market)
    count = context.trials_now(market)
    peeked = audited(
        best.idea.trainer, best.spec, list(best.past.bars.values()), context, fit_seconds=best.seconds
    )  # fmt: skip
    fared = overfitting_of(each.found.whole.returns for each in attempts)
    word = partial(verdict, best.found, best.past, counted=rows == count and best.number <= count, audit=peeked.report)
    return Chosen(
        best, peeked, count,
        alone=word(n_trials=count),
        among=word(n_trials=count, n_searched=count, overfitting=fared),
        naive=word(n_trials=1),
    )  # fmt: skip
