"""Trained configurations: the 70 documented columns in their documented order, then 13 later ones."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, table
from assay.track.schema.model_tables import STAGES

_SHARE = "{} BETWEEN 0 AND 1"


def _gin(column: str) -> sa.Index:
    return sa.Index(None, column, postgresql_using="gin").ddl_if(dialect="postgresql")


CONFIGURATIONS = table(
    "trained_configurations",
    columns("strategy_name exchange pair", "text"),
    columns("timeframe", "text", among="1m 5m 15m 30m 1h 4h 1d 1w"),
    columns("regime", "text", "'sideways'", among="bull bear sideways volatile"),
    sa.Column("status", sa.Text(), sa.Computed("lifecycle_stage", persisted=True)),
    columns("is_active", "bool", "false"),
    columns("parameters_json", "json", "'{}'"),
    columns("gross_win_rate", "real?", check=_SHARE),
    columns("avg_win", "real?"),
    columns("avg_loss", "real?", check="{} <= 0"),
    columns("net_profit", "real?"),
    columns("sample_size", "int?"),
    columns("exchange_fees est_slippage actual_slippage", "real?"),
    columns("sharpe_ratio calmar_ratio sortino_ratio", "real?"),
    columns("p_value", "real?", check=_SHARE),
    columns("z_score monte_carlo_var", "real?"),
    columns("stability_score", "real?", check=_SHARE),
    columns("drawdown_duration", "int?"),
    columns("trade_clustering", "real?", check=_SHARE),
    columns("rolling_30d_sharpe lifetime_sharpe_ratio", "real?"),
    columns("fill_rate partial_fill_rate", "real?", check=_SHARE),
    columns("time_to_fill_ms", "int?"),
    columns("slippage_vs_mid_bps", "real?"),
    columns("adverse_selection_score", "real?", check=_SHARE),
    columns("post_trade_drift_1m post_trade_drift_5m", "real?"),
    columns("rejection_rate", "real?", check=_SHARE),
    columns("regime_classification alternative_data_signals", "json?"),
    columns("adversarial_score trap_probability smart_money_alignment", "real?", check=_SHARE),
    columns("kelly_fraction correlation_adjusted_weight regime_adjusted_size", "real?"),
    columns("max_position_size current_allocation var_95 cvar_95", "real?"),
    columns("avg_spread_bps book_depth_ratio", "real?"),
    columns("book_imbalance", "real?", check="{} BETWEEN -1 AND 1"),
    columns("tick_size_impact maker_rebate taker_fee level2_depth_score microstructure_noise", "real?"),
    columns("months_since_discovery", "int?"),
    columns("performance_degradation degradation_velocity", "real?"),
    columns("death_signals", "json?"),
    columns("death_signal_count", "int", "0"),
    columns("resurrection_score", "real?", check=_SHARE),
    columns("model_version", "text?"),
    columns("discovery_date", "ts?"),
    columns("engine_hash runtime_env", "text?"),
    columns("created_at updated_at", "ts", "now"),
    columns("last_activated_at last_deactivated_at", "ts?"),
    columns("lifecycle_stage", "text", "'DISCOVERY'", among=STAGES),
    columns("config_id", "text"),
    columns("metadata_json data_filter_config config_json verdict", "json?"),
    columns("confidence_score", "real?", check=_SHARE),
    columns("net_profit_pct", "real?"),
    columns("total_trades job_id", "int?"),
    columns("experiment_id", "int?", to="experiments RESTRICT"),
    columns("model_id", "int?", to="models RESTRICT"),
    columns("trial_id", "int?", to="trials RESTRICT"),
    sa.UniqueConstraint("config_id"),
    sa.Index(None, "strategy_name"),
    sa.Index(None, "exchange"),
    sa.Index(None, "pair"),
    sa.Index(None, "lifecycle_stage"),
    sa.Index(None, "is_active", sqlite_where=sa.text("is_active"), postgresql_where=sa.text("is_active")),
    sa.Index(None, "exchange", "pair", "timeframe"),
    sa.Index("ix_trained_configurations_worth", sa.text("net_profit DESC"), sa.text("sharpe_ratio DESC")),
    sa.Index(None, "lifecycle_stage", "months_since_discovery"),
    _gin("parameters_json"),
    _gin("death_signals"),
    _gin("metadata_json"),
    sa.Index(None, "job_id"),
    sa.Index(None, "experiment_id"),
    sa.Index(None, "model_id"),
)
