"""The gate's word at the doors: what is said, what is kept with it, and that it is the same wherever it is shown."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.track.model_files.artifact_store import Blobs
from assay.validate.active import NATURE_SENTENCES
from assay.validate.gate import CHECKS
from tests.doors.commands import MARKET, TRAIN, assay, told
from tests.doors.searching import KEY
from tests.doors.test_backtest import record_of

Ran = tuple[Path, dict[str, Any]]
KEPT = ("thresholds", "evidence", "information")


@pytest.fixture(params=["trained", "searched"])
def ran(request: pytest.FixtureRequest) -> Ran:
    found: Ran = request.getfixturevalue(request.param)
    return found


def test_verdict_stage_and_reasons_are_in_every_result(ran: Ran) -> None:
    home, was = ran
    shown = told("runs", "show", was["experiment_id"], home=home)
    for document in (was, shown):
        assert document["verdict"] in ("GOLD", "UNPROVEN", "PYRITE")
        assert document["stage"] in ("VALIDATION", "DISCOVERY", "PAPER")
        assert [each["check"] for each in document["reasons"]] == [*CHECKS]
        assert {each["state"] for each in document["reasons"]} <= {"PASS", "FAIL", "UNKNOWN"}
        assert all(each["text"] for each in document["reasons"])
    assert all(shown[name] == was[name] for name in ("verdict", "reasons", *KEPT))


def test_all_that_decided_is_kept_with_the_run_and_with_its_model(ran: Ran) -> None:
    home, was = ran
    with record_of(home) as record:
        row = record.models.get(was["model_id"])
    assert row["verdict"]["word"] == was["verdict"]
    assert all(row["verdict"][name] == was[name] for name in KEPT)
    used, reasons = was["evidence"], {each["check"]: each for each in was["reasons"]}
    assert used["n_trials"] == was["n_trials"] == reasons["ledger"]["value"]
    assert used["n_trades"] == reasons["sample"]["value"]
    assert used["stressed_sharpe"] == reasons["cost"]["value"]
    assert was["thresholds"]["error"] == 0.01 and was["gate_version"] == row["verdict"]["gate_version"] == 3
    assert used["fills"]["doubtful"] == reasons["fills"]["value"] and used["data_problems"] == []
    assert was["nature"] == row["verdict"]["nature"] and NATURE_SENTENCES[was["nature"]] in was["advice"]


def test_a_search_tells_overfitting_plateau_and_tests_for_information(searched: Ran) -> None:
    home, was = searched
    beside = was["information"]
    assert beside["pbo"] == was["evidence"]["overfitting"]["pbo"] and 0 <= beside["pbo"] <= 1
    assert beside["plateau"] == was["overfit"]["plateau_score"]
    assert beside["spa"]["search"]["configurations"] == 12 and beside["spa"]["record"]["configurations"] == 1
    for found in beside["spa"].values():
        assert all(0 <= found[side]["consistent"] <= 1 for side in ("cash", "buy_and_hold"))
    with record_of(home) as record:
        blobs = Blobs(home / "artifacts")
        sharpes = np.concatenate([each.columns()["sharpe"] for each in record.ledger.trials(KEY, blobs=blobs)])
    sharpes = sharpes[np.isfinite(sharpes)]
    assert beside["trials_with_sharpe"] == len(sharpes) > 40
    assert beside["trials_variance"] == was["evidence"]["trials_variance"] == pytest.approx(sharpes.var(ddof=1))
    said = assay("runs", "show", was["experiment_id"], home=home).out
    assert "none of it decides" in said and "probability of backtest overfitting" in said
    assert said.count("SPA test") == 2


def test_one_training_has_no_spread_and_no_search(trained: Ran) -> None:
    home, was = trained
    beside = was["information"]
    assert (beside["trials_variance"], beside["pbo"], beside["plateau"], beside["spa"]["search"]) == (
        0,
        None,
        None,
        None,
    )
    assert beside["spa"]["record"]["configurations"] == 1
    said = assay("runs", "show", was["experiment_id"], home=home).out
    assert said.count("SPA test") == 1 and "variance between trials" not in said


@pytest.mark.slow
def test_trials_on_the_same_bars_are_compared_and_later_ones_change_nothing(trained: Ran) -> None:
    home, was = trained
    second = told(*TRAIN, "--seed", "7", home=home)
    told("backtest", "sma_cross", *MARKET, home=home)  # scored on other bars
    assert second["information"]["spa"]["record"]["configurations"] == 2
    assert second["information"]["trials_with_sharpe"] == 2
    assert second["information"]["trials_variance"] == pytest.approx(
        np.var([was["metrics"]["sharpe"], second["metrics"]["sharpe"]], ddof=1)
    )
    assert was["evidence"]["effective_trials"] == was["n_trials"] == 1 < second["evidence"]["effective_trials"] <= 2
    assert second["n_trials"] == 2
    third = told(*TRAIN, "--seed", "8", home=home)  # the backtest's returns are of other bars
    assert third["n_trials"] == 4 and 2 <= third["evidence"]["effective_trials"] < 4  # three of one kind, and it
    for run in (was, second, third):
        assert told("runs", "reproduce", run["experiment_id"], home=home)["equal"]


def test_the_page_shows_what_stands_beside(ran: Ran) -> None:
    home, was = ran
    page = Path(told("report", was["experiment_id"], home=home)["report"]).read_text()
    assert '<section id="beside">' in page and "Where the checks draw their lines" in page
    assert "Would luck explain the best of them?" in page


def test_the_verdict_outlives_the_files_of_its_run(ran: Ran) -> None:
    home, was = ran
    with record_of(home) as record:
        (row,) = [a for a in record.artifacts.read(was["experiment_id"]) if a["artifact_type"] == "evidence"]
    shutil.rmtree(Blobs(home / "artifacts").path(row["metadata"]["blob"]))
    shown = told("runs", "show", was["experiment_id"], home=home)
    assert shown["gone"] and all(shown[name] == was[name] for name in ("verdict", "stage", "reasons", *KEPT))
    people = assay("runs", "show", was["experiment_id"], home=home)
    assert people.code == 0 and was["verdict"] in people.out and "none of it decides" in people.out
