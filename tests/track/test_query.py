"""What anybody may ask, and what the database itself refuses."""

import sqlite3
import time
from pathlib import Path

import pytest

from assay.kernel.errors import ConfigError, StoreError
from assay.testing.store_contract import a_trial
from assay.track.maintenance.readonly_sql import query_store
from assay.track.schema.triggers import views
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.server import Server


@pytest.fixture
def filled(place: str) -> str:
    with open_store(place) as record:
        for name in ("one", "two", "three"):
            record.experiments.start(name, "rules", metadata={"n": name})
        record.ledger.append(a_trial())
    return place


def code_of(place: str, statement: str, **options: float) -> str:
    with pytest.raises(StoreError) as told:
        query_store(place, statement, limit=10, **options)  # type: ignore[arg-type]
    return told.value.code


def test_reading(filled: str, dialect: str) -> None:
    found = query_store(filled, "SELECT id, name FROM experiments ORDER BY id;", limit=10)
    assert (found.columns, found.rows, found.more) == (("id", "name"), ((1, "one"), (2, "two"), (3, "three")), False)
    cut = query_store(
        filled, "WITH a AS (SELECT * FROM experiments) SELECT COUNT(*) AS n, MAX(name) FROM a -- all", limit=1
    )
    assert (cut.rows, cut.more) == (((3, "two"),), False)
    assert query_store(filled, "SELECT name FROM experiments", limit=2).more
    assert query_store(filled, "SELECT 1 WHERE FALSE", limit=2).rows == ()
    for name, _ in views(dialect):
        assert query_store(filled, f"SELECT * FROM {name} LIMIT 3", limit=3).columns


def test_a_relation_that_is_not_there_is_named(filled: str) -> None:
    with pytest.raises(StoreError) as told:
        query_store(filled, "SELECT * FROM candles", limit=1)
    assert (told.value.code, told.value.facts["relation"]) == ("STORE_NOT_FOUND", "candles")


@pytest.mark.parametrize("statement", ["", " \n", "SELECT 1\0", "SELECT '\udcff'"])
def test_what_is_no_statement(filled: str, statement: str) -> None:
    with pytest.raises(ConfigError) as told:
        query_store(filled, statement, limit=1)
    assert told.value.code == "CONFIG_FIELD"
    assert query_store(filled, "SELECT 'größer €'", limit=1).rows == (("größer €",),)


WRITES = (
    "INSERT INTO events (actor, action, subject) VALUES ('a', 'b', 'c')",
    "UPDATE experiments SET name = 'x'",
    "DELETE FROM events",
    "DELETE FROM experiment_summary",
    "DROP TABLE metrics",
    "CREATE TABLE mine (a INTEGER)",
    "CREATE TEMPORARY TABLE mine (a INTEGER)",
    "SELECT 1; DROP TABLE metrics",
    "SELECT 1; COMMIT; DROP TABLE metrics",
    "VACUUM",
    "BEGIN",
    "COMMIT",
)
OF_SQLITE = (
    "ATTACH DATABASE 'other.db' AS other",
    "VACUUM INTO 'copy.db'",
    "PRAGMA query_only=OFF",
    "PRAGMA journal_mode=WAL",
    "PRAGMA writable_schema=ON",
    "PRAGMA user_version=9",
    "SELECT load_extension('evil')",
    "SELECT readfile('secret.txt')",
    "SELECT writefile('new.txt', 'x')",
    "SAVEPOINT a",
    "INSERT INTO events (actor, action, subject) VALUES ('a', 'b', 'c') RETURNING id",
    "WITH a AS (SELECT 1) DELETE FROM events",
    "REINDEX",
    "ANALYZE",
    "SELECT zeroblob(100000000)",
)
OF_POSTGRESQL = (
    "COPY experiments TO PROGRAM 'touch pwned'",
    "COPY experiments TO '/dev/null'",
    "COPY (SELECT 1) TO STDOUT",
    "SET TRANSACTION READ WRITE",
    "SELECT set_config('transaction_read_only', 'off', false)",
    "WITH a AS (INSERT INTO events (actor, action, subject) VALUES ('a', 'b', 'c') RETURNING id) SELECT * FROM a",
    "SELECT nextval(pg_get_serial_sequence('events', 'id'))",
    "SELECT pg_read_file('PG_VERSION')",
    "SELECT lo_export(1, 'x')",
    "SELECT pg_ls_dir('.')",
    "SELECT * FROM events FOR UPDATE",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()",
    "SELECT query_to_xml('DELETE FROM events', true, true, '')",
    "SELECT * INTO mine FROM events",
    "DO $$ BEGIN DELETE FROM events; END $$",
    "CALL nothing()",
    "NOTIFY a",
    "LOCK TABLE events",
)
REFUSED = ("STORE_READ_ONLY", "STORE_VALUE")


