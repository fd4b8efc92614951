"""A Parquet file's columns, after a look at its footer."""

import struct
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from assay.kernel.errors import DataError

MAX_COLUMNS = 10_000
_MAX_FOOTER = 16 << 20
_MAX_CELLS = 1 << 30
MAGIC = b"PAR1"


def names(path: Path, source: str) -> list[str]:
    """Column names from the footer. ``DATA_PARQUET``: truncated, damaged, more than 10,000 columns or 2^30 cells."""
    import pyarrow as pa
    from pyarrow import parquet

    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(0, size - 8))
        tail = file.read(8)
    if size < 12 or tail[4:] != MAGIC:
        raise _refused(source, "the footer is missing: the file is truncated")
    (length,) = struct.unpack("<I", tail[:4])
    if length > size - 12:
        raise _refused(source, f"the footer says {length} bytes, the file has {size}: it is damaged")
    if length > _MAX_FOOTER:
        raise _refused(source, f"the footer has {length} bytes, more than 10,000 columns need")
    try:
        footer = parquet.read_metadata(path)
        lines: list[str] = footer.schema.to_arrow_schema().names if footer.num_columns <= MAX_COLUMNS else []
    except (pa.ArrowException, OSError, UnicodeDecodeError) as wrong:
        raise _refused(source, f"the footer cannot be read: {wrong}") from wrong
    if footer.num_columns > MAX_COLUMNS:
        raise _refused(source, f"{footer.num_columns} columns, at most 10,000 are read")
    if footer.num_rows * min(footer.num_columns, 20) > _MAX_CELLS:
        raise _refused(source, f"the footer says {footer.num_rows} rows, more than are read at once")
    if not footer.num_rows:
        raise DataError(f"{source}: 0 rows", code="DATA_EMPTY", rows=0)
    return lines


def table(path: Path, columns: Sequence[str], source: str) -> pl.DataFrame:
    """These columns of the file. ``DATA_PARQUET`` when their bytes are damaged."""
    import pyarrow as pa
    from pyarrow import parquet

    try:  # Arrow answers damaged bytes with an error where polars panics
        with parquet.ParquetFile(path) as file:
            holding = file.read(columns=list(columns))
        holding.validate(full=True)
        bare = pa.table(dict(zip(holding.column_names, holding.columns, strict=True)))  # damaged metadata stays behind
        read = pl.from_arrow(bare)
    except (pa.ArrowException, OSError, UnicodeDecodeError, pl.exceptions.PolarsError) as wrong:
        first = str(wrong).splitlines()[0][:200]
        raise _refused(source, f"the columns do not fit the footer, the file is damaged: {first}") from wrong
    if not isinstance(read, pl.DataFrame):
        raise _refused(source, "the file holds no table")
    return read


def _refused(source: str, text: str) -> DataError:
    return DataError(f"{source}: {text}", code="DATA_PARQUET")
