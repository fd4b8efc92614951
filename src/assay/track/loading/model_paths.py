"""Folders of model files, and keys that may sign them."""

from dataclasses import dataclass
from pathlib import Path

from assay.track.model_files.artifact_store import Blobs
from assay.track.model_files.remote_sync import Shared
from assay.track.model_files.signature import Keys


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
