"""What the database undoes for another's sake is done again, a few times."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest

from assay.kernel.errors import StoreError
from assay.track.database import TRIES, Database, again, hold, writes
from assay.track.tracking_store import TrackingStore


class Crossing:
    """Takes two locks, one after the other."""

    def __init__(self, database: Database, met: threading.Barrier) -> None:
        self._database = database
        self._met = met
        self.tries = 0

    @writes
    def take(self, first: str, second: str) -> str:
        self.tries += 1
        with self._database.write() as connection:
            hold(connection, first)
            if self.tries == 1:
                self._met.wait(20)
            hold(connection, second)
        return first + second


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_two_that_stand_in_each_others_way_both_end(record: TrackingStore, dialect: str) -> None:
    met = threading.Barrier(2)
    crossing = [Crossing(record.database, met) for _ in range(2)]
    done: list[str] = []
    threads = [
        threading.Thread(target=lambda one=one, keys=keys: done.append(one.take(*keys)))
        for one, keys in zip(crossing, ("ab", "ba"), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == ["ab", "ba"] and sorted(one.tries for one in crossing) == [1, 2]


def against(place: str, statement: str, lock: str, act: Callable[[], None]) -> None:
    """`act` in a deadlock with a session that never gives way: it holds a row, then wants what `act` holds."""
    with psycopg.connect(place) as other:
        other.execute("SET deadlock_timeout = '30s'")
        other.execute(statement)  # type: ignore[arg-type]
        thread = threading.Thread(target=act)
        thread.start()
        time.sleep(0.4)
        other.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [lock])
        other.commit()
        thread.join(30)


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_the_records_own_writes_are_done_again(record: TrackingStore, place: str, run: int, dialect: str) -> None:
    row = f"SELECT * FROM experiments WHERE id = {run} FOR UPDATE"
    against(place, row, f"hyperparameters {run}", lambda: record.hyperparameters.log(run, {"a": 1}))
    assert record.hyperparameters.read(run) == {"a": 1}


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_what_is_done_together_is_undone_together(record: TrackingStore, place: str, run: int, dialect: str) -> None:
    told: list[str] = []

    def act() -> None:
        try:
            with record.together():
                record.experiments.start("goes with it", "rules")
                record.hyperparameters.log(run, {"a": 1})
        except StoreError as error:
            told.append(error.code)

    against(place, f"SELECT * FROM experiments WHERE id = {run} FOR UPDATE", f"hyperparameters {run}", act)
    assert told == ["STORE_BUSY"] and len(record.experiments.recent()) == 1
    assert record.hyperparameters.read(run) == {}


@pytest.mark.parametrize(("facts", "tries"), [({"undone": True}, TRIES), ({}, 1)])
def test_the_tries_end(record: TrackingStore, facts: dict[str, bool], tries: int) -> None:
    tried: list[int] = []

    def work() -> None:
        tried.append(1)
        raise StoreError("again", code="STORE_BUSY", **facts)

    with pytest.raises(StoreError) as told:
        again(record.database, work)
    assert told.value.code == "STORE_BUSY" and len(tried) == tries
    with pytest.raises(StoreError), record.together():
        again(record.database, work)
    assert len(tried) == tries + 1
