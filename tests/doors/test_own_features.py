"""`assay train … --features-file`: columns of the user's own in a training, and in all that is done with its run."""

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assay.app import context
from assay.features.registry import feature_registry, unregister_feature
from assay.kernel.bars import Bars
from assay.runs._train import train
from assay.runs.specs import build_spec
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import FEATURES_PART
from tests.doors.commands import MARKET, TRAIN, assay, told
from tests.doors.conftest import csv_of
from tests.doors.test_audit_features import GAP, HEAD, RANGE, file
from tests.doors.test_backtest import record_of

BAD = "\n@feature(lookback=0, unit='other')\ndef bad(study):\n    "
QUOTE = '''
@feature(lookback=0, unit="quote")
def my_middle(study):
    """A price between high and low."""
    return (study.bars.high + study.bars.low) / 2
'''
HELPED = GAP.replace("bars.close[:-1] - 1", "bars.close[:-1] - K")
HELPER = "own_helper_of_this_test.py"
FLAGS = {"exchange": "test", "symbols": ["GOLD/USDT:USDT"], "timeframe": "1h", "folds.train_bars": 1000,
         "folds.test_bars": 500}  # fmt: skip
Own = tuple[Path, Path, dict[str, Any]]


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="session")
def _own(_stocked: Path, tmp_path_factory: pytest.TempPathFactory) -> Own:
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(_stocked, folder / "home")
    path = file(folder, GAP, RANGE, QUOTE)
    return folder / "home", path, told(*TRAIN, "--features-file", path, home=folder / "home")


@pytest.fixture
def own(_own: Own, copied: Callable[[Path], Path], tmp_path: Path) -> Own:
    """A home of one's own with a training on three own columns, its file, and the document of the run."""
    return copied(_own[0]), Path(shutil.copy(_own[1], tmp_path)), _own[2]


def error_of(*arguments: object, home: Path | None = None) -> dict[str, Any]:
    said = assay(*arguments, "--json", home=home)
    assert said.code != 0, said.out
    return said.error


def test_the_columns_of_the_file_stand_beside_the_set(own: Own) -> None:
    home, path, found = own
    columns = ["my_gap", "my_place", "my_middle_rel"]
    assert found["own_features"] == {"name": "my_features.py", "sha256": digest(path), "columns": columns}
    assert found["spec"]["features"] == "mini5" and found["spec"]["features_digest"] == digest(path)
    assert {*columns, "latest_return"} <= set(found["importance"][0]["shares"])
    assert found["warm_up"] == 19  # of my_place; mini5 needs 9
    assert (
        found["audit"]["violations"] == []
        and found["audit"]["checks"]["truncate"]
        and "my_gap" not in feature_registry()
    )
    people = assay(*TRAIN, "--features-file", path, home=home)
    assert people.code == 0 and "already ran" in people.out
    assert f"columns of my_features.py ({digest(path)[:12]}): my_gap, my_place," in people.out


def test_an_edited_column_under_the_same_name_is_a_run_and_a_trial_of_its_own(own: Own) -> None:
    home, path, first = own
    path.write_text(path.read_text().replace("bars.close[:-1] - 1", "bars.close[:-1] - 1.001"))
    second = told(*TRAIN, "--features-file", path, "--audit", "off", home=home)
    assert second["experiment_id"] != first["experiment_id"] and second["n_trials"] == 2
    for name in ("spec_hash", "data_digest"):
        assert second[name] != first[name]
    found = assay("runs", "diff", first["experiment_id"], second["experiment_id"], "--json", home=home).document
    assert [each["what"] for each in found["spec"]] == ["features_digest"]


def test_a_run_is_reproduced_from_the_source_that_it_kept(own: Own) -> None:
    home, path, found = own
    path.write_text("raise SystemExit")
    (home / "candles.duckdb").unlink()
    again = told("runs", "reproduce", found["experiment_id"], home=home)
    assert again["equal"] and "model" in {each["what"] for each in again["compared"]}
    assert told("audit", found["experiment_id"], home=home)["passed"]
    with record_of(home) as record:
        rows = [r for r in record.artifacts.read(found["experiment_id"]) if r["artifact_type"] == "features_file"]
    assert [(row["artifact_name"], row["sha256"]) for row in rows] == [
        ("my_features.py", found["own_features"]["sha256"])
    ]
    shutil.rmtree(Blobs(home / "artifacts").path(rows[0]["sha256"]))
    assert error_of("runs", "reproduce", found["experiment_id"], home=home)["code"] == "ARTIFACT_GONE"


