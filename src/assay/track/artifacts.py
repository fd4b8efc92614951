"""Artifacts of a run, by path and hash."""

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import Any

import sqlalchemy as sa

from assay.kernel.errors import StoreError, printable
from assay.track.database import Database, Row, rows, writes
from assay.track.schema.tables import ARTIFACTS

_LOG = logging.getLogger(__name__)
_MIB = 1024 * 1024


class Artifacts:
    """The artifacts table."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @writes
    def add(
        self,
        run: int,
        artifact_type: str,
        path: str | Path,
        *,
        name: str | None = None,
        sha256: str | None = None,
        description: str = "",
        metadata: Mapping[str, Any] | None = None,
        model_id: int | None = None,
    ) -> int:
        """Keep a file's place, and its size and SHA-256 when it is there (given `sha256` is trusted). Returns the id.

        A missing file is kept with NULLs and a WARN. A path with ``..`` or NUL is StoreError ``STORE_VALUE``.
        """
        text = str(path)
        if ".." in PurePath(text).parts or "\0" in text:
            raise StoreError(f"artifact path {printable(text)} may not hold '..' or NUL", code="STORE_VALUE")
        file = Path(text)
        result = file.is_file()
        if not result and sha256 is None:
            _LOG.warning("artifact %s of run %d is not there; it is kept without a hash", printable(text), run)
        values = {
            "experiment_id": run,
            "model_id": model_id,
            "artifact_type": artifact_type,
            "artifact_path": text,
            "artifact_name": name or PurePath(text).name,
            "file_size_mb": file.stat().st_size / _MIB if result else None,
            "sha256": sha256 or (file_sha256(file) if result else None),
            "description": description,
            "metadata": dict(metadata or {}),
        }
        with self._database.write() as connection:
            return int(connection.execute(sa.insert(ARTIFACTS).values(values).returning(ARTIFACTS.c.id)).scalar_one())

    def read(self, run: int) -> list[Row]:
        """The run's artifacts by id."""
        query = sa.select(ARTIFACTS).where(ARTIFACTS.c.experiment_id == run).order_by(ARTIFACTS.c.id)
        with self._database.read() as connection:
            return rows(connection.execute(query))

    def blobs(self, artifact_type: str) -> dict[str, int]:
        """Run by blob, of all artifacts of a type that lie in one."""
        query = sa.select(ARTIFACTS.c.metadata, ARTIFACTS.c.experiment_id).where(
            ARTIFACTS.c.artifact_type == artifact_type
        )
        with self._database.read() as connection:
            result = connection.execute(query.order_by(ARTIFACTS.c.id.desc())).all()
        return {str(metadata["blob"]): int(run) for metadata, run in result if metadata and "blob" in metadata}


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