@pytest.mark.parametrize("statement", WRITES)
def test_writing_is_refused(filled: str, statement: str) -> None:
    before = (
        query_store(filled, "SELECT name FROM experiments ORDER BY id", limit=9),
        query_store(filled, "SELECT 1", limit=1),
    )
    assert code_of(filled, statement) in REFUSED
    assert before[0] == query_store(filled, "SELECT name FROM experiments ORDER BY id", limit=9)
    assert query_store(filled, "SELECT * FROM metrics", limit=1).columns


@pytest.mark.parametrize("dialect", ["sqlite"])
@pytest.mark.parametrize("statement", OF_SQLITE)
def test_what_else_sqlite_could_do_is_refused(
    filled: str, statement: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    held, files = Path(filled).read_bytes(), sorted(tmp_path.iterdir())
    assert code_of(filled, statement) in REFUSED
    assert (Path(filled).read_bytes(), sorted(tmp_path.iterdir())) == (held, files)


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
@pytest.mark.parametrize("statement", OF_POSTGRESQL)
def test_what_else_postgresql_could_do_is_refused(filled: str, statement: str, postgres: Server) -> None:
    assert code_of(filled, statement) in REFUSED
    assert query_store(filled, "SELECT COUNT(*) FROM events", limit=1).rows == ((0,),)
    assert not (postgres.folder / "data" / "pwned").exists()


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_what_a_function_does_all_the_same_is_undone(filled: str, dialect: str) -> None:
    try:
        assert query_store(filled, "SELECT lo_create(77)", limit=1).rows == ((77,),)  # before PostgreSQL 16
    except StoreError as error:
        assert error.code in REFUSED
    assert query_store(filled, "SELECT COUNT(*) FROM pg_largeobject_metadata", limit=1).rows == ((0,),)


@pytest.mark.parametrize("statement", ["SELEC 1", "SELECT * FROM", "SELECT no FROM experiments", "hello", "SELECT ("])
def test_what_is_no_sql_is_told(filled: str, statement: str) -> None:
    assert code_of(filled, statement) == "STORE_VALUE"


@pytest.mark.parametrize("statement", ["", "   ", "SELECT 1\0"])
def test_nothing_is_told(filled: str, statement: str) -> None:
    with pytest.raises(ConfigError):
        query_store(filled, statement, limit=1)


def test_what_never_ends_is_ended(filled: str, dialect: str) -> None:
    endless = {
        "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n",
        "postgresql": "SELECT pg_sleep(20)",
    }
    began = time.monotonic()
    assert code_of(filled, endless[dialect], seconds=0.2) == "STORE_BUSY"
    assert time.monotonic() - began < 10


def test_no_record_is_made_by_asking(tmp_path: Path) -> None:
    assert code_of(str(tmp_path / "none.db"), "SELECT 1") == "STORE_NOT_FOUND"
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "rubbish.db").write_bytes(b"rubbish " * 1000)
    assert code_of(str(tmp_path / "rubbish.db"), "SELECT 1") == "STORE_CORRUPT"


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_a_killed_writers_journal_is_rolled_back(filled: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); "
        "c.execute('PRAGMA cache_size=1'); c.execute('PRAGMA cache_spill=1'); c.execute('BEGIN'); "
        "c.executemany('INSERT INTO events (actor, action, subject, details) VALUES (?, ?, ?, ?)', "
        "[('a', 'b', 'c', '\"' + 'x' * 2000 + '\"')] * 500); os.kill(os.getpid(), 9)"
    )
    assert subprocess.run([sys.executable, "-c", code, filled], check=False).returncode == -9
    assert Path(filled + "-journal").stat().st_size > 0
    assert query_store(filled, "SELECT COUNT(*) FROM events", limit=1).rows == ((0,),)


def test_a_writer_goes_on_beside_a_question(record: TrackingStore, place: str, dialect: str) -> None:
    run = record.experiments.start("a", "rules").id
    assert query_store(place, "SELECT COUNT(*) FROM metrics", limit=1).rows == ((0,),)
    record.metrics.log(run, {"a": 1.0})
    assert query_store(place, "SELECT value FROM metrics", limit=1).rows == ((1.0,),)
    assert sqlite3.sqlite_version_info >= (3, 38)
