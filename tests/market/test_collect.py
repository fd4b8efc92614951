from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.kernel.timeframe import HOUR_MS
from assay.market.sources.exchange import Progress, collect_bars
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.stores.base import MemoryStore, Span, Upserted
from assay.testing.fake_exchange import FakeExchange
from tests.market.collecting import BTC, CLOSED, LIVE, NOW, PAGE, N, collected, exchange_of, without


def test_all_closed_bars_are_collected_and_the_live_one_is_not() -> None:
    store, seen = MemoryStore(), list[Progress]()
    done = collected(exchange_of(), store, report=seen.append)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert done.upserted == Upserted(inserted=N)
    assert done.quality is not None
    assert (done.quality.gaps, done.history_from, done.active, done.warnings) == ((), None, True, ())
    assert store.coverage(BTC) == (Span(START_MS, START_MS + N * HOUR_MS),)
    assert [p.share for p in seen] == pytest.approx([i / 7 for i in range(1, 8)])
    assert done.requests == 7 + 1  # the pages, and the list of markets


def test_a_candle_is_closed_only_when_clocks_had_time_to_agree() -> None:
    store = MemoryStore()
    collected(exchange_of(), store, now=int(LIVE.known_at[N]) + 9_000)
    assert len(store.read(BTC)) == N
    collected(exchange_of(), store, now=int(LIVE.known_at[N]) + 10_000)
    assert len(store.read(BTC)) == N + 1


