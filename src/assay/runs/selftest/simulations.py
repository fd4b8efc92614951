"""One repetition of each kind of simulated market."""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.seeding import integer
from assay.kernel.spec import TargetChoice, TrainSpec
from assay.market import MOMENTUM_BARS, synthetic
from assay.runs.learners import execute_spec
from assay.runs.run_artifacts import to_jsonable
from assay.runs.selftest.trial_runs import (
    BARS,
    FOLDS,
    Chosen,
    choose_attempt,
    drift_ideas,
    ideas,
    open_laboratory,
    try_idea,
    with_drift,
)
from assay.validate import STUDY_CASES, Thresholds, drift_study, run_gate_study, study_cases

NO_EDGE, EDGE, CONTROL, LEAKS, DRIFT = "no_edge", "edge", "control", "leaks", "drift"
SEARCH, SEARCH_EDGE, STATISTICS = "search", "search_edge", "statistics"
TRAINERS = ("rules", "ensemble")
KINDS = (NO_EDGE, EDGE, CONTROL, DRIFT, SEARCH, SEARCH_EDGE, *TRAINERS, LEAKS, STATISTICS)
STRENGTH: Mapping[str, float] = {
    NO_EDGE: 0.0, EDGE: 0.15, CONTROL: 0.0, DRIFT: 0.0, SEARCH: 0.0, SEARCH_EDGE: 0.15, "rules": 0.3, "ensemble": 0.3,
}  # fmt: skip
HOLDING_SHARPE = 3.0  # a year, of who holds a market with drift; its sign alternates
CANDIDATES = 500  # in each window of a market that is searched
_MOSTLY_LONG = (0.8, 0.0)  # shares of the bars that a rule without skill is long and short, in a market that rises
_ENSEMBLES = 4  # of so many markets with drift one is learnt by an ensemble, too
_FREE = Costs(fee=0.0, slippage_bps=0.0)
_SYMBOL = "GOLD/USDT:USDT"  # a derivative: it may be sold short

Suite = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Task:
    """A repetition to do.

    seed: of the whole self-test.   suite: of planted leaks, for the kind that asks it.   drawn: markets of a case of
    `assay.validate.gate_study` with the most looks.
    """

    kind: str
    number: int
    seed: int
    suite: Suite | None = None
    drawn: int = 200

    @property
    def own_seed(self) -> int:
        """Of this repetition's market and of all that is drawn on it."""
        return integer(self.seed, f"selftest/{self.kind}/{self.number}")


@dataclass(frozen=True, slots=True)
class Repetition:
    """What one repetition came to.

    verdict: the gate's word as a run of its own has it.   chosen_outcome: the same, told what the record was chosen
    among; for
    trainers equal to `verdict`.   deflated, naive: 1 less the p-value of the check ``edge`` with the ledger's count of
    looks, and with a count of one; None where it is undefined.
    any_gold: whether any of all that was tried was GOLD when it was judged.   ensemble: verdict of one on the same
    market, if it was trained.   checks: states by name, those of `chosen_outcome`.   suite: figures of what draws no
    market.
    """

    kind: str
    number: int
    seed: int
    seconds: float
    best: str = ""
    bars: int = 0
    trades: int = 0
    trials: int = 0
    sharpe: float | None = None
    verdict: str = ""
    chosen_outcome: str = ""
    deflated: float | None = None
    naive: float | None = None
    edge: str = ""
    naive_edge: str = ""
    any_gold: bool = False
    ensemble: str = ""
    checks: Mapping[str, str] = field(default_factory=dict)
    suite: Mapping[str, Any] = field(default_factory=dict)

    @property
    def document(self) -> dict[str, object]:
        """Plain and JSON-able."""
        fields = {name: value for name, value in asdict(self).items() if name != "suite"}
        return dict(to_jsonable(fields | {"told": fields.pop("chosen_outcome")}))  # the key of documents of before


def run_task(task: Task, folder: Path | None = None) -> Repetition:
    """Do a repetition in a home of its own below `folder`, which is gone afterwards."""
    began = time.monotonic()
    if task.kind == STATISTICS:
        return Repetition(
            STATISTICS, task.number, task.own_seed, time.monotonic() - began, suite=_studied(task)
        )  # fmt: skip
    if task.kind == LEAKS:
        suite = {} if task.suite is None else dict(task.suite(task.number))
        return Repetition(LEAKS, task.number, task.own_seed, time.monotonic() - began, suite=suite)
    with tempfile.TemporaryDirectory(prefix="selftest-", dir=folder) as home:
        trains = task.kind in (*TRAINERS, SEARCH, SEARCH_EDGE)
        facts = _trained(task, Path(home)) if trains else _researched(task, Path(home))
    return Repetition(task.kind, task.number, task.own_seed, time.monotonic() - began, **facts)


