"""A folder as a store of bytes."""

import uuid
from pathlib import Path

from assay.track.model_files.artifact_store import disk, sync, write_checked
from assay.track.model_files.objects.base import already, not_there
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
