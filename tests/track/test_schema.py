import math
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, ProgrammingError

from assay.kernel.errors import StoreError
from assay.testing.store_contract import CHECKS, a_trade, a_trial
from assay.track.schema import migrate
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import views
from assay.track.tracking_store import TrackingStore, open_store

VERSIONS = Path(migrate.__file__).parent / "versions"


def test_head_is_the_last_migration() -> None:
    assert max(path.stem.split("_")[0] for path in VERSIONS.glob("*.py")) == migrate.HEAD


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(record: TrackingStore, check: object) -> None:
    check(record)  # type: ignore[operator]


def test_every_table_and_view_answers(record: TrackingStore, run: int) -> None:
    names = [*RECORD.tables, *(name for name, _ in views(record.database.dialect))]
    assert len(names) == 25 + 17
    with record.database.read() as connection:
        for name in names:
            connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 3").fetchall()
        columns = connection.exec_driver_sql("SELECT * FROM trained_configurations").keys()
        assert len(list(columns)) == 83
        slots = connection.exec_driver_sql("SELECT COUNT(*), MIN(slot_no), MAX(slot_no) FROM job_slots").one()
    assert tuple(slots) == (64, 0, 63)


REFUSED = {
    "infinity": "INSERT INTO metrics (experiment_id, metric_name, value) VALUES (1, 'a', 9e999)",
    "nan without a word": "INSERT INTO metrics (experiment_id, metric_name, value) VALUES (1, 'a', NULL)",
    "metric without a run": "INSERT INTO metrics (experiment_id, metric_name, value) VALUES (99, 'a', 1)",
    "json": "UPDATE experiments SET metadata = '{' WHERE id = 1",
    "short time": "UPDATE experiments SET end_time = '2026-01-01T00:00:00Z' WHERE id = 1",
    "end before start": "UPDATE experiments SET end_time = '1999-01-01T00:00:00.000Z' WHERE id = 1",
    "hash": "UPDATE experiments SET spec_hash = 'abc' WHERE id = 1",
    "status": "UPDATE experiments SET status = 'done' WHERE id = 1",
    "bool": "UPDATE experiments SET git_dirty = '2' WHERE id = 1",
    "running job without owner": "INSERT INTO jobs (job_id, spec, spec_hash, status) VALUES "
    f"('j', '{{}}', '{'0' * 64}', 'running')",
    "generated status": "INSERT INTO trained_configurations (status) VALUES ('MATURE')",
    "view": "DELETE FROM experiment_summary",
    "a run with models": "DELETE FROM experiments WHERE id = 1",
    "second value": "INSERT INTO hyperparameters (experiment_id, param_name, param_value) VALUES (1, 'a', '2')",
    "second active job": "INSERT INTO jobs (job_id, spec, spec_hash, concurrency_key) VALUES "
    f"('k', '{{}}', '{'0' * 64}', 'key')",
    "second model of a job": "INSERT INTO models (model_id, experiment_id, name, checkpoint_path, job_id, symbol) "
    "VALUES ('y', 1, 'n', 'p', 1, 'BTC/USDT')",
    "trials": "DELETE FROM trials",
    "second best": "INSERT INTO models (model_id, experiment_id, name, checkpoint_path, is_best) "
    "VALUES ('y', 1, 'n', 'p', TRUE)",
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED.keys())
def test_the_tables_refuse(record: TrackingStore, run: int, statement: str, dialect: str) -> None:
    with record.database.write() as connection:
        connection.exec_driver_sql(
            f"INSERT INTO jobs (job_id, spec, spec_hash, concurrency_key) VALUES ('j', '{{}}', '{'0' * 64}', 'key')"
        )
    record.models.add(run, "p", is_best=True, job_id=1, symbol="BTC/USDT")
    record.hyperparameters.log(run, {"a": 1})
    record.ledger.append(a_trial())
    if (dialect, statement) == ("postgresql", REFUSED["short time"]):
        statement = "UPDATE experiments SET end_time = 'soon' WHERE id = 1"  # it reads every ISO time alike
    refusals = (StoreError, OperationalError) if dialect == "sqlite" else (StoreError, ProgrammingError)
    with pytest.raises(refusals), record.database.write() as connection:
        connection.exec_driver_sql(statement)


