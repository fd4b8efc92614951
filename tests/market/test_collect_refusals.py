from datetime import UTC, datetime
from typing import Any

import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import AssayError, ConfigError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.sources.exchange import ATTEMPTS, collect_bars, open_exchange, retry_after, survivorship
from assay.market.sources.synthetic import START_MS
from assay.market.stores.base import MemoryStore, Span
from tests.market.collecting import BTC, CLOSED, LIVE, NOW, PAGE, N, collected, exchange_of


def test_retry_after_is_obeyed() -> None:
    for status in (429, 418):
        waited, store = list[float](), MemoryStore()
        answers = {i: (status, {"Retry-After": "37"}, "{}") for i in (2, 3)}
        exchange = exchange_of(answers=answers)
        collected(exchange, store, waited=waited)
        assert waited == [37.0, 37.0]
        assert store.read(BTC).digest() == CLOSED.digest()


def test_waiting_grows_without_a_header_and_ends() -> None:
    waited, store = list[float](), MemoryStore()
    exchange = exchange_of(answers={i: (429, {}, "{}") for i in range(2, 100)})
    with pytest.raises(DataError, match=f"after {ATTEMPTS} attempts") as failure:
        collected(exchange, store, waited=waited)
    assert failure.value.code == "DATA_EXCHANGE"
    assert waited == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert len(store.read(BTC)) == 2 * PAGE


def test_a_ban_of_days_is_not_waited_for() -> None:
    waited = list[float]()
    with pytest.raises(DataError, match="left alone for 86400 s"):
        collected(exchange_of(answers={0: (418, {"Retry-After": "86400"}, "{}")}), MemoryStore(), waited=waited)
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
        collected(exchange_of(answers={i: (status, {}, body) for i in range(2, 40)}), store)
    assert failure.value.code == "DATA_EXCHANGE"
    assert store.coverage(BTC) == (Span(START_MS, START_MS + 2 * PAGE * HOUR_MS),)
    assert len(store.read(BTC)) == 2 * PAGE


def test_html_is_shown_and_the_next_run_goes_on() -> None:
    store, exchange = MemoryStore(), exchange_of(answers={2: (200, {}, "<html><b>Maintenance</b>\x1b[2J</html>")})
    with pytest.raises(DataError, match=r"<html><b>Maintenance</b>\\x1b"):
        collected(exchange, store)
    collected(exchange, store)
    assert store.read(BTC).digest() == CLOSED.digest()


def test_bad_rows_do_not_get_in() -> None:
    high = LIVE.high.copy()
    high[150] = LIVE.low[150] / 2
    bars = Bars(BTC, LIVE.timestamp, LIVE.open, high, LIVE.low, LIVE.close, LIVE.volume)
    store = MemoryStore()
    done = collected(exchange_of(bars), store)
    assert [row.code for row in done.set_aside] == ["DATA_OHLC"]
    assert "DATA_OHLC" in done.warnings[0]
    assert len(store.read(BTC)) == N - 1
    assert done.quality is not None
    assert done.quality.missing_bars == 1


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
        collect_bars(exchange_of(), Instrument("binance", "BTC/USDD", "1h"), since=0, store=MemoryStore(), now=NOW)
    assert symbol.value.code == "CONFIG_SYMBOL"
    with pytest.raises(ConfigError, match="client of binance"):
        collect_bars(exchange_of(), Instrument("kraken", "BTC/USDT", "1h"), since=0, store=MemoryStore(), now=NOW)
    exchange = exchange_of()
    exchange.timeframes = {"1m": "1m", "1d": "1d"}
    with pytest.raises(ConfigError, match="it has 1m, 1d") as timeframe:
        collected(exchange, MemoryStore())
    assert timeframe.value.code == "CONFIG_TIMEFRAME"


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
