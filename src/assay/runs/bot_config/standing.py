"""Standing of a configuration: windows, lifecycle, health, and fields that only live trading fills."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from assay.validate import Placement, windows_stability

UNKNOWN_EXECUTION = (
    "fill_rate", "partial_fill_rate", "time_to_fill_ms", "slippage_vs_mid_bps", "adverse_selection_score",
    "post_trade_drift_1m", "post_trade_drift_5m", "rejection_rate",
)  # fmt: skip
_ADVERSARIAL = (
    "adversarial_score", "trap_probability", "smart_money_alignment", "similar_patterns_detected",
    "competitor_activity_level", "unusual_mm_behavior", "spoofing_detected",
)  # fmt: skip
_DEATH_SIGNALS = (
    "volume_profile_changed", "new_algo_detected", "correlation_spike", "sharpe_below_50pct", "unusual_fill_pattern",
    "regime_break",
)  # fmt: skip


def execution_metrics(costs: Mapping[str, Any]) -> dict[str, Any]:
    """Null until fills exist; what was assumed stands beside them under its own name."""
    assumed = {"fee": costs["fee"], "slippage_bps": costs["slippage_bps"]}
    return dict.fromkeys(UNKNOWN_EXECUTION) | {"assumed": assumed}


def alternative_data_signals(funding_rate: float | None) -> dict[str, Any]:
    """Null but for the newest funding rate, where a series of it is stored."""
    return {
        "order_flow_imbalance": None,
        "options_flow": dict.fromkeys(("put_call_ratio", "gamma_exposure", "dealer_positioning")),
        "funding_rate": funding_rate,
        "perpetual_basis": None,
        "social_sentiment": None,
    }


def adversarial_analysis() -> dict[str, Any]:
    """Null until it is measured."""
    return dict.fromkeys(_ADVERSARIAL)


def pattern_health(correlations: Mapping[str, float]) -> dict[str, Any]:
    """As at discovery: what monitoring computes on new bars is null, so no death signal is on."""
    return {
        "months_since_discovery": 0,
        "performance_degradation": None,
        "degradation_velocity": None,
        "death_signals": dict.fromkeys(_DEATH_SIGNALS),
        "death_signal_count": 0,
        "resurrection_score": None,
        "correlation_to_other_patterns": dict(correlations),
    }


def lifecycle(placed: Placement, confidence: float, moment: str) -> dict[str, Any]:
    """Stage, what it allows, and every rule with value and limit."""
    return {
        "current_stage": placed.stage,
        "eligible_for": placed.eligible_for,
        "approved_by": None,
        "max_allocation_pct": placed.max_allocation_pct,
        "position_multiplier": placed.position_multiplier,
        "confidence_score": confidence,
        "last_updated": moment,
        "reasons": [asdict(reason) for reason in placed.reasons],
    }


def validation(document: Mapping[str, Any]) -> dict[str, Any]:
    """Means over the test windows and what they say of overfitting; empty where nothing was held back."""
    windows = windows_stability(document["windows"])
    if not windows.windows:
        return {}
    result = document["overfit"]
    return {
        "method": "split" if document["walk_forward"] == "split" else "walk_forward",
        "mode": document["mode"],
        "total_windows": windows.windows,
        "test_sharpe_ratio": windows.test_sharpe,
        "test_win_rate": windows.test_win_rate,
        "test_net_profit_pct": 100.0 * windows.test_net_profit,
        "train_sharpe_std": result["train_sharpe_std"],
        "overfitting_detected": result["detected"],
        "overfitting_reasons": list(result["reasons"]),
        "stability_score": result["stability_score"],
        "verdict": result["verdict"],
        "audit_passed": _audit(document["reasons"]),
    }


def _audit(reasons: list[Mapping[str, Any]]) -> bool | None:
    """Whether the causality audit passed; None where it was not run."""
    states = {r["check"]: r["state"] for r in reasons}
    return {"PASS": True, "FAIL": False}.get(states.get("audit", ""))
