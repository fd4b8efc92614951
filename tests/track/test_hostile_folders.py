"""Folders made to lead a reader astray: every hash agrees, the names, the kinds or the numbers do not."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from assay.kernel.errors import ArtifactError
from assay.track.loading import check_files
from assay.track.model_files.manifest import LARGEST_MANIFEST
from assay.track.model_files.safe_read import LARGEST
from tests.track.models import Published, published


@pytest.fixture
def kept(tmp_path: Path) -> Published:
    return published("rules").copied(tmp_path / "home")


def refused(kept: Published) -> ArtifactError:
    with pytest.raises(ArtifactError) as told:
        check_files(kept.row, kept.places)
    return told.value


def forged(kept: Published, raw: bytes) -> Published:
    """The model with this manifest, row and folder renamed to fit."""
    name = hashlib.sha256(raw).hexdigest()
    (kept.folder / "manifest.json").write_bytes(raw)
    kept.folder.rename(kept.places.artifacts / name)
    return replace(kept, row=kept.row | {"manifest_sha256": name})


def changed(kept: Published, change: Callable[[dict[str, Any]], Any]) -> Published:
    body = json.loads((kept.folder / "manifest.json").read_bytes())
    change(body)
    return forged(kept, json.dumps(body).encode())


NAMES = (
    "../../../etc/hostname", "/etc/hostname", "..", ".", "", "a//b", "a/../b", "rules.json/", "./rules.json", "a\\b",
    "a\0b", "a\nb", "~root\r", "\u202egnp.json", "\ud800", "ä.json", "x" * 300, "a/" * 9 + "b", ".hidden", "a/.b",
    "manifest.json", "MANIFEST.JSON", None, 7, ["rules.json"], {},
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_that_is_no_plain_name(kept: Published, name: object) -> None:
    told = refused(changed(kept, lambda body: body["files"][0].update(path=name)))
    assert told.code == "ARTIFACT_MANIFEST"
    assert "\n" not in told.message


FACTS: tuple[Callable[[dict[str, Any]], Any], ...] = (
    lambda body: body.update(files=[]),
    lambda body: body.update(files=body["files"] * 2),
    lambda body: body.update(files=[{**body["files"][0], "path": "Rules.json"}, *body["files"]]),
    lambda body: body.update(files=[{**body["files"][0], "path": f"a{i}"} for i in range(1_001)]),
    lambda body: body.update(files={"path": "rules.json"}),
    lambda body: body.update(files=["rules.json"]),
    lambda body: body["files"][0].update(bytes=1),
    lambda body: body["files"][0].update(bytes="1"),
    lambda body: body["files"][0].update(bytes=float("nan")),
    lambda body: body["files"][0].update(bytes=10**400),
    lambda body: body["files"][0].pop("sha256"),
    lambda body: body.pop("features"),
    lambda body: body.update(features=[1]),
    lambda body: body.update(lookback=float("inf")),
    lambda body: body.update(self_test=[]),
    lambda body: body.pop("content_sha256"),
    lambda body: body["files"].append({"path": "more.json", "sha256": "0" * 64, "bytes": 0}),
)


@pytest.mark.parametrize("number", range(len(FACTS)))
def test_a_fact_that_cannot_be(kept: Published, number: int) -> None:
    assert refused(changed(kept, FACTS[number])).code == "ARTIFACT_MANIFEST"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda body: body.update(format_version=2), "ARTIFACT_VERSION"),
        (lambda body: body.update(format_version=True), "ARTIFACT_VERSION"),
        (lambda body: body.update(format_version="1"), "ARTIFACT_VERSION"),
        (lambda body: body.update(format_version=10**400), "ARTIFACT_VERSION"),
        (lambda body: body.pop("format_version"), "ARTIFACT_VERSION"),
        (lambda body: body.update(symbol="ETH/USDT"), "ARTIFACT_HEADER_MISMATCH"),
        (lambda body: body.update(timeframe="4h"), "ARTIFACT_HEADER_MISMATCH"),
        (lambda body: body.update(features=["other"]), "ARTIFACT_HEADER_MISMATCH"),
        (lambda body: body["files"][0].update(sha256="0" * 64), "ARTIFACT_CORRUPT"),
        (lambda body: body.update(content_sha256="0" * 64), "ARTIFACT_CORRUPT"),
    ],
)
def test_a_manifest_of_another_model_or_time(kept: Published, change: Callable[[Any], Any], code: str) -> None:
    assert refused(changed(kept, change)).code == code


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 200_000, b'{"a":' * 200_000, b'{"a":1e400'])
def test_a_manifest_that_is_no_document(kept: Published, raw: bytes) -> None:
    assert refused(forged(kept, raw)).code in ("ARTIFACT_CORRUPT", "ARTIFACT_VERSION")


def test_a_manifest_beyond_reason_is_not_read(kept: Published) -> None:
    os.truncate(kept.folder / "manifest.json", LARGEST_MANIFEST + 1)
    assert refused(kept).code == "ARTIFACT_TOO_LARGE"


def test_files_beyond_reason_are_not_read(kept: Published) -> None:
    """Sparse files of 256 MiB and a byte: their size is asked first."""
    os.truncate(kept.folder / "rules.json", LARGEST + 1)
    assert refused(kept).code == "ARTIFACT_TOO_LARGE"
    os.truncate(kept.file, LARGEST + 1)
    assert refused(kept).code == "ARTIFACT_TOO_LARGE"


def part(kept: Published) -> Path:
    return kept.folder / "rules.json"


def aside(path: Path) -> Path:
    """The file, moved where only a link could reach it."""
    return path.rename(path.parents[2] / f"aside-{path.name}")


def linked(path: Path) -> None:
    path.symlink_to(aside(path))


def folder_linked(kept: Published) -> None:
    kept.folder.symlink_to(kept.folder.rename(kept.places.artifacts.parent / "aside"))


ODD: dict[str, Callable[[Published], Any]] = {
    "a part is a link": lambda kept: linked(part(kept)),
    "the manifest is a link": lambda kept: linked(kept.folder / "manifest.json"),
    "the folder is a link": folder_linked,
    "the file is a link": lambda kept: linked(kept.file),
    "a folder on the way is a link": lambda kept: linked(kept.file.parent),
    "a part is a pipe": lambda kept: (part(kept).unlink(), os.mkfifo(part(kept))),
    "the file is a pipe": lambda kept: (kept.file.unlink(), os.mkfifo(kept.file)),
    "the file is a folder": lambda kept: (kept.file.unlink(), kept.file.mkdir()),
    "a part is a folder": lambda kept: (part(kept).unlink(), part(kept).mkdir()),
    "a part too many": lambda kept: (kept.folder / "more").write_bytes(b""),
    "a hidden part too many": lambda kept: (kept.folder / ".more").write_bytes(b""),
    "a part too few": lambda kept: part(kept).unlink(),
    "a pipe too many": lambda kept: os.mkfifo(kept.folder / "pipe"),
    "2,000 files too many": lambda kept: [(kept.folder / f"f{i}").touch() for i in range(2_000)],
    "folders 40 deep": lambda kept: (kept.folder / "d/" / "/".join("d" * 40)).mkdir(parents=True),
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_no_plain_file_of_its_own(kept: Published, name: str) -> None:
    ODD[name](kept)
    assert refused(kept).code == "ARTIFACT_MANIFEST", name


@pytest.mark.parametrize(
    ("column", "value", "code"),
    [
        ("checkpoint_path", "../../../etc/hostname", "ARTIFACT_MANIFEST"),
        ("checkpoint_path", "/etc/hostname", "ARTIFACT_MANIFEST"),
        ("checkpoint_path", "rules/GOLD~2FUSDT/model_20000101_000000.pkl", "ARTIFACT_GONE"),
        ("manifest_sha256", "..", "ARTIFACT_MANIFEST"),
        ("manifest_sha256", "0" * 64, "ARTIFACT_GONE"),
        ("manifest_sha256", None, "ARTIFACT_MANIFEST"),
        ("content_sha256", "0" * 64, "ARTIFACT_CORRUPT"),
        ("checkpoint_size_mb", 1e308, "ARTIFACT_CORRUPT"),
        ("metadata", {}, "ARTIFACT_MANIFEST"),
        ("metadata", {"envelope_sha256": "0" * 64}, "ARTIFACT_CORRUPT"),
        ("symbol", "ETH/USDT", "ARTIFACT_HEADER_MISMATCH"),
        ("strategy_type", "lstm", "ARTIFACT_HEADER_MISMATCH"),
        ("exchange", "other", "ARTIFACT_HEADER_MISMATCH"),
        ("deleted_at", "2026-01-01", "ARTIFACT_GONE"),
    ],
)
def test_a_row_that_says_something_else(kept: Published, column: str, value: object, code: str) -> None:
    assert refused(replace(kept, row=kept.row | {column: value})).code == code


def test_a_model_of_another_tool_is_not_opened(kept: Published) -> None:
    foreign = kept.row | {"manifest_sha256": None, "format": "external"}
    told = refused(replace(kept, row=foreign))
    assert (told.code, "ensemble-parts, rules-json" in told.message) == ("ARTIFACT_FORMAT", True)


def test_a_file_with_other_parts_than_its_folder(kept: Published, tmp_path: Path) -> None:
    """Hashes of both agree with the row; the two are of different models."""
    from assay.learn.rules import RuleModel
    from tests.track.models import publishing

    model = kept.model
    assert isinstance(model, RuleModel)
    other = publishing(replace(model, values={**model.values, "slow": 30}), kept.panel, "rules", tmp_path / "other")
    other.folder.rename(kept.places.artifacts / other.folder.name)
    columns = ("manifest_sha256", "content_sha256", "checkpoint_size_mb")
    mixed = replace(kept, row=kept.row | {key: other.row[key] for key in columns})
    assert "different parts" in refused(mixed).message


def test_a_disk_that_fails_is_no_verdict_on_the_model(kept: Published, monkeypatch: pytest.MonkeyPatch) -> None:
    from assay.kernel.errors import StoreError

    def fails(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "read", fails)
    with pytest.raises(StoreError, match="Input/output") as told:
        check_files(kept.row, kept.places)
    assert told.value.code == "STORE_IO"
