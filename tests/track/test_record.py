"""The record: rows come back as they went in, and places that cannot hold one say so."""

import math
import os
import sqlite3
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.testing.store_contract import a_trade
from assay.track.codecs import format_instant
from assay.track.tracking_store import TrackingStore, open_store
from tests.track.coded import coded

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
NAMES = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
)


def same(a: object, b: object) -> bool:
    return type(a) is type(b) and (a == b or (a != a and b != b))


@SHARED
@given(st.dictionaries(NAMES, st.floats() | st.integers(-(2**60), 2**60) | st.booleans(), max_size=8))
def test_metrics_come_back_as_they_went_in(record: TrackingStore, values: dict[str, float]) -> None:
    run = record.experiments.start("m", "rules").id
    record.metrics.log(run, values, step=1)
    found = record.metrics.last(run)
    assert found.keys() == values.keys()
    assert all(found[k] == float(v) or (math.isnan(found[k]) and math.isnan(v)) for k, v in values.items())


@SHARED
@given(st.dictionaries(NAMES, SCALARS | st.lists(st.integers(), max_size=3), max_size=6))
def test_hyperparameters_keep_their_type(record: TrackingStore, values: dict[str, Any]) -> None:
    run = record.experiments.start("h", "rules").id
    record.hyperparameters.log(run, values)
    record.hyperparameters.log(run, values)
    found = record.hyperparameters.read(run)
    assert found.keys() == values.keys()
    assert all(same(found[name], values[name]) for name in values)


def test_a_hyperparameter_has_one_value(record: TrackingStore, run: int) -> None:
    record.hyperparameters.log(run, {"a": np.float64(1.0), "b": np.bool_(True)})
    with coded("STORE_CONFLICT"):
        record.hyperparameters.log(run, {"c": 1, "a": 2.0})
    with coded("STORE_CONFLICT"):
        record.hyperparameters.log(run, {"a": 1})
    assert record.hyperparameters.read(run) == {"a": 1.0, "b": True}


def test_datasets_are_kept_once(record: TrackingStore, run: int, caplog: pytest.LogCaptureFixture) -> None:
    add = record.datasets.add
    first = add("n", "v", "train", num_samples=3)
    assert add("n", "v", "train", num_samples=3, start_date="2024-01-01") == first
    assert add("n", "v", "train", data_hash="a" * 64) == first
    assert add("n", "v", "train", data_hash="a" * 64, num_samples=4) == first
    row = record.datasets.get("n", "v", "train")
    assert row is not None and (row["num_samples"], row["start_date"], row["data_hash"]) == (3, "2024-01-01", "a" * 64)
    second = add("n", "v", "train", data_hash="b" * 64)
    assert second != first and "revision 2" in caplog.text
    assert add("n", "v", "train", data_hash="a" * 64) == first
    assert add("n", "v", "test") not in (first, second)
    record.datasets.link(run, first, "train")
    record.datasets.link(run, first, "train")
    assert [(d["id"], d["usage_type"]) for d in record.datasets.of_run(run)] == [(first, "train")]
    with coded("STORE_NOT_FOUND"):
        record.datasets.link(run, 99, "train")
    with coded("STORE_VALUE"):
        add("n", start_date="2024-02-01", end_date="2024-01-01")


def test_artifacts(record: TrackingStore, run: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "a.txt").write_bytes(b"abc")
    record.artifacts.add(run, "log", tmp_path / "a.txt")
    record.artifacts.add(run, "log", "missing.txt")
    held, missing = record.artifacts.read(run)
    assert held["sha256"] == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert (held["artifact_name"], held["file_size_mb"]) == ("a.txt", 3 / 2**20)
    assert (missing["sha256"], missing["file_size_mb"]) == (None, None) and "missing.txt" in caplog.text
    with coded("STORE_VALUE"):
        record.artifacts.add(run, "log", "../x")


