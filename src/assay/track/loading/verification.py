"""Verify a model's files against the record."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assay.kernel.errors import ArtifactError, printable
from assay.track.loading.features import features_source
from assay.track.loading.formats import check_format
from assay.track.loading.model_paths import ModelPaths
from assay.track.model_files.artifact_store import check_bytes
from assay.track.model_files.manifest import LARGEST_MANIFEST, MANIFEST, content_sha256, read_checked_parts
from assay.track.model_files.pkl_envelope import Envelope, parse_named
from assay.track.model_files.safe_read import read_file
from assay.track.model_files.signature import LARGEST_SIGNATURE, SUFFIX, Keys, demand_signature

_MIB = 1024 * 1024
_MANIFEST_FIELDS = ("strategy_type", "exchange", "symbol", "timeframe")


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """The bytes of a model, read once, all of them as the row, the manifest and the envelope say."""

    envelope: Envelope
    manifest: Mapping[str, Any]
    parts: Mapping[str, bytes]


def check_files(row: Mapping[str, Any], places: ModelPaths) -> None:
    """Whether the files of a row of the models table are there, and are what the row says, byte for byte.

    Looks at the documented file (its hash, its signature where one is there or required, its header against its
    path), at the folder of parts (manifest, listing, sizes, hashes), and that both hold the same bytes. Nothing of a
    model is built. Files that are missing here are fetched where a store is shared.
    Raises ArtifactError ``ARTIFACT_GONE``, ``_CORRUPT``, ``_MANIFEST``, ``_HEADER_MISMATCH``, ``_VERSION``,
    ``_TOO_LARGE``, ``_FORBIDDEN_OPCODE``, ``_UNSIGNED``, ``_BAD_SIGNATURE``, ``_FEATURES``; ``_FORMAT`` for a row
    whose files Assay did not write. StoreError ``STORE_IO`` where the disk fails. Cost: every byte is read and hashed.
    """
    read_verified(row, places)


def read_verified(row: Mapping[str, Any], places: ModelPaths) -> VerifiedFiles:
    """All bytes of a row's model, checked; errors as `check_files`."""
    where = f"model {row['model_id']}"
    if row["deleted_at"] is not None:
        raise ArtifactError(f"{where}: its files were removed on {row['deleted_at']}", code="ARTIFACT_GONE")
    if row["manifest_sha256"] is None:
        check_format(row["format"], where)
        raise ArtifactError(f"{where} has no manifest in the record", code="ARTIFACT_MANIFEST")
    try:
        envelope, manifest, parts = _verified_files(row, places)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE" or places.shared is None:
            raise
        places.shared.fetch(row["manifest_sha256"], row["checkpoint_path"], _envelope_hash(row))
        envelope, manifest, parts = _verified_files(row, places)
    _demand_row(row, manifest, parts, where)
    if envelope.model_state != parts:
        raise ArtifactError(f"{where}: its file and its folder hold different parts", code="ARTIFACT_CORRUPT")
    features_source(manifest, parts, where)
    return VerifiedFiles(envelope, manifest, parts)


def _verified_files(row: Mapping[str, Any], places: ModelPaths) -> tuple[Envelope, dict[str, Any], dict[str, bytes]]:
    envelope = _envelope(row, places)
    return envelope, *read_checked_parts(places.blobs, row["manifest_sha256"])


def _envelope_hash(row: Mapping[str, Any]) -> str:
    match = row["metadata"].get("envelope_sha256")
    if not isinstance(match, str):
        raise ArtifactError(f"model {row['model_id']}: its row has no hash of its file", code="ARTIFACT_MANIFEST")
    return match


def _envelope(row: Mapping[str, Any], places: ModelPaths) -> Envelope:
    path = places.models / row["checkpoint_path"]
    data = read_file(places.models, row["checkpoint_path"])
    check_bytes(path, data, _envelope_hash(row))
    if places.keys is not None:
        _demand_signed(row, places, places.keys, data)
    envelope = parse_named(data, path)
    for key in ("strategy_type", "symbol"):
        _demand_same(key, getattr(envelope, key), row[key], f"{path}")
    return envelope


def _demand_signed(row: Mapping[str, Any], places: ModelPaths, keys: Keys, data: bytes) -> None:
    """Before anything is parsed: file and manifest carry a signature by a known key, or none where none is asked."""
    relative, blob = row["checkpoint_path"], row["manifest_sha256"]
    where = f"model {row['model_id']}"
    try:
        raw = read_file(places.models, relative + SUFFIX, most=LARGEST_SIGNATURE)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        if keys.required or row["signature_key_id"] is not None:
            signed = row["signature_key_id"]
            why = f"it was signed by key {printable(signed)}" if signed else "ASSAY_REQUIRE_SIGNATURE is set"
            raise ArtifactError(f"{where} has no signature, and {why}", code="ARTIFACT_UNSIGNED") from None
        return
    manifest = read_file(places.artifacts, f"{blob}/{MANIFEST}", most=LARGEST_MANIFEST)
    check_bytes(places.artifacts / blob / MANIFEST, manifest, blob)
    demand_signature(raw, keys, file=(relative, data), manifest=(f"{blob}/{MANIFEST}", manifest), where=where)


def _demand_row(row: Mapping[str, Any], manifest: Mapping[str, Any], parts: Mapping[str, bytes], where: str) -> None:
    for key in _MANIFEST_FIELDS:
        _demand_same(key, manifest[key], row[key], f"{where}: its manifest")
    if "features" in row["metadata"]:
        _demand_same("features", manifest["features"], row["metadata"]["features"], f"{where}: its manifest")
    result = content_sha256(parts)
    if not result == manifest["content_sha256"] == row["content_sha256"]:
        raise ArtifactError(
            f"{where}: its parts hash to {result}, its row says {row['content_sha256']}", code="ARTIFACT_CORRUPT"
        )
    size = sum(len(part) for part in parts.values()) / _MIB
    if row["checkpoint_size_mb"] != size:
        raise ArtifactError(
            f"{where} has {size} MiB, its row says {row['checkpoint_size_mb']}", code="ARTIFACT_CORRUPT"
        )


def _demand_same(key: str, result: object, message: object, where: str) -> None:
    if result != message:
        raise ArtifactError(
            f"{where} says {key} {printable(result)}, the record says {printable(message)}",
            code="ARTIFACT_HEADER_MISMATCH",
        )
