"""Tables of the service: the durable queue, its schedule, its outbox, its keys and its log of events."""

import sqlalchemy as sa

from assay.track.schema.column_types import columns, table

_ACTIVE = sa.text("status IN ('queued', 'running')")
_WAITING = sa.text("done_at IS NULL")

JOBS = table(
    "jobs",
    columns("job_id", "text"),
    columns("kind", "text", "'train'"),
    columns("spec", "json"),
    columns("spec_hash", "hash"),
    columns("idempotency_key concurrency_key", "text?"),
    columns("request_hash", "hash?"),
    columns("strategy_type symbol exchange timeframe regime optimizer", "text", "''"),
    columns("trigger", "text", "'api'", among="schedule api cli dashboard tick"),
    columns("status", "text", "'queued'", among="queued running completed failed cancelled skipped dead"),
    columns("priority", "int", "0", check="{} BETWEEN -100 AND 100"),
    columns("attempt token", "int", "0"),
    columns("max_attempts", "int", "3"),
    columns("run_at created_at", "ts", "now"),
    columns("started_at completed_at lease_until progress_at cancel_requested_at fire_at", "ts?"),
    columns("owner", "text?"),
    columns("progress", "real", "0", check="{} BETWEEN 0 AND 1"),
    columns("stage", "text", "''"),
    columns("timeout_seconds current_iteration total_iterations data_points", "int?"),
    columns("best_score current_score current_reward current_loss duration_seconds", "real?"),
    columns("accuracy", "real?", check="{} BETWEEN 0 AND 1"),
    columns("progress_details metadata", "json", "'{}'"),
    columns("model_path error_code error_message error_trace", "text?"),
    columns("experiment_id", "int?", to="experiments SET NULL"),
    columns("configuration_id", "int?", to="trained_configurations SET NULL"),
    columns("schedule_id", "text?", to="schedules SET NULL"),
    columns("created_by", "text", "''"),
    sa.UniqueConstraint("job_id"),
    sa.UniqueConstraint("idempotency_key"),
    sa.CheckConstraint("length(idempotency_key) <= 200"),
    sa.CheckConstraint("status <> 'running' OR (owner IS NOT NULL AND lease_until IS NOT NULL)"),
    sa.CheckConstraint("started_at >= created_at"),
    sa.CheckConstraint("completed_at >= started_at"),
    sa.Index(
        "uq_jobs_active_concurrency_key",
        "concurrency_key",
        unique=True,
        sqlite_where=_ACTIVE,
        postgresql_where=_ACTIVE,
    ),
    sa.Index(None, "spec_hash"),
    sa.Index(None, "symbol"),
    sa.Index(None, "status", "priority", "run_at"),
    sa.Index(None, "created_at"),
)

JOB_ATTEMPTS = table(
    "job_attempts",
    columns("job_id", "int", to="jobs CASCADE", key=True),
    columns("attempt", "int", key=True),
    columns("token", "int"),
    columns("owner", "text"),
    columns("started_at", "ts", "now"),
    columns("ended_at", "ts?"),
    columns("outcome", "text?", among="completed failed cancelled skipped timeout stalled oom signal lost preempted"),
    columns("exit_code exit_signal", "int?"),
    columns("rss_peak_mb", "real?"),
    columns("error_code error_message", "text?"),
    plain_id=False,
)

JOB_LOGS = table(
    "job_logs",
    columns("job_id", "int", to="jobs CASCADE"),
    columns("attempt", "int", "0"),
    columns("timestamp", "ts", "now"),
    columns("log_level", "text", "'info'", among="info success error warning progress"),
    columns("message", "text"),
    columns("progress", "real?", check="{} BETWEEN 0 AND 1"),
    sa.Index(None, "job_id", "id"),
)

JOB_SLOTS = table(
    "job_slots",
    columns("slot_no", "int", key=True, check="{} BETWEEN 0 AND 63"),
    columns("job_id", "int?", to="jobs SET NULL"),
    sa.UniqueConstraint("job_id"),
    plain_id=False,
)

SCHEDULES = table(
    "schedules",
    columns("schedule_id", "text", key=True),
    columns("cron", "text"),
    columns("timezone", "text", "'UTC'"),
    columns("spec", "json"),
    columns("misfire", "text", "'coalesce'", among="coalesce skip all"),
    columns("overlap", "text", "'skip'", among="skip queue"),
    columns("misfire_grace_seconds", "int", "21600"),
    columns("enabled", "bool", "true"),
    columns("source", "text", "'api'", among="env api"),
    columns("created_at updated_at", "ts", "now"),
    plain_id=False,
)

SCHEDULE_RUNS = table(
    "schedule_runs",
    columns("schedule_id", "text", to="schedules CASCADE", key=True),
    columns("fire_at", "ts", key=True),
    columns("outcome", "text", among="submitted skipped:coalesced skipped:overlap skipped:misfire"),
    columns("job_id", "int?", to="jobs SET NULL"),
    columns("reason", "text", "''"),
    columns("created_at", "ts", "now"),
    plain_id=False,
)

OUTBOX = table(
    "outbox",
    columns("topic dedup_key", "text"),
    columns("payload", "json"),
    columns("attempts", "int", "0"),
    columns("next_attempt_at", "ts", "now"),
    columns("done_at", "ts?"),
    columns("last_error", "text?"),
    columns("created_at", "ts", "now"),
    sa.UniqueConstraint("topic", "dedup_key"),
    sa.Index("ix_outbox_waiting", "next_attempt_at", sqlite_where=_WAITING, postgresql_where=_WAITING),
)

SERVICE_METRICS = table(
    "service_metrics",
    columns("timestamp", "ts", "now"),
    columns("metric_name", "text"),
    columns("metric_value", "real?"),
    columns("symbol strategy_type", "text?"),
    columns("metadata", "json", "'{}'"),
    sa.Index(None, "metric_name", "timestamp"),
)

EVENTS = table(
    "events",
    columns("timestamp", "ts", "now"),
    columns("actor action subject", "text"),
    columns("details", "json", "'{}'"),
    sa.Index(None, "subject"),
)

API_KEYS = table(
    "api_keys",
    columns("key_id", "text", key=True),
    columns("secret_sha256", "hash"),
    columns("scopes", "json", "'[]'"),
    columns("expires_at revoked_at last_used_at", "ts?"),
    columns("created_at", "ts", "now"),
    plain_id=False,
)