def test_the_model_carries_its_file_and_its_health_computes_the_columns(own: Own, gold: Bars) -> None:
    home, path, found = own
    out = told("models", "export", found["model_id"], "--out", home / "out", home=home)
    assert FEATURES_PART in out["files"]
    manifest = json.loads((home / "out" / "manifest.json").read_bytes())
    assert manifest["features_file"] == found["own_features"]
    assert (home / "out" / FEATURES_PART).read_bytes() == path.read_bytes()
    assert told("models", "verify", home=home)["faults"] == []
    assert told("models", "load-test", found["model_id"], home=home)["loads"]
    path.unlink()
    assert assay("import", csv_of(gold, home / "new.csv"), *MARKET, home=home).code == 0
    health = told("models", "health", found["model_id"], home=home)
    states = {each["check"]: each for each in health["reasons"]}
    assert health["new_bars"] == 100 and states["files"]["state"] == "PASS"
    assert health["inputs"] is not None and states["inputs"]["state"] in ("PASS", "FAIL")


def test_a_plain_training_says_nothing_of_files(trained: tuple[Path, dict[str, Any]]) -> None:
    home, found = trained
    assert "own_features" not in found and "features_digest" not in found["spec"]
    told("models", "export", found["model_id"], "--out", home / "out", home=home)
    assert "features_file" not in json.loads((home / "out" / "manifest.json").read_bytes())


def test_the_page_of_the_run_marks_them(own: Own) -> None:
    home, _, found = own
    assert assay("report", found["experiment_id"], home=home).code == 0
    page = (home / "reports" / f"run_{found['experiment_id']}.html").read_text()
    assert "Columns of your own" in page and "my_gap (own)" in page and "latest_return (own)" not in page


def test_a_list_names_the_columns_that_it_wants(stocked: Path, tmp_path: Path) -> None:
    path = file(tmp_path, GAP, RANGE)
    words = (*TRAIN, "--train-bars", "1000", "--features-file", path, "--audit", "off")
    found = told(*words, "--set", 'features=["rsi_14", "my_gap_lag_2"]', home=stocked)
    assert set(found["importance"][0]["shares"]) == {"rsi_14", "my_gap_lag_2"}
    assert found["own_features"]["columns"] == ["my_gap_lag_2"]
    error = error_of(*words, "--set", 'features=["rsi_14"]', home=stocked)
    assert error["code"] == "CONFIG_FEATURE_FILE" and "it declares my_gap, my_place" in error["message"]
    error = error_of(*words, "--set", 'features=["my_gob"]', home=stocked)
    assert error["code"] == "CONFIG_FEATURE_FILE" or "my_gap" in error["hint"]


def test_a_spec_that_names_a_file_wants_that_file(own: Own, tmp_path: Path) -> None:
    home, path, found = own
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(found["spec"]))
    assert told("train", "--spec", spec, "--features-file", path, home=home)["run_id"] == found["run_id"]
    error = error_of("train", "--spec", spec, home=home)
    assert error["code"] == "CONFIG_FEATURE_FILE" and "--features-file" in error["hint"]
    was = digest(path)
    path.write_text(path.read_text() + "\n")
    error = error_of("train", "--spec", spec, "--features-file", path, home=home)
    assert error["code"] == "CONFIG_FEATURE_FILE" and was in error["message"] and digest(path) in error["message"]
    spec.write_text(json.dumps(found["spec"] | {"features_digest": "abc"}))
    error = error_of("train", "--spec", spec, "--features-file", path, home=home)
    assert error["code"] == "CONFIG_FEATURE_FILE" and "64 hexadecimal digits" in error["message"]


