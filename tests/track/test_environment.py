import logging
import subprocess
from pathlib import Path
from typing import Any

import pytest

from assay.track import environment
from assay.track import environment as tree
from assay.track.environment import ASSAY_SOURCE, DIFF, WORKING_FOLDER, capture_provenance, lock_hash, mask_secrets
from assay.track.model_files.artifact_store import Blobs
from assay.track.tracking_store import TrackingStore


def git(folder: Path, *words: str) -> None:
    names = ["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *names, *words], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    git(folder, "init", "-b", "trunk")
    (folder / "a.txt").write_text("a")
    git(folder, "add", "a.txt")
    git(folder, "commit", "-m", "first")
    return folder


def git_state(folder: Path) -> dict[str, Any]:
    columns = capture_provenance({WORKING_FOLDER: folder}).columns
    return {name: columns[name] for name in ("git_commit", "git_branch", "git_dirty", "git_diff_hash")}


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


@pytest.fixture(autouse=True)
def _not_warned_yet() -> None:
    environment._warn_once.cache_clear()


def test_without_a_repository(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        assert set(git_state(tmp_path).values()) == {None}
    (said,) = caplog.records
    assert (said.levelno, "commit is not known" in said.message) == (logging.WARNING, True)


def test_git_that_is_missing_or_slow(
    repository: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(subprocess, "run", _slow)
    assert set(git_state(repository).values()) == {None}
    monkeypatch.setattr(subprocess, "run", _missing)
    assert set(git_state(repository).values()) == {None}
    assert "longer than 5 s" in caplog.text and "not installed" in caplog.text


def test_all_questions_to_git_share_their_seconds(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    real, clock = subprocess.run, [0.0]

    def slower(*words: Any, timeout: float, **options: Any) -> Any:
        given.append(timeout)
        clock[0] += 2.0
        return real(*words, timeout=60, **options)

    monkeypatch.setattr(subprocess, "run", slower)
    monkeypatch.setattr(tree.time, "monotonic", lambda: clock[0])
    assert set(git_state(repository).values()) == {None}
    assert given == [5.0, 3.0, 1.0]


def _slow(*_: object, timeout: float, **__: object) -> None:
    raise subprocess.TimeoutExpired("git", timeout)


def _missing(*_: object, **__: object) -> None:
    raise FileNotFoundError("git")


def test_what_is_captured_fits_the_record(
    record: TrackingStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "canary-4711")
    run = record.experiments.start(
        "a",
        "rules",
        **capture_provenance({WORKING_FOLDER: tmp_path}, threads={"numba": 2}, machine={"image": "sha256:1"}).columns,
    )
    row = record.experiments.get(run)
    assert row["environment"]["threads"] == {"numba": 2} and row["environment"]["image"] == "sha256:1"
    assert row["environment"]["cores"] >= 1 and row["environment"]["memory_bytes"] > 2**20
    assert row["environment"]["distributions"]["sqlalchemy"].startswith("2.")
    assert row["lock_hash"] == lock_hash()
    assert "canary-4711" not in str(row)


def kept(record: TrackingStore, blobs: Blobs, run: int, folder: Path) -> tuple[dict[str, Any], bytes]:
    capture_provenance({WORKING_FOLDER: folder}).keep(record, run, blobs)
    (row,) = record.artifacts.read(run)
    assert (row["artifact_type"], row["sha256"]) == (DIFF, row["metadata"]["blob"])
    return row["metadata"], blobs.get(row["sha256"])


def test_the_diff_is_an_artifact_without_its_secrets(
    record: TrackingStore, run: int, repository: Path, tmp_path: Path
) -> None:
    (repository / "a.txt").write_text('b\npassword = "canary-4711"\n')
    (repository / "new.txt").write_text("123")
    (repository / "big.bin").write_bytes(bytes(tree.UNTRACKED_MOST + 1))
    state = git_state(repository)
    told, diff = kept(record, Blobs(tmp_path), run, repository)
    assert b"+b\n+password = ***\n" in diff and b"canary" not in diff
    assert (told["of"], told["diff_hash"], told["masked"], told["kept"]) == (
        WORKING_FOLDER,
        state["git_diff_hash"],
        True,
        True,
    )
    assert told["untracked"] == [
        {"path": "big.bin", "bytes": tree.UNTRACKED_MOST + 1, "sha256": None},
        {"path": "new.txt", "bytes": 3, "sha256": "a665a45920422f9d417e4867efdc4fb8a04a1f3fff1fa07e998e86f7f7a27ae3"},
    ]


def test_a_diff_that_is_too_long_is_not_kept(
    record: TrackingStore, run: int, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "DIFF_MOST", 50)
    (repository / "a.txt").write_text("b" * 100)
    told, diff = kept(record, Blobs(tmp_path), run, repository)
    assert (told["kept"], diff) == (False, b"") and told["diff_bytes"] > 100 and told["diff_hash"]


def test_a_clean_tree_leaves_no_diff(record: TrackingStore, run: int, repository: Path, tmp_path: Path) -> None:
    capture_provenance({WORKING_FOLDER: repository}).keep(record, run, Blobs(tmp_path))
    assert record.artifacts.read(run) == []


def test_code_in_several_places_is_told_apart(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    git(other, "init", "-b", "own")
    (other / "__init__.py").write_text("")
    git(other, "add", "__init__.py")
    git(other, "commit", "-m", "first")
    (repository / "sub").mkdir()
    found = capture_provenance(
        {ASSAY_SOURCE: other, WORKING_FOLDER: repository, "strategy file": repository / "sub"}
    ).columns
    assert {what: each["branch"] for what, each in found["environment"]["code"].items()} == {
        ASSAY_SOURCE: "own", WORKING_FOLDER: "trunk",
    }  # fmt: skip
    assert (found["git_branch"], found["git_dirty"]) == ("own", False)
    (repository / "__init__.py").write_text("")  # not Git's: an installation inside somebody's work tree
    assert list(
        capture_provenance({ASSAY_SOURCE: repository, WORKING_FOLDER: other}).columns["environment"]["code"]
    ) == [WORKING_FOLDER]


@pytest.mark.parametrize(
    "text",
    [
        'password = "CANARY"', "PASSWORD=CANARY", '{"api_key": "CANARY"}', "aws_secret_access_key: CANARY",
        "postgresql://me:CANARY@host/db", "Authorization: Bearer CANARYCANARY", "-H 'Bearer CANARYCANARY'",
        "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----", "x ghp_CANARY" + "a" * 30,
        "AKIACANARYCANARYCANA", "sk-CANARY" + "b" * 20, "ASSAY_SIGNING_KEY='CANARY'", "my.client.token := CANARY",
        "eyJCANARYxxx.CANARYxxx.CANARY",
    ],
)  # fmt: skip
def test_secrets_are_masked(text: str) -> None:
    found = mask_secrets(f"+before\n+{text}\n+after = 1\n".encode())
    assert b"CANARY" not in found and b"***" in found
    assert found.startswith(b"+before\n+") and found.endswith(b"\n+after = 1\n")


def test_ordinary_lines_stay() -> None:
    text = (
        b"+for trial in trials:\n+    fee = 0.001  # https://example.org/a:b\n-hash: 0123456789abcdef0123456789abcdef\n"
    )
    assert mask_secrets(text) == text


def test_without_git_its_columns_are_absent(repository: Path) -> None:
    found = capture_provenance({WORKING_FOLDER: repository}, git=False)
    assert set(found.columns) == {"environment", "python_version", "lock_hash"} and not found.repositories


def test_a_tracker_keeps_the_diff_beside_its_record(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.track import ExperimentTracker

    (repository / "a.txt").write_text("b\n")
    monkeypatch.chdir(repository)
    with ExperimentTracker("runs.db") as tracker:
        run = tracker.start_experiment("mine")
        (kept,) = tracker.record.artifacts.read(run)
        assert (kept["artifact_type"], kept["metadata"]["of"]) == (DIFF, WORKING_FOLDER)
        assert b"+b" in Blobs(repository / "artifacts").get(kept["sha256"])
        tracker.start_experiment("no git", capture_git=False)
        assert tracker.record.artifacts.read(run + 1) == []
