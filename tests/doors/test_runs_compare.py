"""`assay runs diff` and `assay runs compare`."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.doors.commands import MARKET, assay, laid, told
from tests.doors.test_backtest import record_of

Trained = tuple[Path, dict[str, Any]]


def fits(text: str) -> bool:
    return max(map(len, text.splitlines())) <= 80


@pytest.fixture
def several(trained: Trained) -> Path:
    home, _ = trained
    for fast in (5, 8, 11):
        told("backtest", "sma_cross", *MARKET, "--set", f"fast={fast}", home=home)
    return home


def test_two_equal_runs(several: Path) -> None:
    told("backtest", "sma_cross", *MARKET, "--set", "fast=5", "--force", home=several)
    found = told("runs", "diff", 3, 6, home=several)
    assert found["equal"] and (found["a"]["experiment_id"], found["b"]["experiment_id"]) == (3, 6)
    assert "nothing differs" in assay("runs", "diff", 3, 3, home=several).out


def test_what_differs_between_two_runs(several: Path) -> None:
    with record_of(several) as record, record.database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE experiments SET git_commit = 'x', lock_hash = lower(hex(zeroblob(32))), "
            "environment = json_set(environment, '$.code.assay.commit', 'abc', '$.cores', 99) WHERE id = 4"
        )
    said = assay("runs", "diff", 3, 4, "--json", home=several)
    assert said.code == 1
    found = said.document
    assert not found["equal"]
    assert found["spec"] == [{"what": "params.fast", "a": 5, "b": 8}] and found["data"] == []
    assert "commit" in {each["what"] for each in found["code"]}
    assert {each["what"] for each in found["environment"]} == {"lock", "cores"}
    assert "sharpe" in {each["what"] for each in found["metrics"]}
    people = assay("runs", "diff", 3, 4, home=several)
    assert people.code == 1 and fits(people.out)
    assert "params.fast" in people.out and "more; --json has all" in people.out


def test_runs_of_other_kinds_differ_as_well(several: Path) -> None:
    found = assay("runs", "diff", 1, 2, "--json", home=several).document  # an import and a training
    assert {"what": "learner", "a": "absent", "b": "ensemble"} in found["spec"]
    (data,) = [each for each in found["data"] if each["what"] != "digest"]
    assert data["a"] == "absent" and data["b"]["bars"] == 2400


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8])
def test_metrics_side_by_side(several: Path, count: int) -> None:
    runs = [(2, 3, 4, 5)[k % 4] for k in range(count)]
    found = told("runs", "compare", *runs, home=several)
    assert [run["experiment_id"] for run in found["runs"]] == runs
    shown = told("runs", "show", 2, home=several)["metrics"]
    assert {name: values[0] for name, values in found["metrics"].items()} == shown | {
        name: None for name in found["metrics"] if name not in shown
    }
    people = assay("runs", "compare", *runs, home=several)
    assert people.code == 0 and fits(people.out)
    assert ("sharpe_annual" in people.out) == (count <= 4) and (" annual" in people.out) == (count > 4)


def test_only_the_metrics_that_are_named(several: Path) -> None:
    words = ("--metric", "sharpe", "-m", "auc")
    found = told("runs", "compare", 3, 2, *words, home=several)
    assert list(found["metrics"]) == ["sharpe", "auc"] and found["metrics"]["auc"][0] is None
    assert assay("runs", "compare", 3, 2, *words, home=several).out.count("–") == 1


def test_what_is_refused(several: Path) -> None:
    said = assay("runs", "compare", 2, "--metric", "sharp", "--json", home=several)
    assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD") and "did you mean sharpe" in said.error["message"]
    said = assay("runs", "compare", 2, "--metric", "zzz", "--json", home=several)
    assert "and 50 more" in said.error["message"] and len(said.error["message"]) < 250
    for words in (("compare", 2, 77), ("diff", 2, 77), ("diff", "nobody", 2)):
        said = assay("runs", *words, "--json", home=several)
        assert (said.code, said.error["code"]) == (1, "STORE_NOT_FOUND") and "ids 1 to 5" in said.error["message"]
    assert "1 to 100" in assay("runs", "compare", *[2] * 101, "--json", home=several).error["message"]


def test_a_run_is_shown_when_its_files_are_gone(trained: Trained, caplog: pytest.LogCaptureFixture) -> None:
    home, _ = trained
    whole = told("runs", "show", 2, home=home)
    shutil.rmtree(home / "artifacts")
    found = told("runs", "show", 2, home=home)
    assert "not in the store" in found["gone"] and "gone" not in whole
    names = ("status", "start_time", "spec", "seed", "model_id")
    assert [found[name] for name in names] == [whole[name] for name in names]
    assert found["metrics"] == pytest.approx(whole["metrics"])
    assert "the report of run 2 is gone" in caplog.text
    people = assay("runs", "show", 2, home=home)
    assert people.code == 0 and "sharpe_annual" in people.out


def test_a_run_says_what_was_asked_on_what(several: Path) -> None:
    told_, shown = told("runs", "show", 2, home=several), assay("runs", "show", 2, home=several).out
    assert f"spec    {told_['spec_hash'][:12]} ensemble test GOLD/USDT:USDT 1h" in shown
    for name, key in (("data", "data_digest"), ("commit", "git_commit")):
        assert f"{name:<8}{(told_[key] or '–')[:12]}\n" in shown
    assert f"seed    {told_['spec']['seed']}\n" in shown
    assert "seed    " in assay("runs", "show", 1, home=several).out  # of an import


def test_a_run_without_a_report_says_how_long_it_took(several: Path) -> None:
    listed = told("runs", "list", home=several)[-1]
    assert listed["name"].startswith("import") and listed["seconds"] > 0
    assert told("runs", "show", listed["experiment_id"], home=several)["seconds"] == listed["seconds"]


def test_no_run_of_a_status_is_no_empty_record(several: Path, tmp_path: Path) -> None:
    assert assay("runs", "list", "--status", "failed", home=several).out == "No failed run.\n"
    assert "No run yet" in assay("runs", "list", home=laid(tmp_path / "new")).out


def test_an_empty_home(tmp_path: Path) -> None:
    said = assay("runs", "compare", 1, "--json", home=laid(tmp_path / "new"))
    assert "no run yet" in said.error["message"]
