"""`assay audit`, and the audit that every training and every search goes through."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay.runs.audits as assay_audit
import assay.runs.audits as assay_auditing
from assay.testing import audit_suite
from assay.validate.audit import AuditReport, Violation
from tests.doors.commands import TRAIN, assay, told
from tests.doors.test_models import change
from tests.doors.test_strategies import own


def reason(document: dict[str, Any]) -> dict[str, Any]:
    (found,) = [each for each in document["reasons"] if each["check"] == "audit"]
    return dict(found)


def test_every_training_is_audited_and_says_so(trained: tuple[Path, dict[str, Any]]) -> None:
    home, document = trained
    audit = document["audit"]
    assert audit["passed"] and audit["complete"] and audit["mode"] == "quick" and audit["violations"] == []
    assert audit["checks"]["truncate"] == 6 and audit["checks"]["fit"] == 1 and audit["checks"]["replay"] == 200
    assert audit["coverage"]["rows_asked"] == 200 <= audit["coverage"]["rows_judged"]
    assert reason(document)["state"] == "PASS"
    assert document["environment"]["audit_seconds"] > 0
    (model,) = told("models", "list", home=home)["models"]
    assert model["audit_status"] == "passed"
    people = assay(*TRAIN, home=home).out
    assert f"the audit took {document['environment']['audit_seconds']:.1f} s of {document['seconds']:.1f} s" in people
    assert all(len(line) <= 80 for line in people.splitlines() if "audit" in line)


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
    assert told("runs", "show", document["experiment_id"], home=stocked)["audits"] == []
    asked = told("audit", document["experiment_id"], home=stocked)
    assert asked["passed"] and asked["run"] == document["experiment_id"] and asked["active"] == []
    assert asked["checks"]["decide"] == 2 * asked["checks"]["simulate"] * 2, "the published model decides beside"
    (kept,) = told("runs", "show", document["experiment_id"], home=stocked)["audits"]
    assert kept["passed"] and kept["checks"] == asked["checks"] and kept["time"]
    model = told("models", "show", 1, home=stocked)
    assert model["audit_status"] == "passed"
    (said,) = [r for r in model["judgement"]["reasons"] if r["check"] == "audit"]
    assert said["state"] == "PASS" and "no decision depends on a later bar" in said["text"]
    (event,) = model["events"]
    assert (event["action"], event["by"], event["details"]["passed"]) == ("audit", "assay audit", True)


def test_the_word_follows_from_all_checks_when_a_run_is_audited_later(
    searched: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, document = searched
    others = [{**r, "state": "PASS"} for r in document["reasons"]]
    unasked = [{**r, "state": "UNKNOWN"} if r["check"] == "audit" else r for r in others]
    change(home, audit_status="pending", verdict={"word": "UNPROVEN", "stage": "DISCOVERY", "reasons": unasked})
    asked = told("audit", document["experiment_id"], home=home)
    assert asked["models"] == [
        {"id": 1, "model_id": document["model_id"], "audit_status": "passed", "verdict": "GOLD", "was": "UNPROVEN"}
    ]
    shown = told("models", "show", 1, home=home)
    assert (shown["verdict"], shown["lifecycle_stage"], shown["judgement"]["stage"]) == ("GOLD", *["VALIDATION"] * 2)
    told("models", "promote", 1, "--by", "ann", home=home)

    text = "feature 'peek' at row 7 changed by 0.31 when bars after 9 were shuffled"
    leak = AuditReport(True, (Violation("scramble", "peek", 9, 7, 0.31, text),), {"scramble": 1})
    honest = assay_audit.audit_trainer
    monkeypatch.setattr(assay_audit, "audit_trainer", lambda *given, **more: leak)
    told("config", "activate", document["config_id"], home=home)
    said = assay("audit", document["experiment_id"], home=home)
    assert said.code == 3 and "its audit is failed, its verdict PYRITE (was GOLD)" in said.out
    assert f"still active: {document['config_id']}" in said.out.replace("\n", " ")
    monkeypatch.setattr(assay_audit, "audit_trainer", honest)
    (again,) = told("audit", document["experiment_id"], home=home)["models"]
    assert (again["audit_status"], again["verdict"]) == ("failed", "PYRITE"), "asking again makes no other model"
    assert [each["passed"] for each in told("runs", "show", document["experiment_id"], home=home)["audits"]] == [
        True, False, True,
    ]  # fmt: skip
    assert "its leak audit is failed" in assay("models", "promote", 1, "--by", "ann", home=home).err
    assert told("models", "health", 1, home=home)["recommendation"] == "retire"


def test_an_audit_that_did_not_finish_changes_nothing(
    trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, document = trained
    halted = AuditReport(False, (), {"fit": 0}, ("LEAK_UNREPEATABLE: two fits decided otherwise",))
    monkeypatch.setattr(assay_audit, "audit_trainer", lambda *given, **more: halted)
    said = told("audit", document["experiment_id"], home=home)
    (model,) = said["models"]
    assert (said["passed"], model["audit_status"], model["verdict"]) == (False, "passed", document["verdict"])


def test_a_model_that_another_trainer_published_is_asked_itself(
    trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refits are honest; the file that was published knows the last bar of whatever it is shown."""
    home, document = trained

    class Peeking:
        lookback = 0

        def __init__(self, honest: Any) -> None:
            self.honest = honest

        def decide(self, panel: Any) -> Any:
            side = {s: float(np.sign(w.bars.close[-1] - w.bars.close[0])) for s, w in panel}
            made = self.honest.decide(panel)
            return {s: replace(d, target=np.full(len(d.target), side[s])) for s, d in made.items()}

    real = assay_auditing.load_model
    monkeypatch.setattr(assay_auditing, "load_model", lambda *given, **more: Peeking(real(*given, **more)))
    said = assay("audit", document["experiment_id"], "--json", home=home)
    assert said.code == 3 and "decision of 'ensemble, as fitted' at row" in said.error["message"]
    assert said.error["facts"]["models"][0]["audit_status"] == "failed"


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
    assert "LEAK_STRATEGY: strategy my_dip" in said.error["message"]
    assert {"truncate", "decide", "replay"} <= {each["probe"] for each in said.error["facts"]["violations"]}
    people = assay("audit", "--strategy-file", peeks, home=stocked)
    assert people.code == 3 and "the causality audit failed" in people.out and "\n  decide" in people.out


