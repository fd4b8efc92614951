"""Every command, for people and as JSON."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assay.validate.gate import CHECKS
from tests.doors.commands import MARKET, TRAIN, assay, told

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
READS = (
    ("data", "list"),
    ("data", "show", *MARKET),
    ("data", "check", *MARKET),
    ("features", "list"),
    ("features", "list", "full110"),
    ("features", "table", *MARKET, "--set", "mini5"),
    ("runs", "list"),
    ("runs", "list", "--status", "completed", "--limit", "1"),
    ("runs", "show", "2"),
    ("report", "2"),
    TRAIN,
)


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_every_command_speaks_to_people_and_to_programs(
    words: tuple[str, ...], trained: tuple[Path, dict[str, Any]]
) -> None:
    home, _ = trained
    people, program = assay(*words, home=home), assay(*words, "--json", home=home)
    assert (people.code, program.code) == (0, 0)
    assert people.out.strip() and program.document
    assert people.err == program.err == ""  # no terminal, no progress bar
    unbroken = [line for line in people.out.splitlines() if "/" not in line and len(line.split()) > 1]
    assert max((len(line) for line in unbroken), default=0) <= 80


def test_what_a_training_tells(trained: tuple[Path, dict[str, Any]]) -> None:
    _, found = trained
    promised = {"run_id", "model_id", "data_digest", "spec_hash", "metrics", "folds", "trades", "seconds"}
    assert promised <= set(found)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", found["run_id"])
    assert re.fullmatch(r"[0-9a-f]{64}", found["spec_hash"]) and re.fullmatch(r"[0-9a-f]{64}", found["data_digest"])
    assert found["trades"] == found["metrics"]["total_trades"] and isinstance(found["trades"], int)
    assert found["seconds"] > 0
    for fold in found["folds"]:
        spans = [fold[name] for name in ("train_from", "train_to", "test_from", "test_to")]
        assert spans == sorted(spans) and all(_TIME.fullmatch(t) for t in spans)
        assert "sharpe" in fold["metrics"]
    assert found["environment"]["libraries"]["numpy"]


def test_what_is_asked_for_without_flags(trained: tuple[Path, dict[str, Any]]) -> None:
    from assay.kernel.spec import TrainSpec

    spec = TrainSpec(exchange="test", symbols=("GOLD/USDT:USDT",), timeframe="1h")
    assert (spec.features, spec.target.name, spec.sizing.name) == ("core72", "profitable", "threshold")
    _, found = trained
    label = found["labels"]["GOLD/USDT:USDT"]
    assert (label["name"], label["horizon"]) == ("profitable(horizon=24, side=both)", 25)  # from the next open
    assert found["spec"]["seed"] == 42


def test_what_an_import_tells(gold_csv: Path, tmp_path: Path) -> None:
    found = told("import", gold_csv, *MARKET, home=tmp_path)
    assert {k: found[k] for k in ("exchange", "symbol", "timeframe", "bars", "inserted")} == {
        "exchange": "test", "symbol": "GOLD/USDT:USDT", "timeframe": "1h", "bars": 2_400, "inserted": 2_400,
    }  # fmt: skip
    assert (found["from"], found["to"]) == ("2020-01-01T00:00:00.000Z", "2020-04-09T23:00:00.000Z")
    assert found["quality"]["bars"] == 2_400
    again = told("import", gold_csv, *MARKET, home=tmp_path)
    assert (again["inserted"], again["revised"], again["unchanged"]) == (0, 0, 2_400)
    both = told("import", gold_csv, gold_csv, *MARKET, home=tmp_path)
    assert [each["unchanged"] for each in both["imports"]] == [2_400, 2_400]


def test_every_time_is_iso_utc(trained: tuple[Path, dict[str, Any]]) -> None:
    home, _ = trained
    times = [t for words in READS[:3] + READS[6:9] for t in _times(told(*words, home=home))]
    assert len(times) > 30
    assert [t for t in times if not _TIME.fullmatch(t)] == []


def _times(value: Any) -> Iterator[str]:
    """Every text that begins like a time."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            yield from _times(each)
    if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\d", value):
        yield value


def test_a_run_is_named_by_either_id(trained: tuple[Path, dict[str, Any]]) -> None:
    home, found = trained
    by_number, by_name = (told("runs", "show", k, home=home) for k in (found["experiment_id"], found["run_id"]))
    assert by_number == by_name
    assert by_name["metrics"] == found["metrics"] and by_name["status"] == "completed"
    assert told("report", found["run_id"], home=home) == told("report", found["experiment_id"], home=home)


def test_runs_are_listed_newest_first_one_line_each(trained: tuple[Path, dict[str, Any]]) -> None:
    home, found = trained
    rows = told("runs", "list", home=home)
    assert [row["experiment_id"] for row in rows] == [2, 1]
    assert rows[0]["run_id"] == found["run_id"] and rows[0]["model_id"] == found["model_id"]
    assert told("runs", "list", "--status", "failed", home=home) == []
    assert len(assay("runs", "list", home=home).out.splitlines()) == 3


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_feature_table_is_written(ending: str, stocked: Path, tmp_path: Path) -> None:
    out = tmp_path / f"table.{ending}"
    found = told("features", "table", *MARKET, "--set", "mini5", "-o", out, home=stocked)
    frame = pl.read_csv(out) if ending == "csv" else pl.read_parquet(out)
    assert frame.columns == ["timestamp", *(f["name"] for f in found["features"])]
    assert len(frame) == found["bars"] == 2_400


def test_candles_are_shown_as_they_were_stored(stocked: Path, gold_csv: Path) -> None:
    rows = told("data", "show", *MARKET, "--last", "3", home=stocked)["candles"]
    expected = pl.read_csv(gold_csv).tail(3)
    assert [r["close"] for r in rows] == expected["close"].to_list()
    assert [r["volume"] for r in rows] == expected["volume"].to_list()


def test_help_and_version_need_no_home(tmp_path: Path) -> None:
    for words in (["--help"], ["train", "--help"], ["data", "--help"], ["--version"]):
        assert assay(*words).code == 0
    assert list(tmp_path.iterdir()) == []


def test_every_command_takes_home_and_json() -> None:
    for words in {w[:2] if w[0] in ("data", "features", "runs") else w[:1] for w in READS} | {
        ("import",), ("collect",), ("demo",),
    }:  # fmt: skip
        text = assay(*words, "--help").out
        assert "--home" in text and "--json" in text, words


def test_the_verdict_is_a_word_with_a_reason_for_every_check(trained: tuple[Path, dict[str, Any]]) -> None:
    home, found = trained
    assert found["verdict"] in ("GOLD", "UNPROVEN", "PYRITE") and isinstance(found["stage"], str)
    assert tuple(reason["check"] for reason in found["reasons"]) == CHECKS
    assert {reason["state"] for reason in found["reasons"]} <= {"PASS", "FAIL", "UNKNOWN"}
    assert all(reason["text"] for reason in found["reasons"]) and "bars_needed" in found
    assert told("runs", "list", home=home)[0]["verdict"] == found["verdict"]
    shown = assay("runs", "show", "2", home=home).out
    assert f"{found['verdict']}: " in shown
    assert shown.count("\n  PASS") == sum(reason["state"] == "PASS" for reason in found["reasons"])
