"""Tables of the record: runs, models, ledger, configurations."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, identity, table

TRIALS = table(
    "trials",
    columns("market_key", "text"),
    columns("seq", "int"),
    columns("experiment_id", "int?", to="experiments RESTRICT"),
    columns("learner strategy_name exchange symbol timeframe", "text"),
    columns("tuning_method", "text", "'none'", among="none grid random bayesian sweep manual"),
    columns("params", "json"),
    columns("config_hash", "hash"),
    columns("data_digest returns_sha256", "hash?"),
    columns("window_start window_end", "ts?"),
    columns("state", "text", among="complete pruned failed"),
    columns("objective", "text"),
    columns("score", "real?"),
    columns("n_obs total_trades seed", "int?"),
    columns("sharpe sharpe_annual skew kurtosis win_rate max_drawdown net_return", "real?"),
    columns("metrics", "json", "'{}'"),
    columns("duration_seconds", "real?"),
    columns("n_configs", "int", "1", check="{} >= 1"),
    columns("block_sha256", "hash?"),
    columns("prev_hash row_hash", "hash"),
    columns("created_at", "ts", "now"),
    # of schema 0004; in rows of before they are NULL, and no part of the hash
    columns("identity recipe active_sha256", "hash?"),
    columns("intervals mean_exposure", "json?"),
    sa.UniqueConstraint("market_key", "seq"),
    sa.UniqueConstraint("row_hash"),
    sa.Index(None, "market_key", "id"),
    sa.Index(None, "market_key", "config_hash"),
    sa.Index(None, "experiment_id"),
)

# The end of each chain and all that it counts. The database itself keeps it, by a trigger, in the transaction of the
# row that is appended: rows cut from a chain's end are missed.
TRIAL_HEADS = table(
    "trial_heads",
    columns("market_key", "text", key=True),
    columns("seq n_configs", "int", check="{} >= 1"),
    columns("row_hash", "hash"),
    plain_id=False,
)

# Which ledger this is: a random name, given once. Published heads of another ledger say nothing about this one.
LEDGER_CHAIN = table(
    "ledger_chain",
    columns("chain_id", "text", key=True, check="length({}) = 32"),
    columns("created_at", "ts", "now"),
    plain_id=False,
)

# A person accepted that rows of a chain are missing: it is walked from here on, and what is missing counts on.
LEDGER_EPOCHS = table(
    "ledger_epochs",
    columns("market_key", "text"),
    columns("seq missing_rows missing_configs highest_id", "int", check="{} >= 0"),
    columns("row_hash", "hash"),
    columns("reason accepted_by", "text"),
    columns("created_at", "ts", "now"),
    sa.Index(None, "market_key", "id"),
)

# What the candles of each series that was ever scored looked like; kept when candles are deleted or renamed.
MARKET_FINGERPRINTS = table(
    "market_fingerprints",
    columns("market_key", "text"),
    columns("candles_digest", "hash"),
    columns("first_at last_at", "ts"),
    columns("n_bars", "int", check="{} >= 1"),
    columns("zero_share", "real"),
    columns("days hours bars", "text"),
    columns("created_at updated_at", "ts", "now"),
    sa.UniqueConstraint("market_key", "candles_digest"),
)

TRADES = table(
    "trades",
    columns("experiment_id", "int", to="experiments CASCADE"),
    columns("model_id", "int?", to="models SET NULL"),
    columns("configuration_id", "int?", to="trained_configurations SET NULL"),
    columns("fold", "int?"),
    columns("strategy_name exchange symbol timeframe", "text"),
    columns("side", "text", among="LONG SHORT"),
    columns("exit_reason", "text", among="TP SL MAX_HOLD SIGNAL END_OF_DATA"),
    columns("entry_time exit_time", "ts"),
    columns("entry_price exit_price quantity", "real", check="{} > 0"),
    columns("pnl fees slippage_cost return_gross return_net", "real"),
    columns("bars_held", "int", check="{} >= 0"),
    sa.CheckConstraint("exit_time >= entry_time"),
    sa.Index(None, "experiment_id"),
    sa.Index(None, "strategy_name", "symbol"),
    sa.Index(None, "configuration_id"),
)


STAGES = "DISCOVERY VALIDATION MATURE DECAY PAPER"

MODELS = table(
    "models",
    columns("model_id", "text"),
    columns("experiment_id", "int", to="experiments RESTRICT"),
    columns("job_id", "int?", to="jobs SET NULL"),
    columns("name", "text"),
    columns("version", "text", "'1'"),
    columns("strategy_type exchange symbol timeframe architecture_type", "text?"),
    columns("state_dim action_dim", "int?"),
    columns("checkpoint_path", "text"),
    columns("checkpoint_size_mb", "real?"),
    columns("manifest_sha256 content_sha256", "hash?"),
    columns("signature_key_id format", "text?"),
    columns("integrity", "text", "'unverified'", among="unverified verified missing corrupt"),
    columns("audit_status", "text", "'pending'", among="pending passed failed"),
    columns("lifecycle_stage", "text?", among=STAGES),
    columns("verdict", "json?"),
    columns("episode_num global_step", "int?"),
    columns("train_metric val_metric test_metric", "real?"),
    columns("is_best", "bool", "false"),
    columns("hyperparameters performance_metrics metadata", "json", "'{}'"),
    columns("parent_id", "int?", to="models RESTRICT"),
    columns("verified_at last_used_at deleting_at deleted_at", "ts?"),
    columns("created_at", "ts", "now"),
    sa.UniqueConstraint("model_id"),
    sa.UniqueConstraint("job_id", "symbol"),
    sa.Index(None, "experiment_id"),
    sa.Index(None, "strategy_type", "exchange", "symbol", "timeframe"),
    sa.Index(None, "architecture_type"),
    sa.Index(
        "uq_models_best",
        "experiment_id",
        unique=True,
        sqlite_where=sa.text("is_best"),
        postgresql_where=sa.text("is_best"),
    ),
)

ALIASES = table(
    "aliases",
    columns("strategy_type exchange symbol timeframe", "text", key=True),
    columns("alias", "text", among="champion challenger previous", key=True),
    columns("model_id", "int", to="models RESTRICT"),
    columns("version", "int", "1"),
    columns("changed_by", "text", "''"),
    columns("changed_at", "ts", "now"),
    sa.Index(None, "model_id"),
    plain_id=False,
)


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


EXPERIMENTS = table(
    "experiments",
    columns("run_id", "text"),
    columns("name", "text", check="length({}) BETWEEN 1 AND 200"),
    columns("description", "text", "''"),
    columns("experiment_type", "text", "'rl'"),
    columns("status", "text", "'running'", among="running completed failed stopped crashed"),
    columns("git_commit git_branch python_version", "text?"),
    columns("git_dirty", "bool?"),
    columns("git_diff_hash lock_hash spec_hash data_digest", "hash?"),
    columns("environment", "json", "'{}'"),
    columns("random_seed", "int?", check="{0} >= 0 AND {0} < 4294967296"),
    columns("spec", "json?"),
    columns("start_time", "ts", "now"),
    columns("end_time heartbeat_at deleted_at", "ts?"),
    columns("duration_seconds", "real?"),
    columns("tags", "json", "'[]'"),
    columns("notes", "text?"),
    columns("metadata", "json", "'{}'"),
    columns("parent_id reproduces_id", "int?", to="experiments RESTRICT"),
    columns("owner", "text?"),
    columns("created_at updated_at", "ts", "now"),
    sa.UniqueConstraint("run_id"),
    sa.CheckConstraint("end_time >= start_time"),
    sa.Index(None, "spec_hash"),
    sa.Index(None, "parent_id"),
    sa.Index(None, "reproduces_id"),
)

DATASETS = table(
    "datasets",
    columns("name", "text"),
    columns("version", "text", "''"),
    columns("split_type", "text", "''", among=" train val test train_val"),
    columns("revision", "int", "1"),
    columns("dataset_type", "text", "'timeseries'"),
    columns("exchange symbol timeframe data_path", "text?"),
    columns("data_hash", "hash?"),
    columns("num_samples", "int?"),
    columns("start_date end_date", "text?"),
    columns("feature_columns target_columns", "json", "'[]'"),
    columns("metadata", "json", "'{}'"),
    columns("created_at", "ts", "now"),
    sa.UniqueConstraint("name", "version", "split_type", "revision"),
    sa.CheckConstraint("start_date <= end_date"),
    sa.Index(None, "data_hash"),
)

EXPERIMENT_DATASETS = table(
    "experiment_datasets",
    columns("experiment_id", "int", to="experiments CASCADE", key=True),
    columns("dataset_id", "int", to="datasets RESTRICT", key=True),
    columns("usage_type", "text", key=True),
    columns("created_at", "ts", "now"),
    sa.Index(None, "dataset_id"),
    plain_id=False,
)

HYPERPARAMETERS = table(
    "hyperparameters",
    columns("experiment_id", "int", to="experiments CASCADE"),
    columns("model_id", "int?", to="models CASCADE"),
    columns("param_name param_value", "text"),
    columns("param_type", "text", "'str'", among="float int str bool json none"),
    columns("created_at", "ts", "now"),
    sa.Index(
        "uq_hyperparameters_param_name", "experiment_id", sa.text("COALESCE(model_id,0)"), "param_name", unique=True
    ),
)

ARTIFACTS = table(
    "artifacts",
    columns("experiment_id", "int", to="experiments CASCADE"),
    columns("model_id", "int?", to="models CASCADE"),
    columns("artifact_type artifact_path artifact_name", "text"),
    columns("file_size_mb", "real?"),
    columns("sha256", "hash?"),
    columns("description", "text", "''"),
    columns("metadata", "json", "'{}'"),
    columns("created_at", "ts", "now"),
    sa.Index(None, "experiment_id"),
)

METRICS = table(
    "metrics",
    identity(),
    columns("experiment_id", "int", to="experiments CASCADE"),
    columns("model_id", "int?", to="models SET NULL"),
    columns("metric_name", "text", check="length({}) BETWEEN 1 AND 200"),
    columns("metric_type", "text", "'scalar'", among="scalar distribution image text"),
    columns("episode step epoch", "int?"),
    columns("value", "real?"),
    columns("non_finite", "text?", among="nan inf -inf"),
    columns("value_json metadata", "json?"),
    columns("split", "text", "'train'"),
    columns("phase", "text", "'training'", among="training evaluation inference"),
    columns("timestamp", "ts", "now"),
    # A NaN that is bound raw arrives as NULL on SQLite; without this it would pass for a point that was never known.
    sa.CheckConstraint("(value IS NULL) = (non_finite IS NOT NULL) OR (value IS NULL AND value_json IS NOT NULL)"),
    # in the order of the run, and with all that a summary reads: a last value is one look
    sa.Index(
        "ix_metrics_series",
        *("experiment_id", "metric_name", "step", "episode", "epoch", "id", "split", "metric_type", "value"),
    ),
    plain_id=False,
)
