"""Runs and what hangs on them: experiments, datasets, hyperparameters, artifacts, metrics."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, identity, table

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
