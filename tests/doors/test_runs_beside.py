"""What a run kept after its end, when its file is gone, and what a later audit makes of its word."""

import shutil
from pathlib import Path
from typing import Any

import pytest

import assay.runs.audits as assay_audit
from assay.validate.audit import AuditReport, Violation
from tests.doors.commands import assay, told
from tests.doors.test_backtest import record_of
from tests.doors.test_models import change

Done = tuple[Path, dict[str, Any]]
GOLD = ("-e", "test", "-s", "GOLD/USDT:USDT")


def lose(home: Path, kind: str) -> None:
    with record_of(home) as record:
        (row,) = [each for each in record.artifacts.read(2) if each["artifact_type"] == kind]
    shutil.rmtree(home / "artifacts" / row["metadata"]["blob"])


def test_a_page_outlives_a_stored_audit_and_names_what_is_gone(trained: Done, caplog: pytest.LogCaptureFixture) -> None:
    home, document = trained
    told("audit", document["experiment_id"], home=home)
    lose(home, "audit")
    (found,) = told("runs", "show", document["experiment_id"], home=home)["audits"]
    assert list(found) == ["gone"] and "not in the store" in found["gone"]
    assert "a document (audit) that run 2 kept is gone" in caplog.text
    assert assay("runs", "show", document["experiment_id"], home=home).code == 0


def test_pages_outlive_a_reading_of_the_holdout_and_the_vault_does_not_take_it_for_one(
    stocked: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from tests.doors.searching import GRID

    told("vault", "lock", *GOLD, "--by", "ann", "--last", "20d", home=stocked)
    run = told(*GRID, home=stocked)["experiment_id"]
    told("audit", run, home=stocked)
    lose(stocked, "audit")
    said = assay("vault", "open", run, "--by", "bob", "--json", home=stocked)
    assert (said.code, said.error["code"]) == (65, "ARTIFACT_GONE"), "it needs the audit"
    with record_of(stocked) as record:
        place = stocked / "artifacts"
        blob = "0" * 64
        record.artifacts.add(run, "holdout", place, name="holdout", sha256=blob, metadata={"blob": blob})
    for page in (("runs", "show", run), ("models", "show", 1)):
        (found,) = told(*page, home=stocked)["holdouts"]
        assert list(found) == ["gone"]
        people = assay(*page, home=stocked)
        assert people.code == 0 and "holdout: it was read, but what came of it is gone" in people.out
    assert "a document (holdout) that run 2 kept is gone" in caplog.text


def test_a_run_is_headed_by_what_a_later_audit_made_of_its_word(
    searched: Done, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, document = searched
    run = document["experiment_id"]
    was = told("runs", "show", run, home=home)
    assert "verdict_then" not in was
    page, copy = Path(told("report", run, home=home)["report"]), home / "copy.html"
    copy.write_bytes(page.read_bytes())
    assert f"<title>{was['verdict']} ·" in page.read_text(encoding="utf-8")
    passed = [{**each, "state": "PASS"} for each in document["reasons"]]
    change(home, verdict={"word": "GOLD", "stage": "VALIDATION", "reasons": passed})
    text = "feature 'peek' at row 7 changed by 0.31 when bars after 9 were shuffled"
    leak = AuditReport(True, (Violation("scramble", "peek", 9, 7, 0.31, text),), {"scramble": 1})
    monkeypatch.setattr(assay_audit, "audit_trainer", lambda *given, **more: leak)
    assert assay("audit", run, home=home).code == 3
    now = told("runs", "show", run, home=home)
    (line,) = [each for each in told("runs", "list", home=home) if each["experiment_id"] == run]
    model = told("models", "show", 1, home=home)["judgement"]
    assert now["verdict"] == line["verdict"] == model["word"] == "PYRITE"
    assert (now["stage"], now["reasons"]) == (model["stage"], model["reasons"])
    assert now["verdict_then"] == {name: was[name] for name in ("verdict", "stage", "reasons", "advice")}
    assert "advice" not in now, "it spoke of the old word"
    people = assay("runs", "show", run, home=home).out
    assert "PYRITE" in people and "FAIL    audit" in people and "PASS    audit" not in people
    assert was["verdict"] != "PYRITE" and (f"it was {was['verdict']} when it was trained" in people.replace("\n", " "))
    again = page.read_text(encoding="utf-8")
    assert "<title>PYRITE ·" in again
    assert f"It was {was['verdict']} when it was trained; an audit since judged its model otherwise." in again
    assert text in again.replace("&#39;", "'")
    for each in (again, copy.read_text(encoding="utf-8")):  # the copy, which nobody can write again, says where to ask
        assert f"assay runs show {run} has the newest word" in each