def test_a_failed_audit_names_what_it_found_first_and_blocks_promotion(
    stocked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "feature 'peek' at row 7 changed by 0.31 when bars after 9 were shuffled"
    found = AuditReport(True, (Violation("scramble", "peek", 9, 7, float("nan"), text),), {"scramble": 1})
    monkeypatch.setattr(assay_audit, "audit_trainer", lambda *given, **more: found)
    document = told(*TRAIN, home=stocked)
    assert document["verdict"] == "PYRITE" and reason(document)["state"] == "FAIL"
    assert text in reason(document)["text"] and document["audit"]["violations"][0]["change"] is None
    words = ("models", "promote", 1, "--by", "ann", "--override", "I insist", "--json")
    said = assay(*words, home=stocked)
    assert said.code == 1 and said.error["facts"]["faults"] == ["its leak audit is failed"]
    again = told("runs", "reproduce", str(document["experiment_id"]), home=stocked)
    assert again["equal"], again["first"]


@pytest.mark.slow
def test_the_planted_suite_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    part = partial(audit_suite.run_audit_suite, 0)  # the pipelines; `make selftest` asks the files, too
    monkeypatch.setattr(audit_suite, "run_audit_suite", part)
    document = told("audit", "--planted")
    assert document["attacks_found"] == document["attacks_planted"] >= 38 and document["passed"]
    assert (document["planted"], document["found"], document["recall"], document["false_alarms"]) == (12, 12, 1.0, 0)
    assert document["audited_clean"] > 30
