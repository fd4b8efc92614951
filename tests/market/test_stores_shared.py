import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.errors import StoreError
from assay.market.stores.base import Span
from assay.market.stores.duckdb import DuckDbStore
from assay.market.stores.file_lock import alone
from assay.testing.candle_store import BTC, candles


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "candles.duckdb"


def _python(code: str, *args: object, **kwargs: object) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


_KILLED_IN_TRANSACTION = """
import os, signal, sys
from assay.market.stores import duckdb as rows
from assay.market.stores.base import Span
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
    assert store.coverage(BTC) == (Span(0, 5),)
    assert store.upsert(candles(20_000, seed=4), source="a").inserted == 19_500


_HOLDS_LOCK = """
import sys
from pathlib import Path
from assay.market.stores.file_lock import alone
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
