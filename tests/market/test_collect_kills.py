import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.market.stores.base import MemoryStore, Span, Upserted
from assay.market.stores.duckdb import DuckDbStore
from tests.market.collecting import BTC, CLOSED, N, collected, exchange_of, without


class _Killed(Exception):
    pass


class _DyingStore(MemoryStore):
    """Dies at one upsert, before or after it is committed."""

    def __init__(self) -> None:
        super().__init__()
        self.left = 10**9
        self.after = False

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        self.left -= 1
        if self.left < 0 and not self.after:
            raise _Killed
        done = super().upsert(bars, source=source, covered=covered)
        if self.left < 0:
            raise _Killed
        return done


def test_killed_at_thirty_points() -> None:
    random = np.random.default_rng(5)
    whole = MemoryStore()
    holey = without([(60, 3), (333, 140), (699, 1)])
    collected(exchange_of(holey), whole)
    for _ in range(30):
        store, kills = _DyingStore(), 0
        while True:
            store.left, store.after = int(random.integers(0, 4)), bool(random.integers(0, 2))
            page = int(random.integers(40, 120))
            try:
                collected(exchange_of(holey, overlap=int(random.integers(0, 9))), store, page_limit=page)
                break
            except _Killed:
                kills += 1
        assert kills
        assert store.digest() == whole.digest()
        assert store.revisions(BTC) is None


_CHILD = """
import sys
from assay.market.sources.exchange import collect_bars
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.fake_exchange import FakeExchange
bars = synthetic(bars=701, seed=1, exchange="binance", symbol="BTC/USDT")
now = int(bars.timestamp[700]) + 1_800_000
exchange, store = FakeExchange(bars, now=now), DuckDbStore(sys.argv[1])
def report(progress):
    print(progress.position, flush=True)
collect_bars(exchange, bars.instrument, since=START_MS, store=store, now=now, page_limit=10, report=report)
"""


def _killed_after(pages: int, path: Path) -> int:
    with subprocess.Popen([sys.executable, "-c", _CHILD, str(path)], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        for _ in range(pages):
            child.stdout.readline()
        child.send_signal(signal.SIGKILL)
        return child.wait()


def test_killed_for_real_in_a_back_fill(tmp_path: Path) -> None:
    path = tmp_path / "candles.duckdb"
    assert _killed_after(9, path) == -signal.SIGKILL
    store = DuckDbStore(path, wait_seconds=5)
    assert 90 <= len(store.read(BTC)) < N
    collected(exchange_of(), store)
    assert store.read(BTC).digest() == CLOSED.digest()


@pytest.mark.slow
def test_killed_for_real_many_times(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    path, codes = tmp_path / "candles.duckdb", list[int]()
    for _ in range(10):
        codes.append(_killed_after(int(random.integers(1, 8)), path))
    assert -signal.SIGKILL in codes
    collected(exchange_of(), DuckDbStore(path, wait_seconds=5))
    assert DuckDbStore(path).read(BTC).digest() == CLOSED.digest()
