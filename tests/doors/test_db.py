"""`assay db`, `backup`, `export`: the exits, the documents, and what people read."""

import sqlite3
from pathlib import Path

import pytest

from assay.track.schema.migrate import HEAD
from assay.track.tracking_store import open_store
from tests.doors.commands import assay, told
from tests.track.relics import relic
from tests.track.relics.make import fill


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with open_store(tmp_path / "home" / "ml_experiments.db") as record:
        fill(record)
    return tmp_path / "home"


def old(home: Path) -> Path:
    home.mkdir(parents=True)
    with sqlite3.connect(home / "ml_experiments.db") as held:
        held.executescript(relic("0001", "sqlite"))
    held.close()
    return home


def test_init_is_idempotent(tmp_path: Path) -> None:
    first = told("db", "init", home=tmp_path / "h")
    assert first == {"record": str(tmp_path / "h" / "ml_experiments.db"), "schema": HEAD, "was": None, "backup": None}
    assert told("db", "init", home=tmp_path / "h") == first | {"was": HEAD}
    assert assay("db", "init", "mine.db").out == f"mine.db: schema {HEAD}\n"
    assert (tmp_path / "mine.db").is_file() and not (tmp_path / ".assay").exists()


def test_upgrade(tmp_path: Path) -> None:
    home = old(tmp_path / "h")
    refused = assay("runs", "list", "--json", home=home)
    assert (refused.code, refused.error["code"]) == (1, "STORE_SCHEMA_OLDER")
    assert "assay db upgrade" in refused.error["hint"]
    done = told("db", "upgrade", home=home)
    assert (done["was"], done["schema"]) == ("0001", HEAD)
    assert Path(done["backup"]).parent == home / "backups"
    assert len(told("runs", "list", home=home)) == 1
    assert done["old_trials"] == 4 and done["note"].startswith("4 rows of the trial ledger without an identity")
    again = told("db", "upgrade", home=home)
    assert again["backup"] is None and again["note"] == done["note"]
    assert "note: 4 rows of the trial ledger" in assay("db", "upgrade", home=home).out
    assert "never too few" in " ".join(assay("trials", home=home).out.split())
    assert sum(row["old"] for row in told("trials", home=home)) == 4
    assert assay("db", "upgrade", home=tmp_path / "none").code == 1


@pytest.mark.parametrize("words", [("runs", "list"), ("db", "upgrade"), ("db", "check"), ("db", "init")], ids=" ".join)
def test_a_newer_record_ends_with_78(words: tuple[str, ...], home: Path) -> None:
    with sqlite3.connect(home / "ml_experiments.db") as held:
        held.execute("UPDATE alembic_version SET version_num = '9999'")
    held.close()
    before = (home / "ml_experiments.db").read_bytes()
    said = assay(*words, "--json", home=home)
    assert (said.code, said.error["code"]) == (78, "STORE_SCHEMA_NEWER")
    assert "9999" in said.error["message"] and HEAD in said.error["message"]
    assert (home / "ml_experiments.db").read_bytes() == before


def test_check(home: Path, tmp_path: Path) -> None:
    found = told("db", "check", home=home)
    assert (found["schema"], found["trials"], found["findings"]) == (HEAD, 4, [])
    assert "all is well, 4 ledger rows verified" in assay("db", "check", home=home).out
    with sqlite3.connect(home / "ml_experiments.db") as held:
        held.execute("DROP TRIGGER trials_no_delete")
        held.execute("DELETE FROM trials WHERE seq = 3")
        held.execute("UPDATE models SET deleted_at = created_at")
    held.close()
    said = assay("db", "check", "--json", home=home)
    assert said.code == 1
    by_check = {each["check"]: each for each in said.document["findings"]}
    assert set(by_check) == {"tables", "ledger", "aliases"}
    assert by_check["ledger"]["facts"] == {"market_key": "binance|BTC/USDT|1h", "seq": 3}
    assert all(each["remedy"] for each in said.document["findings"])
    assert "CREATE TRIGGER trials_no_delete BEFORE DELETE ON trials" in by_check["tables"]["remedy"]
    assert "accept-head" in by_check["ledger"]["remedy"] and "promote another model" in by_check["aliases"]["remedy"]
    people = assay("db", "check", home=home)
    assert all(each["remedy"] in people.out for each in said.document["findings"]) and "3 findings" in people.out
    assert people.code == 1 and "binance|BTC/USDT|1h number 3 is missing" in people.out
    none = assay("db", "check", "--json", home=tmp_path / "none")
    assert (none.code, none.error["code"]) == (1, "STORE_NOT_FOUND")
    assert not (tmp_path / "none" / "ml_experiments.db").exists()


def test_backup(home: Path, tmp_path: Path) -> None:
    made = told("backup", tmp_path / "copy.bak", home=home)
    assert made["bytes"] == (tmp_path / "copy.bak").stat().st_size and made["rows"]["trials"] == 4
    assert (home / "ml_experiments.db.backups").read_text().count("copy.bak") == 1
    again = assay("backup", tmp_path / "copy.bak", "--json", home=home)
    assert (again.code, again.error["code"]) == (1, "STORE_PATH")
    assert "checked" in assay("backup", tmp_path / "other.bak", home=home).out
    restored = tmp_path / "restored"
    restored.mkdir()
    (tmp_path / "copy.bak").rename(restored / "ml_experiments.db")
    assert told("runs", "list", home=restored) == told("runs", "list", home=home)


def test_export(home: Path, tmp_path: Path) -> None:
    done = told("export", "--csv", tmp_path / "out", home=home)
    assert done["rows"]["trials"] == 4 and len(done["rows"]) == len(list((tmp_path / "out").iterdir())) == 25 + 17
    assert assay("export", "--csv", tmp_path / "out", home=home).code == 1
    assert assay("export", home=home).code == 2


def test_two_records_are_ambiguous(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert told("db", "init")["record"] == str(Path(".assay/ml_experiments.db"))
    told("db", "init", "ml_experiments.db")
    said = assay("runs", "list", "--json")
    assert (said.code, said.error["code"]) == (2, "CONFIG_RECORD_AMBIGUOUS")
    assert ".assay" in said.error["message"] and "ASSAY_RECORD_URL" in said.error["hint"]
    assert told("runs", "list", home=tmp_path / ".assay") == []
    monkeypatch.setenv("ASSAY_RECORD_URL", "ml_experiments.db")
    assert told("runs", "list") == []
    monkeypatch.delenv("ASSAY_RECORD_URL")
    monkeypatch.setenv("ASSAY_HOME", ".assay")
    assert told("runs", "list") == []
    monkeypatch.delenv("ASSAY_HOME")
    (tmp_path / ".assay" / "ml_experiments.db").unlink()
    (tmp_path / ".assay" / "ml_experiments.db").symlink_to(tmp_path / "ml_experiments.db")
    assert told("runs", "list") == []


def test_the_working_folders_record_is_used(tmp_path: Path) -> None:
    with open_store(tmp_path / "ml_experiments.db") as record:
        fill(record)
    assert len(told("runs", "list")) == 1
    assert told("db", "check")["record"] == "ml_experiments.db"
    assert not (tmp_path / ".assay" / "ml_experiments.db").exists()
