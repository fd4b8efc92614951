"""`assay migrate legacy`: the counts it prints, and where the runs are then."""

import sys
from pathlib import Path

import pytest

from tests.doors.commands import assay, laid, told
from tests.track.legacy_file import awkward, reference


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return reference(tmp_path / "experiments.db")


def test_rows_read_written_and_flagged_are_told(old: Path, tmp_path: Path) -> None:
    dry = told("migrate", "legacy", old, "--dry-run", home=tmp_path / "h")
    assert dry["dry_run"] and dry["runs"] == [] and not (tmp_path / "h" / "ml_experiments.db").exists()
    done = told("migrate", "legacy", old, home=tmp_path / "h")
    assert done["written"] == dry["written"] == {"experiments": 1, "metrics": 384, "hyperparameters": 6, "datasets": 2}
    assert done["read"]["episodes"] == 75 and done["flagged"]["legacy_zero_sharpe"] == 1 and done["runs"] == [1]
    (run,) = told("runs", "list", home=tmp_path / "h")
    assert (run["name"], run["status"]) == ("PPO Bitcoin", "completed")
    again = told("migrate", "legacy", old, home=tmp_path / "h")
    assert again["known"] and again["written"] == {} and len(told("runs", "list", home=tmp_path / "h")) == 1
    assert "nothing was written" in assay("migrate", "legacy", old, home=tmp_path / "h").out


def test_people_read_it(tmp_path: Path) -> None:
    said = assay("migrate", "legacy", awkward(tmp_path / "old.db"), "--into", tmp_path / "new.db", home=tmp_path / "h")
    assert said.code == 0 and (tmp_path / "new.db").is_file()
    assert "episodes" in said.out and "flagged: orphan 2" in said.out
    assert list((tmp_path / "h" / "artifacts").iterdir())


def test_what_is_no_old_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rubbish").write_bytes(b"rubbish")
    for name, code in (("rubbish", "DATA_SCHEMA"), ("none", "DATA_PATH")):
        said = assay("migrate", "legacy", tmp_path / name, "--json", home=tmp_path / "h")
        assert (said.code, said.error["code"]) == (65, code)


@pytest.mark.parametrize(
    "words", [("migrate", "mlflow", "http://127.0.0.1:9"), ("mirror", "--once"), ("mirror", "--all")]
)
def test_without_mlflow_the_error_says_what_to_install(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [*sys.modules]:
        if name.partition(".")[0] == "mlflow":
            monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setenv("ASSAY_MLFLOW_URI", "http://127.0.0.1:9")
    said = assay(*words, "--json", home=laid(tmp_path / "home"))
    assert (said.code, said.error["code"], said.error["hint"]) == (2, "CONFIG_EXTRA", "pip install 'assay[mlflow]'")
    assert assay("mirror", "status", home=tmp_path / "home").code == 0
