"""Serialise GateInput to JSON."""

from dataclasses import asdict
from math import nan
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.validate.gate_input import GateInput, check_input
from assay.validate.statistics import Overfitting, expected_max_sharpe, moments


def gate_input_document(evidence: GateInput) -> dict[str, Any]:
    """Plain and, but for NaN, JSON-able: counts, moments, and the sums behind each check. See `GateInput` for names.

    moments, active_moments: of the returns, and of those beyond holding; None where the latter are not known.
    luck: Sharpe ratio a bar that the trials would show by luck, 1/(n - 1) between them.   regimes: ``{label: {bars,
    mean}}``.   Of the audit only what decided: it is stored whole beside this. The ``(n,)`` returns, active returns and
    stressed returns are those of the run's account table.
    """
    evidence = check_input(evidence)
    m = moments(evidence.returns)
    audit, active = evidence.audit, evidence.active_returns
    return {
        "bars": int(evidence.returns.size),
        "bars_per_year": evidence.bars_per_year,
        "n_trades": evidence.n_trades,
        "n_independent_trades": evidence.trades_that_count,
        "n_trials": evidence.n_trials,
        "effective_trials": evidence.effective_trials,
        "trials_variance": evidence.trials_variance,
        "ledger_complete": evidence.ledger_complete,
        "n_searched": evidence.n_searched,
        "holdout_reads": evidence.holdout_reads,
        "moments": m._asdict(),
        "active_moments": None if active is None else moments(active)._asdict(),
        "luck": expected_max_sharpe(evidence.effective_trials, 1 / (m.n - 1)) if m.n > 1 else nan,
        "stressed_sharpe": moments(evidence.stressed_returns).sharpe,
        "shown_sharpe": nan if evidence.shown_returns is None else moments(evidence.shown_returns).sharpe,
        "cost_sides": [asdict(side) for side in evidence.cost_sides],
        "break_even": None if evidence.break_even is None else asdict(evidence.break_even),
        "fills": None if evidence.fills is None else asdict(evidence.fills),
        "data_problems": None if evidence.data_problems is None else list(evidence.data_problems),
        "overfitting": _overfitting(evidence.overfitting),
        "regimes": None if evidence.regimes is None else _regimes(evidence.returns, evidence.regimes),
        "seed_sharpes": None if evidence.seed_sharpes is None else evidence.seed_sharpes.tolist(),
        "audit": None if audit is None else {"complete": audit.complete, "violations": len(audit.violations)},
    }


def _overfitting(result: Overfitting | None) -> dict[str, Any] | None:
    if result is None:
        return None
    numbers = {name: getattr(result, name) for name in ("pbo", "loss_share", "slope", "intercept", "n_dropped")}
    return numbers | {"splits": len(result.logits)}


def _regimes(returns: FloatArray, regimes: IntArray) -> dict[str, dict[str, float]]:
    result = {}
    for label in np.unique(regimes[regimes >= 0]).tolist():
        holding = returns[regimes == label]
        result[str(label)] = {"bars": len(holding), "mean": float(holding.mean())}
    return result
