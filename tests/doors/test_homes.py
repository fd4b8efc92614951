"""Where everything is kept, and what happens where nothing can be."""

import os
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.doors.commands import assay, laid, told


def test_the_flag_stands_over_the_variable_over_the_folder(
    stocked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert told("data", "list") == {"instruments": []}
    assert (tmp_path / ".assay").is_dir()
    monkeypatch.setenv("ASSAY_HOME", str(stocked))
    assert len(told("data", "list")["instruments"]) == 1
    assert told("data", "list", home=tmp_path / "other") == {"instruments": []}
    monkeypatch.setenv("ASSAY_HOME", "")
    assert told("data", "list") == {"instruments": []}


@pytest.mark.parametrize("place", ["file", "file/below", "/proc/assay", "x" * 300])
def test_a_home_that_cannot_be_is_refused(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for words in (("data", "list"), ("db", "init"), ("features", "list")):
        said = assay(*words, "--json", home=tmp_path / place)
        assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD")
        assert "home" in said.error["message"] and "--home" in said.error["hint"]
    assert (tmp_path / "file").read_text() == "not a folder"


def test_a_home_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)
    said = assay("data", "list", "--json", home=tmp_path)
    assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD")
    assert "not writable" in said.error["message"]


LOOKING = (
    ("runs", "list"), ("runs", "show", 1), ("runs", "compare", 1), ("runs", "diff", 1, 2), ("runs", "reproduce", 1),
    ("report", 1), ("models", "list"), ("models", "verify", "--all"), ("models", "prune"), ("trials",),
    ("datasets", "list"), ("config", "list"), ("sql", "SELECT 1"), ("mirror", "status"), ("db", "check"),
    ("db", "upgrade"), ("export", "--csv", "out"), ("backup", "copy"),
)  # fmt: skip


@pytest.mark.parametrize("words", LOOKING, ids=lambda words: " ".join(map(str, words)))
def test_who_looks_for_what_is_there_makes_no_home(
    words: tuple[object, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("typo", "typo/below", "x" * 300, "/proc/assay"):
        said = assay(*words, "--json", home=Path(place))
        assert (said.code, said.error["code"]) == (1, "STORE_NOT_FOUND"), said
        assert "no record at" in said.error["message"] and "assay db init" in said.error["hint"]
    monkeypatch.setenv("ASSAY_HOME", "mistyped")
    assert assay(*words, "--json").error["code"] == "STORE_NOT_FOUND"
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize("words", [("runs", "list"), ("train", "rules"), ("db", "init")], ids=" ".join)
def test_a_home_without_a_name_is_refused(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for empty in ("", " "):
        said = assay(*words, "--home", empty, "--json")
        assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD") and "names no folder" in said.error["message"]
    assert [*tmp_path.iterdir()] == []


def test_a_record_that_may_not_be_written_is_read(
    trained: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, _ = trained
    listed = told("runs", "list", home=home)
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    monkeypatch.setattr("os.access", lambda path, mode: not mode & os.W_OK)  # root may write everywhere
    assert told("runs", "list", home=home) == listed and len(listed) == 2
    for words in (*LOOKING[1:3], ("models", "list"), ("trials",), ("datasets", "list"), ("sql", "SELECT 1")):
        assert assay(*words, "--json", home=home).code == 0, words
    said = assay("models", "verify", "--all", "--json", home=home)
    assert (said.code, said.error["code"]) == (1, "STORE_READ_ONLY")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


@pytest.mark.parametrize(("kind", "warned"), [("nfs4", True), ("cifs", True), ("ext4", False)])
def test_a_home_on_a_networks_disk_is_warned_of(
    kind: str, warned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Mount:
        def __init__(self, mountpoint: str, fstype: str) -> None:
            self.mountpoint, self.fstype = mountpoint, fstype

    mounts = [Mount("/", "ext4"), Mount(str(tmp_path), kind)]
    monkeypatch.setattr("psutil.disk_partitions", lambda all: mounts)
    said = assay("runs", "list", "--json", home=laid(tmp_path / "home"))
    assert said.code == 0 and said.document == []
    assert (kind in said.err and "locks" in said.err) is warned


def test_a_misspelt_variable_is_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_WORKRES", "3")
    said = assay("runs", "list", "--json", home=laid(tmp_path))
    assert said.code == 0 and said.document == []
    assert said.err == "warning: ASSAY_WORKRES is unknown; did you mean ASSAY_WORKERS?\n"


@pytest.mark.parametrize("value", ["0", "abc", "-1", "1000", "1.5"])
def test_a_wrong_variable_is_refused_by_name(value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASSAY_WORKERS", value)
    said = assay("runs", "list", "--json", home=tmp_path)
    assert (said.code, said.error["code"]) == (2, "CONFIG_FIELD")
    assert "ASSAY_WORKERS" in said.error["message"] and repr(value) in said.error["message"]


def test_a_record_of_a_newer_schema_ends_with_78(trained: tuple[Path, dict[str, Any]]) -> None:
    home, _ = trained
    with sqlite3.connect(home / "ml_experiments.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = (home / "ml_experiments.db").read_bytes()
    said = assay("runs", "list", "--json", home=home)
    assert (said.code, said.error["code"]) == (78, "STORE_SCHEMA_NEWER")
    assert "9999" in said.error["message"]
    assert (home / "ml_experiments.db").read_bytes() == before


@pytest.mark.parametrize("name", ["ml_experiments.db", "candles.duckdb"])
def test_a_folder_or_rubbish_in_place_of_a_store(name: str, tmp_path: Path) -> None:
    words = ("runs", "list") if name.startswith("ml") else ("data", "list")
    what = "ml_experiments" if name.startswith("ml") else "the candle store"
    (tmp_path / "a" / name).mkdir(parents=True)
    said = assay(*words, "--json", home=tmp_path / "a")
    assert said.code in (1, 2) and what in said.error["message"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / name).write_bytes(b"rubbish " * 1000)
    said = assay(*words, "--json", home=tmp_path / "b")
    assert said.code in (1, 2) and what in said.error["message"]
    assert (tmp_path / "b" / name).read_bytes() == b"rubbish " * 1000


def test_evidence_that_is_gone_is_named(trained: tuple[Path, dict[str, Any]]) -> None:
    import shutil

    home, _ = trained
    shutil.rmtree(home / "artifacts")
    said = assay("report", "2", "--json", home=home)
    assert (said.code, said.error["code"]) == (65, "ARTIFACT_GONE"), said
    shown = told("runs", "show", "2", home=home)
    assert shown["gone"] and shown["metrics"]
    assert len(told("runs", "list", home=home)) == 2
