"""What a model folder says about itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from assay.kernel.clock import iso
from assay.kernel.errors import ArtifactError, shown
from assay.track.blobs.store import Blobs, check_bytes
from assay.track.canonical import canonical

MANIFEST = "manifest.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Whose model it is, what it reads and what made it.

    features:   names in column order.   lookback: rows of history before the first decision.
    target:     the target's name with its parameters; None for rules and agents.
    versions:   libraries that wrote the parts.
    created_at: UTC ms; also the time in the file's name.
    self_test:  probe windows and the decisions that are expected on them.
    """

    strategy_type: str
    exchange: str
    symbol: str
    timeframe: str
    features: tuple[str, ...]
    lookback: int
    spec_hash: str
    data_digest: str
    created_at: int
    target: str | None = None
    commit: str | None = None
    lock_hash: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    self_test: Mapping[str, Any] = field(default_factory=dict)


def read_parts(folder: Path) -> dict[str, bytes]:
    """Bytes of every file under a folder by relative POSIX path, sorted.

    ArtifactError ``ARTIFACT_MANIFEST`` for an empty folder, a link, or a part named ``manifest.json``.
    """
    parts: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()) or name == MANIFEST:
            raise ArtifactError(f"model part {shown(name)} is no plain file of its own", code="ARTIFACT_MANIFEST")
        if path.is_file():
            parts[name] = path.read_bytes()
    if not parts:
        raise ArtifactError(f"{folder} holds no model part", code="ARTIFACT_MANIFEST")
    return parts


def content_sha256(parts: Mapping[str, bytes]) -> str:
    """SHA-256 over sorted ``path NUL sha256 LF``: equal for equal models, whoever made them and when."""
    sha = hashlib.sha256()
    for name in sorted(parts):
        sha.update(f"{name}\0{hashlib.sha256(parts[name]).hexdigest()}\n".encode())
    return sha.hexdigest()


def manifest_bytes(parts: Mapping[str, bytes], facts: ModelFacts) -> bytes:
    """The manifest: canonical JSON with a line end."""
    files = [
        {"path": name, "bytes": len(parts[name]), "sha256": hashlib.sha256(parts[name]).hexdigest()}
        for name in sorted(parts)
    ]
    body = asdict(facts) | {
        "format_version": FORMAT_VERSION,
        "created_at": iso(facts.created_at),
        "files": files,
        "content_sha256": content_sha256(parts),
    }
    return canonical(body).encode() + b"\n"


def settle_parts(blobs: Blobs, parts: Mapping[str, bytes], manifest: bytes) -> str:
    """Write parts and manifest as one blob, named by the manifest's SHA-256, which is returned."""
    name = hashlib.sha256(manifest).hexdigest()
    with blobs.staging() as stage:
        for relative, data in {**parts, MANIFEST: manifest}.items():
            path = stage / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        blobs.settle(stage, name)
    return name


def verified(blobs: Blobs, manifest_sha256: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Manifest and parts of a model, each byte checked against the hashes.

    ArtifactError ``ARTIFACT_GONE``, ``ARTIFACT_CORRUPT`` (both hashes), ``ARTIFACT_MANIFEST`` (a file too many or too
    few), ``ARTIFACT_VERSION`` (a format that this program does not know).
    """
    folder = blobs.path(manifest_sha256)
    held = {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if not p.is_dir() or p.is_symlink()}
    path = held.pop(MANIFEST, None)
    if path is None or path.is_symlink():
        raise ArtifactError(f"{folder} has no {MANIFEST}", code="ARTIFACT_MANIFEST", file=MANIFEST)
    raw = path.read_bytes()
    check_bytes(path, raw, manifest_sha256)
    manifest = json.loads(raw)
    if manifest["format_version"] != FORMAT_VERSION:
        raise ArtifactError(
            f"{path} has format {manifest['format_version']}, this program reads {FORMAT_VERSION}",
            code="ARTIFACT_VERSION",
        )
    expected = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    odd = sorted(set(expected) ^ set(held)) or sorted(name for name, file in held.items() if file.is_symlink())
    if odd:
        raise ArtifactError(f"{folder}: {odd[0]} is not as listed", code="ARTIFACT_MANIFEST", file=odd[0])
    parts = {name: file.read_bytes() for name, file in held.items()}
    for name, data in parts.items():
        check_bytes(held[name], data, expected[name])
    return manifest, parts