def test_trades(record: TrackingStore, run: int) -> None:
    assert record.trades.add(run, [a_trade(), a_trade(side="SHORT", exit_reason="SL")], fold=2) == 2
    first, second = record.trades.read(run)
    assert (first["fold"], first["entry_time"], second["side"]) == (2, datetime(1970, 1, 1, 1, tzinfo=UTC), "SHORT")
    with record.database.read() as connection:
        view = connection.exec_driver_sql("SELECT pattern_name, pnl_percentage FROM backtest_results").first()
    assert view == ("crossover", pytest.approx(9.8))
    for wrong in ({"side": "UP"}, {"exit_time": 0}, {"quantity": math.inf}, {"entry_time": "2024-01-01T00:00:00"}):
        with coded("STORE_VALUE"):
            record.trades.add(run, [a_trade(**wrong)])


def test_times_are_24_characters() -> None:
    assert format_instant("2024-01-01T01:00:00+01:00") == "2024-01-01T00:00:00.000Z"
    assert format_instant(1) == "1970-01-01T00:00:00.001Z"
    for wrong in ("2024-01-01", "soon"):
        with coded("STORE_VALUE"):
            format_instant(wrong)


def test_places_that_are_no_record(tmp_path: Path) -> None:
    with coded("STORE_OPEN"):
        open_store(tmp_path)
    (tmp_path / "text.db").write_text("this is no database, but it is long enough to have a header" * 20)
    with coded("STORE_CORRUPT"):
        open_store(tmp_path / "text.db")
    (tmp_path / "file").write_text("x")
    with coded("STORE_OPEN"):
        open_store(tmp_path / "file" / "r.db")
    wrong = ["mysql://u:secret@h/db", "postgresql+asyncpg://u:secret@h/db", "postgresql://u:secret@h"]
    for url in (*wrong, "postgresql://u:secret@h:port/db", "sqlite://", "sqlite:///"):
        with pytest.raises(ConfigError) as told:
            open_store(url)
        assert told.value.code == "CONFIG_RECORD_URL" and "secret" not in str(told.value)


def test_a_flipped_page_is_found(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    open_store(path).close()
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 3 + 200] = bytes(200)
    path.write_bytes(data)
    with coded("STORE_CORRUPT"):
        open_store(path, check=True)


def test_a_locked_record_is_busy(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_store(path, busy_seconds=0.05) as record:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with coded("STORE_BUSY"):
            record.experiments.start("a", "rules")
        other.execute("ROLLBACK")
        other.close()
        record.experiments.start("a", "rules")


def test_a_write_holds_the_lock_from_its_start(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    with open_store(path) as first, open_store(path, busy_seconds=0.05) as second:
        with first.together():
            with coded("STORE_BUSY"):
                second.experiments.start("b", "rules")
            assert second.experiments.recent() == []
            first.experiments.start("a", "rules")
        assert [row["name"] for row in second.experiments.recent()] == ["a"]


def test_a_full_or_read_only_disk(tmp_path: Path) -> None:
    with open_store(tmp_path / "r.db") as record:
        run = record.experiments.start("a", "rules").id
        for pragma, code in (("max_page_count=1", "STORE_FULL"), ("query_only=ON", "STORE_READ_ONLY")):
            with record.database.read() as connection:
                connection.exec_driver_sql(f"PRAGMA {pragma}")
            with coded(code):
                record.trades.add(run, [a_trade()] * 5000)
        record.database.close()  # a new connection has neither limit
        assert record.trades.add(run, [a_trade()]) == 1
        assert len(record.trades.read(run)) == 1


def test_a_fork_may_not_use_the_record(record: TrackingStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with coded("STORE_FORKED"):
        record.experiments.recent()


def test_threads_share_a_record(record: TrackingStore, run: int) -> None:
    def write(k: int) -> None:
        for i in range(20):
            record.metrics.log(run, {f"m{k}": i}, step=i)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert record.metrics.last(run) == {f"m{k}": 19.0 for k in range(4)}
    assert len(record.metrics.read(run)) == 80


def test_a_distribution_is_decoded(record: TrackingStore, run: int) -> None:
    record.metrics.log_distribution(run, "actions", '{"buy": 0.5, "sell": NaN}', episode=3, split="test")
    (row,) = record.metrics.read(run, name="actions", split="test")
    assert (row["metric_type"], row["value"], row["episode"]) == ("distribution", 0.0, 3)
    assert row["value_json"] == {"buy": 0.5, "sell": None}
    with coded("STORE_VALUE"):
        record.metrics.log_distribution(run, "actions", "{")