PUBLISHED = (
    "SELECT job_id, strategy_type, symbol, status, created_at, completed_at FROM ml_training_jobs "
    "ORDER BY created_at DESC LIMIT 10;",
    "SELECT model_id, strategy_type, symbol, created_at, is_active FROM ml_model_registry WHERE is_active = TRUE "
    "ORDER BY created_at DESC;",
    "SELECT COUNT(*) FROM ml_training_jobs WHERE status = 'running';",
    "SELECT job_id, strategy_type, symbol, error_message FROM ml_training_jobs WHERE status = 'failed' "
    "ORDER BY created_at DESC LIMIT 5;",
    "SELECT COUNT(*) FROM ml_model_registry WHERE is_active = TRUE;",
    "SELECT * FROM experiment_summary",
)


def test_the_published_queries_run_as_they_are_written(record: TrackingStore) -> None:
    def answers() -> list[int]:
        with record.database.read() as connection:
            return [len(connection.exec_driver_sql(query).fetchall()) for query in PUBLISHED]

    assert answers() == [0, 0, 1, 0, 1, 0]
    run = record.experiments.start("a", "rl").id
    record.models.add(run, "p", is_best=True, strategy_type="rules", symbol="BTC/USDT", val_metric=1.0)
    record.metrics.log(run, {"train_loss": 1.0, "step_reward": 2.0}, step=1, episode=1)
    record.trades.add(run, [a_trade()])
    record.ledger.append(a_trial(), run)
    record.hyperparameters.log(run, {"a": 1})
    with record.database.write() as connection:
        for status in ("dead", "queued"):
            connection.exec_driver_sql(
                "INSERT INTO jobs (job_id, spec, spec_hash, status) "
                f"VALUES ('{status}', '{{}}', '{'0' * 64}', '{status}')"
            )
    assert answers() == [2, 0, 1, 1, 1, 1]
    with record.database.read() as connection:
        filled = {
            name: len(connection.exec_driver_sql(f"SELECT * FROM {name} LIMIT 3").fetchall())
            for name, _ in views(record.database.dialect)
        }
    empty = {"ml_training_metrics", "training_logs", "pattern_training_results"}
    assert {name for name, count in filled.items() if not count} == empty


def test_a_newer_record_is_not_touched(place: str) -> None:
    with open_store(place) as record, record.database.write() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0999'")
    with pytest.raises(StoreError, match=f"0999.*{migrate.HEAD}") as told:
        open_store(place)
    assert (told.value.code, told.value.exit_code) == ("STORE_SCHEMA_NEWER", 78)


def test_a_stranger_database_is_not_touched(empty: str, dialect: str, tmp_path: Path) -> None:
    place = empty if dialect == "postgresql" else str(tmp_path / "r.db")
    engine = sa.create_engine(place.replace("ql://", "ql+psycopg://") if "://" in place else f"sqlite:///{place}")
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE episodes (id INTEGER)")
    engine.dispose()
    with pytest.raises(StoreError, match="episodes") as told:
        open_store(place)
    assert told.value.code == "STORE_SCHEMA_FOREIGN"


def test_a_killed_upgrade_leaves_nothing(empty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(connection: sa.Connection) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("assay.track.schema.triggers.create_views", killed)
    with pytest.raises(KeyboardInterrupt):
        open_store(empty)
    monkeypatch.undo()
    with open_store(empty) as record:
        assert record.schema_version == migrate.HEAD


def test_first_use_by_four_processes_at_once(empty: str) -> None:
    code = "import sys; from assay.track import open_store; open_store(sys.argv[1]).experiments.start('x', 'rules')"
    started = [subprocess.Popen([sys.executable, "-c", code, empty]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    with open_store(empty) as record:
        assert len(record.experiments.recent()) == 4
        record.database.quick_check()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_pragmas(record: TrackingStore) -> None:
    with record.database.read() as connection:
        asked = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("foreign_keys", "synchronous")
        }
    assert asked == {"foreign_keys": 1, "synchronous": 2}


def test_null_metric_of_a_model_is_nan(record: TrackingStore, run: int) -> None:
    assert math.isnan(record.models.get(record.models.add(run, "p")["id"])["val_metric"])