def test_rules_read_no_columns(stocked: Path, tmp_path: Path) -> None:
    words = ("train", "rules", "--strategy", "sma_cross", *MARKET, "--features-file", file(tmp_path, GAP))
    error = error_of(*words, home=stocked)
    assert error["code"] == "CONFIG_FEATURE_FILE" and "reads candles and no features" in error["message"]


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("x = 1\n", "CONFIG_FEATURE_FILE", "feature file 'my_features.py' declares no feature"),
        ("x = 1\ndef f(:\n", "CONFIG_FEATURE_FILE", "line 2: invalid syntax"),
        ("x = 1\n\nboom()\n", "CONFIG_FEATURE_FILE", "line 3: NameError"),
        (HEAD + BAD + "return study.bars.nope", "TRAIN_FEATURE", "my_features.py:8: feature bad: AttributeError"),
        (HEAD + BAD + "raise SystemExit(3)", "TRAIN_FEATURE", "my_features.py:8: feature bad: SystemExit"),
        (HEAD + BAD + "return study.column('nope')", "CONFIG_FEATURE", "feature 'nope' is unknown"),
        (HEAD + BAD + "return study.bars.close[1:]", "CONFIG_FEATURE", "bad gives shape (2399,) for 2400 bars"),
        (HEAD + BAD + "return 'up'", "CONFIG_FEATURE", "bad gives 'up', no array of numbers"),
        (HEAD + BAD + "return None", "CONFIG_FEATURE", "bad gives shape () for 2400 bars"),
        (HEAD + BAD + "return study.bars.close * np.nan", "CONFIG_FEATURE", "no finite number in 2,400 rows"),
        (HEAD + BAD + "return 1 / (np.arange(2400) - 7.0)", "CONFIG_FEATURE", "bad is infinite at row 7"),
        (
            HEAD + BAD + "study.bars.close[3] *= 2; return study.bars.open",
            "CONFIG_FEATURE",
            "feature bad writes into the bars",
        ),
        (HEAD + BAD.replace("0", "3_000") + "return study.bars.open", "DATA_TOO_FEW", "3000 of warm-up (bad reads so"),
        (HEAD + BAD.replace("0", "1.5") + "return study.bars.open", "CONFIG_FEATURE", "lookback 1.5, must be a whole"),
        (HEAD + BAD.replace("bad", "rsi_14") + "return 1", "CONFIG_FEATURE_DUPLICATE", "my_features.py:6: feature rsi"),
        (HEAD + BAD.replace("bad", "sma_13") + "return 1", "CONFIG_FEATURE_DUPLICATE", "my_features.py:6: feature sma"),
        (HEAD + BAD.replace("bad", "future_x") + "return 1", "CONFIG_FEATURE", "my_features.py:6: feature name"),
        (HEAD + BAD.replace("unit=", "needs=('volum',), unit="), "CONFIG_FEATURE_FILE", "line"),
        (
            HEAD + BAD.replace("unit=", "needs=('volum',), unit=") + "return 1",
            "CONFIG_FEATURE",
            "needs 'volum', must be of volume",
        ),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_leaves_no_run(
    stocked: Path, tmp_path: Path, source: str, code: str, text: str
) -> None:
    error = error_of(*TRAIN, "--features-file", file(tmp_path, head=source), home=stocked)
    assert error["code"] == code and text in error["message"], error
    assert not any("ensemble" in row["name"] for row in told("runs", "list", home=stocked))


def test_two_files_are_one_too_many(stocked: Path, tmp_path: Path) -> None:
    path = file(tmp_path, GAP)
    error = error_of(*TRAIN, "--features-file", path, "--features-file", path, home=stocked)
    assert error["code"] == "CONFIG_FIELD" and "given 2 times (my_features.py, my_features.py)" in error["message"]


def test_no_file_is_said(stocked: Path, tmp_path: Path) -> None:
    error = error_of(*TRAIN, "--features-file", tmp_path / "none.py", home=stocked)
    assert error["code"] == "CONFIG_FEATURE_FILE" and "cannot be read" in error["message"]


def test_a_file_that_would_change_itself_never_runs_here(stocked: Path, tmp_path: Path) -> None:
    writes = "\n_HERE.write_text('# other')\n    return study.bars.close / study.bars.open"
    path = file(
        tmp_path,
        BAD + writes.strip(),
        head=HEAD + f"from pathlib import Path\n_HERE = Path({str(tmp_path)!r}) / 'my_features.py'\n",
    )
    before = path.read_bytes()
    error = error_of(*TRAIN, "--features-file", path, home=stocked)
    assert error["code"] == "LEAK_OUTSIDE" and "my_features.py" in error["message"] and path.read_bytes() == before


def test_one_that_raises_when_the_audit_asks_ends_the_run_and_publishes_nothing(stocked: Path, tmp_path: Path) -> None:
    rare = BAD + "if len(study.bars) < 2_000:\n        raise ValueError('too short')\n    return study.bars.close"
    error = error_of(*TRAIN, "--features-file", file(tmp_path, rare), home=stocked)
    assert (error["code"], error["message"]) == (
        "TRAIN_FEATURE", "my_features.py:9: feature bad: ValueError: too short",
    )  # fmt: skip
    (run,) = [row for row in told("runs", "list", home=stocked) if "ensemble" in row["name"]]
    assert run["status"] == "failed" and told("models", "list", home=stocked)["models"] == []


def test_own_columns_are_ranked_beside_the_set(stocked: Path, tmp_path: Path) -> None:
    words = ("features", "rank", *MARKET, "--features", "mini5", "--train-bars", "1000", "--test-bars", "600")
    found = told(*words, "--features-file", file(tmp_path, GAP, QUOTE), home=stocked)
    groups = {row["name"]: row["group"] for row in found["columns"]}
    assert groups["my_gap"] == groups["my_middle_rel"] == "own"