def _market(task: Task) -> Bars:
    bars = synthetic(bars=BARS, seed=task.own_seed, ic=STRENGTH[task.kind], symbol=_SYMBOL)
    if task.kind != DRIFT:
        return bars
    return with_drift(bars, HOLDING_SHARPE if task.number % 2 == 0 else -HOLDING_SHARPE)


def _researched(task: Task, home: Path) -> dict[str, object]:
    bars, costs = _market(task), _FREE if task.kind == CONTROL else Costs()
    tries = drift_ideas() if task.kind == DRIFT else ideas()
    with open_laboratory(home / "home") as context:
        context.candles.upsert(bars, source="selftest")
        bars = context.candles.read(bars.instrument)
        attempts = [try_idea(idea, bars, context, costs=costs, seed=task.own_seed) for idea in tries]
        facts = _facts(choose_attempt(attempts, context))
        if task.kind == DRIFT and task.number % _ENSEMBLES == 0:
            spec = _spec(task, bars, "ensemble", target=TargetChoice(params={"horizon": MOMENTUM_BARS}))
            facts["ensemble"] = execute_spec(spec, context).document["verdict"]
    return facts


def _facts(result: Chosen) -> dict[str, object]:
    best, edge, naive = result.best, result.alone.reason("edge"), result.naive.reason("edge")
    return {
        "best": best.idea.name,
        "bars": len(best.decision.whole.returns),
        "trades": len(best.decision.whole.trades),
        "trials": result.trials,
        "sharpe": to_jsonable(float(best.decision.metrics["sharpe"])),
        "verdict": result.alone.verdict,
        "chosen_outcome": result.among.verdict,
        "deflated": to_jsonable(1.0 - edge.value),
        "naive": to_jsonable(1.0 - naive.value),
        "edge": edge.state,
        "naive_edge": naive.state,
        "any_gold": result.any_gold,
        "checks": {reason.check: reason.state for reason in result.among.reasons},
    }


def _trained(task: Task, home: Path) -> dict[str, Any]:
    """One training as a user starts it: a search of the cross of two means, or the ensemble at its defaults.

    A first walk-forward search has `CANDIDATES` in each window.
    """
    bars = _market(task)
    fields: dict[str, Any] = {"features": (), "params": {"strategy": "sma_cross"}}
    if task.kind == "ensemble":
        fields = {"target": TargetChoice(params={"horizon": MOMENTUM_BARS})}
    if task.kind in (SEARCH, SEARCH_EDGE):
        fields["params"] |= {"trials": CANDIDATES}
    spec = _spec(task, bars, "ensemble" if task.kind == "ensemble" else "rules", **fields)
    with open_laboratory(home / "home") as context:
        context.candles.upsert(bars, source="selftest")
        document = execute_spec(spec, context).document
    edge = next(reason for reason in document["reasons"] if reason["check"] == "edge")
    return {
        "best": str(document["name"]),
        "bars": int(document["metrics"]["n_obs"]),
        "trades": int(document["trades"]),
        "trials": int(document["n_trials"]),
        "sharpe": document["metrics"]["sharpe"],
        "verdict": document["verdict"],
        "chosen_outcome": document["verdict"],
        "deflated": None if edge["value"] is None else 1.0 - edge["value"],
        "edge": edge["state"],
        "any_gold": document["verdict"] == "GOLD",
        "checks": {reason["check"]: reason["state"] for reason in document["reasons"]},
    }


def _spec(task: Task, bars: Bars, learner: str, **more: Any) -> TrainSpec:
    market = bars.instrument
    return TrainSpec(
        exchange=market.exchange, symbols=(market.symbol,), timeframe=market.timeframe, learner=learner, folds=FOLDS,
        seed=task.own_seed, **more,
    )  # fmt: skip


def _studied(task: Task) -> dict[str, object]:
    """One case of `assay.validate.gate_study`, drawn by the seed of the whole self-test; last a rising market."""
    limit = Thresholds().error
    if task.number >= len(STUDY_CASES):
        holding = drift_study([_MOSTLY_LONG], seed=task.seed)[0]
        return {"rules": holding.rules, "plain": holding.plain, "active": holding.active, "error": limit}
    (result,) = run_gate_study([study_cases(task.drawn)[task.number]], error=limit, seed=task.seed)
    case = result.case
    return {
        "kind": case.kind, "looks": case.n_trials, "markets": case.markets, "wrong": result.wrong,
        "right": result.right,
        "bound": result.bound, "error": limit,
    }  # fmt: skip
