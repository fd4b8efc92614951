"""`assay models`, on one training; verdicts and audits that it did not get are written into the record."""

import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from assay.track.schema.tables import MODELS
from assay.track.tracking_store import open_store
from tests.doors.commands import assay, laid, told

Trained = tuple[Path, dict[str, Any]]


def change(home: Path, model: int = 1, **values: Any) -> None:
    with open_store(home / "ml_experiments.db") as record, record.database.write() as connection:
        connection.execute(sa.update(MODELS).where(MODELS.c.id == model).values(values))


def audited(home: Path, word: str) -> None:
    reasons = [{"check": "ledger", "state": "PASS", "text": "every trial is counted: 1"}]
    change(home, audit_status="passed", verdict={"word": word, "reasons": reasons})


def spoil(home: Path) -> Path:
    (path,) = (home / "models").rglob("*.pkl")
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    return path


def test_a_fresh_training_is_shown_and_none_whose_audit_failed_is_promoted(trained: Trained) -> None:
    home, document = trained
    (line,) = told("models", "list", home=home)["models"]
    assert (line["id"], line["model_id"], line["integrity"]) == (1, document["model_id"], "verified")
    assert (line["aliases"], line["override"], line["verdict"]) == ([], None, document["verdict"])
    shown = told("models", "show", document["model_id"], home=home)
    assert shown == told("models", "show", 1, home=home)
    assert shown["judgement"]["reasons"] == document["reasons"] and shown["events"] == []
    assert line["audit_status"] == "passed"
    change(home, audit_status="failed")
    said = assay("models", "promote", 1, "--by", "ann", "--override", "I like it", "--json", home=home)
    assert (said.code, said.error["code"]) == (1, "STORE_VALUE")
    assert said.error["facts"]["faults"] == ["its leak audit is failed"]
    assert told("models", "list", "--serving", home=home) == {"models": []}
    assert told("models", "list", "--strategy", "rules", home=home) == {"models": []}
    people = assay("models", "list", home=home).out + assay("models", "show", 1, home=home).out
    assert all(len(row) <= 80 for row in people.splitlines()) and "leak audit failed" in people
    assert "No model. assay train" in assay("models", "list", home=laid(home / "empty")).out
    assert assay("models", "list", "--strategy", "nope", "-t", "1h", home=home).out == "No model that is nope 1h.\n"


@pytest.mark.slow
def test_an_override_is_shown_for_ever(trained: Trained) -> None:
    home, _ = trained
    audited(home, "PYRITE")
    refused = assay("models", "promote", 1, "--by", "ann", "--json", home=home)
    assert "no reason is given to override it" in refused.error["message"]
    found = told("models", "promote", 1, "--by", "ann", "--override", "a small stake", home=home)
    assert (found["aliases"], found["version_of_alias"]) == (["champion"], 1)
    assert found["override"] | {"time": ""} == {
        "by": "ann", "reason": "a small stake", "verdict": "PYRITE", "time": "",
    }  # fmt: skip
    assert [(e["by"], e["action"]) for e in found["events"]] == [("ann", "promote")]
    (line,) = told("models", "list", "--serving", home=home)["models"]
    assert line["override"] == found["override"]
    assert "PYRITE!" in assay("models", "list", home=home).out
    assert "against its verdict by ann: a small stake" in assay("models", "show", 1, home=home).out
    again = assay(
        "models", "promote", 1, "--by", "bob", "--expected-version", 7, "--override", "x", "--json", home=home
    )
    assert (again.error["code"], again.error["facts"]["winner"]) == ("STORE_CONFLICT", 1)


def test_a_damaged_champion_is_told_and_refused(trained: Trained) -> None:
    home, document = trained
    assert told("models", "verify", home=home) == {"checked": 1, "faults": []}
    audited(home, "GOLD")
    path = spoil(home)
    for command in (("load-test", 1), ("promote", 1, "--by", "ann"), ("export", 1, "--out", home / "x")):
        said = assay("models", *command, "--json", home=home)
        assert (said.code, said.error["code"]) == (65, "ARTIFACT_CORRUPT")
    said = assay("models", "verify", "--json", home=home)
    (fault,) = said.document["faults"]
    assert (said.code, fault["integrity"], fault["code"]) == (1, "corrupt", "ARTIFACT_CORRUPT")
    assert fault["model_id"] == document["model_id"] and str(path) in fault["why"]
    people = assay("models", "verify", home=home)
    assert people.code == 1 and "corrupt (ARTIFACT_CORRUPT)" in people.out
    assert document["model_id"] not in people.err  # it is told once
    path.unlink()
    assert assay("models", "verify", 1, "--json", home=home).document["faults"][0]["integrity"] == "missing"
    assert "its files are missing" in assay("models", "promote", 1, "--by", "ann", home=home).err


