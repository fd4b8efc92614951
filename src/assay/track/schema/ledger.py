"""The trial ledger and the trades."""

import sqlalchemy as sa

from assay.track.schema.columns import columns, table

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
