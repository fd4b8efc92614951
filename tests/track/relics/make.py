"""Writes the relic of the current schema: ``python -m tests.track.relics.make``, before a new migration is written.

Rows in every table, two ledger chains. A relic that is there is never written again: it is what a release has left.
"""

import sqlite3
import subprocess
import tempfile
from pathlib import Path

from assay.market.sources.synthetic import synthetic
from assay.testing.store_contract import a_trade, a_trial
from assay.track.schema.migrate import HEAD
from assay.track.tracking_store import TrackingStore, open_store
from tests.conftest import postgres_program
from tests.track.relics import FOLDER
from tests.track.server import server

_HASH = "a" * 64
_THEN = "'2026-01-02T03:04:05.678Z'"
_ROWS = (
    f"INSERT INTO jobs (job_id, spec, spec_hash, status, completed_at, experiment_id) VALUES ('job', '{{}}', '{_HASH}',"
    " 'completed', '2999-01-01T00:00:00.000Z', 1)",
    f"INSERT INTO job_attempts (job_id, attempt, token, owner, started_at) VALUES (1, 1, 1, 'me', {_THEN})",
    f"INSERT INTO job_logs (job_id, timestamp, message) VALUES (1, {_THEN}, 'begun')",
    "UPDATE job_slots SET job_id = 1 WHERE slot_no = 0",
    "INSERT INTO schedules (schedule_id, cron, spec) VALUES ('nightly', '0 2 * * *', '{}')",
    f"INSERT INTO schedule_runs (schedule_id, fire_at, outcome) VALUES ('nightly', {_THEN}, 'submitted')",
    "INSERT INTO outbox (topic, dedup_key, payload) VALUES ('mlflow', '1', '{}')",
    "INSERT INTO service_metrics (metric_name, metric_value) VALUES ('queue', 3.5)",
    "INSERT INTO events (actor, action, subject) VALUES ('me', 'promote', 'model:1')",
    f"INSERT INTO api_keys (key_id, secret_sha256) VALUES ('key', '{_HASH}')",
    "INSERT INTO aliases (strategy_type, exchange, symbol, timeframe, alias, model_id) VALUES "
    "('rules', 'binance', 'BTC/USDT', '1h', 'champion', 1)",
    "INSERT INTO ledger_epochs (market_key, seq, missing_rows, missing_configs, highest_id, row_hash, reason, "
    f"accepted_by) VALUES ('x|Y/Z|1h', 0, 1, 2, 0, '{_HASH}', 'lost', 'me')",
    "INSERT INTO trained_configurations (strategy_name, exchange, pair, timeframe, config_id, model_id, trial_id) "
    "VALUES ('sma_cross', 'binance', 'BTC/USDT', '1h', 'STRATEGY_V3_20260102_030405_abcdef', 1, 1)",
)


def fill(record: TrackingStore) -> None:
    run = record.experiments.start("a release ago", "rules", spec={"fast": 3}, tags=["relic"]).id
    record.hyperparameters.log(run, {"fast": 3, "gamma": 0.99, "deep": {"a": [1, None]}})
    record.metrics.log(run, {"loss": 1.5, "nothing": float("nan")}, step=1)
    record.datasets.link(run, record.datasets.add("BTC", "1", "train", num_samples=9), "train")
    record.artifacts.add(run, "log", "log.txt", sha256=_HASH)
    record.models.add(run, "m.pkl", is_best=True, val_metric=1.0, strategy_type="rules", symbol="BTC/USDT")
    record.trades.add(run, [a_trade()])
    for seed in range(3):
        record.ledger.append(a_trial(seed=seed), run)
    record.markets.keep(synthetic(bars=300, seed=1))
    record.ledger.append(a_trial(market_key="binance|ETH/USDT|1h", n_configs=40), run)
    with record.database.write() as connection:
        for statement in _ROWS:
            connection.exec_driver_sql(statement)
    record.experiments.finish(run)
    with record.database.write() as connection:
        connection.exec_driver_sql("UPDATE experiments SET owner = 'a-host/1/1/12345678-1234-4234-8234-123456789012'")


def _new(dialect: str) -> Path:
    path = FOLDER / f"{HEAD}.{dialect}.sql"
    assert not path.exists(), f"{path.name} is there; a relic is never written again"
    return path


def _sqlite() -> None:
    target = _new("sqlite")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "relic.db"
        with open_store(file) as record:
            fill(record)
        held = sqlite3.connect(file)
        target.write_text("\n".join(held.iterdump()) + "\n", encoding="utf-8")
        held.close()


def _postgresql() -> None:
    target = _new("postgresql")
    with server() as running:
        url = running.fresh()
        with open_store(url) as record:
            fill(record)
        program = str(postgres_program("postgres")).removesuffix("postgres") + "pg_dump"
        command = [program, "--inserts", "--no-owner", "--no-privileges", "--dbname", url]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    told = (line for line in text.splitlines() if not line.startswith(("--", "\\")) and line)
    target.write_text("\n".join(told) + "\n", encoding="utf-8")


if __name__ == "__main__":
    _sqlite()
    _postgresql()
