"""What verification finds and writes down."""

from pathlib import Path

import pytest

from assay.kernel.errors import ArtifactError, StoreError
from assay.track.database import Row
from assay.track.registry.integrity import verify_files
from assay.track.tracker.model_registry import ModelRegistry
from assay.track.tracking_store import TrackingStore
from tests.track.shelf import change, publish, shelf


@pytest.fixture
def registry(record: TrackingStore, tmp_path: Path) -> ModelRegistry:
    return shelf(record, tmp_path)


def found(registry: ModelRegistry, *models: int, every: bool = False) -> dict[int, str]:
    return {checked.row["id"]: checked.faults for checked in registry.verify(list(models) or None, every=every)}


def test_each_damage_has_its_word(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    sound, spoilt, gone, half, mixed = (publish(registry, run, fast=4 + i) for i in range(5))
    assert set(found(registry).values()) == {"verified"}
    place = {
        model: tmp_path / "models" / registry.get_model(model)["checkpoint_path"] for model in (spoilt, gone, mixed)
    }
    place[spoilt].write_bytes(place[spoilt].read_bytes()[:-1] + b"x")
    place[gone].unlink()
    (tmp_path / "artifacts" / registry.get_model(half)["manifest_sha256"] / "rules.json").unlink()
    place[mixed].write_bytes((tmp_path / "models" / registry.get_model(sound)["checkpoint_path"]).read_bytes())
    expected = {sound: "verified", spoilt: "corrupt", gone: "missing", half: "corrupt", mixed: "corrupt"}
    assert found(registry) == expected
    rows = {row["id"]: row for row in registry.list_models()}
    assert {model: rows[model]["integrity"] for model in expected} == expected
    assert all(row["verified_at"] is not None for row in rows.values())
    whys = [checked for checked in registry.verify() if checked.why]
    assert [checked.row["id"] for checked in whys] == [spoilt, gone, half, mixed]
    assert str(place[gone]) in whys[1].why and whys[1].code == "ARTIFACT_GONE"


def test_what_was_restored_is_verified_again(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    model = publish(registry, run)
    path = tmp_path / "models" / registry.get_model(model)["checkpoint_path"]
    aside = path.rename(tmp_path / "aside")
    assert found(registry, model) == {model: "missing"}
    aside.rename(path)
    assert found(registry, model) == {model: "verified"}
    assert registry.get_model(model)["integrity"] == "verified"


def test_models_registered_by_a_path(registry: ModelRegistry, run: int, tmp_path: Path) -> None:
    path, late = tmp_path / "checkpoint.pth", tmp_path / "late.pth"
    path.write_bytes(b"weights")
    kept, absent = registry.register_model(run, path), registry.register_model(run, late)
    assert registry.get_model(kept)["integrity"] == "unverified"
    assert found(registry) == {}  # they are asked for by name, or by every
    assert found(registry, every=True) == {kept: "verified", absent: "missing"}
    late.write_bytes(b"who knows what")
    path.write_bytes(b"weight?")
    assert found(registry, kept, absent) == {kept: "corrupt", absent: "missing"}
    path.unlink()
    assert found(registry, every=True)[kept] == "missing"


def test_an_unknown_model_stops_it_before_anything_is_read(registry: ModelRegistry, run: int) -> None:
    model = publish(registry, run)
    with pytest.raises(StoreError, match="there is no model 99"):
        registry.verify([model, 99])
    assert registry.get_model(model)["verified_at"] is None


def test_a_disk_that_fails_says_nothing_against_the_model(
    registry: ModelRegistry, record: TrackingStore, run: int
) -> None:
    model = publish(registry, run)

    def failing(row: Row) -> None:
        raise StoreError("the disk fails", code="STORE_IO")

    with pytest.raises(StoreError, match="disk fails"):
        list(verify_files(record, failing))
    assert registry.get_model(model)["integrity"] == "verified"


def test_what_retention_takes_meanwhile_is_no_damage(registry: ModelRegistry, record: TrackingStore, run: int) -> None:
    first, second = publish(registry, run), publish(registry, run, fast=7)

    def taken(row: Row) -> None:
        change(record, row["id"], deleting_at=0)
        raise ArtifactError("gone", code="ARTIFACT_GONE")

    assert list(verify_files(record, taken, [first])) == []
    assert registry.get_model(first)["integrity"] == "verified"
    assert found(registry) == {second: "verified"}  # and marked ones are left out


def test_an_unsigned_model_is_not_a_damaged_one(registry: ModelRegistry, record: TrackingStore, run: int) -> None:
    model = publish(registry, run)

    def unsigned(row: Row) -> None:
        raise ArtifactError("nobody signed it", code="ARTIFACT_UNSIGNED")

    (checked,) = verify_files(record, unsigned)
    assert (checked.faults, checked.why) == ("unverified", "nobody signed it")
    assert registry.get_model(model)["integrity"] == "unverified"
