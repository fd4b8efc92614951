"""One champion always, whoever promotes at once."""

import threading
from dataclasses import asdict
from typing import Any

import pytest
import sqlalchemy as sa

from assay.kernel.errors import ArtifactError, LeakError, StoreError
from assay.testing.store_contract import a_trial
from assay.track.database import Row
from assay.track.registry import promotion as aliases
from assay.track.registry.promotion import ModelSlot
from assay.track.schema.service import EVENTS, OUTBOX
from assay.track.tracking_store import TrackingStore

POST = ModelSlot("rules", "binance", "BTC/USDT", "1h")
COUNTED = {"check": "ledger", "state": "PASS"}
SOUND: dict[str, Any] = {
    "strategy_type": "rules",
    "exchange": "binance",
    "symbol": "BTC/USDT",
    "timeframe": "1h",
    "integrity": "verified",
    "audit_status": "passed",
    "val_metric": 1.5,
    "verdict": {"word": "GOLD", "reasons": [COUNTED]},
}
MARKETS = ("binance|BTC/USDT|1h", "|ETH/USDT|")


@pytest.fixture
def run(record: TrackingStore, run: int) -> int:
    """A run that has counted its trials on both markets."""
    for market in MARKETS:
        record.ledger.append(a_trial(market_key=market), run)
    return run


def fine(row: Row) -> None:
    """The files hold."""


def broken(row: Row) -> None:
    raise ArtifactError("a probe decides otherwise", code="ARTIFACT_SELFTEST")


def add(record: TrackingStore, run: int, **changes: Any) -> int:
    return int(record.models.add(run, "p", **(SOUND | changes))["id"])


def promote(record: TrackingStore, model: int, **changes: Any) -> int:
    return record.champions.promote(model, **({"by": "ann", "works": fine} | changes))


def held(record: TrackingStore, post: ModelSlot = POST) -> dict[str, int]:
    return {alias: row["model_id"] for alias, row in record.champions.of(post).items()}


def events(record: TrackingStore) -> list[Row]:
    with record.database.read() as connection:
        found = connection.execute(sa.select(EVENTS).order_by(EVENTS.c.id)).mappings()
        return [dict(row) for row in found]


def words(record: TrackingStore) -> list[Row]:
    """What is left for the mirror."""
    with record.database.read() as connection:
        found = connection.execute(sa.select(OUTBOX.c.payload).order_by(OUTBOX.c.id)).scalars()
        return [row for row in found if row["kind"] == "alias"]


def refused(code: str, act: Any) -> StoreError:
    with pytest.raises(StoreError) as told:
        act()
    assert told.value.code == code, told.value
    return told.value


def test_from_the_first_to_the_third_and_back(record: TrackingStore, run: int) -> None:
    first, second, third = (add(record, run) for _ in range(3))
    assert held(record) == {}
    assert promote(record, first) == 1 and held(record) == {"champion": first}
    assert promote(record, first) == 1 and len(events(record)) == 1
    record.champions.challenge(second, by="bob")
    record.champions.challenge(third, by="bob")
    assert held(record) == {"champion": first, "challenger": third}
    assert promote(record, second) == 2
    assert held(record) == {"champion": second, "previous": first, "challenger": third}
    assert promote(record, third) == 3 and held(record) == {"champion": third, "previous": second}
    assert record.champions.rollback(POST, by="cy", works=fine) == 4
    assert held(record) == {"champion": second, "previous": third}
    told = events(record)[-1]
    assert (told["actor"], told["action"], told["subject"]) == ("cy", "rollback", f"model:{second}")
    assert told["details"] == {"post": "rules|binance|BTC/USDT|1h", "version": 4, "was": third}
    assert words(record)[-1] == {"kind": "alias", "alias": "champion", "model_id": second} | asdict(POST)
    assert len(words(record)) == len(events(record)) == 6
    with record.database.read() as connection:
        active = connection.exec_driver_sql("SELECT id FROM ml_model_registry WHERE is_active = TRUE").scalars().all()
    assert active == [second]


