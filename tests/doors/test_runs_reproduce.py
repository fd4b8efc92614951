"""`assay runs reproduce`: what it stands on, what it compares, what it leaves alone."""

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assay.runs import provenance
from assay.track.model_files.artifact_store import Blobs
from tests.doors.commands import MARKET, TRAIN, assay, ended, process, told
from tests.doors.searching import GRID, SMA, SMALL
from tests.doors.test_backtest import record_of

Trained = tuple[Path, dict[str, Any]]


def ledger(home: Path) -> str:
    with record_of(home) as record:
        return hashlib.sha256(repr(record.ledger.read()).encode()).hexdigest()


def again(home: Path, run: Any, *, code: int = 0, here: bool = False) -> dict[str, Any]:
    """In a new process (or here), without the candle store."""
    (home / "candles.duckdb").unlink(missing_ok=True)
    before = ledger(home)
    words = ("runs", "reproduce", str(run), "--json")
    said = assay(*words, home=home) if here else ended(process(*words, home=home))
    assert said.code == code, said
    assert ledger(home) == before
    return dict(said.document)


def counts(home: Path) -> tuple[int, ...]:
    with sqlite3.connect(home / "ml_experiments.db") as connection:
        return tuple(
            connection.execute(f"SELECT COUNT(*) FROM {name}").fetchone()[0]
            for name in ("models", "trained_configurations", "trials")
        )


def around(found: dict[str, Any]) -> set[str]:
    """What differs around the two, but for sources that are worked on while the tests run."""
    return {each["what"] for each in found["differs"]} - {"diff", "sources"}


@pytest.mark.slow
def test_an_ensemble_is_the_same_in_a_new_process(trained: Trained) -> None:
    home, was = trained
    before = counts(home)
    found = again(home, was["experiment_id"])
    assert found["equal"] and found["first"] is None and not around(found)
    sizes = {each["what"]: each["size"] for each in found["compared"]}
    assert sizes["decisions"] == 1500 and sizes["trades"] == was["trades"] and sizes["metrics"] == len(was["metrics"])
    assert sizes["model"] == 1 and all(each["equal"] for each in found["compared"])
    assert counts(home) == before
    with record_of(home) as record:
        row = record.experiments.get(found["reproduced_as"])
        assert (row["reproduces_id"], row["status"], row["spec_hash"]) == (1 + 1, "completed", was["spec_hash"])
        assert len(record.trades.read(row["id"])) == was["trades"]
    assert told("runs", "show", found["reproduced_as"], home=home)["metrics"] == was["metrics"]
    twice = again(home, found["reproduced_as"], here=True)  # a reproduction is a run as well
    assert twice["equal"] and "model" in {each["what"] for each in twice["compared"]}


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        GRID,
        (*SMA, "--method", "bayesian", "--trials", "24", *SMALL, "--walk-forward", "30/15/1", "--seed", "5",
         "--objective", "deflated"),
        ("optimize", "range_sweep", *MARKET, "--trials", "40", "--walk-forward", "split", "--mode", "fixed",
         "--min-trades", "1"),
        (*SMA, "--trials", "40", *SMALL, "--walk-forward", "split", "--regime", "bull"),
        ("backtest", "sma_cross", *MARKET, "--set", "filter.action=mark"),
    ],
    ids=["grid", "bayesian", "random", "regime", "backtest"],
)  # fmt: skip
def test_a_rule_is_the_same(stocked: Path, command: tuple[str, ...]) -> None:
    told("backtest", "sma_cross", *MARKET, "--set", "fast=7", home=stocked)  # counted before
    was = told(*command, home=stocked)
    told("backtest", "sma_cross", *MARKET, "--set", "fast=8", home=stocked)  # and after
    before = counts(stocked)
    found = again(stocked, was["run_id"], here=command is not GRID)
    assert found["equal"], found["first"]
    assert {"decisions", "trades", "metrics"} <= {each["what"] for each in found["compared"] if each["size"]}
    assert counts(stocked) == before
    if command[0] == "optimize":
        assert assay("runs", "show", found["reproduced_as"], home=stocked).code == 0


@pytest.mark.slow
def test_a_strategy_of_ones_own_needs_its_file_no_more(stocked: Path, tmp_path: Path) -> None:
    from tests.doors.test_strategies import OWN as source

    file = tmp_path / "mine.py"
    file.write_text(source)
    was = told("backtest", "--strategy-file", str(file), *MARKET, home=stocked)
    file.write_text("raise SystemExit")
    assert again(stocked, was["experiment_id"], here=True)["equal"]
    with record_of(stocked) as record:
        (kept,) = [a for a in record.artifacts.read(was["experiment_id"]) if a["artifact_type"] == "strategy_file"]
    assert kept["artifact_name"] == "mine.py"
    shutil.rmtree(Blobs(stocked / "artifacts").path(kept["sha256"]))
    assert again(stocked, was["experiment_id"], code=65, here=True)["error"]["code"] == "ARTIFACT_GONE"


def tamper(home: Path, statement: str, *values: object) -> None:
    with sqlite3.connect(home / "ml_experiments.db") as connection:
        connection.execute(statement, values)


def _byte(home: Path) -> None:
    (path,) = (home / "snapshots").glob("*.parquet")
    table = pl.read_parquet(path)
    import pyarrow.parquet as pq

    found = pq.read_table(path)
    close = table["close"].to_numpy().copy()
    close[100] = float.fromhex(close[100].hex()) + 1e-9
    changed = found.set_column(found.column_names.index("close"), "close", [close])
    path.unlink()
    pq.write_table(changed.replace_schema_metadata(found.schema.metadata), path)


