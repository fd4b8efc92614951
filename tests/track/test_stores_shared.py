"""Two homes and one store: a model published in one is loaded in the other, and a store that is down costs nothing."""

import logging
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError
from assay.track.loading import check_files, load_model
from assay.track.loading.formats import ModelPaths
from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.manifest import Keys
from tests.track.models import Published, published, publishing

KEYS = Keys("k", {"k": b"k" * 32}, required=True)


def shared(tmp_path: Path, address: str | None = None, home: str = "home") -> Published:
    plain = published("rules")
    store = address or str(tmp_path / "store")
    return publishing(plain.model, plain.panel, "rules", tmp_path / home, keys=KEYS, address=store)


def elsewhere(kept: Published, folder: Path) -> ModelPaths:
    return replace(kept.places, artifacts=folder / "artifacts", models=folder / "models")


def test_another_home_loads_it(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    places = elsewhere(kept, tmp_path / "other")
    model = load_model(kept.row, places)
    assert model.lookback == kept.model.lookback
    shutil.rmtree(tmp_path / "store")
    check_files(kept.row, places)  # it is here now, with its signature


def test_a_home_that_lost_a_file_gets_it_back(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    kept.file.unlink()
    check_files(kept.row, kept.places)
    shutil.rmtree(kept.folder)
    check_files(kept.row, kept.places)
    assert kept.file.exists()
    assert kept.folder.exists()


def test_damage_here_is_not_papered_over(tmp_path: Path) -> None:
    """Only what is missing is fetched: a damaged file is for a person to look at."""
    kept = shared(tmp_path)
    kept.file.write_bytes(kept.file.read_bytes() + b"x")
    with pytest.raises(ArtifactError) as told:
        check_files(kept.row, kept.places)
    assert told.value.code == "ARTIFACT_CORRUPT"


def test_what_was_forged_in_the_store_is_refused(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    (part,) = (tmp_path / "store" / "artifacts").rglob("rules.json")
    part.write_bytes(b"{}")
    with pytest.raises(ArtifactError) as told:
        check_files(kept.row, elsewhere(kept, tmp_path / "other"))
    assert told.value.code == "ARTIFACT_CORRUPT"
    assert not list((tmp_path / "other").rglob("rules.json"))


def test_a_model_that_is_nowhere_is_gone(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    shutil.rmtree(tmp_path / "store")
    with pytest.raises(ArtifactError) as told:
        check_files(kept.row, elsewhere(kept, tmp_path / "other"))
    assert told.value.code == "ARTIFACT_GONE"


def test_a_store_that_is_down_fails_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("assay.track.model_files.objects.s3._TRIES", 1)
    for key in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(key, "canary")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with caplog.at_level(logging.WARNING):
        first = shared(tmp_path, "s3://models/x")
    assert "wait to be brought" in caplog.text
    assert "canary" not in caplog.text
    assert [path.name for path in waiting(first)] == [first.row["manifest_sha256"]]
    check_files(first.row, first.places)
    store = replace(first.places, address=str(tmp_path / "store")).shared  # it answers again
    assert store is not None
    assert store.catch_up()
    assert waiting(first) == []
    check_files(first.row, replace(elsewhere(first, tmp_path / "other"), address=str(tmp_path / "store")))
    assert store.catch_up()


def waiting(kept: Published) -> list[Path]:
    return sorted((kept.places.artifacts / ".waiting").iterdir())


def test_what_went_before_it_was_brought_waits_no_longer(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    store = kept.places.shared
    assert store is not None
    shutil.rmtree(kept.folder)
    assert store.bring(str(kept.row["manifest_sha256"]), str(kept.row["checkpoint_path"]))
    assert waiting(kept) == []


def test_sharing_again_changes_nothing(tmp_path: Path) -> None:
    kept = shared(tmp_path)
    before = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "store").rglob("*") if path.is_file())
    store = kept.places.shared
    assert store is not None
    assert store.bring(str(kept.row["manifest_sha256"]), str(kept.row["checkpoint_path"]))
    after = sorted((path, path.stat().st_mtime_ns) for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert before == after
    assert len(before) == 4  # part, manifest, file, signature
    assert Blobs(kept.places.artifacts).path(str(kept.row["manifest_sha256"])).is_dir()
