"""A folder as an object store, and the object store that a URL names."""

import re
import uuid
from pathlib import Path

from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.track.model_files.artifact_store import disk, sync, write_checked
from assay.track.model_files.objects.base import ObjectStore, already, not_there
from assay.track.model_files.safe_read import LARGEST, demand_name, read_file

_STAGING = ".staging"


class FileObjects:
    """Implements `ObjectStore` below a folder, which is made when first written to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def url(self) -> str:
        """See `ObjectStore`."""
        return str(self._folder)

    def put(self, key: str, data: bytes) -> bool:
        """See `ObjectStore`; staged, read back, linked to its name."""
        path = self._folder / demand_name(key, self.url)
        stage = self._folder / _STAGING / uuid.uuid4().hex
        with disk(self._folder):
            stage.parent.mkdir(parents=True, exist_ok=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                write_checked(stage, data)
                path.hardlink_to(stage)  # fails where the name is taken, unlike a rename
            except FileExistsError:
                return already(self.url, key, self.get(key, most=LARGEST), data)
            finally:
                stage.unlink(missing_ok=True)
            sync(path.parent)
        return True

    def get(self, key: str, *, most: int) -> bytes:
        """See `ObjectStore`."""
        name = demand_name(key, self.url)
        if not self._folder.is_dir():
            raise not_there(self.url, key)
        return read_file(self._folder, name, most=most)

    def keys(self, prefix: str) -> list[str]:
        """See `ObjectStore`."""
        below = self._folder / demand_name(prefix, self.url)
        return sorted(path.relative_to(self._folder).as_posix() for path in below.rglob("*") if path.is_file())

    def remove(self, key: str) -> None:
        """See `ObjectStore`."""
        with disk(self._folder):
            (self._folder / demand_name(key, self.url)).unlink(missing_ok=True)


_ADDRESS = re.compile(r"(?P<scheme>[a-z0-9+]+)://(?P<bucket>[a-z0-9][a-z0-9._-]{1,221})(?:/(?P<prefix>.*))?")
_PREFIX = re.compile(r"(?:[A-Za-z0-9_~-][A-Za-z0-9_.~-]*/)*[A-Za-z0-9_~-][A-Za-z0-9_.~-]*")
_SCHEMES = ("s3", "gs")


def open_objects(address: str) -> ObjectStore:
    """The store at ``s3://bucket/prefix``, ``gs://bucket/prefix`` or a folder's path. Nothing is asked of it yet.

    ConfigError ``CONFIG_FIELD`` for another address; ``CONFIG_EXTRA`` naming what to install.
    """
    scheme, bucket, prefix = split_address(address)
    if scheme == "s3":
        from assay.track.model_files.objects.s3 import S3Objects

        return S3Objects(bucket, prefix)
    if scheme == "gs":
        from assay.track.model_files.objects.gcs import GcsObjects

        return GcsObjects(bucket, prefix)
    return FileObjects(Path(address))


def split_address(address: str) -> tuple[str, str, str]:
    """Scheme, bucket and prefix of a store's address, all empty for a folder; no library is loaded.

    ConfigError ``CONFIG_FIELD`` for an address that is none.
    """
    if "://" not in address:
        if not address:
            raise _refused(address, "is empty")
        return "", "", ""
    result = _ADDRESS.fullmatch(address)
    scheme = address.partition("://")[0]
    if scheme not in _SCHEMES:
        near = did_you_mean(scheme, _SCHEMES)
        raise _refused(address, f"begins with {printable(scheme)}; {near or 's3://, gs:// and paths are known'}")
    prefix = (result["prefix"] or "").strip("/") if result else ""
    if result is None or (prefix and not _PREFIX.fullmatch(prefix)):
        raise _refused(address, f"is no {scheme}://bucket/prefix of letters, digits, '-', '_' and '.'")
    return scheme, result["bucket"], prefix


def _refused(address: str, why: str) -> ConfigError:
    return ConfigError(
        f"the store's address {printable(address)} {why}",
        code="CONFIG_FIELD",
        hint="For example s3://my-bucket/assay, gs://my-bucket/assay or /srv/assay.",
        field="ASSAY_ARTIFACTS_URL",
    )
