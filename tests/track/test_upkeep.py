"""Laying, upgrading and checking a record; killed in the middle, and by two at once."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.testing.store_contract import MARKET
from assay.track.maintenance.store_check import check_store
from assay.track.maintenance.upgrade import initialise_store, upgrade_store
from assay.track.schema import migrate
from assay.track.schema.migrate import lay_hypertables
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.relics.make import fill
from tests.track.test_ledger import unguarded
from tests.track.test_relics import columns_of, engine_of, lay_relic, rows_of, shape


@pytest.fixture(autouse=True)
def _backups_lie_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_laying_twice_is_once(empty: str) -> None:
    first, again = initialise_store(empty), initialise_store(empty)
    assert (first.was, first.now, first.backup) == (None, migrate.HEAD, None)
    assert (again.was, again.now, again.backup) == (migrate.HEAD, migrate.HEAD, None)
    assert check_store(empty).findings == ()


def test_an_upgrade_makes_a_backup_first(empty: str, dialect: str, tmp_path: Path) -> None:
    lay_relic("0001", dialect, empty)
    before = rows_of(empty)
    done = upgrade_store(empty, backups=tmp_path / "kept")
    assert (done.was, done.now) == ("0001", migrate.HEAD)
    assert done.backup is not None and done.backup.parent == tmp_path / "kept"
    assert upgrade_store(empty, backups=tmp_path / "kept").backup is None
    assert check_store(empty).findings == () and check_store(empty).trials == 4
    if dialect == "sqlite":
        with pytest.raises(StoreError, match="0001"):
            open_store(done.backup)
        assert rows_of(str(done.backup)) == before


def test_an_upgrade_that_cannot_be_backed_up_is_not_begun(empty: str, dialect: str, tmp_path: Path) -> None:
    lay_relic("0001", dialect, empty)
    (tmp_path / "file").write_text("no folder")
    before = shape(empty)
    with pytest.raises(StoreError) as told:
        upgrade_store(empty, backups=tmp_path / "file")
    assert told.value.code == "STORE_PATH" and shape(empty) == before


def test_what_is_not_there_is_not_upgraded(empty: str, dialect: str) -> None:
    for act in (upgrade_store, check_store):
        with pytest.raises(StoreError) as told:
            act(empty)
        assert told.value.code == "STORE_NOT_FOUND"
    assert dialect == "postgresql" or not Path(empty).exists()


_KILLED = """
import os, sys
import sqlalchemy as sa
from assay.track.database import place_of
from assay.track.schema.migrate import upgrade
left, begun = int(sys.argv[2]), False

@sa.event.listens_for(sa.Engine, "before_cursor_execute")
def count(connection, cursor, statement, *_):
    global left, begun
    begun = begun or "BEGIN EXCLUSIVE" in statement or "assay schema" in statement
    left -= begun
    if left < 0:
        os.kill(os.getpid(), 9)

