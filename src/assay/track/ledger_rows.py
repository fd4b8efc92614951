"""A row of the trial ledger: one configuration, or a block of many."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ArtifactError
from assay.track.model_files.artifact_store import Blobs
from assay.track.rows import Row

if TYPE_CHECKING:
    import polars as pl

_PARQUET = b"PAR1"
_REAL = ("score", "sharpe", "skew", "kurtosis")


@dataclass(frozen=True, slots=True, eq=False)
class LedgerRow:
    """A row of the ledger; blobs are read when `columns` or `returns` is asked for, and every time."""

    row: Row
    blobs: Blobs | None = None

    def __len__(self) -> int:
        return int(self.row["n_configs"])

    def columns(self, names: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """``(n_configs,)`` arrays: score, failed, trades, per-bar sharpe, skew, kurtosis, and ``p_`` + each parameter.

        names: only these. Undefined is NaN. ArtifactError ``ARTIFACT_GONE``, ``ARTIFACT_CORRUPT`` for a block that is
        not what the row says. Cost: of a block its hash, and the columns that are asked for.
        """
        if self.row["block_sha256"] is None:
            result = self._own()
            return result if names is None else {name: result[name] for name in names if name in result}
        table = self._block(names)
        if len(table) != len(self):
            raise _damaged(self.row, f"holds {len(table):,} configurations, {len(self):,} were counted")
        return {name: table[name].to_numpy() for name in table.columns}

    def returns(self) -> dict[int, FloatArray]:
        """Per-bar returns by the configuration's place in `columns`, best first: of a block those of its distinct best.

        Empty where none were kept. Raises as `columns`.
        """
        if self.row["returns_sha256"] is None or self.blobs is None:
            return {}
        data = self.blobs.get(self.row["returns_sha256"])
        if not data.startswith(_PARQUET):
            return {0: np.frombuffer(data, "<f8")} if self.row["block_sha256"] is None else {}
        import polars as pl

        table = pl.read_parquet(io.BytesIO(data))
        return {int(name): table[name].to_numpy() for name in table.columns}

    def _own(self) -> dict[str, NDArray[Any]]:
        row = self.row
        result: dict[str, NDArray[Any]] = {
            name: np.array([np.nan if row[name] is None else row[name]], np.float64) for name in _REAL
        }
        result["failed"] = np.array([row["state"] != "complete"])
        result["trades"] = np.array([row["total_trades"] or 0], np.int64)
        return result | {f"p_{name}": _one(value) for name, value in row["params"].items()}

    def _block(self, names: Sequence[str] | None) -> "pl.DataFrame":
        import polars as pl

        if self.blobs is None:
            raise ArtifactError(
                f"the block of trial {self.row['seq']} was not given a store to read from", code="ARTIFACT_GONE"
            )
        data = io.BytesIO(self.blobs.get(self.row["block_sha256"]))
        if names is not None:
            available = pl.read_parquet_schema(data)
            data.seek(0)
            names = [name for name in names if name in available]
        return pl.read_parquet(data, columns=names)


def _one(value: Any) -> NDArray[Any]:
    if isinstance(value, bool | int | float):
        return np.array([value])
    holding = np.empty(1, object)
    holding[0] = value
    return holding


def _damaged(row: Row, why: str) -> ArtifactError:
    return ArtifactError(f"the block of trial {row['seq']} on {row['market_key']} {why}", code="ARTIFACT_CORRUPT")