def test_posts_are_apart(record: TrackingStore, run: int) -> None:
    one, other = add(record, run), add(record, run, symbol="ETH/USDT", exchange=None, timeframe=None)
    assert promote(record, one) == promote(record, other) == 1
    assert held(record, ModelSlot("rules", "", "ETH/USDT", "")) == {"champion": other}
    refused("STORE_VALUE", lambda: promote(record, add(record, run, symbol=None)))
    refused("STORE_NOT_FOUND", lambda: promote(record, 10_000))
    refused("STORE_NOT_FOUND", lambda: record.champions.rollback(POST, by="ann", works=fine))
    refused("STORE_CONFLICT", lambda: record.champions.challenge(one, by="ann"))
    refused("STORE_VALUE", lambda: promote(record, one, by=" "))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"integrity": "missing"}, "files are missing"),
        ({"integrity": "corrupt"}, "files are corrupt"),
        ({"audit_status": "failed"}, "audit is failed"),
        ({"val_metric": float("nan")}, "no finite metric"),
        ({"verdict": {"word": "GOLD", "reasons": [COUNTED | {"state": "UNKNOWN"}]}}, "every trial"),
        ({"verdict": None}, "every trial"),
    ],
    ids=str,
)
def test_nothing_waives_these(record: TrackingStore, run: int, changes: dict[str, Any], said: str) -> None:
    model = add(record, run, **changes)
    assert said in str(refused("STORE_VALUE", lambda: promote(record, model, override="I know better")))
    assert held(record) == {} and events(record) == []


def test_without_an_audit_nothing_serves(record: TrackingStore, run: int) -> None:
    model = add(record, run, audit_status="pending", integrity="missing")
    for act in (lambda: promote(record, model), lambda: promote(record, model, override="I know better")):
        with pytest.raises(LeakError, match="files are missing; its leak audit is pending") as told:
            act()
        assert (told.value.code, told.value.exit_code, told.value.facts["run"]) == ("LEAK_NOT_AUDITED", 3, run)
    first, second = add(record, run), add(record, run)
    promote(record, first)
    promote(record, second)
    with record.database.write() as connection:
        connection.exec_driver_sql(f"UPDATE models SET audit_status = 'pending' WHERE id = {first}")
    with pytest.raises(LeakError, match="pending"):
        record.champions.rollback(POST, by="ann", works=fine)
    assert held(record) == {"champion": second, "previous": first}


def test_files_that_do_not_work_are_not_promoted(record: TrackingStore, run: int) -> None:
    first, second = add(record, run), add(record, run)
    with pytest.raises(ArtifactError):
        promote(record, first, works=broken)
    assert held(record) == {}
    promote(record, first)
    promote(record, second)
    with pytest.raises(ArtifactError):
        record.champions.rollback(POST, by="ann", works=broken)
    assert held(record) == {"champion": second, "previous": first}


def test_damage_that_is_found_while_the_files_are_read(record: TrackingStore, run: int) -> None:
    def damaged(row: Row) -> None:
        with record.database.write() as connection:
            connection.exec_driver_sql("UPDATE models SET integrity = 'corrupt'")

    refused("STORE_VALUE", lambda: promote(record, add(record, run), works=damaged))
    assert held(record) == {}


def test_a_person_may_override_the_verdict_in_writing(record: TrackingStore, run: int) -> None:
    model = add(record, run, verdict={"word": "UNPROVEN", "reasons": [COUNTED]})
    assert "UNPROVEN" in str(refused("STORE_VALUE", lambda: promote(record, model, override=" ")))
    assert promote(record, model, override="a small stake, watched") == 1
    details = events(record)[0]["details"]
    assert (details["verdict"], details["override"]) == ("UNPROVEN", "a small stake, watched")


def test_of_two_that_saw_the_same_champion_one_wins(record: TrackingStore, run: int) -> None:
    first, second, third = (add(record, run) for _ in range(3))
    promote(record, first, expected_version=0)
    assert refused("STORE_CONFLICT", lambda: promote(record, second, expected_version=0)).facts["winner"] == first
    promote(record, second, expected_version=1)
    told = refused("STORE_CONFLICT", lambda: promote(record, third, expected_version=1))
    assert (told.facts["winner"], told.facts["version"], told.http_status) == (second, 2, 409)
    refused("STORE_CONFLICT", lambda: record.champions.rollback(POST, by="x", works=fine, expected_version=1))
    assert held(record) == {"champion": second, "previous": first} and len(events(record)) == 2


