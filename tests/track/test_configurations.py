"""Configurations in the record: kept, found, switched, approved; columns and document agree."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine

from assay.kernel.errors import ConfigError, StoreError
from assay.runs.bot_config.document import row_of
from assay.runs.bot_config.schema import check_document
from assay.track.tracking_store import TrackingStore, open_store
from tests.runs.configured import CREATED, configured, golden

NOON = datetime(2026, 2, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def agree(row: dict[str, Any]) -> None:
    """What the document says stands in the columns as well."""
    document = check_document(row["config_json"])
    expected = row_of(document, row["verdict"])
    for name in ("created_at", "updated_at", "discovery_date"):
        assert row[name] == datetime.fromisoformat(expected.pop(name)), name
    assert {name: row[name] for name in expected} == expected
    assert row["status"] == row["lifecycle_stage"] == document["status"]


def test_what_is_added_is_found_again(record: TrackingStore, run: int) -> None:
    made = configured(experiment_id=run)
    number = record.configurations.add(made.row)
    row = record.configurations.get(made.config_id)
    assert row["id"] == number and row["config_json"] == made.document and row["experiment_id"] == run
    assert row["is_active"] is False and row["last_activated_at"] is None
    assert row["created_at"] == datetime.fromtimestamp(CREATED / 1000, UTC)
    agree(row)


def test_adding_never_activates(record: TrackingStore) -> None:
    made = configured()
    record.configurations.add(made.row | {"is_active": True})
    assert record.configurations.get(made.config_id)["is_active"] is False


def test_a_second_of_the_same_id_is_refused_and_nothing_is_left_of_a_failed_transaction(record: TrackingStore) -> None:
    record.configurations.add(configured().row)
    with pytest.raises(StoreError) as told:
        record.configurations.add(configured().row)
    assert told.value.code == "STORE_CONFLICT"
    with pytest.raises(RuntimeError), record.together():
        record.configurations.add(golden("other").row)
        raise RuntimeError
    assert len(record.configurations.list()) == 1


@pytest.mark.parametrize("wrong", [{"statuz": 1}, {"status": "MATURE"}, {"lifecycle_stage": "GREAT"}, {"p_value": 2.0}])
def test_a_row_that_the_table_does_not_take(record: TrackingStore, wrong: dict[str, Any]) -> None:
    with pytest.raises(StoreError) as told:
        record.configurations.add(configured().row | wrong)
    assert told.value.code == "STORE_VALUE"
    assert record.configurations.list() == []


def test_an_unknown_id_gets_the_nearest(record: TrackingStore) -> None:
    with pytest.raises(StoreError, match="holds no configuration yet"):
        record.configurations.get("LIQUIDITY_SWEEP_V3")
    made = configured()
    record.configurations.add(made.row)
    for ask in (record.configurations.get, lambda name: record.configurations.set_active(name, True)):
        with pytest.raises(StoreError) as told:
            ask(made.config_id.lower()[:-1])
        assert told.value.code == "STORE_NOT_FOUND" and made.config_id in told.value.hint
        assert made.config_id in told.value.message
    with pytest.raises(StoreError, match="config list"):
        record.configurations.get("zzzzzz")


def test_filters(record: TrackingStore) -> None:
    old, new = configured("old"), golden("new", CREATED + 1000)
    for made in (new, old):
        record.configurations.add(made.row)
    record.configurations.set_active(old.config_id, True)

    def ids(**filters: Any) -> list[str]:
        return [row["config_id"] for row in record.configurations.list(**filters)]

    both = [new.config_id, old.config_id]
    assert ids() == ids(strategy="liquidity_sweep") == ids(exchange="synthetic", pair="GOLD/USDT") == both
    assert ids(timeframe="1h") == both and ids(timeframe="4h") == ids(strategy="x") == ids(pair="x") == []
    assert ids(stage="VALIDATION") == ids(active=False) == [new.config_id] == ids(limit=1)
    assert ids(stage="DISCOVERY", active=True) == [old.config_id]
    assert "config_json" not in record.configurations.list()[0]
    for wrong in ({"stage": "GREAT"}, {"limit": 0}, {"limit": 10_001}):
        with pytest.raises(StoreError) as told:
            ids(**wrong)
        assert told.value.code == "STORE_VALUE"


def test_switching_is_no_matter_of_stage(record: TrackingStore, clock: time_machine.Traveller) -> None:
    made = configured(verdict="PYRITE")
    record.configurations.add(made.row)
    on = record.configurations.set_active(made.config_id, True, by="ann")
    assert (on["is_active"], on["last_activated_at"], on["last_deactivated_at"]) == (True, NOON, None)
    assert on["lifecycle_stage"] == made.stage == "PAPER" and on["config_json"] == made.document
    clock.shift(60)
    assert record.configurations.set_active(made.config_id, True) == on
    off = record.configurations.set_active(made.config_id, False)
    assert off["is_active"] is False and off["last_activated_at"] == NOON
    assert (off["last_deactivated_at"] - NOON).total_seconds() == 60
    assert events(record) == [("ann", "configuration.activate"), ("", "configuration.deactivate")]


def events(record: TrackingStore) -> list[tuple[str, str]]:
    with record.database.read() as connection:
        found = connection.exec_driver_sql("SELECT actor, action FROM events ORDER BY id").fetchall()
    return [(row.actor, row.action) for row in found]


def test_a_person_approves_an_eligible_one(record: TrackingStore, clock: time_machine.Traveller) -> None:
    made = golden()
    record.configurations.add(made.row)
    row = record.configurations.approve(made.config_id, " ann ", "half a year of paper trading")
    assert row["lifecycle_stage"] == row["status"] == "MATURE" and row["is_active"] is False
    assert row["updated_at"] == NOON and row["max_position_size"] == 1000.0
    document = row["config_json"]
    told = document["lifecycle"]
    assert (told["approved_by"], told["eligible_for"]) == ("ann", None)
    assert (told["max_allocation_pct"], told["position_multiplier"]) == (10.0, 1.0)
    assert told["last_updated"] == "2026-02-01T12:00:00.000Z"
    approvals = [r for r in told["reasons"] if r["code"] == "APPROVAL"]
    assert approvals == [
        {
            "code": "APPROVAL",
            "state": "PASS",
            "text": "half a year of paper trading",
            "value": "ann",
            "limit": "2026-02-01T12:00:00.000Z",
        }
    ]
    assert document["circuit_breakers"]["max_daily_loss_pct"] == 3
    untouched = set(document) - {"status", "lifecycle", "circuit_breakers", "risk_allocation"}
    assert {k: document[k] for k in untouched} == {k: made.document[k] for k in untouched}
    agree(row)
    agree(record.configurations.get(made.config_id))
    assert events(record) == [("ann", "configuration.approve")]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: configured(), "is DISCOVERY and not eligible for MATURE: the gate says UNPROVEN"),
        (lambda: configured(verdict="PYRITE"), "is PAPER and not eligible"),
        (lambda: golden(overfit="CAUTION"), "is VALIDATION and not eligible for MATURE: the windows say CAUTION"),
    ],
)
def test_others_are_not_approved_and_nothing_changes(record: TrackingStore, made: Any, said: str) -> None:
    found = made()
    record.configurations.add(found.row)
    before = record.configurations.get(found.config_id)
    with pytest.raises(StoreError, match=said) as told:
        record.configurations.approve(found.config_id, "ann", "because")
    assert told.value.code == "STORE_CONFLICT"
    assert record.configurations.get(found.config_id) == before and events(record) == []


def test_an_approval_is_given_once_with_a_name_and_a_reason(record: TrackingStore) -> None:
    made = golden()
    record.configurations.add(made.row)
    for by, why, field in (("", "x", "by"), (" ", "x", "by"), ("ann", "\n", "why")):
        with pytest.raises(ConfigError, match=f"{field} is empty"):
            record.configurations.approve(made.config_id, by, why)
    record.configurations.approve(made.config_id, "ann", "fine")
    with pytest.raises(StoreError, match="MATURE already, approved by 'ann'"):
        record.configurations.approve(made.config_id, "bob", "fine")


def test_two_approvals_at_once_are_one(record: TrackingStore, place: str) -> None:
    made = golden()
    record.configurations.add(made.row)
    with open_store(place) as other:
        other.configurations.approve(made.config_id, "ann", "fine")
        with pytest.raises(StoreError, match="already"):
            record.configurations.approve(made.config_id, "bob", "fine")
    assert record.configurations.get(made.config_id)["config_json"]["lifecycle"]["approved_by"] == "ann"


def test_a_retrain_begins_without_approval(record: TrackingStore) -> None:
    record.configurations.add(golden().row)
    record.configurations.approve(golden().config_id, "ann", "fine")
    again = golden("the-next-run", CREATED + 86_400_000)
    record.configurations.add(again.row)
    assert record.configurations.get(again.config_id)["lifecycle_stage"] == "VALIDATION"
