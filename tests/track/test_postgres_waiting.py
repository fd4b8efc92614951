"""Who waits for whom on PostgreSQL, and what those are told who wait in vain."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from assay.kernel.errors import StoreError
from assay.testing.store_contract import MARKET, a_trade, a_trial
from assay.track.database import hold
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.coded import code_of

pytestmark = pytest.mark.postgres


@pytest.fixture
def dialect() -> str:
    return "postgresql"


def test_a_lock_that_is_not_given_is_busy(place: str) -> None:
    with open_store(place) as first, open_store(place, busy_seconds=0.05) as second:
        with first.database.write() as connection:
            hold(connection, MARKET)
            assert code_of(lambda: second.ledger.append(a_trial())) == "STORE_BUSY"
            assert second.ledger.append(a_trial(market_key="binance|ETH/USDT|1h")) == 1  # another chain is free
        assert second.ledger.append(a_trial()) == 1


def test_a_deadlock_is_busy(record: TrackingStore) -> None:
    met = threading.Barrier(2)
    codes: list[str] = []

    def cross(keys: tuple[str, str]) -> None:
        try:
            with record.database.write() as connection:
                hold(connection, keys[0])
                met.wait(20)
                hold(connection, keys[1])
        except StoreError as error:
            codes.append(error.code)

    threads = [threading.Thread(target=cross, args=(keys,)) for keys in (("a", "b"), ("b", "a"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["STORE_BUSY"]


def test_writers_of_different_things_do_not_wait(record: TrackingStore, run: int) -> None:
    with record.together():
        record.metrics.log(run, {"a": 1.0})
        thread = threading.Thread(target=lambda: record.trades.add(run, [a_trade()]))
        thread.start()
        thread.join(20)
        assert not thread.is_alive()
    assert len(record.trades.read(run)) == 1


def test_a_reader_sees_one_state(record: TrackingStore, run: int) -> None:
    count = sa.text("SELECT COUNT(*) FROM trades")
    with record.database.read() as connection:
        assert connection.execute(count).scalar() == 0
        thread = threading.Thread(target=lambda: record.trades.add(run, [a_trade()]))
        thread.start()
        thread.join(20)
        assert connection.execute(count).scalar() == 0
    assert len(record.trades.read(run)) == 1


def while_open(record: TrackingStore, first: Any, second: Any) -> list[object]:
    """What `second` gives, or the code that it raises, begun while the transaction of `first` is open."""
    told: list[object] = []

    def other() -> None:
        try:
            told.append(second())
        except StoreError as error:
            told.append(error.code)

    thread = threading.Thread(target=other)
    with record.together():
        told.append(first())
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "it did not wait"
    thread.join(20)
    return told


def test_what_decides_upon_rows_waits_for_who_changes_them(record: TrackingStore, run: int) -> None:
    def dataset() -> int:
        return record.datasets.add("n", "v", "train", data_hash="a" * 64)

    def model() -> Any:
        return record.models.add(run, "p", is_best=True, val_metric=1.0)["version"]

    one, same = while_open(record, dataset, dataset)
    assert one == same
    log = record.hyperparameters.log
    assert while_open(record, lambda: log(run, {"a": 1}), lambda: log(run, {"a": 1})) == [None, None]
    assert while_open(record, lambda: log(run, {"b": 1}), lambda: log(run, {"b": 2})) == [None, "STORE_CONFLICT"]
    assert while_open(record, model, model) == ["1", "1"]  # of two names
    assert len({m["name"] for m in record.models.recent(run)}) == 2
    assert [m["is_best"] for m in record.models.recent(run)] == [True, False]
    trial = a_trial()
    assert while_open(record, lambda: record.ledger.append(trial), lambda: record.ledger.append(trial)) == [1, 1]
    finish = record.experiments.finish
    assert while_open(record, lambda: finish(run), lambda: finish(run, "failed")) == [None, "STORE_CONFLICT"]
    assert record.experiments.get(run)["status"] == "completed"


def test_tables_are_laid_by_one_at_a_time(empty: str) -> None:
    opened = threading.Event()

    def lay() -> None:
        open_store(empty).close()
        opened.set()

    thread = threading.Thread(target=lay)
    with laying(empty):
        thread.start()
        assert not opened.wait(0.5)
    thread.join(20)
    assert opened.is_set()


@contextmanager
def laying(url: str) -> Iterator[None]:
    with psycopg.connect(url) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('assay schema', 0))")
        yield