@pytest.mark.parametrize(
    "faults",
    [
        {"overlap": 30},
        {"shuffled": True},
        {"doubled": True},
        {"repeats": frozenset({3, 5})},
        {"disconnects": frozenset({0, 2, 3, 6})},
        {"windowed": True},
        {"overlap": 7, "shuffled": True, "doubled": True, "repeats": frozenset({2}), "disconnects": frozenset({4})},
    ],
    ids=str,
)
def test_the_table_is_the_same_whatever_the_exchange_does(faults: dict[str, Any]) -> None:
    store = MemoryStore()
    exchange = exchange_of(**faults)
    collected(exchange, store)
    again = collected(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert (again.upserted.inserted, again.upserted.revised) == (0, 0)


def test_collecting_again_asks_for_the_end_only() -> None:
    store, exchange = MemoryStore(), exchange_of()
    collected(exchange, store)
    before = len(exchange.requests)
    collected(exchange, store)
    assert [int(q["startTime"]) for q in exchange.requests[before:]] == [START_MS + (N - 24) * HOUR_MS]
    collected(exchange, store, again=True)
    assert len(exchange.requests) == before + 1 + N // PAGE


def test_an_earlier_start_is_filled_in_later() -> None:
    store, exchange = MemoryStore(), exchange_of()
    late, early = START_MS + 500 * HOUR_MS, START_MS + 100 * HOUR_MS
    collected(exchange, store, since=late)
    collected(exchange, store, since=early, until=early + 50 * HOUR_MS)
    assert store.coverage(BTC) == (Span(early, early + 50 * HOUR_MS), Span(late, START_MS + N * HOUR_MS))
    before = len(exchange.requests)
    collected(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert len(exchange.requests) - before == 1 + 4 + 1


def test_until_is_left_out() -> None:
    store = MemoryStore()
    collected(exchange_of(), store, since=START_MS + 1, until=START_MS + 10 * HOUR_MS + 1)
    assert store.read(BTC).digest() == CLOSED[1:11].digest()


def test_an_exchange_that_ignores_since() -> None:
    store, exchange = MemoryStore(), exchange_of(since_ignored=True)
    done = collected(exchange, store)
    first = int(LIVE.timestamp[N + 1 - PAGE])
    assert done.history_from == first == store.read(BTC).timestamp[0]
    assert any("history not available before 2020-01-26T" in w for w in done.warnings)
    assert store.coverage(BTC) == (Span(first, START_MS + N * HOUR_MS),)
    assert len(exchange.requests) == 1


def test_a_market_that_was_listed_later() -> None:
    for windowed in (False, True):
        store, exchange = MemoryStore(), exchange_of(LIVE[450:], windowed=windowed)
        done = collected(exchange, store)
        assert store.read(BTC).digest() == CLOSED[450:].digest()
        assert done.history_from == LIVE.timestamp[450]
        assert store.coverage(BTC)[0].start == (START_MS if windowed else LIVE.timestamp[450])


@given(st.lists(st.tuples(st.integers(1, N - 1), st.integers(1, 150)), max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_missing_bar_is_known_and_none_invented(gaps: list[tuple[int, int]], windowed: bool) -> None:
    holey = without([(start, min(length, N - start)) for start, length in gaps])
    store = MemoryStore()
    done = collected(exchange_of(holey, windowed=windowed), store)
    stored = store.read(BTC)
    expected = holey.timestamp[holey.timestamp < LIVE.timestamp[N]]
    assert np.array_equal(stored.timestamp, expected)
    assert done.quality is not None
    assert done.quality.missing_bars == round((expected[-1] - expected[0]) / HOUR_MS) + 1 - len(expected)


def test_a_page_that_is_only_repeated_is_asked_for_next_time() -> None:
    store = MemoryStore()
    exchange = exchange_of(repeats=frozenset({3, 4}))
    collected(exchange, store)
    assert len(store.read(BTC)) == N - PAGE
    assert len(store.coverage(BTC)) == 2
    collected(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()


def test_a_closed_candle_that_is_revised_later() -> None:
    store, exchange = MemoryStore(), exchange_of()
    collected(exchange, store)
    close = LIVE.close.copy()
    close[N - 3] = LIVE.low[N - 3]
    close[40] = LIVE.low[40]
    exchange.revise(Bars(BTC, LIVE.timestamp, LIVE.open, LIVE.high, LIVE.low, close, LIVE.volume))
    assert collected(exchange, store).upserted.revised == 1
    replaced = store.revisions(BTC)
    assert replaced is not None
    assert replaced.close.tolist() == [LIVE.close[N - 3]]
    assert collected(exchange, store, again=True).upserted.revised == 1
    assert store.read(BTC).close.tolist() == close[:N].tolist()


def test_a_page_without_trades_keeps_its_zeros() -> None:
    volume = np.array(LIVE.volume)
    volume[PAGE : 2 * PAGE] = 0.0
    store = MemoryStore()
    collected(exchange_of(Bars(BTC, LIVE.timestamp, LIVE.open, LIVE.high, LIVE.low, LIVE.close, volume)), store)
    stored = store.read(BTC).volume
    assert stored is not None
    assert np.array_equal(stored, volume[:N])


def test_nothing_lies_between_since_and_until() -> None:
    for since, until in ((NOW, None), (START_MS, START_MS), (NOW + HOUR_MS, None)):
        with pytest.raises(ConfigError, match="no closed 1h bar"):
            collected(exchange_of(), MemoryStore(), since=since, until=until)


def test_a_time_before_the_market() -> None:
    store = MemoryStore()
    done = collected(exchange_of(), store, since=START_MS - 400 * HOUR_MS, until=START_MS - 100 * HOUR_MS)
    assert (done.quality, store.instruments()) == (None, [])
    assert "no candles between" in done.warnings[0]


def test_a_delisted_market() -> None:
    store, exchange = MemoryStore(), exchange_of(LIVE[:300])
    exchange.active = False
    done = collected(exchange, store)
    assert store.read(BTC).digest() == CLOSED[:300].digest()
    assert done.active is False
    assert any("survivorship" in w for w in done.warnings)


def test_months_are_collected_and_told_from_minutes() -> None:
    store = MemoryStore()
    months = synthetic(bars=60, seed=3, exchange="binance", symbol="BTC/USDT", timeframe="1M")
    minutes = synthetic(bars=5, seed=3, exchange="binance", symbol="BTC/USDT", timeframe="1m")
    for expected in (False, True):
        exchange = FakeExchange(months, now=int(months.known_at[-1]) - 1)
        given: dict[str, Any] = {"since": START_MS, "store": store, "now": exchange.now, "page_limit": 25}
        done = collect_bars(exchange, months.instrument, **given)
        assert store.read(months.instrument).digest() == months[:59].digest()
        assert any("month" in w and "minutes" in w for w in done.warnings) == expected
        store.upsert(minutes, source="test")
