"""Models in a store of bytes: parts first, the manifest last; a model whose manifest is not there is not there.

Everything is named by its hash, so that two homes may share a store: ``artifacts/MANIFEST_SHA256/…`` as on disk, and
``envelopes/ENVELOPE_SHA256/model.pkl`` with its signature.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from assay.kernel.errors import ArtifactError
from assay.track.model_files.artifact_store import check_bytes
from assay.track.model_files.manifest import LARGEST_MANIFEST, MANIFEST, parse_manifest
from assay.track.model_files.objects.base import ObjectStore
from assay.track.model_files.safe_read import LARGEST
from assay.track.model_files.signature import LARGEST_SIGNATURE, SUFFIX

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
