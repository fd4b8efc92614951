import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.errors import AssayError, ConfigError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.sources.collect import Collected, Progress, collect
from assay.market.sources.exchange import ATTEMPTS, open_exchange, retry_after, survivorship
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.stores.contract import CandleStore, Span, Upserted
from assay.market.stores.duckdb import DuckDbStore
from assay.market.stores.memory import MemoryStore
from assay.market.stores.merge import rows as rows_at
from assay.testing.fake_exchange import FakeExchange, Faults

BTC = Instrument("binance", "BTC/USDT", "1h")
N = 700
LIVE = synthetic(bars=N + 1, seed=1, exchange="binance", symbol="BTC/USDT")
CLOSED = LIVE[:N]
NOW = int(LIVE.timestamp[N]) + HOUR_MS // 2  # in the middle of the last candle
PAGE = 100


def _collect(exchange: FakeExchange, store: CandleStore, **more: Any) -> Collected:
    waited: list[float] = more.pop("waited", [])
    given = {"since": START_MS, "now": NOW, "page_limit": PAGE, "sleep": waited.append} | more
    return collect(exchange, BTC, store=store, **given)


def _exchange(bars: Bars = LIVE, **faults: Any) -> FakeExchange:
    return FakeExchange(bars, now=NOW, faults=Faults(**faults), others=["ETH/USDT", "BTC/USDC"])


def test_all_closed_bars_are_collected_and_the_live_one_is_not() -> None:
    store, seen = MemoryStore(), list[Progress]()
    done = _collect(_exchange(), store, report=seen.append)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert done.upserted == Upserted(inserted=N)
    assert done.quality is not None
    assert (done.quality.gaps, done.history_from, done.active, done.warnings) == ((), None, True, ())
    assert store.covered(BTC) == (Span(START_MS, START_MS + N * HOUR_MS),)
    assert [p.share for p in seen] == pytest.approx([i / 7 for i in range(1, 8)])
    assert done.requests == 7 + 1  # the pages, and the list of markets


