import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pytest

from assay.kernel.bars import PRICES, Bars
from assay.kernel.errors import ConfigError, StoreError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.stores.contract import CandleStore, Span
from assay.market.stores.duckdb import DuckDbStore
from assay.market.stores.lock import alone
from assay.market.stores.memory import MemoryStore
from assay.market.stores.open import open_candles
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


def _python(code: str, *args: object, **kwargs: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


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
        patched.setattr("assay.market.stores.duckdb_rows.cover", fail)
        store.upsert(candles(10, seed=4), source="a", covered=Span(0, HOUR_MS))
    assert store.digest() == before
    assert store.revisions(BTC) is None
    assert store.upsert(candles(10), source="a").inserted == 5


_KILLED_IN_TRANSACTION = """
import os, signal, sys
from assay.market.stores import duckdb_rows as rows
from assay.market.stores.contract import Span
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.candle_store import candles
rows.cover = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
DuckDbStore(sys.argv[1]).upsert(candles(20_000, seed=4), source="a", covered=Span(0, 1))
"""


def test_killed_in_the_middle_of_an_upsert(path: Path) -> None:
    store = DuckDbStore(path, wait_seconds=5)
    store.upsert(candles(500), source="a", covered=Span(0, 5))
    before = store.digest()
    with _python(_KILLED_IN_TRANSACTION, path) as child:
        assert child.wait() == -signal.SIGKILL
    assert store.digest() == before
    assert store.covered(BTC) == (Span(0, 5),)
    assert store.upsert(candles(20_000, seed=4), source="a").inserted == 19_500


_HOLDS_LOCK = """
import sys
from pathlib import Path
from assay.market.stores.lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""
_HOLDS_FILE = """
import sys, duckdb
with duckdb.connect(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("code", [_HOLDS_LOCK, _HOLDS_FILE])
def test_a_store_in_use_names_the_holder(path: Path, code: str) -> None:
    DuckDbStore(path).upsert(candles(5), source="a")
    store = DuckDbStore(path, wait_seconds=0.3)
    with _python(code, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        for call in (store.instruments, lambda: store.upsert(candles(6), source="a")):
            with pytest.raises(StoreError, match=f"in use by process {child.pid}") as failure:
                call()
            assert (failure.value.code, failure.value.http_status) == ("STORE_BUSY", 503)
        child.communicate("")
    assert len(store.read(BTC)) == 5


def test_threads_share_a_store(path: Path) -> None:
    store = DuckDbStore(path)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda i: store.upsert(candles(60, first=50 * i), source="a"), range(8)))
    assert sum(d.inserted for d in done) == 410
    assert store.read(BTC).digest() == candles(410).digest()


def test_a_full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DuckDbStore(path)
    store.upsert(candles(3), source="a")

    def fail(*_: object, **__: object) -> None:
        raise duckdb.IOException("IO Error: Could not write file: No space left on device")

    with monkeypatch.context() as patched, pytest.raises(StoreError, match="no room left") as failure:
        patched.setattr("assay.market.stores.duckdb_rows.write", fail)
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


def test_the_lock_is_free_after_its_block(path: Path) -> None:
    with pytest.raises(RuntimeError), alone(path):
        raise RuntimeError
    with alone(path, wait_seconds=0.1):
        pass


_WRITER = """
import sys
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.candle_store import candles
store = DuckDbStore(sys.argv[1])
for i in range(int(sys.argv[2]), 8, 2):
    store.upsert(candles(150, first=100 * i), source=sys.argv[2])
    store.upsert(candles(100, first=100 * i), source=sys.argv[2])
"""
_READER = """
import sys, time
from assay.market.stores.duckdb import DuckDbStore
store = DuckDbStore(sys.argv[1])
print("ready", flush=True)
seen = set()
while 850 not in seen:
    time.sleep(0.02)
    seen |= {h.bars for h in store.instruments()}
print(*sorted(n % 50 for n in seen))
"""


def test_two_writers_and_a_reader(path: Path) -> None:
    with _python(_READER, path) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "ready\n"
        with _python(_WRITER, path, 0) as one, _python(_WRITER, path, 1) as two:
            assert (one.wait(60), two.wait(60)) == (0, 0)
        seen, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0
    assert set(seen.split()) == {"0"}
    assert DuckDbStore(path).read(BTC).digest() == candles(850).digest()


_KILLED_ANYWHERE = """
import sys
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.candle_store import candles
store = DuckDbStore(sys.argv[1])
print("ready", flush=True)
for i in range(1000):
    store.upsert(candles(500, first=500 * i), source="a")
"""


@pytest.mark.slow
def test_killed_at_any_instant(path: Path) -> None:
    random = np.random.default_rng(1)
    store = DuckDbStore(path, wait_seconds=5)
    store.upsert(candles(500), source="a")
    for _ in range(20):
        with _python(_KILLED_ANYWHERE, path) as child:
            assert child.stdout is not None
            child.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                child.wait(random.uniform(0, 0.4))
            os.kill(child.pid, signal.SIGKILL)
        (held,) = store.instruments()
        assert held.bars % 500 == 0
        assert store.read(BTC).digest() == candles(held.bars).digest()
