"""Artifacts of a run by path and hash, and snapshots of its data."""

import hashlib
import json
import logging
import uuid
from collections.abc import Mapping
from pathlib import Path, PurePath
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import PRICES, Bars, Joined
from assay.kernel.errors import ArtifactError, DataError, StoreError, printable
from assay.kernel.instrument import Instrument
from assay.track.codecs import canonical
from assay.track.database import Database, Row, rows, writes
from assay.track.model_files.artifact_store import disk, sync
from assay.track.schema.tables import ARTIFACTS

_Number = TypeVar("_Number", np.float64, np.int64)
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
        metadata: Mapping[str, object] | None = None,
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


_FACTS = b"assay"
_VERSION = 1


def save_snapshot(bars: Bars, folder: Path) -> tuple[str, Path]:
    """Write the bars once, as ``<digest>.parquet`` (zstd), whole or not at all; returns digest and path.

    Bars that are there already are not written again. The file has one row a bar, and goes on with the rows of joined
    series that are longer than the bars. StoreError ``STORE_FULL``, ``STORE_READ_ONLY``, ``STORE_IO``.
    """
    digest = bars.digest()
    path = folder / f"{digest}.parquet"
    if path.is_file():
        return digest, path
    stage = folder / f".{uuid.uuid4().hex}.staging"
    with disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            pq.write_table(_table(bars), stage, compression="zstd")
            sync(stage)
            stage.rename(path)
            sync(folder)
        finally:
            stage.unlink(missing_ok=True)
    return digest, path


def load_snapshot(digest: str, folder: Path) -> Bars:
    """The bars of a snapshot, equal in every value to those that were written.

    ArtifactError ``ARTIFACT_GONE`` when there is none, ``ARTIFACT_CORRUPT`` when the file does not hold them.
    """
    path = folder / f"{digest}.parquet"
    if not path.is_file():
        raise ArtifactError(f"there is no snapshot {digest}", code="ARTIFACT_GONE", hint="Read the candles again.")
    try:
        bars = _bars(pq.read_table(path))
    except (pa.ArrowException, OSError, KeyError, ValueError, TypeError, DataError) as error:
        raise ArtifactError(f"{path} is damaged: {error}", code="ARTIFACT_CORRUPT", expected=digest) from error
    result = bars.digest()
    if result != digest:
        raise ArtifactError(
            f"{path} holds bars of digest {result}", code="ARTIFACT_CORRUPT", found=result, expected=digest
        )
    return bars


def _table(bars: Bars) -> pa.Table:
    arrays: dict[str, NDArray[np.generic]] = {"timestamp": bars.timestamp}
    arrays |= {name: getattr(bars, name) for name in PRICES}
    if bars.volume is not None:
        arrays["volume"] = bars.volume
    arrays |= {f"column:{name}": values for name, values in bars.columns.items()}
    for name, series in bars.joined.items():
        arrays[f"joined:{name}:value_time"] = series.value_time
        arrays[f"joined:{name}:known_at"] = series.known_at
        arrays[f"joined:{name}:value"] = series.value
    rows = max(len(values) for values in arrays.values())
    instrument = bars.instrument
    facts = {
        "format_version": _VERSION,
        "exchange": instrument.exchange,
        "symbol": instrument.symbol,
        "timeframe": instrument.timeframe,
        "bars": len(bars),
        "columns": list(bars.columns),
        "joined": [[name, len(series.value)] for name, series in bars.joined.items()],
    }
    table = pa.table({name: _padded(values, rows) for name, values in arrays.items()})
    return table.replace_schema_metadata({_FACTS: canonical(facts).encode()})


def _padded(values: NDArray[np.generic], rows: int) -> pa.Array:
    array = pa.array(np.ascontiguousarray(values), from_pandas=False)
    return array if len(array) == rows else pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)])


def _bars(table: pa.Table) -> Bars:
    facts = json.loads((table.schema.metadata or {})[_FACTS])
    n = facts["bars"]

    def floats(name: str, rows: int = n) -> FloatArray:
        return _values(table, name, rows, np.float64)

    joined = {
        name: Joined(
            _values(table, f"joined:{name}:value_time", rows, np.int64),
            _values(table, f"joined:{name}:known_at", rows, np.int64),
            floats(f"joined:{name}:value", rows),
        )
        for name, rows in facts["joined"]
    }
    return Bars(
        Instrument(facts["exchange"], facts["symbol"], facts["timeframe"]),
        _values(table, "timestamp", n, np.int64),
        **{name: floats(name) for name in PRICES},
        volume=floats("volume") if "volume" in table.column_names else None,
        columns={name: floats(f"column:{name}") for name in facts["columns"]},
        joined=joined,
    )


def _values(table: pa.Table, name: str, rows: int, kind: type[_Number]) -> NDArray[_Number]:
    column = table.column(name).slice(0, rows)
    if column.null_count or len(column) != rows:
        raise ValueError(f"{name} has holes")
    return np.ascontiguousarray(column.to_numpy(), dtype=kind)
