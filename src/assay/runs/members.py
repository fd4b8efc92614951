"""Verdict for each member of a panel."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from assay.kernel.costs import Costs
from assay.runs.evaluation import OutOfSampleResult
from assay.runs.run_artifacts import to_jsonable
from assay.runs.trading import Walked, retrade
from assay.runs.training_history import History
from assay.simulate import BacktestResult
from assay.validate import FoldResult, GateInput, Reason, Thresholds, evaluate_gate, verdict_of_states

CHECKS = ("profit", "cost", "fills", "data")


def member_reasons(
    result: OutOfSampleResult, past: History, outcomes: Sequence[FoldResult], costs: Costs, limits: Thresholds
) -> dict[str, list[dict[str, Any]]]:
    """By symbol, the reasons of `CHECKS` about the instrument's own record, as JSON; empty for a panel of one.

    Cost: some 20 simulations an instrument.
    """
    if len(result.records) < 2:
        return {}
    stored = [each for each in outcomes if not each.left_out]
    return {
        symbol: [dict(to_jsonable(asdict(each))) for each in _reasons(symbol, record, stored, past, costs, limits)]
        for symbol, record in result.records.items()
    }


def member_columns(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """By symbol, what its row of the models table has in place of the panel's, where its own record fails.

    document: of the run, with ``members``.   verdict: as the panel's rows have it.
    """
    columns = {}
    for symbol, reasons in (document.get("members") or {}).items():
        if all(each["state"] != "FAIL" for each in reasons):
            continue
        own = {each["check"]: each for each in reasons}
        whole = [own.get(each["check"], each) for each in verdict["reasons"]]
        label, stage = verdict_of_states(each["state"] for each in whole)
        lowered = {**verdict, "word": label, "stage": stage, "reasons": whole}
        columns[symbol] = {"verdict": lowered, "lifecycle_stage": stage}
    return columns


def _reasons(
    symbol: str, record: BacktestResult, outcomes: Sequence[FoldResult], past: History, costs: Costs, limits: Thresholds
) -> list[Reason]:
    own = [replace(each, tested={symbol: each.tested[symbol]}) for each in outcomes if symbol in each.tested]
    trading = retrade(Walked({symbol: record}, record, own, past), costs, limits)
    evidence = GateInput(
        returns=record.returns,
        bars_per_year=past.bars[symbol].bars_per_year,
        n_trades=len(record.trades),
        n_trials=1,
        effective_trials=1.0,
        ledger_complete=True,
        stressed_returns=trading.stressed,
        n_independent_trades=trading.independent_trades,
        shown_returns=trading.shown,
        cost_sides=trading.sides,
        break_even=trading.break_even,
        fills=trading.fills,
        data_problems=trading.data_problems,
    )
    verdict = evaluate_gate(evidence, limits)
    return [verdict.reason(check) for check in CHECKS]
