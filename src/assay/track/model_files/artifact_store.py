"""Content-addressed folders: written whole or not at all, read only after their hash was checked."""

import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath

from assay.kernel.errors import ArtifactError, StoreError, printable

BLOB_FILE = "bytes"
_STAGING = ".staging"


class Blobs:
    """Blobs under one folder, each ``<sha256>/``. A crash leaves at most a folder in ``.staging``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, data: bytes) -> str:
        """Keep bytes; returns their SHA-256. The same bytes again change nothing but the folder's time."""
        name = hashlib.sha256(data).hexdigest()
        if not self._renewed(name):
            with self.staging() as stage:
                write_checked(stage / BLOB_FILE, data)
                self.settle(stage, name)
        return name

    def _renewed(self, name: str) -> bool:
        """Whether the blob is there; it is young again, and so no orphan until the row that names it is written."""
        try:
            os.utime(self.folder / name)
        except FileNotFoundError:
            return False
        return True

    def get(self, name: str) -> bytes:
        """The bytes of `put`. ArtifactError ``ARTIFACT_GONE``; ``ARTIFACT_CORRUPT`` names both hashes."""
        path = self.path(name) / BLOB_FILE
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise gone_error(name) from None
        check_bytes(path, data, name)
        return data

    def path(self, name: str) -> Path:
        """The folder of a blob. ArtifactError ``ARTIFACT_GONE`` when there is none."""
        if len(name) != 64 or not all(c in "0123456789abcdef" for c in name):
            raise ArtifactError(f"{printable(name)} is no SHA-256 in hex", code="ARTIFACT_MANIFEST")
        folder = self.folder / name
        if not folder.is_dir():
            raise gone_error(name)
        return folder

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """An empty folder on the same filesystem, gone afterwards unless it was settled."""
        stage = self.folder / _STAGING / uuid.uuid4().hex
        with disk(self.folder):
            stage.mkdir(parents=True)
            try:
                yield stage
            finally:
                shutil.rmtree(stage, ignore_errors=True)

    def settle(self, stage: Path, name: str) -> Path:
        """Give a staged folder its name for good: files and folder synced, renamed, parent synced."""
        for path in sorted(stage.rglob("*")):
            sync(path)
        sync(stage)
        final = self.folder / name
        try:
            stage.rename(final)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
            self._renewed(name)
        sync(self.folder)
        return final


@contextmanager
def disk(where: Path) -> Iterator[None]:
    """Turn a full, read-only or failing disk into StoreError ``STORE_FULL``, ``STORE_READ_ONLY``, ``STORE_IO``."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(f"{where}: the disk is full", code="STORE_FULL", hint="Free some space.") from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise StoreError(f"{where} may not be written: {error.strerror}", code="STORE_READ_ONLY") from error
        raise StoreError(f"{where}: {error.strerror or error}", code="STORE_IO") from error


def sync(path: Path) -> None:
    """Have the disk hold what was written to a file or folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
        if hasattr(os, "posix_fadvise"):  # so that what is read next comes from the disk
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(handle)


def write_checked(path: Path, data: bytes) -> None:
    """Write a file and read it back; written once more where it reads back otherwise.

    OSError ``EIO`` where it then still does: inside `disk` that is StoreError ``STORE_IO``.
    """
    for _ in range(2):
        path.write_bytes(data)
        sync(path)
        if path.read_bytes() == data:
            return
    raise OSError(errno.EIO, f"{path.name} reads back as other bytes than were written")


def check_bytes(path: PurePath, data: bytes, expected: str) -> None:
    """ArtifactError ``ARTIFACT_CORRUPT`` with both hashes unless the bytes hash to `expected`."""
    result = hashlib.sha256(data).hexdigest()
    if result != expected:
        raise ArtifactError(
            f"{path} is damaged: its bytes hash to {result}, expected {expected}",
            code="ARTIFACT_CORRUPT",
            hint="Restore the file from a backup, or train again.",
            found=result,
            expected=expected,
        )


def gone_error(name: str) -> ArtifactError:
    """``ARTIFACT_GONE`` for a blob that is not there."""
    return ArtifactError(f"artifact {name} is not in the store", code="ARTIFACT_GONE", artifact=name)
