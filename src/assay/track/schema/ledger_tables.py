"""The trial ledger and the trades."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, table

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
