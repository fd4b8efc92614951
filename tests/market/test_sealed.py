"""A store of which a stretch is locked: nothing that was known after the lock comes out of it."""

import numpy as np
import pytest

from assay.kernel.bars import Joined
from assay.kernel.errors import DataError
from assay.kernel.timeframe import HOUR_MS
from assay.market.stores.base import CandleStore, HoldoutView, MemoryStore
from assay.testing.candle_store import BTC, ETH, CandleStoreContract, candles


class TestWithoutALock(CandleStoreContract):
    @pytest.fixture
    def store(self) -> CandleStore:
        return HoldoutView(MemoryStore(), lambda exchange, symbol: None)


@pytest.fixture
def whole() -> MemoryStore:
    store = MemoryStore()
    store.upsert(candles(50), source="a")
    store.upsert(candles(50, seed=2), source="b")  # every bar is revised
    store.upsert(candles(50, instrument=ETH), source="a")
    times = candles(50).timestamp
    series = Joined(times, times + HOUR_MS, np.arange(50.0))
    store.put_series(BTC.exchange, BTC.symbol, "funding_rate", series)
    return store


def sealed(whole: MemoryStore, since: int) -> HoldoutView:
    return HoldoutView(whole, lambda exchange, symbol: since if symbol == BTC.symbol else None)


@pytest.mark.parametrize("late", [0, 1, HOUR_MS - 1])
def test_bars_that_close_after_the_lock_are_not_there(whole: MemoryStore, late: int) -> None:
    known = whole.read(BTC).known_at
    store = sealed(whole, int(known[29]) + late)
    found = store.read(BTC)
    assert len(found) == 30 and found.known_at[-1] == known[29]
    assert all(series.known_at[-1] <= known[29] + late for series in found.joined.values()) and found.joined
    np.testing.assert_array_equal(store.read(BTC, newest=5).timestamp, found.timestamp[-5:])
    assert len(store.read(BTC, start=int(known[40]))) == 0
    assert len(store.read(BTC, end=int(known[9]))) == 10
    revisions, series = store.revisions(BTC), store.series(BTC.exchange, BTC.symbol)
    assert revisions is not None and len(revisions) == 30 and len(series["funding_rate"].value) == 30
    assert len(store.read(ETH)) == 50


def test_a_market_that_is_locked_whole_says_so(whole: MemoryStore) -> None:
    store = sealed(whole, int(whole.read(BTC).timestamp[0]))
    with pytest.raises(DataError, match="are in the locked stretch") as told:
        store.read(BTC)
    assert told.value.code == "DATA_LOCKED" and "vault list" in told.value.hint


def test_it_is_filled_and_counted_as_it_is(whole: MemoryStore) -> None:
    store = sealed(whole, int(whole.read(BTC).known_at[9]))
    before = store.instruments()
    assert [held.bars for held in before] == [50, 50] and store.digest() == whole.digest()
    store.upsert(candles(60, seed=2), source="c")
    assert len(store.read(BTC)) == 10 and len(whole.read(BTC)) == 60
