"""What tests of `assay optimize` share: commands, a search to look at, and how its traces are read."""

from pathlib import Path
from typing import Any

from assay.runs.run_artifacts import RunArtifacts
from assay.track.model_files.artifact_store import Blobs
from tests.doors.commands import MARKET, assay
from tests.doors.test_backtest import record_of

KEY = "test|GOLD/USDT:USDT|1h"
SMA = ("optimize", "sma_cross", *MARKET)
SMALL = ("--space", "fast=5:20:4", "--space", "slow=30,60,90", "--min-trades", "3")
GRID = (*SMA, "--method", "grid", *SMALL, "--walk-forward", "30/15/1")
POINTS = [{"fast": fast, "slow": slow} for fast in (5, 10, 15, 20) for slow in (30, 60, 90)]
_CHANGES = {
    "run_id", "experiment_id", "config_id", "model_id", "model_ids", "created", "seconds", "engine_seconds", "report",
    "environment", "code_digest", "head",
}  # fmt: skip
Found = tuple[Path, dict[str, Any]]


def same(document: dict[str, Any]) -> dict[str, Any]:
    """What must not change from one run of a spec to the next."""
    found = {name: value for name, value in document.items() if name not in _CHANGES}
    found["folds"] = [{n: v for n, v in fold.items() if n != "seconds"} for fold in document["folds"]]
    return found


def evidence(home: Path, document: dict[str, Any]) -> RunArtifacts:
    with record_of(home) as record:
        (row,) = [a for a in record.artifacts.read(document["experiment_id"]) if a["artifact_type"] == "evidence"]
    return RunArtifacts.read(Blobs(home / "artifacts").path(row["metadata"]["blob"]))


def refused(*words: object, home: Path) -> dict[str, Any]:
    said = assay("optimize", *words, "--json", home=home)
    assert said.code != 0, said.out
    return said.error | {"exit": said.code}


def left(home: Path) -> list[str]:
    """Names of all files of a home but those of stores; nothing of a run that came to nothing may be among them."""
    stores = ("candles.duckdb", "ml_experiments.db")
    files = [file.relative_to(home).as_posix() for file in home.rglob("*") if file.is_file()]
    return sorted(file for file in files if not file.startswith(stores))


def statuses(home: Path) -> list[str]:
    with record_of(home) as record:
        return [row["status"] for row in record.experiments.recent(50, experiment_type="optimize")]
