"""Small files of candles, and what reading them gives."""

import io
import re
import zipfile
from pathlib import Path

import polars as pl
import pytest

from assay.kernel.errors import AssayError
from assay.market.sources.files import Contents, read_file

HOUR = 3_600_000
START = 1_704_067_200_000
NOW = START + 100_000 * HOUR
HEADER = "timestamp,open,high,low,close,volume"
ROWS = [f"{START + i * HOUR},{100 + i % 5},106,99,{101 + i % 4},{5 + i}" for i in range(50)]


def text(rows: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def read(folder: Path, content: str | bytes, name: str = "candles.csv", **options: object) -> Contents:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    named = {"exchange": "test", "symbol": "BTC/USDT", "timeframe": "1h", "now_ms": NOW}
    return read_file(path, **{**named, **options})  # type: ignore[arg-type]


def refused(
    folder: Path, content: str | bytes, code: str, *texts: str, name: str = "candles.csv", **options: object
) -> AssayError:
    with pytest.raises(AssayError) as caught:
        read(folder, content, name, **options)
    assert caught.value.code in code.split("|"), caught.value.message
    for pattern in texts:
        assert re.search(pattern, caught.value.message, re.IGNORECASE), caught.value.message
    return caught.value


def said(contents: Contents) -> str:
    return "\n".join(w.text for w in contents.one.quality.warnings)


def zipped(*members: tuple[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return held.getvalue()


def times(*stamps: str) -> str:
    return text([f"{stamp},100,106,99,101,5" for stamp in stamps])


def frame() -> pl.DataFrame:
    return pl.read_csv(text(ROWS).encode())


def parquet(table: pl.DataFrame) -> bytes:
    held = io.BytesIO()
    table.write_parquet(held)
    return held.getvalue()
