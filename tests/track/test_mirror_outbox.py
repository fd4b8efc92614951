"""Word for the mirror: written with what it tells, waited for, forgotten; one process delivers it."""

import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import time_machine

from assay.kernel.errors import ConfigError, StoreError
from assay.track.database import Row, enqueue
from assay.track.experiments import Run
from assay.track.mirror.server import check_uri, metric_key, mlflow_key, parameter, redact
from assay.track.mirror.worker import OutboxTopic, _grouped, alone, backfill
from assay.track.schema.service import OUTBOX
from assay.track.schema.tables import EXPERIMENTS
from assay.track.tracking_store import TrackingStore, open_store


def outbox(record: TrackingStore) -> list[Row]:
    with record.database.read() as connection:
        return [dict(row) for row in connection.execute(sa.select(OUTBOX).order_by(OUTBOX.c.id)).mappings()]


def keys(record: TrackingStore) -> list[str]:
    return [row["dedup_key"] for row in outbox(record)]


def test_a_run_tells_of_its_begin_and_its_end_once(record: TrackingStore) -> None:
    run = record.experiments.start("a run", "rules")
    assert keys(record) == [f"run:{run.run_id}:running"]
    record.experiments.finish(run, "failed")
    record.experiments.finish(run, "failed")
    assert keys(record) == [f"run:{run.run_id}:running", f"run:{run.run_id}:failed"]
    assert outbox(record)[0]["payload"] == {"kind": "run", "run_id": run.run_id}


def test_what_is_undone_is_not_told(record: TrackingStore) -> None:
    with pytest.raises(ZeroDivisionError), record.together():
        record.experiments.start("a run", "rules")
        raise ZeroDivisionError
    assert keys(record) == []


def test_a_crash_and_a_run_that_lives_on_are_told(record: TrackingStore) -> None:
    run = record.experiments.start("a run", "rules")
    owner = record.experiments.get(run)["owner"]

    def owned(by: str) -> None:
        with record.database.write() as connection:
            connection.execute(sa.update(EXPERIMENTS).values(owner=by))

    owned(f"{owner.split('/')[0]}/1/1/{uuid.uuid4()}")
    assert record.experiments.sweep() == [run.id]
    owned(owner)
    record.experiments.heartbeat(run)
    told = [key.split(":")[2] for key in keys(record)]
    assert told == ["running", "crashed", "running"]


def test_without_a_mirror_no_row_is_written(place: str) -> None:
    with open_store(place) as record:
        record.experiments.finish(record.experiments.start("a run", "rules"))
        assert keys(record) == []


def test_what_was_there_before_is_told_when_it_is_asked_for(place: str) -> None:
    with open_store(place) as record:
        run = record.experiments.start("a run", "rules")
        record.experiments.finish(run)
    with open_store(place, tells=("mlflow",)) as record:
        assert backfill(record.database) == 1 and backfill(record.database) == 0
        assert keys(record) == [f"run:{run.run_id}:completed"]


def leave(record: TrackingStore, *names: str) -> list[Row]:
    with record.database.write() as connection:
        for name in names:
            enqueue(connection, "run", name, run_id=name)
    return OutboxTopic(record.database).due(early=True)


