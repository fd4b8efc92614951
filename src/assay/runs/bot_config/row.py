"""A configuration document as the columns of ``trained_configurations``."""

from collections.abc import Mapping
from typing import Any

from assay.runs.bot_config.standing import UNKNOWN_EXECUTION

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w")
_SAME_NAME = {
    "performance": ("avg_win", "avg_loss", "exchange_fees", "est_slippage", "actual_slippage", "sample_size"),
    "statistical_validation": (
        "sharpe_ratio", "calmar_ratio", "sortino_ratio", "p_value", "z_score", "monte_carlo_var", "stability_score",
        "drawdown_duration", "trade_clustering", "rolling_30d_sharpe", "lifetime_sharpe_ratio",
    ),
    "execution_metrics": UNKNOWN_EXECUTION,
    "adversarial_analysis": ("adversarial_score", "trap_probability", "smart_money_alignment"),
    "risk_allocation": (
        "kelly_fraction", "correlation_adjusted_weight", "regime_adjusted_size", "max_position_size",
        "current_allocation", "var_95", "cvar_95",
    ),
    "market_microstructure": (
        "avg_spread_bps", "book_depth_ratio", "book_imbalance", "tick_size_impact", "maker_rebate", "taker_fee",
        "level2_depth_score", "microstructure_noise",
    ),
    "pattern_health": (
        "months_since_discovery", "performance_degradation", "degradation_velocity", "death_signals",
        "death_signal_count", "resurrection_score",
    ),
    "metadata": ("model_version", "discovery_date", "engine_hash", "runtime_env", "data_filter_config"),
    "lifecycle": ("confidence_score",),
}  # fmt: skip


def row_of(document: Mapping[str, Any], verdict: Mapping[str, Any]) -> dict[str, Any]:
    """Every column that the document decides; row ids and the clock of activations are left to the record.

    The column ``regime`` cannot be empty: it keeps its default where the document knows no regime.
    """
    context, performance = document["context"], document["performance"]
    net = performance["NET_PROFIT"]
    row = {name: document[block][name] for block, names in _SAME_NAME.items() for name in names}
    row |= {
        "strategy_name": document["strategy"],
        "exchange": context["exchange"],
        "pair": context["pair"],
        "timeframe": context["timeframe"],
        "parameters_json": document["parameters"],
        "gross_win_rate": performance["gross_WR"],
        "net_profit": net,
        "net_profit_pct": None if net is None else net / 100.0,
        "total_trades": performance["sample_size"],
        "regime_classification": document["ensemble_regime_classification"],
        "alternative_data_signals": document["alternative_data_signals"],
        "created_at": document["createdAt"],
        "updated_at": document["lifecycle"]["last_updated"],
        "lifecycle_stage": document["status"],
        "config_id": document["configId"],
        "metadata_json": document["metadata"],
        "config_json": dict(document),
        "verdict": dict(verdict),
    }
    return row if context["regime"] is None else row | {"regime": context["regime"]}
