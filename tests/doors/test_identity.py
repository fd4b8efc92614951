"""When a training is the same training."""

import json
from pathlib import Path
from typing import Any

import pytest
import time_machine

from assay.kernel.bars import Bars
from tests.doors.commands import MARKET, TRAIN, assay, told
from tests.doors.conftest import BARS, csv_of

SPEC = """
learner = "ensemble"
exchange = "test"
symbols = ["GOLD/USDT:USDT"]
timeframe = "1h"
features = "mini5"

[folds]
train_bars = 800
test_bars = 500

[params]
trees = 20
forest_trees = 10
"""


def test_the_same_spec_gives_the_existing_run_unless_forced(trained: tuple[Path, dict[str, Any]]) -> None:
    home, found = trained
    assert told(*TRAIN, home=home) == found
    assert "already ran" in assay(*TRAIN, home=home).out
    forced = told(*TRAIN, "--force", home=home)
    assert forced["run_id"] != found["run_id"] and forced["model_id"] != found["model_id"]
    differ = {"run_id", "experiment_id", "model_id", "model_ids", "created", "seconds", "n_trials", "looks", "head"}
    assert {k: v for k, v in _lasting(forced).items() if k not in differ} == {
        k: v for k, v in _lasting(found).items() if k not in differ
    }
    assert (found["n_trials"], forced["n_trials"]) == (1, 1)  # the same trial twice is one trial


def test_equal_models_of_one_second_are_two_models(trained: tuple[Path, dict[str, Any]]) -> None:
    home, _ = trained
    with time_machine.travel(4_000_000_000, tick=False):
        one, other = (told(*TRAIN, "--force", home=home) for _ in range(2))
    assert one["model_id"][:-8] == other["model_id"][:-8] and one["model_id"] != other["model_id"]
    assert len({row["model_id"] for row in told("runs", "list", home=home)} - {None}) == 3


def _lasting(document: dict[str, Any]) -> dict[str, Any]:
    """Without what a clock or the ledger says."""
    folds = [{k: v for k, v in fold.items() if k != "seconds"} for fold in document["folds"]]
    machine = {k: v for k, v in document["environment"].items() if k != "audit_seconds"}
    kept = {k: v for k, v in document.items() if k not in ("verdict", "reasons", "advice")}
    return kept | {"folds": folds, "environment": machine}


def test_new_bars_make_a_new_run(trained: tuple[Path, dict[str, Any]], gold: Bars, tmp_path: Path) -> None:
    home, found = trained
    told("import", csv_of(gold[BARS:], tmp_path / "more.csv"), *MARKET, home=home)
    again = told(*TRAIN, home=home)
    assert again["run_id"] != found["run_id"]
    assert again["spec_hash"] == found["spec_hash"] and again["data_digest"] != found["data_digest"]
    assert told(*TRAIN, "--bars", BARS, home=home)["spec_hash"] != found["spec_hash"]


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_file_and_flags_are_one_spec(ending: str, trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    import tomllib

    home, found = trained
    path = tmp_path / f"spec.{ending}"
    path.write_text(SPEC if ending == "toml" else "\ufeff" + json.dumps(tomllib.loads(SPEC)), encoding="utf-8")
    by_file = told("train", "--spec", path, home=home)
    assert by_file["spec_hash"] == found["spec_hash"] and by_file["run_id"] == found["run_id"]


def test_what_a_run_asked_for_can_be_asked_again(trained: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    home, found = trained
    path = tmp_path / "again.json"
    path.write_text(json.dumps(told("runs", "show", "2", home=home)["spec"]))
    assert told("train", "--spec", path, home=home)["run_id"] == found["run_id"]


def test_flags_and_settings_stand_over_the_file(tmp_path: Path) -> None:
    from assay.runs.specs import build_spec

    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    spec = build_spec(path, {"seed": 7, "folds.test_bars": 100}, {"trees": "9", "costs.fee": "0.002", "short": "false"})
    assert (spec.seed, spec.folds.train_bars, spec.folds.test_bars) == (7, 800, 100)
    assert (spec.params, spec.costs.fee, spec.short) == ({"trees": 9, "forest_trees": 10}, 0.002, False)
    none = build_spec(path, {}, {"target.horizon": "5", "sizing.enter": "0.6", "folds.train_bars": "none"})
    assert (none.target.params, none.sizing.params, none.folds.train_bars) == ({"horizon": 5}, {"enter": 0.6}, None)


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("fearures = 'mini5'", "CONFIG_FIELD", "did you mean features"),
        ("[costs]\nfe = 1", "CONFIG_FIELD", "costs.fe"),
        ("[folds]\ntrain_brs = 1", "CONFIG_FIELD", "did you mean train_bars"),
        ("[params]\ntres = 1", "CONFIG_PARAMETER", "trees"),
        ("seed = '42'", "CONFIG_FIELD", "integer"),
        ("seed = 4.5", "CONFIG_FIELD", "integer"),
        ("symbols = 'GOLD/USDT:USDT'", "CONFIG_FIELD", "list"),
        ("symbols = []", "CONFIG_SYMBOL", "empty"),
        ("bars = true", "CONFIG_FIELD", "integer"),
        ("seed = ", "CONFIG_JSON", "cannot be read"),
        ("a = " + "[" * 10_000 + "]" * 10_000, "CONFIG_TOO_LARGE", "depth"),
        ("params = " + "[" * 20 + "]" * 20, "CONFIG", "params|depth"),
        ("[params]\n" + "\n".join(f"k{i} = 1" for i in range(100_000)), "CONFIG_TOO_LARGE", "size"),
        ("# " + "x" * 2_000_000, "CONFIG_TOO_LARGE", "size"),
        ("\x00", "CONFIG_JSON", "cannot be read"),
    ],
    ids=range(15),
)
def test_a_wrong_file_is_refused_by_name(text: str, code: str, word: str, stocked: Path) -> None:
    import re

    path = stocked.parent / "spec.toml"
    path.write_text(text)
    market = MARKET if "symbols" not in text else (*MARKET[:2], *MARKET[4:])
    said = assay("train", "--spec", path, *market, "--json", home=stocked)
    assert said.code == 2 and said.error["code"].startswith(code), said
    assert re.search(word, said.error["message"] + said.error["hint"]), said.error


def test_a_spec_of_fifty_megabytes_and_one_without_an_end(stocked: Path) -> None:
    path = stocked.parent / "spec.json"
    with path.open("wb") as file:
        file.truncate(50 * 1024 * 1024)
    for large in (path, Path("/dev/zero")):
        said = assay("train", "--spec", large, "--json", home=stocked)
        assert (said.code, said.error["code"]) == (2, "CONFIG_TOO_LARGE")
    for wrong in (stocked, stocked / "none.toml"):
        said = assay("train", "--spec", wrong, "--json", home=stocked)
        assert (said.code, said.error["code"]) == (2, "CONFIG_PATH")
    path.write_text("[" * 100_000)
    assert assay("train", "--spec", path, "--json", home=stocked).error["code"] == "CONFIG_TOO_LARGE"
    path.write_text("[]")
    assert assay("train", "--spec", path, "--json", home=stocked).error["code"] == "CONFIG_JSON"
    path.write_bytes(b'{"a": "\xff"}')
    assert assay("train", "--spec", path, "--json", home=stocked).error["code"] == "CONFIG_JSON"
    path.write_text('{"costs": {"fee": 0.001, "fee": 0.01}}')
    twice = assay("train", "--spec", path, "--json", home=stocked).error
    assert twice["code"] == "CONFIG_JSON" and "key 'fee' stands twice" in twice["message"]