def storm(record: TrackingStore, run: int, each: int) -> tuple[int, int, set[int]]:
    """Winners, promotions refused, and how many champions a reader saw at any moment."""
    models = [[add(record, run) for _ in range(2)] for _ in range(16)]
    promote(record, models[0][0])
    won: list[int] = []
    lost: list[int] = []
    seen: set[int] = set()
    done = threading.Event()

    def promotes(k: int) -> None:
        for i in range(each):
            try:
                won.append(promote(record, models[k][i % 2], by=f"thread {k}"))
            except StoreError as error:
                assert error.code == "STORE_CONFLICT", error
                lost.append(error.facts["version"])  # type: ignore[arg-type]

    def watches() -> None:
        query = "SELECT COUNT(*) FROM ml_model_registry WHERE is_active"
        while not done.is_set():
            with record.database.read() as connection:
                seen.add(int(connection.exec_driver_sql(query).scalar_one()))

    watcher = threading.Thread(target=watches)
    threads = [threading.Thread(target=promotes, args=(k,)) for k in range(16)]
    for thread in (watcher, *threads):
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    watcher.join()
    assert len(won) + len(lost) == 16 * each
    return len(set(won)), len(won), seen


@pytest.mark.parametrize("each", [10, pytest.param(200, marks=pytest.mark.slow)])
def test_sixteen_threads_promote_at_once(record: TrackingStore, run: int, each: int) -> None:
    distinct, winners, seen = storm(record, run, each)
    champion = record.champions.of(POST)["champion"]
    told = [row["details"]["version"] for row in events(record) if row["action"] == "promote"]
    assert champion["version"] == len(told) and told == sorted(told) == list(range(1, len(told) + 1))
    assert seen == {1}
    assert winners >= distinct >= 1 and champion["model_id"] == int(events(record)[-1]["subject"].split(":")[1])


def test_without_the_comparison_updates_are_lost(
    record: TrackingStore, run: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: it must show the damage that the comparison prevents."""

    def blind(connection: sa.Connection, post: ModelSlot, model: int, seen: int, by: str) -> None:
        aliases._place(connection, post, "champion", model, by)

    monkeypatch.setattr(aliases, "_swap", blind)
    first, second = add(record, run), add(record, run)
    assert promote(record, first, expected_version=0) == promote(record, second, expected_version=0) == 1
    storm(record, run, 10)
    told = [row["details"]["version"] for row in events(record) if row["action"] == "promote"]
    assert len(told) - len(set(told)) >= 1


def test_a_challenger_keeps_its_files(record: TrackingStore, run: int) -> None:
    leaving, left = add(record, run, deleting_at=0), add(record, run, deleted_at=0)
    for model in (leaving, left):
        for act in (record.champions.challenge, record.champions.promote):
            with pytest.raises(ArtifactError, match="removed by retention") as told:
                act(model, by="ann", **({"works": fine} if act == record.champions.promote else {}))
            assert (told.value.code, told.value.http_status) == ("ARTIFACT_GONE", 410)


def test_files_that_go_while_they_are_read(record: TrackingStore, run: int) -> None:
    first, second = add(record, run), add(record, run)

    def taken(row: Row) -> None:
        with record.database.write() as connection:
            connection.exec_driver_sql("UPDATE models SET deleting_at = created_at")

    with pytest.raises(ArtifactError, match="removed by retention"):
        promote(record, first, works=taken)
    with record.database.write() as connection:
        connection.exec_driver_sql("UPDATE models SET deleting_at = NULL")
    promote(record, first)
    promote(record, second)
    with pytest.raises(ArtifactError, match="removed by retention"):
        record.champions.rollback(POST, by="ann", works=taken)
    assert held(record) == {"champion": second, "previous": first}


def test_a_model_of_a_run_that_failed(record: TrackingStore, run: int) -> None:
    model = add(record, run)
    record.experiments.finish(run, "failed")
    told = refused("STORE_CONFLICT", lambda: promote(record, model))
    assert "which failed" in str(told) and held(record) == {}


def test_the_one_that_comes_back_challenges_no_more(record: TrackingStore, run: int) -> None:
    first, second = add(record, run), add(record, run)
    promote(record, first)
    promote(record, second)
    record.champions.challenge(first, by="ann")
    record.champions.rollback(POST, by="ann", works=fine)
    assert held(record) == {"champion": first, "previous": second}