def imported_run(home: Path, source: str, audit: str = "off") -> dict[str, Any]:
    """A training from Python, of a process that has entered these columns into its book, as a notebook does."""
    names = set(feature_registry())
    try:
        exec(compile(source, "a cell", "exec"), {"__name__": "notebook"})
        spec = build_spec(None, FLAGS, {"features": '["my_gap", "rsi_14"]', "trees": "20", "forest_trees": "10"})
        return dict(train(spec, context(home=home, audit=audit)[0]).document)
    finally:
        for name in set(feature_registry()) - names:
            unregister_feature(name)


def test_an_edited_column_that_was_imported_is_a_run_and_a_trial_of_its_own(stocked: Path) -> None:
    first = imported_run(stocked, HEAD + GAP, "quick")
    assert not first["audit"]["complete"] and first["verdict"] != "GOLD"
    assert "columns were imported" in first["audit"]["notes"][-1]
    assert imported_run(stocked, HEAD + GAP)["run_id"] == first["run_id"]
    assert first["own_features"]["name"] == "" and first["own_features"]["columns"] == ["my_gap"]
    second = imported_run(stocked, HEAD + GAP.replace("bars.close[:-1] - 1", "bars.close[:-1] - 2"))
    assert second["run_id"] != first["run_id"] and (first["n_trials"], second["n_trials"]) == (1, 2)
    error = error_of("runs", "reproduce", first["experiment_id"], home=stocked)
    assert error["code"] == "ARTIFACT_GONE" and "source was not kept" in error["message"]
    assert error_of("audit", first["experiment_id"], home=stocked)["code"] == "ARTIFACT_GONE"
    assert told("models", "verify", home=stocked)["faults"] == []
    error = error_of("models", "health", first["model_id"], home=stocked)
    assert error["code"] == "ARTIFACT_FEATURES" and "--features-file" in error["hint"]


def test_a_module_of_the_file_goes_where_the_file_goes(stocked: Path, tmp_path: Path) -> None:
    helper = tmp_path / HELPER
    helper.write_text("K = 1.0\n")
    path = file(tmp_path, HELPED, head=HEAD.replace("import numpy", f"from {helper.stem} import K\nimport numpy"))
    first = told(*TRAIN, "--features-file", path, "--audit", "off", home=stocked)
    helper.write_text("K = 0.5\n")
    second = told(*TRAIN, "--features-file", path, "--audit", "off", home=stocked)
    assert second["run_id"] != first["run_id"] and second["n_trials"] == 2
    helper.unlink()
    path.unlink()
    assert told("runs", "reproduce", first["experiment_id"], home=stocked)["equal"]
    with record_of(stocked) as record:
        rows = [r for r in record.artifacts.read(first["experiment_id"]) if r["artifact_type"] == "features_file"]
    assert [row["artifact_name"] for row in rows] == ["my_features.py", HELPER]
    assert {row["metadata"]["digest"] for row in rows} == {first["own_features"]["sha256"]}
    out = told("models", "export", first["model_id"], "--out", stocked / "out", home=stocked)
    assert {FEATURES_PART, f"features_modules/{HELPER}"} <= set(out["files"])
    assert told("models", "health", first["model_id"], home=stocked)["reasons"][0]["state"] == "PASS"
    shutil.rmtree(Blobs(stocked / "artifacts").path(rows[1]["sha256"]))
    assert error_of("runs", "reproduce", first["experiment_id"], home=stocked)["code"] == "ARTIFACT_GONE"


STRATEGY = f'''
import numpy as np
from {HELPER.removesuffix(".py")} import K
from assay.learn.strategies import Exit, Setups, Side, strategy


@strategy("helped", {{"max_holding_periods": Exit(12, search=(12, 24), unit="bars")}}, lookback=1, needs_volume=False)
def helped(bars):
    """Buys after a fall."""
    fall = np.r_[0.0, np.diff(bars.close)] < -K
    return Setups(long=Side(hold=fall, columns={{}}, stop_base=0.05 * bars.close), short=None, edge=False)
'''


def test_so_does_a_module_of_a_strategy_file(stocked: Path, tmp_path: Path) -> None:
    helper, path = tmp_path / HELPER, tmp_path / "helped.py"
    helper.write_text("K = 0.25\n")
    path.write_text(STRATEGY)
    words = ("backtest", "helped", *MARKET, "--strategy-file", path)
    first = told(*words, home=stocked)
    assert first["metrics"]["total_trades"] > 0 and told(*words, home=stocked)["run_id"] == first["run_id"]
    helper.write_text("K = 0.5\n")
    assert told(*words, home=stocked)["run_id"] != first["run_id"]
    helper.unlink()
    path.unlink()
    assert told("runs", "reproduce", first["experiment_id"], home=stocked)["equal"]
