"""What is exported is what is held, byte for byte the same from both databases."""

import csv
import re
import threading
from pathlib import Path
from typing import Any

import psycopg
import pytest
import time_machine

from assay.kernel.errors import StoreError
from assay.track.maintenance.export import csv_line, export_csv
from assay.track.schema.column_types import RECORD
from assay.track.schema.triggers import views
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.relics.make import fill

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
STRANGE = 'a "quoted", text\r\nof two lines; =1+1 ü 🜚 '


def read(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_every_table_and_view_is_there(record: TrackingStore, place: str, tmp_path: Path, dialect: str) -> None:
    fill(record)
    record.experiments.start("strange", "rules", description=STRANGE, metadata={"text": STRANGE})
    rows = export_csv(place, tmp_path / "out")
    names = {*RECORD.tables, *(name for name, _ in views(dialect))}
    assert set(rows) == names == {path.stem for path in (tmp_path / "out").iterdir()}
    for name in names:
        assert len(read(tmp_path / "out", name)) == rows[name], name
    with record.database.read() as connection:
        for name in RECORD.tables:
            assert rows[name] == connection.exec_driver_sql(f"SELECT COUNT(*) FROM {name}").scalar()
    second = read(tmp_path / "out", "experiments")[1]
    assert second["description"] == STRANGE and second["notes"] == "" and _TIME.fullmatch(second["start_time"])
    (nothing, loss) = sorted(read(tmp_path / "out", "metrics"), key=lambda row: row["value"])
    assert (nothing["value"], nothing["non_finite"], loss["value"]) == ("", "nan", "1.5")
    assert read(tmp_path / "out", "best_models")[0]["is_best"] == "true"
    assert read(tmp_path / "out", "ml_model_registry")[0]["is_active"] == "true"
    assert {row["is_complete"] for row in read(tmp_path / "out", "training_progress")} == {"true"}


def test_null_and_empty_text_are_not_the_same(record: TrackingStore, place: str, tmp_path: Path) -> None:
    record.experiments.start("a", "rules", description="")
    export_csv(place, tmp_path / "out")
    header, held = (tmp_path / "out" / "experiments.csv").read_bytes().split(b"\r\n")[:2]
    fields = dict(zip(header.split(b","), next(iter([held.split(b",")])), strict=False))
    assert fields[b"description"] == b'""'
    assert csv_line([None, "", "a b", " a", "x", 1.5e300]) == ',"",a b," a",x,1.5e+300\r\n'


@pytest.mark.postgres
@pytest.mark.parametrize("dialect", ["postgresql"])
def test_both_databases_give_the_same_bytes(record: TrackingStore, place: str, tmp_path: Path) -> None:
    with time_machine.travel("2026-01-02T03:04:05.678Z", tick=False), open_store(tmp_path / "r.db") as other:
        fill(record)
        fill(other)
    export_csv(place, tmp_path / "p")
    export_csv(tmp_path / "r.db", tmp_path / "s")
    # What the database's own clock or a new run_id gives differs, and what the views make of both.
    ours = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{8}\b")

    def told(path: Path) -> list[str]:
        lines = ours.sub("~", path.read_text(encoding="utf-8")).split("\n")
        return lines if path.stem in RECORD.tables else sorted(lines)

    for file in sorted((tmp_path / "s").iterdir()):
        if file.stem not in (
            "experiments",
            "experiment_summary",
            "training_runs",
            "outbox",
            "ledger_chain",
        ):  # seconds, names
            assert told(tmp_path / "p" / file.name) == told(file), file.name


def test_writers_do_not_wait_and_do_not_show(
    record: TrackingStore, place: str, tmp_path: Path, monkeypatch: Any
) -> None:
    from assay.track.maintenance import export

    run = record.experiments.start("a", "rules").id
    write = export._write
    wrote: list[bool] = []

    def beside(connection: Any, name: str, file: Path) -> int:
        if not wrote:
            thread = threading.Thread(target=lambda: record.metrics.log(run, {"late": 1.0}))
            thread.start()
            thread.join(20)
            wrote.append(not thread.is_alive())
        return write(connection, name, file)

    monkeypatch.setattr(export, "_write", beside)
    if record.database.dialect == "postgresql":  # the state is that of the first statement
        original = export._one_state
        monkeypatch.setattr(export, "_one_state", lambda p, f: touched(original(p, f)))
    assert export_csv(place, tmp_path / "out")["metrics"] == 0
    assert wrote == [True] and len(record.metrics.read(run)) == 1


def touched(held: Any) -> Any:
    from contextlib import contextmanager

    @contextmanager
    def opened() -> Any:
        with held as connection:
            connection.exec_driver_sql("SELECT 1 FROM experiments").fetchall()
            yield connection

    return opened()


def test_nothing_is_replaced_and_nothing_is_left(
    record: TrackingStore, place: str, tmp_path: Path, monkeypatch: Any
) -> None:
    (tmp_path / "mine").mkdir()
    for folder in (tmp_path / "mine", tmp_path / "no" / "folder"):
        with pytest.raises(StoreError) as told:
            export_csv(place, folder)
        assert told.value.code == "STORE_PATH"

    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("assay.track.maintenance.export._write", full)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError):
        export_csv(place, tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before and psycopg
