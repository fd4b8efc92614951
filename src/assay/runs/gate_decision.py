"""Build the gate's input for a run; give verdict, diagnostics and advice."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import isnan, nan
from typing import Any

from assay.kernel.errors import amount
from assay.kernel.spec import TrainSpec
from assay.runs.context import Context
from assay.runs.evaluation import OutOfSampleResult, evidence_of
from assay.runs.family import Family, family
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_inputs import History
from assay.runs.trial_counts import LookRequest, Looks, count_looks, until
from assay.simulate import moments
from assay.validate import (
    NATURE_SENTENCES,
    AuditReport,
    GateInput,
    Reason,
    SearchOverfit,
    Thresholds,
    Verdict,
    deflated_by_spread,
    evaluate_gate,
    gate_input_document,
    span_sums,
    superiority_p_values,
)


@dataclass(frozen=True, slots=True)
class GateDecision:
    """A verdict, what it was given, and what is stored with it.

    document: ``thresholds``; ``evidence``, see `assay.validate.gate`; ``information``: ``trials_variance``
    with the paper's ``luck_by_spread`` and ``deflated_by_spread``, ``pbo``, ``plateau``, and ``spa`` of the record
    beside other trials on the same bars (``record``) and of the search; null where undefined; ``holdout``, see there.
    """

    verdict: Verdict
    evidence: GateInput
    document: dict[str, Any]


def decide_gate(
    result: OutOfSampleResult,
    past: History,
    spec: TrainSpec,
    context: Context,
    *,
    number: int,
    audit: AuditReport | None,
    n_searched: int = 1,
    fared: SearchOverfit | None = None,
    plateau: float = nan,
    compared: bool = True,
) -> GateDecision:
    """Judge a record with the looks that the ledger counts at its bars, see `assay.runs.trial_counts`.

    number: of the record's own row.   n_searched: configurations that it was chosen among.   fared: how some of them
    did on the window that was searched.   plateau: share of the best score that its neighbours keep.   compared:
    whether the bootstrap tests that inform, and decide nothing, are made.
    Raises StoreError ``STORE_CORRUPT`` for a ledger whose chain does not hold.
    """
    looks = count_looks(LookRequest(spec.market_key, number, result.whole.timestamp, past.bars.values()), context)
    locked = context.ports.candles.locks(spec, context)
    tried = family(result.whole, number, spec.market_key, context, until=until(looks, spec.market_key, context))
    evidence = evidence_of(
        result, past, n_trials=looks.n, counted=looks.counted, trials_variance=tried.spread,
        effective_trials=looks.effective, n_searched=n_searched, audit=audit,
        overfitting=None if fared is None else fared.overfitting, holdout_reads=len(locked["readings"]),
    )  # fmt: skip
    extras = _spreads(evidence, tried) | {
        "pbo": nan if fared is None else fared.overfitting.pbo,
        "plateau": plateau,
        "spa": {
            "record": superiority_p_values(span_sums(tried.returns), span_sums(result.holding), seed=spec.seed)
            if compared
            else None,
            "search": None if fared is None else superiority_p_values(fared.spans, fared.holding, seed=spec.seed),
        },
    }
    document = {"thresholds": asdict(context.limits), "evidence": gate_input_document(evidence), "information": extras}
    document |= {"holdout": locked, "looks": looks.document, "head": looks.head.document}
    return GateDecision(with_looks(evaluate_gate(evidence, context.limits), looks), evidence, to_jsonable(document))


def with_looks(verdict: Verdict, looks: Looks) -> Verdict:
    """The verdict, its check `ledger` saying which trials count and where they come from."""
    if not looks.text:
        return verdict
    reasons = tuple(
        replace(each, text=f"{each.text}; {looks.text}") if (each.check, each.state) == ("ledger", "PASS") else each
        for each in verdict.reasons
    )
    return replace(verdict, reasons=reasons)


def _spreads(evidence: GateInput, tried: Family) -> dict[str, object]:
    by_spread = deflated_by_spread(moments(evidence.returns), evidence.effective_trials, tried.spread)
    return {"trials_variance": tried.spread, "trials_with_sharpe": tried.counted, **by_spread}


_TWICE = 2.0
_WAITING = 10  # times the judged bars from which on nobody should wait
_DAYS = 365.25


def cost_words(cost_factor: float) -> str:
    """``doubled costs`` for 2, else ``3 times the costs``."""
    return "doubled costs" if cost_factor == _TWICE else f"{cost_factor:g} times the costs"


def advice(
    verdict: Verdict,
    metrics: Mapping[str, float],
    *,
    bars_per_year: float,
    cost_factor: float = Thresholds().cost_factor,
) -> str:
    """What the model is, in plain words, and the next step. Never claims an edge that the checks did not show."""
    failed = [r for r in verdict.reasons if r.state == "FAIL"]
    if failed:
        return _of_failed(verdict, failed[0])
    return f"{NATURE_SENTENCES[verdict.nature]} {_next_step(verdict, metrics, bars_per_year, cost_factor)}"


def _of_failed(verdict: Verdict, failed: Reason) -> str:
    """An edge, or too little evidence, is not what decides a record of which a check failed."""
    what = {
        "edge": "This earns more than holding and luck explain, but a check failed.",
        "unknown": "A check failed, whatever more bars would show.",
    }
    return f"{what.get(verdict.nature, NATURE_SENTENCES[verdict.nature])} Leave it: {failed.text}."


def _next_step(verdict: Verdict, metrics: Mapping[str, float], bars_per_year: float, cost_factor: float) -> str:
    if verdict.verdict == "GOLD":
        return "Trade it small: every check passed."
    state = {r.check: r.state for r in verdict.reasons}
    if state["edge"] == state["sample"] == "PASS":
        return _almost(verdict, state, cost_factor)
    needed = verdict.bars_needed
    if needed is None:
        return _without_number(verdict, state)
    judged = metrics.get("n_obs", float("nan"))
    if needed > _WAITING * judged:
        return (
            f"Waiting will not decide it: at this rate it needs {amount(needed, 'more bar')}, more than {_WAITING} "
            "times what was judged. Fewer trials on these bars or lower costs are the cheaper ways."
        )
    return (
        f"Wait or improve it: at this rate {amount(needed, 'more bar')} ({_time(needed / bars_per_year)}) would decide."
    )


def _time(years: float) -> str:
    return amount(round(years, 1), "year") if years >= 1 else amount(max(1, round(years * _DAYS)), "day")


def _without_number(verdict: Verdict, state: Mapping[str, str]) -> str:
    """No number of bars can be computed: what follows from the checks that are open instead."""
    edge, sample = verdict.reason("edge"), verdict.reason("sample")
    if sample.value == 0:
        return "It made no trade: loosen its rule, or trade another market. More bars of the same would not help."
    if isnan(edge.value):
        return f"Do not trade it yet: {edge.text}."
    more = f" A longer record, or a rule that trades more often, would tell: {sample.text}."
    few = more if state["sample"] != "PASS" else ""
    return f"Do not trade it: so far it earns no more than holding its average position.{few}"


def _almost(verdict: Verdict, state: Mapping[str, str], cost_factor: float) -> str:
    missing = ", ".join(check for check, each in state.items() if each == "UNKNOWN")
    if state["cost"] == "PASS":
        costs = cost_words(cost_factor)
        return f"Paper-trade it: the edge survives {costs} and the trials that were made; still open: {missing}."
    return f"Trade it cheaper: {verdict.reason('cost').text}."
