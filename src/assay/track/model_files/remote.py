"""Models in an object store: upload and download, the manifest last; without it a model counts as absent.

Everything is named by its hash, so that two homes may share a store: ``artifacts/MANIFEST_SHA256/…`` as on disk, and
``envelopes/ENVELOPE_SHA256/model.pkl`` with its signature.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from assay.kernel.errors import ArtifactError, StoreError
from assay.track.model_files.artifact_store import Blobs, check_bytes, disk, sync, write_checked
from assay.track.model_files.manifest import (
    LARGEST_MANIFEST,
    LARGEST_SIGNATURE,
    MANIFEST,
    SUFFIX,
    parse_manifest,
    read_checked_parts,
    settle_parts,
)
from assay.track.model_files.objects.base import ObjectStore
from assay.track.model_files.objects.files import open_objects
from assay.track.model_files.safe_read import LARGEST, demand_name, read_file

_FILE = "model.pkl"


def upload_model(store: ObjectStore, name: str, parts: Mapping[str, bytes], manifest: bytes) -> None:
    """Bring a model's parts and manifest to the store under the manifest's hash. Again changes nothing.

    Raises what `ObjectStore.put` raises; a push that was broken off leaves parts that nobody finds, and goes on from
    there when it is tried again.
    """
    for part in sorted(parts):
        store.put(_key(name, part), parts[part])
    store.put(_key(name, MANIFEST), manifest)


def upload_envelope(store: ObjectStore, sha256: str, data: bytes, signature: bytes | None) -> None:
    """Bring a documented file and its signature to the store, under the file's hash."""
    if signature is not None:
        store.put(f"envelopes/{sha256}/{_FILE}{SUFFIX}", signature)
    store.put(f"envelopes/{sha256}/{_FILE}", data)


def fetch_model(store: ObjectStore, name: str) -> tuple[dict[str, bytes], bytes]:
    """Parts and manifest of a model, each checked against its hash.

    ArtifactError ``ARTIFACT_GONE`` (no manifest, or a part of it missing), ``ARTIFACT_CORRUPT``, ``ARTIFACT_MANIFEST``,
    ``ARTIFACT_TOO_LARGE``.
    """
    where = PurePosixPath(store.url)
    manifest = store.get(_key(name, MANIFEST), most=LARGEST_MANIFEST)
    check_bytes(where / _key(name, MANIFEST), manifest, name)
    parts: dict[str, bytes] = {}
    left = LARGEST
    for entry in parse_manifest(manifest, f"{store.url}/{name}")["files"]:
        key = _key(name, entry["path"])
        parts[entry["path"]] = store.get(key, most=left)
        check_bytes(where / key, parts[entry["path"]], entry["sha256"])
        left -= len(parts[entry["path"]])
    return parts, manifest


def fetch_envelope(store: ObjectStore, sha256: str) -> tuple[bytes, bytes | None]:
    """A documented file, checked against its hash, and its signature or None. ``ARTIFACT_GONE``, ``_CORRUPT``."""
    key = f"envelopes/{sha256}/{_FILE}"
    data = store.get(key, most=LARGEST)
    check_bytes(PurePosixPath(store.url) / key, data, sha256)
    try:
        return data, store.get(key + SUFFIX, most=LARGEST_SIGNATURE)
    except ArtifactError as error:
        if error.code != "ARTIFACT_GONE":
            raise
        return data, None


def model_exists(store: ObjectStore, name: str) -> bool:
    """Whether a model is in the store: its manifest is."""
    return _key(name, MANIFEST) in store.keys(f"artifacts/{name}")


def delete_model(store: ObjectStore, name: str) -> None:
    """Take a model away: the manifest first, so that nobody finds half of it."""
    store.remove(_key(name, MANIFEST))
    for key in store.keys(f"artifacts/{name}"):
        store.remove(key)


def delete_envelope(store: ObjectStore, sha256: str) -> None:
    """Take a documented file away, and its signature after it."""
    key = f"envelopes/{sha256}/{_FILE}"
    store.remove(key)
    store.remove(key + SUFFIX)