def _spec(home: Path, change: Callable[[dict[str, Any]], object]) -> None:
    with record_of(home) as record:
        spec = record.experiments.get(2)["spec"]
    change(spec)
    tamper(home, "UPDATE experiments SET spec = ? WHERE id = 2", json.dumps(spec))


GONE, CORRUPT = "ARTIFACT_GONE", "ARTIFACT_CORRUPT"
FAULTS: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "changed candle": (_byte, CORRUPT, "digest"),
    "torn snapshot": (lambda h: next((h / "snapshots").iterdir()).write_bytes(b"x"), CORRUPT, "damaged"),
    "no snapshot": (lambda h: shutil.rmtree(h / "snapshots"), GONE, "no snapshot"),
    "no dataset": (lambda h: tamper(h, "DELETE FROM experiment_datasets"), GONE, "no snapshot of"),
    "no spec": (lambda h: tamper(h, "UPDATE experiments SET spec = NULL WHERE id = 2"), GONE, "no spec"),
    "changed spec": (lambda h: _spec(h, lambda s: s.update(seed=7)), CORRUPT, "was changed"),
    "unreadable spec": (lambda h: _spec(h, lambda s: s.update(nonsense=7)), CORRUPT, "nonsense"),
    "spec of nobody": (lambda h: _spec(h, lambda s: s.update(kind="other")), GONE, "no command"),
    "unfinished": (lambda h: tamper(h, "UPDATE experiments SET status = 'failed' WHERE id = 2"), GONE, "failed"),
    "no evidence": (lambda h: tamper(h, "DELETE FROM artifacts"), GONE, "left no decisions"),
    "no files": (lambda h: shutil.rmtree(h / "artifacts"), GONE, "not in the store"),
    "changed files": (lambda h: next((h / "artifacts").glob("*/run.json")).write_text("{}"), CORRUPT, "changed"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_missing_or_changed_is_named(fault: str, trained: Trained) -> None:
    harm, code, word = FAULTS[fault]
    home, _ = trained
    harm(home)
    before = ledger(home)
    said = assay("runs", "reproduce", "2", "--json", home=home)
    assert (said.code, said.error["code"]) == (65, code), said
    assert word in said.error["message"]
    assert ledger(home) == before
    with record_of(home) as record:
        assert [row["id"] for row in record.experiments.recent(10)] == [2, 1]  # nothing was begun


def test_runs_of_others_cannot_be_reproduced(trained: Trained) -> None:
    home, _ = trained
    with record_of(home) as record:
        run = record.experiments.start("mine", spec={"lr": 0.1})
        record.experiments.finish(run)
    assert "left no decisions" in assay("runs", "reproduce", str(run.id), "--json", home=home).error["message"]
    assert "type ingest" in assay("runs", "reproduce", "1", "--json", home=home).error["message"]
    said = assay("runs", "reproduce", "99", "--json", home=home)
    assert (said.code, said.error["code"]) == (1, "STORE_NOT_FOUND") and "ids 1 to 3" in said.error["message"]


def test_other_code_is_told_and_strict_refuses(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _ = trained
    told_by = provenance.current_environment

    def elsewhere(context: Any) -> dict[str, Any]:
        return told_by(context) | {"library numpy": "9.9", "commit": "f" * 40, "cpu": "abacus"}

    monkeypatch.setattr("assay.runs._reproduce.current_environment", elsewhere)
    said = assay("runs", "reproduce", "2", "--strict", "--json", home=home)
    assert (said.code, said.error["code"]) == (1, "STORE_SURROUNDINGS")
    assert around(said.error["facts"]) == {"library numpy", "commit"}
    with record_of(home) as record:
        assert len(record.experiments.recent(10)) == 2
    found = told("runs", "reproduce", "2", home=home)
    assert found["equal"] and around(found) == {"library numpy", "commit", "cpu"}
    people = assay("runs", "reproduce", "2", home=home)
    assert people.code == 0 and "EQUAL" in people.out and "library numpy:" in people.out
    assert max(map(len, people.out.splitlines())) <= 80


def test_other_results_are_named(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.learn.ensemble import trainer

    home, was = trained
    fit = trainer.EnsembleTrainer.fit

    def otherwise(self: Any, train: Any, *, seed: int, report: Any) -> Any:
        return fit(self, train, seed=seed + 1, report=report)

    monkeypatch.setattr(trainer.EnsembleTrainer, "fit", otherwise)
    said = assay("runs", "reproduce", "2", "--json", home=home)
    assert said.code == 1
    found = said.document
    assert not found["equal"] and found["first"]["what"] == "decisions"
    assert found["first"]["place"].startswith("row ") and found["first"]["was"] != found["first"]["now"]
    differ = {each["what"] for each in found["compared"] if not each["equal"]}
    assert {"decisions", "metrics", "model"} <= differ
    people = assay("runs", "reproduce", "2", home=home)
    assert people.code == 1 and "DIFFERENT" in people.out and "first difference: decisions, row" in people.out
    assert told(*TRAIN, home=home)["experiment_id"] == was["experiment_id"]  # a reproduction stands in for nothing


def test_trials_that_the_ledger_does_not_hold_are_not_added(searched: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.validate.search.result import Trials

    home, was = searched
    block = Trials.block
    monkeypatch.setattr(Trials, "block", lambda self: block(self) + b"other bytes")
    found = again(home, was["experiment_id"], code=1, here=True)
    assert found["first"] == {
        "what": "ledger", "size": 0, "place": "trials", "was": "all counted",
        "now": f"{len(was['windows'])} not counted", "equal": False,
    }  # fmt: skip
