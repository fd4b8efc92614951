"""Files that no row points to."""

import os
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.errors import ArtifactError
from assay.testing.store_contract import a_trial
from assay.track.model_files.artifact_store import Blobs
from assay.track.registry import retention as module
from assay.track.registry.retention import FIRST
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore
from tests.track.shelf import files, publish, shelf

HOUR = 3_600.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def registry(record: TrackingStore, home: Path) -> ModelRegistry:
    registry = shelf(record, home)
    assert registry.retain().why == FIRST
    return registry


def age(path: Path, hours: float) -> Path:
    then = path.stat().st_mtime - hours * HOUR
    for each in (path, *path.rglob("*")):
        os.utime(each, (then, then))
    return path


def loose(registry: ModelRegistry, run: int, home: Path, monkeypatch: pytest.MonkeyPatch) -> set[Path]:
    """The files of a publish that was killed before its transaction."""
    before = files(home)
    with monkeypatch.context() as patched:
        patched.setattr("assay.track.tracker.model_registry.publish", lambda *a, **k: [{"id": 0}])
        publish(registry, run, fast=9)
    return {home / path for path in files(home) - before}


def test_what_a_killed_publish_leaves(
    registry: ModelRegistry, run: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = publish(registry, run)
    whole = files(home)
    left = loose(registry, run, home, monkeypatch)
    assert len(left) == 3 and registry.retain().orphans == ()  # younger than 24 h
    for path in left:
        age(path if path.suffix == ".pkl" else path.parent, 25)
    for name in ("one", "two"):
        stage = home / "artifacts" / ".staging" / name
        stage.mkdir()
        (stage / "part").write_bytes(b"x")
        age(stage, 25)
    (stage / "part").write_bytes(b"y")  # the second is written to again
    half = age(_touched(home / "models" / "sma_cross" / "BTC~2FUSDT" / ".x.staging"), 25)
    told = registry.retain(dry_run=True)
    assert {o.path.name for o in told.orphans} >= {"one", ".x.staging"} and len(told.orphans) == 4 and half.exists()
    assert {o.path for o in registry.retain().orphans} == {o.path for o in told.orphans}
    assert files(home) == whole | {"artifacts/.staging/two/part"}
    assert registry.verify([kept])[0].faults == "verified"


def _touched(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def test_what_any_row_names_stays(registry: ModelRegistry, record: TrackingStore, run: int, home: Path) -> None:
    blobs = Blobs(home / "artifacts")
    returns = np.array([0.5, 0.25])
    record.ledger.append(a_trial(returns=returns, block=b"block"), run, blobs=blobs)
    evidence, digest, nobody = blobs.put(b"evidence"), blobs.put(b"diff"), blobs.put(b"nobody's")
    record.artifacts.add(run, "evidence", blobs.path(evidence) / "bytes", metadata={})
    record.artifacts.add(run, "git_diff", "elsewhere", sha256=None, metadata={"deep": [{"blob": digest}]})
    for folder in blobs.folder.iterdir():
        if folder.is_dir() and folder.name != ".staging":
            age(folder, 1000)
    assert [o.path.name for o in registry.retain().orphans] == [nobody]
    assert len([p for p in blobs.folder.iterdir() if len(p.name) == 64]) == 4


def test_what_is_not_named_as_ours_stays(registry: ModelRegistry, home: Path) -> None:
    theirs = [home / "models" / "notes.txt", home / "models" / "a" / "b" / "model.pkl", home / "artifacts" / "x" / "y"]
    for path in theirs:
        path.parent.mkdir(parents=True, exist_ok=True)
        age(_touched(path), 1000)
        age(path.parent, 1000)
    link = home / "artifacts" / ("b" * 64)
    link.symlink_to(home / "models")
    assert registry.retain().orphans == () and all(path.exists() for path in theirs) and link.is_symlink()


def test_bytes_that_are_kept_again_meanwhile(
    registry: ModelRegistry, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = Blobs(home / "artifacts")
    folder = age(blobs.path(blobs.put(b"abc")), 1000)
    found = module._named

    def then_kept(record: TrackingStore) -> tuple[set[str], set[str]]:
        hashes = found(record)
        blobs.put(b"abc")  # its row comes a moment later
        return hashes

    monkeypatch.setattr(module, "_named", then_kept)
    assert registry.retain().orphans == () and blobs.get(folder.name) == b"abc"
    monkeypatch.undo()
    age(folder, 1000)
    looked = module._is_old

    def quicker(path: Path, now: float, older_ms: int) -> bool:
        old = looked(path, now, older_ms)
        if path == folder:
            blobs.put(b"abc")  # between the look and the rename
        return old

    monkeypatch.setattr(module, "_old_folders", lambda artifacts, older_ms: [folder])
    monkeypatch.setattr(module, "_is_old", quicker)
    assert registry.retain().orphans == () and blobs.get(folder.name) == b"abc"


def test_a_damaged_marker(registry: ModelRegistry, home: Path) -> None:
    (home / "artifacts" / ".retention").write_text("{}")
    with pytest.raises(ArtifactError, match="damaged"):
        registry.retain()