def _key(name: str, part: str) -> str:
    return f"artifacts/{name}/{part}"


_LOG = logging.getLogger(__name__)
_WAITING = ".waiting"


@dataclass(frozen=True, slots=True)
class Shared:
    """A home's folders and the address of the store that it shares (see `open_objects`)."""

    address: str
    blobs: Blobs
    models: Path

    def bring(self, manifest_sha256: str, relative: str) -> bool:
        """Bring a model whose files are here to the store, and whatever waits; whether all of it is there now.

        A store that cannot be used costs a WARN, not the model: it is brought with the next one.
        """
        waiting = self.blobs.folder / _WAITING
        with disk(waiting):
            waiting.mkdir(parents=True, exist_ok=True)
            write_checked(waiting / manifest_sha256, relative.encode())
            sync(waiting)
        return self.catch_up()

    def catch_up(self) -> bool:
        """Bring what waits, oldest first; whether nothing waits any more."""
        result = (self.blobs.folder / _WAITING).glob("[0-9a-f]*")
        waiting = sorted(result, key=lambda path: (path.stat().st_mtime_ns, path.name))
        if not waiting:
            return True
        try:
            store = open_objects(self.address)
            for path in waiting:
                self._push(store, path)
        except StoreError as error:
            _LOG.warning("%d models wait to be brought to %s: %s", len(waiting), self.address, error)
            return False
        return True

    def fetch(self, manifest_sha256: str, relative: str, envelope_sha256: str) -> None:
        """Bring a model's missing files from the store to this home.

        ArtifactError ``ARTIFACT_GONE`` where the store has them neither, ``_CORRUPT``; StoreError as `ObjectStore`.
        """
        store = open_objects(self.address)
        file = self.models / demand_name(relative, str(self.models))
        if not (self.blobs.folder / manifest_sha256).exists():
            parts, manifest = fetch_model(store, manifest_sha256)
            settle_parts(self.blobs, parts, manifest)
        if not file.exists():
            data, signature = fetch_envelope(store, envelope_sha256)
            with disk(file):
                file.parent.mkdir(parents=True, exist_ok=True)
                if signature is not None:
                    write_checked(file.with_name(file.name + SUFFIX), signature)
                stage = file.with_name(f".{file.name}.staging")
                write_checked(stage, data)
                stage.rename(file)
                sync(file.parent)

    def remove(self, manifest_sha256: str | None, envelope_sha256: str | None) -> None:
        """Take a model away from the store, and from what waits to be brought; None for what others still have.

        Its manifest goes first: whoever looks for the model from then on finds none. Again changes nothing, and goes on
        where it was broken off. Raises what `ObjectStore.remove` raises.
        """
        store = open_objects(self.address)
        if manifest_sha256 is not None:
            (self.blobs.folder / _WAITING / manifest_sha256).unlink(missing_ok=True)
            delete_model(store, manifest_sha256)
        if envelope_sha256 is not None:
            delete_envelope(store, envelope_sha256)

    def _push(self, store: ObjectStore, waiting: Path) -> None:
        name = waiting.name
        try:
            relative = waiting.read_text(encoding="utf-8")
            _, parts = read_checked_parts(self.blobs, name)
            manifest = read_file(self.blobs.folder, f"{name}/{MANIFEST}", most=LARGEST_MANIFEST)
            envelope = read_file(self.models, relative)
        except ArtifactError as error:
            if error.code != "ARTIFACT_GONE":
                raise
            _LOG.warning("model files %s went before they were brought to %s", name, self.address)
        else:
            upload_model(store, name, parts, manifest)
            upload_envelope(store, hashlib.sha256(envelope).hexdigest(), envelope, self._signature(relative))
        waiting.unlink(missing_ok=True)

    def _signature(self, relative: str) -> bytes | None:
        if not (self.models / (relative + SUFFIX)).exists():
            return None
        return read_file(self.models, relative + SUFFIX, most=LARGEST_SIGNATURE)