upgrade(place_of(sys.argv[1]).engine(30.0))
"""


@pytest.mark.slow
def test_a_kill_at_any_statement_leaves_the_old_or_the_new(empty: str, dialect: str, tmp_path: Path) -> None:
    lay_relic("0001", dialect, empty)
    old, columns = shape(empty), columns_of(empty)
    rows, seen, left = rows_of(empty, columns), [], 0
    while True:
        done = subprocess.run([sys.executable, "-c", _KILLED, empty, str(left)], capture_output=True, check=False)
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        seen.append(shape(empty) == old)
        if not seen[-1] or done.returncode == 0:
            break
        left += 11
    assert len(seen) > 3 and done.returncode == 0  # killed at each of the others
    assert initialise_store(empty).now == migrate.HEAD and check_store(empty).findings == ()
    assert rows_of(empty, columns) == rows


@pytest.mark.slow
def test_two_processes_upgrade_at_once(empty: str, dialect: str, tmp_path: Path) -> None:
    lay_relic("0001", dialect, empty)
    code = "import sys; from pathlib import Path; from assay.track.maintenance.upgrade import initialise_store as i; "
    code += "i(sys.argv[1], backups=Path(sys.argv[2]))"
    command = [sys.executable, "-c", code, empty, str(tmp_path)]
    started = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait(60) for process in started] == [0, 0]
    assert check_store(empty).findings == () and check_store(empty).trials == 4


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_a_second_upgrade_waits_for_the_first(empty: str, dialect: str) -> None:
    lay_relic("0001", dialect, empty)
    done: list[str] = []
    thread = threading.Thread(target=lambda: done.append(initialise_store(empty).now))
    with psycopg.connect(empty, autocommit=True) as first:
        first.execute("SELECT pg_advisory_lock(hashtextextended('assay upgrade', 0))")
        thread.start()
        thread.join(0.7)
        assert thread.is_alive()
    thread.join(30)
    assert done == [migrate.HEAD]


def test_candles_beside_it_are_not_foreign(empty: str, dialect: str) -> None:
    Path(empty).parent.mkdir(parents=True, exist_ok=True) if dialect == "sqlite" else None
    with engine_of(empty) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE candles (a INTEGER)")
        connection.exec_driver_sql("CREATE TABLE series (a INTEGER)")
    if dialect == "sqlite":  # candles are never in a SQLite file: that one is somebody else's
        with pytest.raises(StoreError):
            initialise_store(empty)
        return
    assert initialise_store(empty).now == migrate.HEAD
    with engine_of(empty) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE more (a INTEGER)")
    assert initialise_store(empty).now == migrate.HEAD and check_store(empty).findings == ()


def test_another_programs_migrations_are_foreign(empty: str, dialect: str) -> None:
    Path(empty).parent.mkdir(parents=True, exist_ok=True) if dialect == "sqlite" else None
    with engine_of(empty) as engine, engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32))")
        connection.exec_driver_sql("CREATE TABLE experiments (a INTEGER)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('bd07f7e963c5')")
    with pytest.raises(StoreError, match="experiments") as told:
        open_store(empty)
    assert told.value.code == "STORE_SCHEMA_FOREIGN"


def damaged(record: TrackingStore, *statements: str) -> None:
    """Without foreign keys and triggers."""
    if record.database.dialect == "postgresql":
        with record.database.write() as connection:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in statements:
                connection.exec_driver_sql(statement)
        return
    import sqlite3

    with sqlite3.connect(record.database.path) as held:
        for statement in statements:
            held.execute(statement)
    held.close()


FAULTS = {
    "references": ("DELETE FROM jobs", "job_attempts.job_id points to jobs 1"),
    "references ": ("DELETE FROM models", "aliases.model_id points to models 1"),
    "aliases": ("UPDATE models SET deleted_at = created_at", "is model 1, whose files are deleted"),
    "aliases ": ("UPDATE models SET integrity = 'corrupt'", "champion of rules/binance/BTC/USDT/1h is model 1"),
    "tables": ("DROP VIEW experiment_summary", "view experiment_summary is gone"),
}


@pytest.mark.parametrize(("name", "fault"), FAULTS.items(), ids=str)
def test_a_fault_is_found(record: TrackingStore, place: str, name: str, fault: tuple[str, str]) -> None:
    fill(record)
    assert (check_store(place).findings, check_store(place).trials) == ((), 4)
    damaged(record, fault[0])
    found = check_store(place).findings
    assert name.strip() in {each.check for each in found} and any(fault[1] in each.text for each in found), found


def test_a_broken_chain_is_named(record: TrackingStore, place: str) -> None:
    fill(record)
    unguarded(record, f"UPDATE trials SET score = 9 WHERE market_key = '{MARKET}' AND seq = 2")
    found = {each.check: each for each in check_store(place).findings}
    assert set(found) == {"ledger", "tables"}  # the guards that were taken off show, too
    assert found["ledger"].facts.items() >= {"market_key": MARKET, "seq": 2}.items()


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_damaged_pages_are_found(record: TrackingStore, place: str) -> None:
    fill(record)
    record.close()
    import sqlite3

    with sqlite3.connect(place) as held:
        held.execute("PRAGMA writable_schema=ON")
        held.execute("UPDATE sqlite_master SET rootpage = 3 WHERE name = 'ix_models_experiment_id'")
    held.close()
    assert "integrity" in {each.check for each in check_store(place).findings}


class Scripted:
    """A connection of PostgreSQL that answers the questions about TimescaleDB, and keeps what else it is told."""

    def __init__(self, version: str | None, hypertable: bool) -> None:
        self.dialect = sa.make_url("postgresql+psycopg://").get_dialect()()
        self.answers = {"pg_extension": version, "timescaledb_information.hypertables": 1 if hypertable else None}
        self.told: list[str] = []

    def exec_driver_sql(self, statement: str) -> "Scripted":
        self._answer = next((a for word, a in self.answers.items() if word in statement), None)
        if not statement.startswith("SELECT 1") and "pg_extension" not in statement:
            self.told.append(statement)
        return self

    def scalar(self) -> object:
        return self._answer


@pytest.mark.parametrize(("version", "hypertable", "made"), [(None, False, 0), ("2.14", False, 1), ("2.14", True, 0)])
def test_metrics_become_a_hypertable_where_the_extension_is(version: str | None, hypertable: bool, made: int) -> None:
    asked = Scripted(version, hypertable)
    assert lay_hypertables(asked) is bool(made)  # type: ignore[arg-type]
    assert len(asked.told) == made and all("create_hypertable('metrics', 'timestamp'" in said for said in asked.told)
