from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import ConfigError, StoreError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.stores.base import CandleStore, MemoryStore, Span, open_candles
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.candle_store import BTC, ETH, CandleStoreContract, candles


class TestMemory(CandleStoreContract):
    @pytest.fixture
    def store(self) -> CandleStore:
        return MemoryStore()


class TestDuckDb(CandleStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> CandleStore:
        return DuckDbStore(tmp_path / "home" / "candles.duckdb", wait_seconds=5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "candles.duckdb"


def test_both_engines_digest_alike(path: Path) -> None:
    memory, file = MemoryStore(), DuckDbStore(path)
    for store in (memory, file):
        store.upsert(candles(20, quote_volume=np.arange(20.0), weird=np.arange(20.0)), source="a")
        store.upsert(candles(20, first=10, seed=3, instrument=ETH), source="b")
        store.upsert(candles(5, first=3, seed=3), source="b")
    assert memory.digest() == file.digest()
    assert memory.digest(ETH) == file.digest(ETH)


def test_source_revision_and_time_are_in_the_table(path: Path) -> None:
    clock = iter([100, 200])
    store = DuckDbStore(path, clock=lambda: next(clock))
    store.upsert(candles(3), source="file a.csv")
    store.upsert(candles(2, first=1, seed=9), source="exchange")
    found = store.sql("SELECT timestamp, source, revision, ingested_at FROM candles ORDER BY timestamp").to_pylist()
    assert [tuple(row.values())[1:] for row in found] == [
        ("file a.csv", 0, 100),
        ("exchange", 1, 200),
        ("exchange", 1, 200),
    ]
    old = store.sql("SELECT source, revision, ingested_at, replaced_at FROM candle_revisions").to_pylist()
    assert [tuple(row.values()) for row in old] == [("file a.csv", 0, 100, 200)] * 2


def test_the_documented_views(path: Path) -> None:
    store = DuckDbStore(path)
    daily = Instrument("binance", "BTC/USDT", "1d")
    store.upsert(candles(3, trade_count=np.array([1.0, np.nan, 3.0])), source="a")
    store.upsert(candles(0, instrument=daily), source="a")
    wide = store.sql("SELECT * FROM market_data_enhanced ORDER BY timestamp")
    names = ["exchange", "symbol", "timestamp", "timeframe", *PRICES, "volume", "quote_volume", "trade_count"]
    assert wide.column_names == names
    assert wide.column("trade_count").to_pylist() == [1.0, None, 3.0]
    assert store.sql("SELECT * FROM market_data").column_names == [n for n in names if n != "timeframe"]
    assert store.sql("SELECT count(*) AS n FROM market_data").to_pylist() == [{"n": 3}]
    other = DuckDbStore(path, base_timeframe="1d")
    other.upsert(candles(0), source="a")
    assert other.sql("SELECT count(*) AS n FROM market_data").to_pylist() == [{"n": 0}]


def test_sql_reads_the_store_and_nothing_else(path: Path) -> None:
    store = DuckDbStore(path)
    with pytest.raises(StoreError, match="no candles yet"):
        store.sql("SELECT 1")
    store.upsert(candles(1), source="a")
    for statement in (
        "DELETE FROM candles",
        f"SELECT * FROM read_text('{__file__}')",
        "SET threads = 1",
        "SELEC 1",
        "",
    ):
        with pytest.raises(ConfigError):
            store.sql(statement)
    assert store.read(BTC).digest() == candles(1).digest()


@pytest.mark.parametrize("url", ["memory://", "duckdb:///{}"])
def test_a_url_opens_a_store(url: str, tmp_path: Path) -> None:
    store = open_candles(url.format(tmp_path / "a" / "c.duckdb"))
    store.upsert(candles(2), source="a")
    assert len(store.read(BTC)) == 2
    assert (tmp_path / "a" / "c.duckdb").exists() == url.startswith("duckdb")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql://me:secret@host/db", "postgres"),
        ("duckdb://x", "duckdb:///"),
        ("duckdb:///", "duckdb:///"),
        ("duckdbb:///x", "did you mean duckdb"),
        ("candles.duckdb", "memory://"),
        ("memory://x", "memory"),
    ],
)
def test_an_unknown_url(url: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as failure:
        open_candles(url)
    assert "secret" not in str(failure.value)


def test_places_where_no_store_can_be(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        DuckDbStore(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"(Not a directory|File exists)"):
        DuckDbStore(tmp_path / "file" / "candles.duckdb")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = Path("/proc/self")  # nobody may create files here, root included
    if not folder.is_dir():
        folder = tmp_path / "locked"
        folder.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match=str(folder)) as failure:
        DuckDbStore(folder / "candles.duckdb").upsert(candles(1), source="a")
    assert failure.value.facts["reason"]


def test_a_file_that_is_no_store(path: Path) -> None:
    path.write_bytes(b"this is not a database" * 1000)
    store = DuckDbStore(path)
    with pytest.raises(StoreError, match="cannot be read") as failure:
        store.instruments()
    assert failure.value.code == "STORE_CORRUPT"
    with pytest.raises(StoreError, match="cannot be read"):
        store.upsert(candles(1), source="a")


def test_a_store_of_a_newer_assay(path: Path) -> None:
    store = DuckDbStore(path)
    store.upsert(candles(1), source="a")
    with duckdb.connect(path) as db:
        db.execute("UPDATE assay_store SET version = 99")
    with pytest.raises(StoreError, match="version 99") as failure:
        store.read(BTC)
    assert failure.value.exit_code == 78


def test_a_failed_upsert_leaves_the_state_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckDbStore(path)
    store.upsert(candles(5), source="a")
    before = store.digest()

    def fail(*_: object) -> None:
        raise RuntimeError("out of luck")

    with monkeypatch.context() as patched, pytest.raises(RuntimeError, match="luck"):
        patched.setattr("assay.market.stores.duckdb.cover", fail)
        store.upsert(candles(10, seed=4), source="a", covered=Span(0, HOUR_MS))
    assert store.digest() == before
    assert store.revisions(BTC) is None
    assert store.upsert(candles(10), source="a").inserted == 5


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckDbStore(path)
    store.upsert(candles(3), source="a")

    def fail(*_: object, **__: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="no room left") as failure:
        patched.setattr("assay.market.stores.duckdb.write", fail)
        store.upsert(candles(9), source="a")
    assert failure.value.code == "STORE_FULL"
    assert len(store.read(BTC)) == 3


@pytest.mark.market_data
def test_two_files_of_one_market_agree(market_data: Path, path: Path) -> None:
    store = DuckDbStore(path)
    done = []
    for name in ("binance_BTC-USDT_1h", "multitf_binance_BTC-USDT_1h_2024"):
        table = pl.read_parquet(market_data / f"{name}.parquet")
        columns = [np.ascontiguousarray(table[column].to_numpy()) for column in (*PRICES, "volume")]
        done.append(store.upsert(Bars(BTC, table["timestamp"].to_numpy(), *columns), source=name))
    assert [(d.inserted, d.revised, d.unchanged) for d in done] == [(58_419, 0, 0), (5_980 - 2_679, 0, 2_679)]