def test_what_is_exported_is_the_model(trained: Trained, tmp_path: Path) -> None:
    home, document = trained
    found = told("models", "export", 1, "--out", tmp_path / "out" / "m", home=home)
    manifest = json.loads((tmp_path / "out" / "m" / "manifest.json").read_text())
    assert {entry["path"] for entry in manifest["files"]} | {"manifest.json"} == set(found["files"])
    told("models", "export", document["model_id"], "--out", tmp_path / "m.tar", home=home)
    with tarfile.open(tmp_path / "m.tar") as archive:
        names = {member.name for member in archive if member.isfile()}
    assert names == {f"{document['model_id']}/{name}" for name in found["files"]}
    for taken in (tmp_path / "m.tar", tmp_path / "out" / "m"):
        said = assay("models", "export", 1, "--out", taken, "--json", home=home)
        assert (said.code, said.error["code"]) == (1, "STORE_PATH") and "is there already" in said.error["message"]


@pytest.mark.slow
def test_a_model_loads_in_a_fresh_process(trained: Trained) -> None:
    home, _ = trained
    found = told("models", "load-test", 1, home=home)
    assert (found["loads"], found["probes"]) == (True, 8)
    assert "8 probes decide as published" in assay("models", "load-test", 1, home=home).out


def test_pruning_begins_with_a_dry_run(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _ = trained
    change(home, created_at=0)
    with open_store(home / "ml_experiments.db") as record:
        row = record.models.get(1)
        for _ in range(3):
            columns = ("experiment_id", "checkpoint_path", "strategy_type", "exchange", "symbol", "timeframe")
            kept = {name: row[name] for name in columns}
            record.models.add(kept.pop("experiment_id"), kept.pop("checkpoint_path"), **kept)
    first = told("models", "prune", home=home)
    assert first["dry_run"] and first["why"] and [m["id"] for m in first["models"]] == [1]
    assert "Nothing was deleted" not in assay("models", "prune", "--dry-run", home=home).out
    monkeypatch.setenv("ASSAY_MODELS_KEEP_LAST", "4")
    assert told("models", "prune", home=home)["models"] == []
    monkeypatch.setenv("ASSAY_MODELS_KEEP_LAST", "3")
    monkeypatch.setenv("MODEL_RETENTION_DAYS", "36500")
    assert told("models", "prune", home=home)["models"] == []
    monkeypatch.setenv("MODEL_RETENTION_DAYS", "0")
    second = told("models", "prune", "--by", "ann", home=home)
    assert (second["dry_run"], [m["id"] for m in second["models"]]) == (False, [1])
    said = assay("models", "load-test", 1, "--json", home=home)
    assert (said.code, said.error["code"]) == (65, "ARTIFACT_GONE")
    shown = told("models", "show", 1, home=home)
    assert shown["deleted_at"] is not None and [(e["by"], e["action"]) for e in shown["events"]] == [("ann", "delete")]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MODEL_RETENTION_DAYS", "-1"), ("MODEL_RETENTION_DAYS", "36501"), ("ASSAY_MODELS_KEEP_LAST", "-1")],
)
def test_settings_out_of_range(variable: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, value)
    said = assay("models", "prune", "--json", home=tmp_path)
    assert (said.code, said.error["code"], said.error["facts"]["field"]) == (2, "CONFIG_FIELD", variable)
    assert ("delete everything" in said.error["message"]) == variable.startswith("MODEL")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", 7), "STORE_NOT_FOUND", "numbers up to 1"),
        (("show", "{}x"), "STORE_NOT_FOUND", "did you mean ensemble_"),
        (("show", "99999999999999999999"), "STORE_NOT_FOUND", "there is no model"),
        (("verify", 1, 7), "STORE_NOT_FOUND", "there is no model 7"),
        (("load-test", "nonsense"), "STORE_NOT_FOUND", "the record holds 1 models"),
        (("promote", 1), "CONFIG", "--by"),
        (("promote", 1, "--by", " "), "STORE_VALUE", "by is empty"),
        (("rollback", "--strategy", "ensemble", "-s", "XRP/USDT", "--by", "ann"), "STORE_NOT_FOUND", "no champion"),
        (("rollback", "--strategy", "ensemble", "--by", "ann"), "CONFIG", "--symbol"),
        (("list", "--limit", 0), "CONFIG", "1..10000"),
        (("export", 1, "--out", "/proc/x/y"), "STORE_PATH", "cannot be written"),
    ],
    ids=str,
)
def test_bad_input(words: tuple[Any, ...], code: str, said: str, trained: Trained) -> None:
    home, document = trained
    asked = assay("models", *(str(w).format(document["model_id"]) for w in words), "--json", home=home)
    assert asked.error["code"].startswith(code) and said in asked.error["message"], asked
