"""Load a model: find its files, verify them, read it by its format, check its golden outputs."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypedDict

import numpy as np

from assay.kernel.contracts import Model
from assay.kernel.errors import ArtifactError, printable
from assay.kernel.user_source import SourceFile, UserCode
from assay.track.loading.golden import demand_alike
from assay.track.loading.sandbox import LoadingSandbox, memory_for, write_parts
from assay.track.model_files.artifact_store import Blobs, check_bytes
from assay.track.model_files.manifest import (
    FEATURES_PART,
    LARGEST_MANIFEST,
    LARGEST_SIGNATURE,
    MANIFEST,
    MODULES_PART,
    SUFFIX,
    Keys,
    Manifest,
    content_sha256,
    demand_signature,
    read_checked_parts,
)
from assay.track.model_files.pkl_envelope import Envelope, parse_named
from assay.track.model_files.remote import Shared
from assay.track.model_files.safe_read import read_file


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of model.

    part:      the file that every such model has.   read: from the folder of parts, and the user's own strategy file.
    tolerance: how far a number of a decision may lie from the one that was stored; 0 is equal in every bit.
    """

    part: str
    read: Callable[[Path, Path | None], Model]
    tolerance: float = 0.0


def _ensemble(folder: Path, own: Path | None) -> Model:
    from assay.learn import EnsembleModel

    return EnsembleModel.load(folder)


def _rules(folder: Path, own: Path | None) -> Model:
    from assay.learn import RuleModel, load_strategy_file

    return RuleModel.load(folder, strategy=None if own is None else load_strategy_file(own))


FORMATS: Mapping[str, Format] = {
    "ensemble-parts": Format("ensemble.json", _ensemble),
    "rules-json": Format("rules.json", _rules),
}


def check_format(name: object, where: str) -> Format:
    """The format of this name. Raises ArtifactError ``ARTIFACT_FORMAT`` with what is accepted."""
    result = FORMATS.get(name) if isinstance(name, str) else None
    if result is None:
        raise ArtifactError(
            f"{where} has format {printable(name)}, which Assay does not load; it loads {', '.join(FORMATS)}",
            code="ARTIFACT_FORMAT",
            hint="Files of other tools are registered and hashed, never opened. Train the model with Assay.",
        )
    return result


def features_parts(code: UserCode) -> dict[str, bytes]:
    """The parts that a model carries for the file that computes columns of it, and for the modules that it loads."""
    return {FEATURES_PART: code.main.text} | {f"{MODULES_PART}/{each.path}": each.text for each in code.modules}


def features_source(manifest: Manifest, parts: Mapping[str, bytes], where: str) -> UserCode | None:
    """The user's file that computes columns of a model; None for a model that names none.

    Raises ArtifactError ``ARTIFACT_FEATURES`` where the model does not carry the very file that it needs.
    """
    needed = manifest.get("features_file")
    if needed is None or not needed["name"]:
        return None
    code = _carried(str(needed["name"]), parts)
    if code is None or code.digest != needed["sha256"]:
        what = "does not carry it" if code is None else f"carries one with hash {code.digest}"
        raise ArtifactError(
            f"{where} reads columns of {printable(needed['name'])} with hash {needed['sha256']}, and {what}",
            code="ARTIFACT_FEATURES",
            hint="Restore the model's files from a backup, or train it again with --features-file.",
            file=needed["name"],
        )
    return code


def _carried(name: str, parts: Mapping[str, bytes]) -> UserCode | None:
    if FEATURES_PART not in parts:
        return None
    main = SourceFile("", PurePath(name).name or FEATURES_PART, parts[FEATURES_PART])
    below = f"{MODULES_PART}/"
    paths = sorted(part.removeprefix(below) for part in parts if part.startswith(below))
    return UserCode(main, tuple(SourceFile(_module(path), path, parts[below + path]) for path in paths))


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


_MEMBER = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,99}")
_MOST_MEMBERS = 100_000
_RATIO = 100
_SMALL = 1 << 20
_ENDINGS = (".skops", ".zip", ".npz")


def demand_archives(parts: Mapping[str, bytes]) -> None:
    """Look into every part that is a zip archive by its name.

    Raises ArtifactError ``ARTIFACT_MANIFEST`` (a member of another folder, twice, or too many), ``ARTIFACT_TOO_LARGE``
    (unpacks to over 100 times its size), ``ARTIFACT_FORBIDDEN_TYPE`` (an array of objects), ``ARTIFACT_CORRUPT``.
    """
    for name, data in parts.items():
        if name.endswith(_ENDINGS):
            _demand(name, data)


def _demand(name: str, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            _demand_members(name, members, len(data))
            for member in members:
                if member.filename.endswith(".npy"):
                    with archive.open(member) as file:
                        _demand_array(f"{name}: {member.filename}", file.read(_SMALL))
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, RuntimeError) as error:
        raise ArtifactError(f"{name} is no whole archive: {str(error)[:100]}", code="ARTIFACT_CORRUPT") from error


