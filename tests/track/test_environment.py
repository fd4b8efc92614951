import logging
import subprocess
from pathlib import Path

import pytest

from assay.track import environment
from assay.track.environment import capture, git_state, lock_hash
from assay.track.record import Record


def git(folder: Path, *words: str) -> None:
    names = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *names, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-b", "trunk")
    (tmp_path / "a.txt").write_text("a")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_clean_repository(repository: Path) -> None:
    state = git_state(repository)
    assert len(state["git_commit"]) == 40
    assert (state["git_branch"], state["git_dirty"], state["git_diff_hash"]) == ("trunk", False, None)


def test_every_change_has_its_hash(repository: Path) -> None:
    seen = set()
    for name, text in (("a.txt", "b"), ("new.txt", "1"), ("new.txt", "2")):
        (repository / name).write_text(text)
        state = git_state(repository)
        assert state["git_dirty"] is True
        seen.add(state["git_diff_hash"])
    assert len(seen) == 3
    (repository / "sub").mkdir()
    assert git_state(repository / "sub") == state


def test_without_a_repository(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert set(git_state(tmp_path).values()) == {None}
    assert "commit is not known" in caplog.text
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def test_git_that_is_missing_or_slow(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(environment, "_GIT_SECONDS", -1.0)
    monkeypatch.setattr(environment.subprocess, "run", _slow)
    assert set(git_state(repository).values()) == {None}
    monkeypatch.setattr(environment.subprocess, "run", _missing)
    assert set(git_state(repository).values()) == {None}
    assert "longer than 5 s" in caplog.text and "not installed" in caplog.text


def _slow(*_: object, timeout: float, **__: object) -> None:
    raise subprocess.TimeoutExpired("git", timeout)


def _missing(*_: object, **__: object) -> None:
    raise FileNotFoundError("git")


def test_what_is_captured_fits_the_record(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "canary-4711")
    run = record.experiments.start("a", "rules", **capture(tmp_path, threads={"numba": 2}))
    row = record.experiments.get(run)
    assert row["environment"]["threads"] == {"numba": 2}
    assert row["environment"]["distributions"]["sqlalchemy"].startswith("2.")
    assert row["lock_hash"] == lock_hash()
    assert "canary-4711" not in str(row)
