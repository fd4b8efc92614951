"""The check `edge` of a stored verdict, repeated with the looks counted since.

A verdict keeps what it was judged with, and no champion is withdrawn by what comes later. A new promotion asks again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import polars as pl

from assay.kernel.errors import ArtifactError
from assay.kernel.parse import parse
from assay.kernel.plural import amount
from assay.kernel.spec import TrainSpec
from assay.runs import run_outputs
from assay.runs.context import Context
from assay.runs.identity import identity_from_metadata
from assay.runs.run_artifacts import RunArtifacts
from assay.runs.trial_counts import LookRequest, Looks, count_looks
from assay.track import Look, Row
from assay.validate import GateInput, Reason, evaluate_gate, verdict_of_states


@dataclass(frozen=True, slots=True)
class Today:
    """word: of the verdict with the check `edge` as it is now.   edge: that check.   looks: that count by now."""

    verdict: str
    edge: Reason
    looks: Looks


def edge_today(row: Row, context: Context, *, walk: bool = True) -> Today | None:
    """The verdict of a model with today's looks; None where `edge` did not PASS, or the evidence is gone.

    More looks only take from an edge; what was not one when it was judged is none today.

    row: of the model.   walk: demand that the ledger holds; without, as lists ask, it is counted as it is.
    Raises StoreError ``STORE_CORRUPT`` as `count_looks`.
    """
    stored = row["verdict"] or {}
    passed = any((r.get("check"), r.get("state")) == ("edge", "PASS") for r in stored.get("reasons", []))
    evidence = _evidence(row, context) if passed else None
    if evidence is None:
        return None
    spec = parse(TrainSpec, evidence.document["spec"], path="spec")
    number = _number(row["experiment_id"], spec.market_key, evidence, context)
    times = evidence.account["timestamp"].to_numpy()
    looks = count_looks(LookRequest(spec.market_key, number, times, ()), context, walk=walk)
    edge = _edge(evidence, looks, context)
    states = {r["check"]: r["state"] for r in stored["reasons"]} | {"edge": edge.state}
    return Today(verdict_of_states(states.values())[0], edge, looks)


def _evidence(row: Row, context: Context) -> RunArtifacts | None:
    try:
        return run_outputs.evidence_of(row["experiment_id"], context)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        return None


def _number(run: int, market_key: str, evidence: RunArtifacts, context: Context) -> int:
    """Of the record's own row: the run's, or that of an identical run before it; 0 where there is none."""
    identity = identity_from_metadata(context.record.experiments.get(run)["metadata"]).identity
    last = int(evidence.account["timestamp"][-1])
    rows = [r for r in context.record.ledger.looks([market_key]) if r.is_record and r.last == last]
    own = [r for r in rows if r.run == run] or [r for r in rows if identity and r.identity == identity]
    return _last(own)


def _last(rows: list[Look]) -> int:
    return rows[-1].seq if rows else 0


def _edge(evidence: RunArtifacts, looks: Looks, context: Context) -> Reason:
    """The check alone, on the returns that the run left."""
    document, account = evidence.document, evidence.account
    available = {field.name for field in fields(GateInput)}
    values: dict[str, Any] = {
        "returns": account["return"].to_numpy(),
        "active_returns": _column(account, "active_return"),
        "stressed_returns": account["stressed_return"].to_numpy(),
        "bars_per_year": document["bars_per_year"],
        "n_trades": len(evidence.trades),
        "n_trials": looks.n,
        "effective_trials": looks.effective,
        "ledger_complete": True,
    }
    result = evaluate_gate(
        GateInput(**{name: value for name, value in values.items() if name in available}), context.limits
    )
    reason = result.reason("edge")
    return replace(reason, text=f"{reason.text}; {looks.text}")


def _column(account: pl.DataFrame, name: str) -> Any:
    return account[name].to_numpy() if name in account.columns else None


def fault_of(today: Today | None, stored: Mapping[str, Any] | None) -> str:
    """Why a model that was GOLD needs a person by now; empty where it does not."""
    if today is None or (stored or {}).get("word") != "GOLD" or today.verdict == "GOLD":
        return ""
    then = int(((stored or {}).get("looks") or {}).get("n", 0))
    more = f"{amount(today.looks.n, 'trial')} by now" + (f", {then:,} when it was judged" if then else "")
    return f"it was GOLD and is {today.verdict} with {more} ({today.edge.text})"