def _demand_members(name: str, members: list[zipfile.ZipInfo], size: int) -> None:
    names = [member.filename for member in members]
    odd = [each for each in names if not _MEMBER.fullmatch(each)]
    if odd or len(set(names)) < len(names) or len(names) > _MOST_MEMBERS:
        what = f"the member {printable(odd[0])}" if odd else f"{len(names)} members, {len(set(names))} names"
        raise ArtifactError(f"{name} holds {what}", code="ARTIFACT_MANIFEST")
    unpacked = sum(member.file_size for member in members)
    if unpacked > max(_RATIO * size, _SMALL):
        raise ArtifactError(f"{name} has {size} bytes and unpacks to {unpacked}", code="ARTIFACT_TOO_LARGE")


def _demand_array(where: str, head: bytes) -> None:
    file = io.BytesIO(head)
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _, _, dtype = read(file)
    if dtype.hasobject:
        raise ArtifactError(f"{where} is an array of type object", code="ARTIFACT_FORBIDDEN_TYPE")


@dataclass(frozen=True, slots=True)
class ModelPaths:
    """Folders of a home, as `assay.runs.context.Context` names them.

    artifacts: content-addressed folders.   models: the documented files.
    keys:      None where nothing is signed; then signatures that are there are not looked at.
    address:   of a store that these folders are shared through, ``s3://bucket/prefix``; None where there is none.
    """

    artifacts: Path
    models: Path
    keys: Keys | None = None
    address: str | None = None

    @property
    def blobs(self) -> Blobs:
        """The content-addressed folders."""
        return Blobs(self.artifacts)

    @property
    def shared(self) -> Shared | None:
        """The store that models are brought to and fetched from."""
        return None if self.address is None else Shared(self.address, self.blobs, self.models)


_MIB = 1024 * 1024
_MANIFEST_FIELDS: tuple[Literal["strategy_type", "exchange", "symbol", "timeframe"], ...] = (
    "strategy_type",
    "exchange",
    "symbol",
    "timeframe",
)


@dataclass(frozen=True, slots=True)
class VerifiedFiles:
    """The bytes of a model, read once, all of them as the row, the manifest and the envelope say."""

    envelope: Envelope
    manifest: Manifest
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


def _verified_files(row: Mapping[str, Any], places: ModelPaths) -> tuple[Envelope, Manifest, dict[str, bytes]]:
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


def _demand_row(row: Mapping[str, Any], manifest: Manifest, parts: Mapping[str, bytes], where: str) -> None:
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


def load_model(row: Mapping[str, Any], places: ModelPaths, *, strategy: Path | None = None) -> Model:
    """The model of a row, checked as `check` does; its self-test rows decided as they were when it was published.

    It is loaded in a process of its own first, with a cap on memory and time; where that one dies the model is
    ``ARTIFACT_CORRUPT`` and this process has not touched it. Then the same bytes are loaded here, and asked again.

    strategy: the file of a strategy of the user's own, which no model brings along (``ARTIFACT_STRATEGY``).
    Raises as `check`, and ArtifactError ``ARTIFACT_SELFTEST``, ``ARTIFACT_FORBIDDEN_TYPE``.
    """
    return _live(row, read_verified(row, places), strategy)


def _live(row: Mapping[str, Any], bytes_: VerifiedFiles, strategy: Path | None) -> Model:
    where = f"model {row['model_id']}"
    kind = check_format(row["format"], where)
    document = bytes_.manifest["self_test"]
    with LoadingSandbox(memory=memory_for(bytes_.parts)) as child:
        child.prove(bytes_.parts, document, kind=row["format"], where=where, strategy=strategy)
    with TemporaryDirectory(prefix="assay-model-") as folder:  # its own: the child might have changed the other one
        write_parts(bytes_.parts, Path(folder))
        model = kind.read(Path(folder), strategy)
    demand_alike(model, document, tolerance=kind.tolerance, where=where)
    return model


class ModelDocument(TypedDict):
    """The four keys of the documented model file, the live model among its parts; see `load_document`."""

    strategy_type: str
    symbol: str
    timestamp: str
    model_state: dict[str, Model]


def load_document(row: Mapping[str, Any], places: ModelPaths, *, strategy: Path | None = None) -> ModelDocument:
    """The documented model: ``strategy_type``, ``symbol``, ``timestamp``, and ``model_state`` with the live model.

    ``model_state`` holds the model under the name of its kind (``ensemble``, ``rules``). Raises as `load_model`.
    """
    bytes_ = read_verified(row, places)
    envelope, model = bytes_.envelope, _live(row, bytes_, strategy)
    return {
        "strategy_type": envelope.strategy_type,
        "symbol": envelope.symbol,
        "timestamp": envelope.timestamp,
        "model_state": {str(row["format"]).partition("-")[0]: model},
    }
