"""Archives and Parquet files as people have them, and as nobody should."""

import gzip
import re
from pathlib import Path

import polars as pl
import pytest

from assay.kernel.errors import AssayError, DataError
from assay.kernel.seeding import generator
from assay.market.sources import decompress
from tests.market.given_files import (
    ROWS,
    frame,
    parquet,
    read,
    refused,
    text,
    zipped,
)


def test_archives_that_are_traps(tmp_path: Path) -> None:
    name = "candles.zip"
    refused(tmp_path, gzip.compress(b"0" * 10**6), "DATA_ARCHIVE", "ratio", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", "0" * 10**7)), "DATA_ARCHIVE", "ratio", name=name)
    for member in ("../x", "/etc/x", "a/../../x.csv", "..\\x.csv", "C:/x.csv"):
        refused(
            tmp_path, zipped((member, text(ROWS))), "DATA_ARCHIVE", re.escape(member.replace("\\", "/")[-4:]), name=name
        )
    refused(tmp_path, zipped(("in.zip", zipped(("a.csv", "1")))), "DATA_ARCHIVE", r"in\.zip", name=name)
    refused(tmp_path, zipped(("in.csv", zipped(("a.csv", "1")))), "DATA_ARCHIVE", "archive", name=name)
    refused(tmp_path, gzip.compress(gzip.compress(b"1")), "DATA_ARCHIVE", "archive", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", "1"), ("b.csv", "1")), "DATA_ARCHIVE", "a.csv", name=name)
    refused(tmp_path, zipped(), "DATA_ARCHIVE", "0 members", name=name)
    refused(tmp_path, gzip.compress(text(ROWS).encode())[:-20], "DATA_ARCHIVE", "damaged", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", text(ROWS)))[:-30], "DATA_ARCHIVE", "damaged", name=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candles.csv.gz", "candles.zip"]


def test_the_size_limit_stops_before_the_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decompress, "LIMIT", 1000)
    refused(tmp_path, gzip.compress(text(ROWS).encode()), "DATA_ARCHIVE", "1 GiB", name="candles.csv.gz")


def test_parquet(tmp_path: Path) -> None:
    plain = read(tmp_path, text(ROWS)).one.bars.digest()
    assert read(tmp_path, parquet(frame()), "candles.parquet").one.bars.digest() == plain
    timed = frame().with_columns(pl.col("timestamp").cast(pl.Datetime("ms", "UTC")))
    assert read(tmp_path, parquet(timed), "candles.parquet").one.bars.digest() == plain
    naive = parquet(frame().with_columns(pl.col("timestamp").cast(pl.Datetime("ms")).cast(pl.Datetime("ns"))))
    refused(tmp_path, naive, "DATA_TZ", "no time zone", "--tz", name="candles.parquet")
    assert read(tmp_path, naive, "candles.parquet", tz="UTC").one.bars.digest() == plain
    null = frame().with_columns(pl.lit(None).alias("volume"))
    assert read(tmp_path, parquet(null), "candles.parquet").one.bars.volume is None


def test_parquet_that_is_none(tmp_path: Path) -> None:
    whole = parquet(frame())
    name = "candles.parquet"
    for cut in (whole[:-4], whole[:100], whole[:-100], text(ROWS).encode(), b"PAR1"):
        refused(tmp_path, cut, "DATA_PARQUET", "footer", name=name)
    wide = parquet(pl.DataFrame({f"c{i}": [1] for i in range(10_001)}))
    refused(tmp_path, wide, "DATA_PARQUET", "10,000", name=name)
    refused(tmp_path, parquet(frame()[:0]), "DATA_EMPTY", "0 rows", name=name)
    refused(tmp_path, parquet(frame().drop("close")), "DATA_SCHEMA", "missing", "close", "found", name=name)
    twice = frame().with_columns(pl.col("close").alias("Close"))
    refused(tmp_path, parquet(twice), "DATA_SCHEMA", "twice", name=name)
    lists = frame().with_columns(pl.concat_list("close").alias("close"))
    refused(tmp_path, parquet(lists), "DATA_SCHEMA", "close", name=name)


@pytest.mark.parametrize("kind", ["parquet", "zip", "csv.gz", "csv"])
def test_damaged_bytes_end_in_an_error_of_ours_or_in_candles(tmp_path: Path, kind: str) -> None:
    made = {
        "zip": zipped(("a.csv", text(ROWS))),
        "csv.gz": gzip.compress(text(ROWS).encode()),
        "csv": text(ROWS).encode(),
    }
    whole = made.get(kind) or parquet(frame())
    draw = generator(0, kind)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(whole)
        for at in draw.integers(0, len(whole), size=draw.integers(1, 4)):
            damaged[at] = draw.integers(0, 256)
        try:
            outcomes.add(type(read(tmp_path, bytes(damaged), f"candles.{kind}")))
        except AssayError as error:
            outcomes.add(type(error))
    assert DataError in outcomes
