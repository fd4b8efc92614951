"""Studies that Optuna made, in its own files."""

import hashlib
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import AssayError
from assay.track.database import Row
from assay.track.migrate.import_common import ForeignRun, Imported, add
from assay.track.migrate.optuna import from_optuna
from assay.track.tracking_store import TrackingStore

MARKET = "binance|BTC/USDT|1h"


def storage_at(place: str) -> Any:
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend

    return RDBStorage(place) if place.startswith("sqlite") else JournalStorage(JournalFileBackend(place))


@pytest.fixture(params=["journal", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the studies lie; the record is another file."""
    return f"sqlite:///{tmp_path / 'study.db'}" if request.param == "sqlite" else str(tmp_path / "study.log")


@pytest.fixture
def record(tmp_path: Path) -> Iterator[TrackingStore]:
    from assay.track.tracking_store import open_store

    with open_store(tmp_path / "record.db") as opened:
        yield opened


def objective(trial: Any) -> float:
    import optuna

    fast = trial.suggest_int("fast", 1, 9)
    rate = trial.suggest_float("rate", 0.1, 0.9)
    trial.suggest_categorical("kind", ["a", "b", None])
    for step in range(3):
        trial.report(fast + step, step)
    if trial.number == 2:
        raise optuna.TrialPruned
    if trial.number == 3:
        raise ValueError("no data")
    return float(fast * rate)


def studied(place: str, *, trials: int = 5, name: str = "a study", direction: str = "maximize") -> Any:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler = optuna.samplers.RandomSampler(seed=1)
    study = optuna.create_study(
        storage=storage_at(place), study_name=name, direction=direction, sampler=sampler, load_if_exists=True
    )
    study.set_user_attr("why", {"deep": [1, math.inf]})
    study.optimize(objective, n_trials=trials, catch=(ValueError,))
    return study


def children(record: TrackingStore) -> dict[int, Row]:
    """Runs of trials by number."""
    found = (row for row in record.experiments.recent(1_000) if row["parent_id"] is not None)
    return {row["metadata"]["optuna"]["number"]: row for row in found}


def test_every_trial_is_a_run_with_what_it_tried(record: TrackingStore, place: str) -> None:
    study = studied(place)
    done = from_optuna(place, record)
    assert done == Imported({"studies": 1, "trials": 5, "points": 19}, {"studies": 1, "trials": 5, "points": 19}, {})
    runs = children(record)
    assert {n: row["status"] for n, row in runs.items()} == {
        0: "completed", 1: "completed", 2: "stopped", 3: "failed", 4: "completed"
    }  # fmt: skip
    for trial in study.get_trials():
        row = runs[trial.number]
        assert record.hyperparameters.read(row["id"]) == dict(sorted(trial.params.items()))
        points = record.metrics.read(row["id"])
        told = [(p["metric_name"], p["step"], p["value"]) for p in points]
        values = [] if trial.value is None else [("objective", None, trial.value)]
        assert told == values + [("intermediate", n, trial.params["fast"] + n) for n in range(3)]
        assert abs(row["start_time"].timestamp() - trial.datetime_start.timestamp()) < 0.01
        assert row["end_time"] >= row["start_time"]
    (whole,) = (row for row in record.experiments.recent() if row["parent_id"] is None)
    assert whole["name"] == "a study" and {row["parent_id"] for row in runs.values()} == {whole["id"]}
    assert whole["metadata"]["optuna"]["directions"] == ["maximize"]


def test_a_second_time_only_what_is_new_is_written(record: TrackingStore, place: str) -> None:
    studied(place)
    from_optuna(place, record)
    before = len(record.experiments.recent(1_000))
    again = from_optuna(place, record)
    assert set(again.written.values()) == {0} and len(record.experiments.recent(1_000)) == before
    studied(place, trials=2)
    assert from_optuna(place, record).written == {"studies": 0, "trials": 2, "points": 8}
    assert len(children(record)) == 7


def test_of_two_imports_at_once_one_writes(record: TrackingStore) -> None:
    """Both have looked and found nothing; the second to write finds the first one's run."""
    run = ForeignRun("optuna", "k", "a run", "search", "completed", 1, 2, {})
    assert add(record, run) == add(record, run) and len(record.experiments.recent()) == 1


def test_without_a_market_nothing_is_a_look_at_one(record: TrackingStore, place: str) -> None:
    studied(place)
    from_optuna(place, record)
    assert record.ledger.read() == []


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_with_a_market_every_trial_counts_there(record: TrackingStore, place: str, direction: str) -> None:
    study = studied(place, direction=direction)
    done = from_optuna(place, record, market=MARKET)
    assert done.written["ledger"] == record.ledger.count(MARKET) == 5
    rows = record.ledger.read(MARKET)
    assert [row["state"] for row in rows] == ["complete", "complete", "pruned", "failed", "complete"]
    sign = 1 if direction == "maximize" else -1
    assert [row["score"] for row in rows] == [None if t.value is None else sign * t.value for t in study.get_trials()]
    assert [row["params"]["fast"] for row in rows] == [t.params["fast"] for t in study.get_trials()]
    assert {row["experiment_id"] for row in rows} == {row["id"] for row in children(record).values()}
    assert record.ledger.check() == 5
    assert from_optuna(place, record, market=MARKET).written["ledger"] == 0 and record.ledger.count(MARKET) == 5


def test_a_market_named_later_is_counted_then(record: TrackingStore, place: str) -> None:
    studied(place)
    from_optuna(place, record)
    assert from_optuna(place, record, market=MARKET).written == {"studies": 0, "trials": 0, "points": 0, "ledger": 5}


def test_studies_by_name_and_trials_that_go_on(record: TrackingStore, place: str) -> None:
    studied(place, name="one")
    studied(place, name="two", trials=1).ask()
    import optuna

    optuna.create_study(storage=storage_at(place), study_name="empty")
    done = from_optuna(place, record, studies=["two", "empty"])
    assert done.written["trials"] == 1
    assert done.flagged == {
        "a trial has not ended; it was left out": 1,
        "a study has no ended trial; it was left out": 1,
    }
    with pytest.raises(AssayError) as told:
        from_optuna(place, record, studies=["three"])
    assert told.value.code == "CONFIG_FIELD" and "three" in told.value.message


def test_the_source_is_not_written_to(record: TrackingStore, place: str) -> None:
    studied(place)
    file = Path(place.removeprefix("sqlite:///"))
    before = hashlib.sha256(file.read_bytes()).hexdigest(), sorted(p.name for p in file.parent.glob("study*"))
    from_optuna(place, record, market=MARKET)
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), sorted(p.name for p in file.parent.glob("study*"))) == before


