"""`assay audit`, and the audit that every training and every search goes through."""

from pathlib import Path
from typing import Any

import pytest

import assay.runs.audit as assay_audit
from assay.validate.audit import AuditReport, Violation
from tests.doors.commands import TRAIN, assay, told
from tests.doors.test_strategies import own


def reason(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in document["reasons"] if each["check"] == "audit"]
    return dict(found)


def test_every_training_is_audited_and_says_so(trained: tuple[Path, dict[str, Any]]) -> None:
    home, document = trained
    audit = document["audit"]
    assert audit["passed"] and audit["complete"] and audit["mode"] == "quick" and audit["violations"] == []
    assert audit["checks"]["truncate"] == 20 and audit["checks"]["fit"] == 3
    assert reason(document)["state"] == "PASS"
    assert document["environment"]["audit_seconds"] > 0
    (model,) = told("models", "list", home=home)["models"]
    assert model["audit_status"] == "passed"


def test_a_search_is_audited_as_a_search(searched: tuple[Path, dict[str, Any]]) -> None:
    _, document = searched
    assert document["audit"]["passed"] and document["audit"]["checks"]["fit"] >= 1
    assert reason(document)["state"] == "PASS"


def test_without_an_audit_the_check_is_open_and_the_model_waits(stocked: Path) -> None:
    document = told(*TRAIN, "--audit", "off", home=stocked)
    assert document["audit"] is None
    assert reason(document) == {**reason(document), "state": "UNKNOWN", "text": "the causality audit was not run"}
    (model,) = told("models", "list", home=stocked)["models"]
    assert model["audit_status"] == "pending"
    asked = told("audit", str(document["experiment_id"]), home=stocked)
    assert asked["passed"] and asked["run"] == document["experiment_id"]


def test_an_unknown_kind_of_audit_is_refused(stocked: Path) -> None:
    said = assay(*TRAIN, "--audit", "fuller", "--json", home=stocked)
    assert said.code == 2 and said.error["code"] == "CONFIG_AUDIT" and "full" in said.error["message"]


def test_one_thing_is_audited_at_a_time(stocked: Path) -> None:
    said = assay("audit", "--json", home=stocked)
    assert said.code == 2 and said.error["code"] == "CONFIG_AUDIT"
    said = assay("audit", "1", "--planted", "--json", home=stocked)
    assert said.code == 2 and said.error["code"] == "CONFIG_AUDIT"


def test_an_import_left_nothing_to_audit(stocked: Path) -> None:
    said = assay("audit", "1", "--json", home=stocked)
    assert said.code == 65 and said.error["code"] == "ARTIFACT_GONE"


def test_a_strategy_file_is_audited_and_one_that_peeks_is_named(stocked: Path, tmp_path: Path) -> None:
    found = told("audit", "--strategy-file", own(tmp_path), home=stocked)
    assert found["passed"] and found["strategy"] == "my_dip" and found["checks"]["decide"] == 40
    peeks = own(tmp_path, last="fall = np.roll(fall, -1)")
    said = assay("audit", "--strategy-file", peeks, "--json", home=stocked)
    assert said.code == 3 and said.error["code"] == "LEAK_AUDIT"
    assert "decision of 'rules' at row" in said.error["message"] and said.error["facts"]["violations"]
    people = assay("audit", "--strategy-file", peeks, home=stocked)
    assert people.code == 3 and "the causality audit failed" in people.out and "\n  decide" in people.out


def test_a_failed_audit_names_what_it_found_first_and_blocks_promotion(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "feature 'peek' at row 7 changed by 0.31 when bars after 9 were shuffled"
    found = AuditReport(True, (Violation("scramble", "peek", 9, 7, float("nan"), text),), {"scramble": 1})
    monkeypatch.setattr(assay_audit, "audit", lambda *given, **more: found)
    document = told(*TRAIN, home=stocked)
    assert document["verdict"] == "PYRITE" and reason(document)["state"] == "FAIL"
    assert text in reason(document)["text"] and document["audit"]["violations"][0]["change"] is None
    words = ("models", "promote", 1, "--by", "ann", "--override", "I insist", "--json")
    said = assay(*words, home=stocked)
    assert said.code == 1 and said.error["facts"]["faults"] == ["its leak audit is failed"]
    again = told("runs", "reproduce", str(document["experiment_id"]), home=stocked)
    assert again["equal"], again["first"]


@pytest.mark.slow
def test_the_planted_suite_is_a_command() -> None:
    document = told("audit", "--planted")
    assert (document["planted"], document["found"], document["recall"], document["false_alarms"]) == (12, 12, 1.0, 0)
    assert document["audited_clean"] > 30