def test_a_candle_is_closed_only_when_clocks_had_time_to_agree() -> None:
    store = MemoryStore()
    _collect(_exchange(), store, now=int(LIVE.known_at[N]) + 9_000)
    assert len(store.read(BTC)) == N
    _collect(_exchange(), store, now=int(LIVE.known_at[N]) + 10_000)
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
    exchange = _exchange(**faults)
    _collect(exchange, store)
    again = _collect(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert (again.upserted.inserted, again.upserted.revised) == (0, 0)


def test_collecting_again_asks_for_the_end_only() -> None:
    store, exchange = MemoryStore(), _exchange()
    _collect(exchange, store)
    before = len(exchange.asked)
    _collect(exchange, store)
    assert [int(q["startTime"]) for q in exchange.asked[before:]] == [START_MS + (N - 24) * HOUR_MS]
    _collect(exchange, store, again=True)
    assert len(exchange.asked) == before + 1 + N // PAGE


def test_an_earlier_start_is_filled_in_later() -> None:
    store, exchange = MemoryStore(), _exchange()
    late, early = START_MS + 500 * HOUR_MS, START_MS + 100 * HOUR_MS
    _collect(exchange, store, since=late)
    _collect(exchange, store, since=early, until=early + 50 * HOUR_MS)
    assert store.covered(BTC) == (Span(early, early + 50 * HOUR_MS), Span(late, START_MS + N * HOUR_MS))
    before = len(exchange.asked)
    _collect(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()
    assert len(exchange.asked) - before == 1 + 4 + 1


def test_until_is_left_out() -> None:
    store = MemoryStore()
    _collect(_exchange(), store, since=START_MS + 1, until=START_MS + 10 * HOUR_MS + 1)
    assert store.read(BTC).digest() == CLOSED[1:11].digest()


def test_an_exchange_that_ignores_since() -> None:
    store, exchange = MemoryStore(), _exchange(since_ignored=True)
    done = _collect(exchange, store)
    first = int(LIVE.timestamp[N + 1 - PAGE])
    assert done.history_from == first == store.read(BTC).timestamp[0]
    assert any("history not available before 2020-01-26T" in w for w in done.warnings)
    assert store.covered(BTC) == (Span(first, START_MS + N * HOUR_MS),)
    assert len(exchange.asked) == 1


def test_a_market_that_was_listed_later() -> None:
    for windowed in (False, True):
        store, exchange = MemoryStore(), _exchange(LIVE[450:], windowed=windowed)
        done = _collect(exchange, store)
        assert store.read(BTC).digest() == CLOSED[450:].digest()
        assert done.history_from == LIVE.timestamp[450]
        assert store.covered(BTC)[0].start == (START_MS if windowed else LIVE.timestamp[450])


def _without(gaps: list[tuple[int, int]]) -> Bars:
    keep = np.ones(N + 1, np.bool_)
    for start, length in gaps:
        keep[start : start + length] = False
    return rows_at(LIVE, np.flatnonzero(keep))


@given(st.lists(st.tuples(st.integers(1, N - 1), st.integers(1, 150)), max_size=6), st.booleans())
@settings(max_examples=40, deadline=None)
def test_every_missing_bar_is_known_and_none_invented(gaps: list[tuple[int, int]], windowed: bool) -> None:
    holey = _without([(start, min(length, N - start)) for start, length in gaps])
    store = MemoryStore()
    done = _collect(_exchange(holey, windowed=windowed), store)
    stored = store.read(BTC)
    expected = holey.timestamp[holey.timestamp < LIVE.timestamp[N]]
    assert np.array_equal(stored.timestamp, expected)
    assert done.quality is not None
    assert done.quality.missing_bars == round((expected[-1] - expected[0]) / HOUR_MS) + 1 - len(expected)


def test_a_page_that_is_only_repeated_is_asked_for_next_time() -> None:
    store = MemoryStore()
    exchange = _exchange(repeats=frozenset({3, 4}))
    _collect(exchange, store)
    assert len(store.read(BTC)) == N - PAGE
    assert len(store.covered(BTC)) == 2
    _collect(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()


def test_retry_after_is_obeyed() -> None:
    for status in (429, 418):
        waited, store = list[float](), MemoryStore()
        answers = {i: (status, {"Retry-After": "37"}, "{}") for i in (2, 3)}
        exchange = _exchange(answers=answers)
        _collect(exchange, store, waited=waited)
        assert waited == [37.0, 37.0]
        assert store.read(BTC).digest() == CLOSED.digest()


def test_waiting_grows_without_a_header_and_ends() -> None:
    waited, store = list[float](), MemoryStore()
    exchange = _exchange(answers={i: (429, {}, "{}") for i in range(2, 100)})
    with pytest.raises(DataError, match=f"after {ATTEMPTS} attempts") as failure:
        _collect(exchange, store, waited=waited)
    assert failure.value.code == "DATA_EXCHANGE"
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(store.read(BTC)) == 2 * PAGE


def test_a_ban_of_days_is_not_waited_for() -> None:
    waited = list[float]()
    with pytest.raises(DataError, match="left alone for 86400 s"):
        _collect(_exchange(answers={0: (418, {"Retry-After": "86400"}, "{}")}), MemoryStore(), waited=waited)
    assert waited == []


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html><b>Maintenance</b></html>"),
        (200, ""),
        (200, '{"code": -1, "msg": "x"}'),
        (200, "[1, 2]"),
        (200, "null"),
        (200, '[[1578556800000, "1", "2", "abc", "1", "1"]]'),
        (400, '{"code": -1100, "msg": "Illegal characters"}'),
        (404, "<html>"),
    ],
)
def test_an_answer_that_is_no_candles(status: int, body: str) -> None:
    store = MemoryStore()
    with pytest.raises(AssayError) as failure:
        _collect(_exchange(answers={i: (status, {}, body) for i in range(2, 40)}), store)
    assert failure.value.code == "DATA_EXCHANGE"
    assert store.covered(BTC) == (Span(START_MS, START_MS + 2 * PAGE * HOUR_MS),)
    assert len(store.read(BTC)) == 2 * PAGE


def test_html_is_shown_and_the_next_run_goes_on() -> None:
    store, exchange = MemoryStore(), _exchange(answers={2: (200, {}, "<html><b>Maintenance</b>\x1b[2J</html>")})
    with pytest.raises(DataError, match=r"<html><b>Maintenance</b>\\x1b"):
        _collect(exchange, store)
    _collect(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()


def test_a_closed_candle_that_is_revised_later() -> None:
    store, exchange = MemoryStore(), _exchange()
    _collect(exchange, store)
    close = LIVE.close.copy()
    close[N - 3] = LIVE.low[N - 3]
    close[40] = LIVE.low[40]
    exchange.revise(Bars(BTC, LIVE.timestamp, LIVE.open, LIVE.high, LIVE.low, close, LIVE.volume))
    assert _collect(exchange, store).upserted.revised == 1
    replaced = store.revisions(BTC)
    assert replaced is not None
    assert replaced.close.tolist() == [LIVE.close[N - 3]]
    assert _collect(exchange, store, again=True).upserted.revised == 1
    assert store.read(BTC).close.tolist() == close[:N].tolist()


def test_bad_rows_do_not_get_in() -> None:
    high = LIVE.high.copy()
    high[150] = LIVE.low[150] / 2
    bars = Bars(BTC, LIVE.timestamp, LIVE.open, high, LIVE.low, LIVE.close, LIVE.volume)
    store = MemoryStore()
    done = _collect(_exchange(bars), store)
    assert [row.code for row in done.set_aside] == ["DATA_OHLC"]
    assert "DATA_OHLC" in done.warnings[0]
    assert len(store.read(BTC)) == N - 1
    assert done.quality is not None
    assert done.quality.missing_bars == 1


def test_a_page_without_trades_keeps_its_zeros() -> None:
    volume = np.array(LIVE.volume)
    volume[PAGE : 2 * PAGE] = 0.0
    store = MemoryStore()
    _collect(_exchange(Bars(BTC, LIVE.timestamp, LIVE.open, LIVE.high, LIVE.low, LIVE.close, volume)), store)
    stored = store.read(BTC).volume
    assert stored is not None
    assert np.array_equal(stored, volume[:N])


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
    holey = _without([(60, 3), (333, 140), (699, 1)])
    _collect(_exchange(holey), whole)
    for _ in range(30):
        store, kills = _DyingStore(), 0
        while True:
            store.left, store.after = int(random.integers(0, 4)), bool(random.integers(0, 2))
            page = int(random.integers(40, 120))
            try:
                _collect(_exchange(holey, overlap=int(random.integers(0, 9))), store, page_limit=page)
                break
            except _Killed:
                kills += 1
        assert kills
        assert store.digest() == whole.digest()
        assert store.revisions(BTC) is None


_CHILD = """
import sys
from assay.market.sources.collect import collect
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.stores.duckdb import DuckDbStore
from assay.testing.fake_exchange import FakeExchange
bars = synthetic(bars=701, seed=1, exchange="binance", symbol="BTC/USDT")
now = int(bars.timestamp[700]) + 1_800_000
exchange, store = FakeExchange(bars, now=now), DuckDbStore(sys.argv[1])
def report(progress):
    print(progress.position, flush=True)
collect(exchange, bars.instrument, since=START_MS, store=store, now=now, page_limit=10, report=report)
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
    _collect(_exchange(), store)
    assert store.read(BTC).digest() == CLOSED.digest()


@pytest.mark.slow
def test_killed_for_real_many_times(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    path, codes = tmp_path / "candles.duckdb", list[int]()
    for _ in range(10):
        codes.append(_killed_after(int(random.integers(1, 8)), path))
    assert -signal.SIGKILL in codes
    _collect(_exchange(), DuckDbStore(path, wait_seconds=5))
    assert DuckDbStore(path).read(BTC).digest() == CLOSED.digest()


@pytest.mark.parametrize("name", ["__class__", "abc", "Exchange", "exchanges", "base", "binanc", "../x", ""])
def test_only_listed_exchanges_are_opened(name: str) -> None:
    with pytest.raises(ConfigError) as failure:
        open_exchange(name)
    assert failure.value.code == "CONFIG_EXCHANGE"
    if name == "binanc":
        assert "did you mean binance" in str(failure.value)
    if name in ("abc", "base"):
        assert failure.value.hint


def test_a_listed_exchange_keeps_its_rate_limit() -> None:
    client: Any = open_exchange("kraken")
    assert (client.id, client.enableRateLimit) == ("kraken", True)


def test_unknown_markets() -> None:
    with pytest.raises(ConfigError, match=r"no market 'BTC/USDD'; did you mean BTC/USD") as symbol:
        collect(_exchange(), Instrument("binance", "BTC/USDD", "1h"), since=0, store=MemoryStore(), now=NOW)
    assert symbol.value.code == "CONFIG_SYMBOL"
    with pytest.raises(ConfigError, match="client of binance"):
        collect(_exchange(), Instrument("kraken", "BTC/USDT", "1h"), since=0, store=MemoryStore(), now=NOW)
    exchange = _exchange()
    exchange.timeframes = {"1m": "1m", "1d": "1d"}
    with pytest.raises(ConfigError, match="it has 1m, 1d") as timeframe:
        _collect(exchange, MemoryStore())
    assert timeframe.value.code == "CONFIG_TIMEFRAME"


def test_nothing_lies_between_since_and_until() -> None:
    for since, until in ((NOW, None), (START_MS, START_MS), (NOW + HOUR_MS, None)):
        with pytest.raises(ConfigError, match="no closed 1h bar"):
            _collect(_exchange(), MemoryStore(), since=since, until=until)


def test_a_time_before_the_market() -> None:
    store = MemoryStore()
    done = _collect(_exchange(), store, since=START_MS - 400 * HOUR_MS, until=START_MS - 100 * HOUR_MS)
    assert (done.quality, store.instruments()) == (None, [])
    assert "no candles between" in done.warnings[0]


def test_a_delisted_market() -> None:
    store, exchange = MemoryStore(), _exchange(LIVE[:300])
    exchange.active = False
    done = _collect(exchange, store)
    assert store.read(BTC).digest() == CLOSED[:300].digest()
    assert done.active is False
    assert any("survivorship" in w for w in done.warnings)


def test_a_universe_of_survivors() -> None:
    live, dead = {"active": True}, {"active": False}
    assert "survivorship: all 2" in survivorship({"A/USDT": live, "B/USDT": {}})
    assert survivorship({"A/USDT": live, "B/USDT": dead}) == ""
    assert survivorship({"A/USDT": live}) == ""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, 0.0),
        ({}, 0.0),
        ({"Retry-After": " 12 "}, 12.0),
        ({"retry-after": "soon"}, 0.0),
        ({"Retry-After": "Wed, 01 Jan 2020 00:01:00 GMT"}, 60.0),
        ({"Retry-After": "Tue, 31 Dec 2019 00:01:00 GMT"}, 0.0),
    ],
)
def test_retry_after_forms(headers: dict[str, str] | None, seconds: float) -> None:
    assert retry_after(headers, now=lambda: datetime(2020, 1, 1, tzinfo=UTC)) == seconds
