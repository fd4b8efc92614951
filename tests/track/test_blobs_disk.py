"""A disk that loses bytes: what was written is read back, tried once more, and then refused."""

from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError, StoreError
from assay.track.loading import check_files
from assay.track.model_files.artifact_store import Blobs
from assay.track.registry import publish as publishing_module
from tests.track.models import published as kept
from tests.track.models import publishing

_write = Path.write_bytes


@pytest.fixture(autouse=True)
def trained() -> None:
    """Before the disk begins to lose bytes."""
    kept("rules")


class Disk:
    """Loses the last byte of the first `losses` writes of files with this ending."""

    def __init__(self, ending: str, losses: int) -> None:
        self.ending, self.losses, self.writes = ending, losses, 0

    def write(self, path: Path, data: bytes) -> int:
        if not path.name.endswith(self.ending):
            return _write(path, data)
        self.writes += 1
        return _write(path, data[:-1] if self.writes <= self.losses else data)


@pytest.mark.parametrize("ending", ["rules.json", "manifest.json", ".staging"])
def test_a_short_write_is_written_once_more(ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(ending, 1)
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: disk.write(path, data))
    model = publishing(kept("rules").model, kept("rules").panel, "rules", tmp_path)
    assert disk.writes == 2
    check_files(model.row, model.places)


@pytest.mark.parametrize("ending", ["rules.json", "manifest.json", ".staging"])
def test_a_disk_that_goes_on_losing_bytes_publishes_nothing(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(ending, 99)
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: disk.write(path, data))
    with pytest.raises(StoreError, match="reads back") as told:
        publishing(kept("rules").model, kept("rules").panel, "rules", tmp_path)
    assert told.value.code == "STORE_IO"
    left = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix in (".pkl", ".json", ".staging")]
    assert all("artifacts" in path.parts for path in left), "an orphan in the store at most"
    assert ending == ".staging" or left == []


def test_bytes_that_are_kept_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk("bytes", 99)
    monkeypatch.setattr(Path, "write_bytes", lambda path, data: disk.write(path, data))
    with pytest.raises(StoreError) as told:
        Blobs(tmp_path).put(b"abc")
    assert (told.value.code, disk.writes) == ("STORE_IO", 2)


def test_what_no_reader_would_take_is_not_published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing_module, "LARGEST", 100)
    with pytest.raises(ArtifactError) as told:
        publishing(kept("rules").model, kept("rules").panel, "rules", tmp_path)
    assert told.value.code == "ARTIFACT_TOO_LARGE"
    assert not list(tmp_path.rglob("*.pkl"))