def test_two_objectives(record: TrackingStore, place: str) -> None:
    import optuna

    study = optuna.create_study(storage=storage_at(place), study_name="two", directions=["minimize", "maximize"])
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0], user_attrs={"note": [1]}))
    from_optuna(place, record)
    (row,) = children(record).values()
    assert record.metrics.last(row["id"]) == {"objective_0": 1.0, "objective_1": 2.0}


def test_infinite_values_stay_what_they_are(record: TrackingStore, place: str) -> None:
    import optuna

    study = optuna.create_study(storage=storage_at(place), study_name="odd", direction="maximize")
    study.add_trial(optuna.trial.create_trial(value=math.inf, intermediate_values={0: math.nan, 1: -math.inf}))
    from_optuna(place, record, market=MARKET)
    (row,) = children(record).values()
    values = {p["step"]: p["value"] for p in record.metrics.read(row["id"])}
    assert values[None] == math.inf and math.isnan(values[0]) and values[1] == -math.inf
    assert record.ledger.read(MARKET)[0]["score"] is None


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("gone", None, "CONFIG_FIELD"),
        ("empty", b"", "DATA_EMPTY"),
        ("text", b"hello\n", "DATA_EMPTY"),
        ("list", b"[1]\n", "DATA_SCHEMA"),
        ("other", json.dumps({"op_code": 99, "worker_id": "x"}).encode() + b"\n", "DATA_SCHEMA"),
    ],
)
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}"])
def test_files_that_are_no_studies(
    record: TrackingStore, tmp_path: Path, name: str, content: bytes | None, code: str, form: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AssayError) as told:
        from_optuna(form.format(path), record)
    wanted = code if not form.startswith("sqlite") or content is None else "DATA_SCHEMA"
    assert told.value.code == wanted and name in told.value.message
    assert record.experiments.recent() == []
    assert content is None or path.read_bytes() == content


@pytest.mark.parametrize("market", ["BTC/USDT", "binance|BTC/USDT", "BIN ANCE|BTC/USDT|1h", "binance|BTC/USDT|1hour"])
def test_markets_that_are_none(record: TrackingStore, place: str, market: str) -> None:
    with pytest.raises(AssayError) as told:
        from_optuna(place, record, market=market)
    assert told.value.code.startswith("CONFIG_")


@pytest.mark.parametrize("storage", ["postgresql://h/x", "redis://h", "mysql://h/x"])
def test_servers_are_not_read(record: TrackingStore, storage: str) -> None:
    with pytest.raises(AssayError) as told:
        from_optuna(storage, record)
    assert told.value.code == "CONFIG_FIELD"
