"""Models and the names under which they serve."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, table

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
