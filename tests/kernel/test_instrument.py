"""Names of instruments: which are right, what is proposed, and that file names are one to one."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.kernel.instrument import Instrument, markets_of, slug


def refused(code: str, *texts: str, exchange: str = "binance", symbol: str = "BTC/USDT", timeframe: str = "1h") -> str:
    with pytest.raises(ConfigError) as caught:
        Instrument(exchange, symbol, timeframe)
    assert caught.value.code == code
    for text in texts:
        assert re.search(text, caught.value.message, re.IGNORECASE), caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    "symbol",
    [
        "BTC/USDT",
        "BTC/USDT:USDT",
        "BTC/USDT:USDT-241227-50000-C",
        "1000PEPE/USDT",
        "AAPL",
        "BRK.B",
        "BTC-USD",
        "EUR/USD",
    ],
)
def test_good_symbols(symbol: str) -> None:
    assert Instrument("binance", symbol, "1h").symbol == symbol


@pytest.mark.parametrize(
    "symbol", ["../../etc/passwd", "..", ".", "/abs", "a/../../b", "A/..", "BTC/../USDT", "", "/", "A..B"]
)
def test_paths_are_no_symbols(symbol: str) -> None:
    refused("CONFIG_SYMBOL", "symbol", re.escape(symbol), symbol=symbol)


@pytest.mark.parametrize("symbol", ["btc/usdt", " BTC/USDT ", "ВТС/USDT", "Btc/Usdt", "btc/USDТ"])
def test_near_spellings_are_proposed(symbol: str) -> None:
    refused("CONFIG_SYMBOL", "did you mean BTC/USDT", symbol=symbol)


@pytest.mark.parametrize(
    ("symbol", "escaped"),
    [
        ("BTC/USDT\n", r"\\n"),
        ("BTC/USDT\0", r"\\x00"),
        ("BTC/\tUSDT", r"\\t"),
        ("BTC/USDT\u202e", r"\\u202e"),
        ("BTC/USDT\u200b", r"\\u200b"),
        ("B" * 10_000, "…"),
        ("BTC/USDT🚀", "symbol"),
        ("'; DROP TABLE jobs;--", "symbol"),
        ("\ud800", r"\\ud800"),
    ],
)
def test_values_are_shown_escaped_and_cut(symbol: str, escaped: str) -> None:
    message = refused("CONFIG_SYMBOL", escaped, symbol=symbol)
    assert len(message) < 400
    assert "\n" not in message
    message.encode()


@pytest.mark.parametrize("symbol", ["币安人生/USDT", "$WIF/USDT"])
def test_unusual_names_need_a_mapping(symbol: str) -> None:
    refused("CONFIG_SYMBOL", "instrument", "mapping", symbol=symbol)


@pytest.mark.parametrize("exchange", ["usa", "fx", "bitstamp+coinbase", "binanceusdm", "a" * 40])
def test_good_exchanges(exchange: str) -> None:
    assert Instrument(exchange, "BTC/USDT", "1h").exchange == exchange


@pytest.mark.parametrize("exchange", ["__class__", "", "Binance", "a" * 41, "binance\n", "../x", "+x", "ｂinance"])
def test_bad_exchanges(exchange: str) -> None:
    refused("CONFIG_EXCHANGE", "exchange", exchange=exchange)


@pytest.mark.parametrize("timeframe", ["7m", "0m", "-1h", "60", "1H", "", "1h\n", "1 h", "1D", "1y"])
def test_bad_timeframes(timeframe: str) -> None:
    refused("CONFIG_TIMEFRAME", "has", "1m, 3m, 5m", timeframe=timeframe)


def test_a_month_is_no_minute() -> None:
    assert Instrument("binance", "BTC/USDT", "1M").bar.ms > 1000 * Instrument("binance", "BTC/USDT", "1m").bar.ms


def test_slugs_by_hand() -> None:
    assert slug("BTC/USDT") == "BTC~2FUSDT"
    assert slug("BTC/USDT:USDT") == "BTC~2FUSDT~3AUSDT"
    assert slug("CON") == "~43ON"
    assert slug("..") == "~2E."


@given(st.text(min_size=1, max_size=30), st.text(min_size=1, max_size=30))
def test_slugs_are_one_to_one_and_stay_in_their_folder(one: str, other: str) -> None:
    assert (slug(one) == slug(other)) == (one == other)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]+", slug(one))
    assert slug(one) not in {".", ".."}
    assert not slug(one).startswith((".", "-"))


@pytest.mark.parametrize("exchange", ["binance", "gate+io", "a+"])
def test_a_panel_is_taken_apart_wherever_an_exchange_has_a_plus(exchange: str) -> None:
    one, two = Instrument(exchange, "BTC/USDT:USDT-240628-50000-C", "1h"), Instrument("x+y", "ETH/USDT", "15m")
    assert markets_of(one.key) == [(one.exchange, one.symbol, one.timeframe)]
    assert ["|".join(each) for each in markets_of(f"{one.key}+{two.key}+{one.key}")] == [one.key, two.key, one.key]
