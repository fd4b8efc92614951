"""What is PostgreSQL's own: equal rows, its errors in our words, and its settings."""

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError, StoreError
from assay.testing.store_contract import MARKET, a_trade, a_trial
from assay.track.codecs import canonical
from assay.track.engines import jsonb_text
from assay.track.maintenance.readonly_sql import query_store
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import views
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.coded import code_of
from tests.track.server import Server

pytestmark = pytest.mark.postgres
FLOATS = st.floats(allow_nan=False, allow_infinity=False).map(lambda value: value + 0.0)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**80), 2**80) | FLOATS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@pytest.fixture
def dialect() -> str:
    return "postgresql"


@pytest.fixture
def beside(tmp_path: Path) -> Iterator[TrackingStore]:
    with open_store(tmp_path / "beside.db") as opened:
        yield opened


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(st.dictionaries(TEXTS, JSON, max_size=4), st.floats(), st.integers(0, 2**32 - 1))
def test_equal_trials_have_equal_rows_on_both(
    record: TrackingStore, beside: TrackingStore, params: dict[str, Any], score: float, seed: int
) -> None:
    trial = a_trial(params=params, score=score, seed=seed, metrics={"sharpe": score, "other": [score, -0.0]})
    with time_machine.travel(datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC), tick=False):
        assert record.ledger.append(trial) == beside.ledger.append(trial)
    ours, theirs = ({k: v for k, v in r.ledger.read(MARKET)[-1].items() if k != "id"} for r in (record, beside))
    assert canonical(ours) == canonical(theirs)
    assert ours["row_hash"] == theirs["row_hash"] and ours["created_at"].microsecond == 678_000


def test_tables_and_views_have_the_same_columns_on_both(record: TrackingStore, beside: TrackingStore) -> None:
    def columns(held: TrackingStore) -> dict[str, list[str]]:
        names = [*RECORD.tables, *(name for name, _ in views(held.database.dialect))]
        with held.database.read() as connection:
            return {n: list(connection.exec_driver_sql(f"SELECT * FROM {n} LIMIT 0").keys()) for n in names}

    assert columns(record) == columns(beside)


def test_the_rows_of_a_hundred_trials_hold(record: TrackingStore) -> None:
    for seed in range(100):
        record.ledger.append(a_trial(seed=seed, params={"wide": 10.0**seed, "narrow": 10.0**-seed, "zero": -0.0}))
    assert record.ledger.check() == 100


@pytest.mark.parametrize("value", [1e16, 1e300, 1.7976931348623157e308, 5e-324, 3.0, 10**20, {"e+": [1e22]}])
def test_json_numbers_stay_what_they_are(record: TrackingStore, value: Any) -> None:
    run = record.experiments.start("a", "rules", spec={"value": value}).id
    found = record.experiments.get(run)["spec"]["value"]
    assert found == value and type(found) is type(value)
    assert "e+" not in jsonb_text(value) or isinstance(value, dict)


def test_text_with_nul_is_refused(record: TrackingStore, run: int) -> None:
    assert code_of(lambda: record.experiments.start("a\0b", "rules")) == "STORE_VALUE"
    assert code_of(lambda: record.experiments.start("a", "rules", metadata={"x": "\0"})) == "STORE_VALUE"
    assert code_of(lambda: record.trades.add(run, [a_trade(bars_held=2**70)])) == "STORE_VALUE"


def test_times_of_the_database_are_whole_milliseconds(record: TrackingStore, run: int) -> None:
    record.datasets.link(run, record.datasets.add("n"), "train")
    (dataset,) = record.datasets.of_run(run)
    assert dataset["created_at"].microsecond % 1000 == 0
    assert dataset["created_at"].tzinfo is UTC


def test_sessions_are_set(record: TrackingStore) -> None:
    names = ("timezone", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    with record.database.write() as connection:
        found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        level = connection.exec_driver_sql("SHOW transaction_isolation").scalar()
    assert (found, level) == (["UTC", "30s", "5s", "30s"], "read committed")
    with record.database.read() as connection:
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "repeatable read"
        assert connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on"


def test_views_and_ledger_are_read_only(record: TrackingStore, run: int) -> None:
    def say(statement: str) -> str:
        def act() -> None:
            with record.database.write() as connection:
                connection.exec_driver_sql(statement)

        return code_of(act)

    record.ledger.append(a_trial())
    assert say("TRUNCATE trials CASCADE") == say("UPDATE trials SET seq = 9") == "STORE_APPEND_ONLY"
    assert say("DELETE FROM experiment_summary") == say("UPDATE training_runs SET status = NULL") == "STORE_READ_ONLY"


def test_a_user_without_rights_may_not_write(record: TrackingStore, place: str, postgres: Server) -> None:
    database = place.rsplit("/", 1)[1]
    postgres.sql(
        "DROP ROLE IF EXISTS reader",
        "CREATE ROLE reader LOGIN PASSWORD 'reader'",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        database=database,
    )
    with open_store(postgres.url(database, "reader", "reader")) as poor:
        assert poor.experiments.recent() == []
        assert code_of(lambda: poor.experiments.start("a", "rules")) == "STORE_READ_ONLY"


def test_a_server_that_restarts_is_found_again(record: TrackingStore, run: int, postgres: Server) -> None:
    postgres.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname LIKE 't%'"
    )
    assert record.experiments.get(run)["id"] == run

    def broken() -> None:
        with record.database.write() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            postgres.sql(f"SELECT pg_terminate_backend({pid})")
            connection.exec_driver_sql("SELECT 1")

    assert code_of(broken) == "STORE_BUSY"
    assert record.experiments.get(run)["id"] == run


def test_places_where_no_record_is(postgres: Server) -> None:
    for url, said in (
        (postgres.url("nowhere"), "nowhere"),
        (postgres.url("postgres", password="wrong-secret"), "password authentication failed"),
        ("postgresql://u:wrong-secret@127.0.0.1:1/db", "127.0.0.1"),
    ):
        with pytest.raises(StoreError, match=said) as told:
            open_store(url)
        assert told.value.code == "STORE_OPEN"
        assert postgres.password not in str(told.value) and "secret" not in repr((told.value, told.value.facts))
        with pytest.raises(StoreError, match=said) as asked:
            query_store(url, "SELECT 1", limit=1)
        assert asked.value.code == "STORE_OPEN" and "secret" not in repr((asked.value, asked.value.facts))


def test_without_the_driver_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(ConfigError) as told:
        open_store("postgresql://u:secret@127.0.0.1/db")
    assert (told.value.code, told.value.hint) == ("CONFIG_EXTRA", "pip install 'assay[postgres]'")


def test_undefined_numbers(record: TrackingStore, run: int) -> None:
    for raw in ("NaN", "Infinity"):
        insert = f"INSERT INTO metrics (experiment_id, metric_name, value) VALUES ({run}, 'a', '{raw}')"
        with pytest.raises(StoreError), record.database.write() as connection:
            connection.exec_driver_sql(insert)
    record.metrics.log(run, {"a": math.nan}, step=2)
    record.metrics.log(run, {"a": 1.0})
    assert [row["step"] for row in record.metrics.read(run)] == [None, 2]  # as on SQLite: no step comes first
