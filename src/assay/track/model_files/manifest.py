"""Manifest of a model's files, and its signature."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NotRequired, TypedDict

from assay.kernel.errors import ArtifactError, ConfigError, printable
from assay.kernel.parse import JsonObject
from assay.kernel.timeframe import iso
from assay.track.codecs import canonical
from assay.track.model_files.artifact_store import Blobs, check_bytes, write_checked
from assay.track.model_files.safe_read import LARGEST, MOST_FILES, demand_name, list_files, read_file

if TYPE_CHECKING:
    from assay.track.loading.golden import SelfTest

MANIFEST = "manifest.json"
FEATURES_PART = "features_file.py"
"""Of a model that reads columns of the user's own: the source of the file that computes them."""
MODULES_PART = "features_modules"
"""Folder of the modules of the user's that this file loads."""
FORMAT_VERSION = 1
LARGEST_MANIFEST = 64 * 1024 * 1024
_NONE = type(None)
_NO_FILE = {"name": "", "sha256": ""}
_FACTS: dict[str, type | tuple[type, ...]] = {
    "strategy_type": str,
    "exchange": str,
    "symbol": str,
    "timeframe": str,
    "features": list,
    "lookback": int,
    "target": (str, _NONE),
    "spec_hash": str,
    "data_digest": str,
    "commit": (str, _NONE),
    "lock_hash": (str, _NONE),
    "versions": dict,
    "created_at": str,
    "self_test": dict,
    "content_sha256": str,
    "files": list,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """Whose model it is, what it reads and what made it.

    features:   names in column order.   lookback: rows of history before the first decision.
    target:     the target's name with its parameters; None for rules and agents.
    versions:   libraries that wrote the parts.
    created_at: UTC ms; also the time in the file's name.
    self_test:  probe windows and the decisions that are expected on them.
    ledger_head: what the trial ledger held when it was judged; None where it was not.
    features_file: ``name``, ``sha256`` and ``columns`` of the user's file that computes some of the features, whose
                source is the part `FEATURES_PART`; None where Assay computes all of them.
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
    self_test: Mapping[str, object] = field(default_factory=dict)
    ledger_head: Mapping[str, object] | None = None
    features_file: Mapping[str, object] | None = None


class FileEntry(TypedDict):
    """A part as the manifest lists it."""

    path: str
    bytes: int
    sha256: str


class FeaturesFile(TypedDict):
    """The user's file that computes some of a model's features; see `ModelFacts`."""

    name: str
    sha256: str
    columns: NotRequired[list[str]]


class Manifest(TypedDict):
    """What `manifest_bytes` writes and `parse_manifest` has checked; the facts are those of `ModelFacts`."""

    format_version: int
    strategy_type: str
    exchange: str
    symbol: str
    timeframe: str
    features: list[str]
    lookback: int
    target: str | None
    spec_hash: str
    data_digest: str
    commit: str | None
    lock_hash: str | None
    versions: dict[str, str]
    created_at: str
    self_test: "SelfTest"
    content_sha256: str
    files: list[FileEntry]
    ledger_head: NotRequired[JsonObject]
    features_file: NotRequired[FeaturesFile]


def read_parts(folder: Path) -> dict[str, bytes]:
    """Bytes of every file under a folder by relative POSIX path, sorted.

    ArtifactError ``ARTIFACT_MANIFEST`` for an empty folder, a link, or a part named ``manifest.json``.
    """
    parts: dict[str, bytes] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()) or name == MANIFEST:
            raise ArtifactError(f"model part {printable(name)} is no plain file of its own", code="ARTIFACT_MANIFEST")
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
    document = {name: value for name, value in asdict(facts).items() if value is not None or name != "ledger_head"}
    body = document | {
        "format_version": FORMAT_VERSION,
        "created_at": iso(facts.created_at),
        "files": files,
        "content_sha256": content_sha256(parts),
    }
    if facts.features_file is None:
        del body["features_file"]
    return canonical(body).encode() + b"\n"


def settle_parts(blobs: Blobs, parts: Mapping[str, bytes], manifest: bytes) -> str:
    """Write parts and manifest as one blob, named by the manifest's SHA-256, which is returned."""
    name = hashlib.sha256(manifest).hexdigest()
    with blobs.staging() as stage:
        for relative, data in {**parts, MANIFEST: manifest}.items():
            path = stage / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            write_checked(path, data)
        blobs.settle(stage, name)
    return name


def read_checked_parts(blobs: Blobs, manifest_sha256: str) -> tuple[Manifest, dict[str, bytes]]:
    """Manifest and parts of a model, each byte checked against the hashes.

    ArtifactError ``ARTIFACT_GONE``, ``ARTIFACT_CORRUPT`` (both hashes), ``ARTIFACT_MANIFEST`` (a file too many or too
    few, a link, a name that is no plain name, a fact that is missing), ``ARTIFACT_TOO_LARGE``, ``ARTIFACT_VERSION`` (a
    format that this program does not know).
    """
    folder = blobs.path(manifest_sha256)
    holding = set(list_files(blobs.folder, manifest_sha256))
    if MANIFEST not in holding:
        raise ArtifactError(f"{folder} has no {MANIFEST}", code="ARTIFACT_MANIFEST", file=MANIFEST)
    raw = read_file(blobs.folder, f"{manifest_sha256}/{MANIFEST}", most=LARGEST_MANIFEST)
    check_bytes(folder / MANIFEST, raw, manifest_sha256)
    manifest = parse_manifest(raw, str(folder / MANIFEST))
    expected = {entry["path"]: entry for entry in manifest["files"]}
    odd = sorted(set(expected) ^ (holding - {MANIFEST}))
    if odd:
        raise ArtifactError(f"{folder}: {printable(odd[0])} is not as listed", code="ARTIFACT_MANIFEST", file=odd[0])
    parts: dict[str, bytes] = {}
    left = LARGEST
    for name, entry in expected.items():
        parts[name] = read_file(blobs.folder, f"{manifest_sha256}/{name}", most=left)
        check_bytes(folder / name, parts[name], entry["sha256"])
        if len(parts[name]) != entry["bytes"]:
            raise ArtifactError(
                f"{folder / name} has {len(parts[name])} bytes, its manifest says {entry['bytes']}",
                code="ARTIFACT_MANIFEST",
                file=name,
            )
        left -= len(parts[name])
    return manifest, parts


def parse_manifest(raw: bytes, where: str) -> Manifest:
    """The manifest in these bytes, its facts there and of their types; errors as `read_checked_parts`."""
    try:
        manifest = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{where} is damaged: {str(error)[:100]}", code="ARTIFACT_CORRUPT") from error
    version = manifest.get("format_version") if isinstance(manifest, dict) else None
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ArtifactError(
            f"{where} has format {printable(version)}, this program reads {FORMAT_VERSION}", code="ARTIFACT_VERSION"
        )
    wrong = [key for key, kinds in _FACTS.items() if not isinstance(manifest.get(key, ...), kinds)]
    if wrong or not all(isinstance(name, str) for name in manifest["features"]):
        key = wrong[0] if wrong else "features"
        raise ArtifactError(f"{where}: {key} is {printable(manifest.get(key))}", code="ARTIFACT_MANIFEST", field=key)
    own = manifest.get("features_file", _NO_FILE)
    if not isinstance(own, dict) or not all(isinstance(own.get(key), str) for key in ("name", "sha256")):
        text = f"{where}: features_file is {printable(own)}"
        raise ArtifactError(text, code="ARTIFACT_MANIFEST", field="features_file")
    _demand_entries(manifest["files"], where)
    return manifest


def _demand_entries(entries: Sequence[object], where: str) -> None:
    if not 0 < len(entries) <= MOST_FILES:
        raise ArtifactError(f"{where} lists {len(entries)} files, 1 to {MOST_FILES} may be", code="ARTIFACT_MANIFEST")
    names = []
    for entry in entries:
        if (
            not isinstance(entry, dict)
            or not isinstance(entry.get("sha256"), str)
            or type(entry.get("bytes")) is not int
        ):
            raise ArtifactError(f"{where} lists {printable(entry)}, which is no file", code="ARTIFACT_MANIFEST")
        demand_name(entry.get("path"), where)
        names.append(entry["path"].casefold())
    if len(set(names)) < len(names) or MANIFEST in names:
        raise ArtifactError(f"{where} lists a file twice, or itself", code="ARTIFACT_MANIFEST")


SUFFIX = ".sig"
LARGEST_SIGNATURE = 4096
_LEAST = 32
_LINE = re.compile(r"(?P<id>[A-Za-z0-9][A-Za-z0-9_.-]{0,63})\s+(?P<hex>(?:[0-9A-Fa-f]{2})+)")
_MAC = re.compile(r"[0-9a-f]{64}")
_HINT = "python -c \"import secrets; print('key-1', secrets.token_hex(32))\" writes such a line."


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys that sign and verify.

    current:  id of the key that signs.   secrets: key bytes by id, at least 32 each; any of them verifies.
    required: whether a model without a signature is refused.
    """

    current: str
    secrets: Mapping[str, bytes] = field(repr=False)
    required: bool = False

    def mac(self, relative: str, data: bytes, *, key_id: str | None = None) -> str:
        """HMAC-SHA256 (hex) over ``key id NUL relative path NUL bytes``, by the current key or the one named."""
        name = key_id or self.current
        message = name.encode() + b"\0" + relative.encode() + b"\0" + data
        return hmac.new(self.secrets[name], message, hashlib.sha256).hexdigest()


def read_keys(path: Path, *, outside: tuple[Path, ...], required: bool = False) -> Keys:
    """The keys in a text file: a line ``ID HEX`` each, the first signs, all verify; ``#`` begins a comment line.

    outside: folders that the file may not lie in. Raises ConfigError ``CONFIG_FIELD`` naming file and line, never a
    key: unreadable, no key, fewer than 32 bytes, an id twice, a file that lies with the models.
    """
    real = path.resolve()
    inside = [folder for folder in outside if real.is_relative_to(folder.resolve())]
    if inside:
        raise _refused(path, f"lies in {inside[0]}, which it protects; whoever may write a model could read it")
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise _refused(path, f"cannot be read: {why}") from None
    secrets = _secrets(path, lines)
    return Keys(next(iter(secrets)), secrets, required)


def _secrets(path: Path, lines: list[str]) -> dict[str, bytes]:
    secrets: dict[str, bytes] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        result = _LINE.fullmatch(line)
        if result is None:
            raise _refused(path, f"line {number} is not an id and a key in hex")
        if len(result["hex"]) < 2 * _LEAST:
            raise _refused(
                path, f"line {number} has a key of {len(result['hex']) // 2} bytes, at least {_LEAST} needed"
            )
        if result["id"] in secrets:
            raise _refused(path, f"line {number} names key {result['id']} again")
        secrets[result["id"]] = bytes.fromhex(result["hex"])
    if not secrets:
        raise _refused(path, "holds no key")
    return secrets


def signature_bytes(keys: Keys, *, file: tuple[str, bytes], manifest: tuple[str, bytes]) -> bytes:
    """The sidecar of a model file, by the current key.

    file: its path below the models' folder and its bytes.   manifest: ``SHA256/manifest.json`` and its bytes.
    """
    body = {"key_id": keys.current, "mac": keys.mac(*file), "manifest_mac": keys.mac(*manifest)}
    return canonical(body).encode() + b"\n"


def demand_signature(
    raw: bytes, keys: Keys, *, file: tuple[str, bytes], manifest: tuple[str, bytes], where: str
) -> None:
    """Raise ArtifactError ``ARTIFACT_BAD_SIGNATURE`` naming the key unless the sidecar's bytes sign both files."""
    try:
        document = json.loads(raw)
        key_id, macs = document["key_id"], (document["mac"], document["manifest_mac"])
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _bad(f"{where}: its signature is damaged") from None
    if not isinstance(key_id, str) or key_id not in keys.secrets:
        raise _bad(f"{where} is signed by key {printable(key_id)}; known are {', '.join(keys.secrets)}", key_id)
    for (relative, data), mac in zip((file, manifest), macs, strict=True):
        sound = isinstance(mac, str) and _MAC.fullmatch(mac) is not None
        if not sound or not hmac.compare_digest(mac, keys.mac(relative, data, key_id=key_id)):
            raise _bad(f"{where}: key {key_id} did not sign {relative} with these bytes", key_id)


def _bad(text: str, key_id: object = None) -> ArtifactError:
    hint = "Somebody without the key has changed the model, or its file was moved. Train it again."
    return ArtifactError(text, code="ARTIFACT_BAD_SIGNATURE", hint=hint, key_id=printable(key_id))


def _refused(path: Path, why: str) -> ConfigError:
    return ConfigError(
        f"signing key file {printable(str(path))} {why}",
        code="CONFIG_FIELD",
        hint=_HINT,
        field="ASSAY_SIGNING_KEY_FILE",
    )