def test_who_fails_waits_longer_and_longer_up_to_five_minutes(record: TrackingStore) -> None:
    waiting = OutboxTopic(record.database)
    leave(record, "a")
    waits = []
    for _ in range(12):
        (row,) = waiting.due(early=True)
        waits.append(waiting.mark_failed(row, "no") // 1000)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert waiting.due() == []
    assert waiting.state()["last_error"] == "no" and waiting.state()["attempts"] == 12


def test_one_that_fails_does_not_hold_up_the_rest_but_a_server_that_is_away_does(record: TrackingStore) -> None:
    waiting = OutboxTopic(record.database)
    first, *_ = leave(record, "a", "b")
    waiting.mark_failed(first, "refused")
    assert [row["dedup_key"] for row in waiting.due()] == ["run:b"]
    waiting.mark_failed(first, "away", all_wait=True)
    assert waiting.due() == []


def test_delivered_rows_are_kept_seven_days(record: TrackingStore) -> None:
    waiting = OutboxTopic(record.database)
    first, _ = leave(record, "a", "b")
    waiting.mark_delivered([first["id"]])
    with time_machine.travel(first["created_at"].timestamp() + 6.9 * 86_400):
        assert waiting.forget() == 0
    with time_machine.travel(first["created_at"].timestamp() + 7.1 * 86_400):
        assert waiting.forget() == 1 and keys(record) == ["run:b"]


def test_rows_of_one_thing_are_one_delivery(record: TrackingStore) -> None:
    post = {"strategy_type": "s", "exchange": "", "symbol": "X", "timeframe": ""}
    with record.database.write() as connection:
        enqueue(connection, "run", "1", run_id="r")
        enqueue(connection, "alias", "2", **post)
        enqueue(connection, "run", "3", run_id="r")
        enqueue(connection, "alias", "4", **(post | {"symbol": "Y"}))
    groups = _grouped(OutboxTopic(record.database).due())
    assert [[row["dedup_key"] for row in group] for group in groups] == [["run:1", "run:3"], ["alias:2"], ["alias:4"]]


def test_one_mirror_at_a_time_also_among_processes(place: str) -> None:
    script = (
        "import sys\nfrom assay.track.tracking_store import open_store\nfrom assay.track.mirror.worker import alone\n"
        "from assay.kernel.errors import StoreError\n"
        "with open_store(sys.argv[1]) as record:\n"
        "    try:\n        with alone(record.database, 'mlflow mirror'): print('mine')\n"
        "    except StoreError as error: print(error.code)\n"
    )

    def other() -> str:
        command = [sys.executable, "-c", script, place]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with open_store(place) as record:
        with alone(record.database, "mlflow mirror"):
            assert other() == "STORE_BUSY"
        assert other() == "mine"


@pytest.mark.parametrize(
    "uri", ["", "localhost:5000", "ftp://host", "http://", "file:///tmp", "sqlite:///x.db", "http://h:x"]
)
def test_an_address_that_is_no_server(uri: str) -> None:
    with pytest.raises(ConfigError) as told:
        check_uri(uri)
    assert told.value.code == "CONFIG_FIELD"


def test_no_password_is_told() -> None:
    with pytest.raises(ConfigError) as told:
        check_uri("ftp://ann:secret@host/x")
    assert "secret" not in told.value.message and "host" in told.value.message
    assert redact("see https://a:b@h/x and http://c@d") == "see https://***@h/x and http://***@d"
    assert check_uri("https://a:b@host:1/") == "https://a:b@host:1"


def test_names_that_mlflow_does_not_take_are_changed_and_stay_apart() -> None:
    assert metric_key("sharpe_annual", "test") == "test/sharpe_annual"
    odd = ["", ".", "..", "a/b", "a:b", "a_b", "é", "x" * 300, "x" * 301, " a", "a.", "../../etc/passwd", "\u202e"]
    made = [mlflow_key(name) for name in odd]
    assert len(set(made)) == len(odd)
    assert all(len(key) <= 210 and not set(key) - set(mlflow_key("a_b") + ALLOWED) for key in made)
    assert not any(key in (".", "..", "") or key != key.strip() for key in made)


ALLOWED = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-. "


@pytest.mark.parametrize(
    ("value", "text"), [(None, "None"), (1.5, "1.5"), (True, "True"), ([1], "[1]"), ("x" * 7_000, "x" * 5_999 + "…")]
)
def test_values_of_parameters(value: Any, text: str) -> None:
    assert parameter(value) == text


def test_an_unknown_kind_of_word_waits_and_says_so(record: TrackingStore, tmp_path: Path) -> None:
    from assay.track.mirror.server import TrackingServer
    from assay.track.mirror.worker import Delivered, MirrorWorker
    from assay.track.model_files.artifact_store import Blobs

    with record.database.write() as connection:
        enqueue(connection, "cake", "1")
    mirror = MirrorWorker(record, TrackingServer("http://127.0.0.1:9", "x"), Blobs(tmp_path))
    assert mirror.once() == Delivered(0, 1, "")
    assert "cake" in OutboxTopic(record.database).state()["last_error"]


def test_refused_by_a_record_that_another_process_mirrors(record: TrackingStore, tmp_path: Path) -> None:
    from assay.track.mirror.server import TrackingServer
    from assay.track.mirror.worker import MirrorWorker
    from assay.track.model_files.artifact_store import Blobs

    with alone(record.database, "mlflow mirror"), pytest.raises(StoreError) as told:
        MirrorWorker(record, TrackingServer("http://127.0.0.1:9", "x"), Blobs(tmp_path)).once()
    assert told.value.code == "STORE_BUSY"


def test_a_run_is_one_even_when_it_is_asked_for_by_number(record: TrackingStore) -> None:
    run = record.experiments.start("a run", "rules")
    assert isinstance(run, Run)
    record.experiments.finish(run.id)
    assert keys(record)[-1] == f"run:{run.run_id}:completed"
