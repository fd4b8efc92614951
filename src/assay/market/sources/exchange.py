"""Exchange clients through ccxt, with rate limits and retries."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

from assay.kernel.errors import ConfigError, DataError, did_you_mean, printable
from assay.kernel.instrument import Instrument, check_exchange

_log = logging.getLogger(__name__)

ATTEMPTS = 6  # per request
LONGEST_WAIT = 900.0  # seconds that an exchange may ask for before we give up
_FIRST_BACK_OFF = 1.0  # seconds, doubled with each attempt
_CUT = 64
_Answer = TypeVar("_Answer")


class ExchangeClient(Protocol):
    """The part of a ccxt exchange that is used here."""

    id: str
    timeframes: Mapping[str, Any] | None
    last_http_response: str | None
    last_response_headers: Mapping[str, str] | None

    def load_markets(self) -> Mapping[str, Mapping[str, Any]]:
        """All markets by unified symbol."""
        ...

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int | None) -> list[list[Any]]:
        """Rows of time (ms), open, high, low, close, volume."""
        ...


def open_exchange(name: str) -> ExchangeClient:
    """A client of the exchange with this ccxt name, which keeps the exchange's rate limit.

    Raises ConfigError ``CONFIG_EXCHANGE`` for any name that ccxt does not list. Cost: ccxt's import, about 0.5 s.
    """
    import ccxt

    check_exchange(name)
    listed = {available: available for available in ccxt.exchanges}
    if name not in listed:
        near = did_you_mean(name, listed) or "for example binance, bybit, coinbase, kraken or okx"
        raise ConfigError(
            f"exchange {printable(name)} is none of the {len(listed)} that can be collected from; {near}",
            code="CONFIG_EXCHANGE",
            hint=near,
            exchange=name[:_CUT],
        )
    client: ExchangeClient = getattr(ccxt, listed[name])({"enableRateLimit": True, "timeout": 30_000})
    return client


@dataclass(slots=True)
class Line:
    """A client with patience: waits where the exchange says so, tries again where the network failed.

    sleep:    waits for so many seconds.
    requests: how many were sent.
    """

    client: ExchangeClient
    sleep: Callable[[float], None] = time.sleep
    requests: int = field(default=0)

    def market(self, instrument: Instrument) -> Mapping[str, Any]:
        """The exchange's description of the market.

        Raises ConfigError ``CONFIG_EXCHANGE`` (another exchange's client), ``CONFIG_TIMEFRAME``, ``CONFIG_SYMBOL``.
        """
        if self.client.id != instrument.exchange:
            raise ConfigError(
                f"{instrument} was asked of a client of {self.client.id}", code="CONFIG_EXCHANGE", client=self.client.id
            )
        offered = self.client.timeframes or {}
        if instrument.timeframe not in offered:
            raise ConfigError(
                f"{instrument.exchange} has no timeframe {instrument.timeframe}; it has {', '.join(offered)}",
                code="CONFIG_TIMEFRAME",
                hint="collect a shorter timeframe and resample it",
            )
        markets = self._patiently(self.client.load_markets, "the list of markets")
        if instrument.symbol not in markets:
            near = did_you_mean(instrument.symbol, markets) or f"it has {len(markets)} others"
            raise ConfigError(
                f"{instrument.exchange} has no market {printable(instrument.symbol)}; {near}",
                code="CONFIG_SYMBOL",
                hint=near,
                symbol=instrument.symbol,
            )
        return markets[instrument.symbol]

    def page(self, instrument: Instrument, since: int, limit: int) -> list[list[Any]]:
        """Rows as the exchange sent them, at most about `limit`, from `since` (ms) on; perhaps more, fewer or others.

        Raises DataError ``DATA_EXCHANGE`` where there is no answer after `ATTEMPTS`, or one that is no list of candles.
        """
        what = f"candles of {instrument.symbol}"
        rows = self._patiently(
            lambda: self.client.fetch_ohlcv(instrument.symbol, instrument.timeframe, since, limit), what
        )
        if not rows:
            self._check_json(what)
        for number, row in enumerate(rows):
            if len(row) < 6 or not all(isinstance(v, int | float) for v in row[:5]):
                raise self._refusal(
                    f"row {number} of the {what} is {printable(row)}, must be time, four prices and volume"
                )
        return rows

    def _check_json(self, what: str) -> None:
        """No rows are only believed of a JSON object or list of rows: ccxt makes no rows of a page of HTML, too."""
        body = self.client.last_http_response
        if body is None:
            return
        try:
            document = json.loads(body)
        except ValueError as wrong:
            raise self._refusal(f"asked for {what} it sent no JSON but {printable(body)}") from wrong
        if not isinstance(document, list | dict) or any(not isinstance(row, list | dict | str) for row in document):
            raise self._refusal(f"asked for {what} it sent no rows but {printable(body)}")

    def _patiently(self, call: Callable[[], _Answer], what: str) -> _Answer:
        import ccxt

        attempt = 0
        while True:
            attempt += 1
            self.requests += 1
            try:
                return call()
            except ccxt.NetworkError as failure:
                if attempt == ATTEMPTS:
                    raise self._refusal(f"no {what} after {ATTEMPTS} attempts: {_failure_text(failure)}") from failure
                # after a time-out the headers are those of an earlier answer
                headers = None if isinstance(failure, ccxt.RequestTimeout) else self.client.last_response_headers
                self._wait(max(retry_after(headers), _FIRST_BACK_OFF * 2.0 ** (attempt - 1)), what, failure)
            except ccxt.BaseError as failure:
                raise self._refusal(f"no {what}: {_failure_text(failure)}") from failure
            except (TypeError, ValueError, KeyError, AttributeError, IndexError) as failure:
                body = self.client.last_http_response or ""
                text = f"asked for {what} it sent {printable(body)}, which ccxt cannot read ({type(failure).__name__})"
                raise self._refusal(text) from failure

    def _wait(self, seconds: float, what: str, failure: Exception) -> None:
        if seconds > LONGEST_WAIT:
            raise self._refusal(f"it wants to be left alone for {seconds:.0f} s") from failure
        _log.warning("%s: no %s, again in %.0f s: %s", self.client.id, what, seconds, _failure_text(failure))
        self.sleep(seconds)

    def _refusal(self, text: str) -> DataError:
        return DataError(
            f"exchange {self.client.id}: {text}",
            code="DATA_EXCHANGE",
            hint="what was stored stays; collect again later, it goes on from there",
            exchange=self.client.id,
        )


def retry_after(headers: Mapping[str, str] | None, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> float:
    """Seconds that a ``Retry-After`` header asks for, given in seconds or as an HTTP date; 0 without a readable one.

    >>> retry_after({"retry-after": "30"})
    30.0
    """
    document = next((v.strip() for k, v in (headers or {}).items() if k.lower() == "retry-after"), "")
    if document.isdigit():
        return float(document)
    try:
        return max(0.0, (parsedate_to_datetime(document) - now()).total_seconds())
    except (TypeError, ValueError):
        return 0.0


def survivorship(markets: Mapping[str, Mapping[str, Any]]) -> str:
    """A warning if a universe of several markets holds only those that still trade; else the empty text.

    markets: ccxt's descriptions by symbol; ``active`` False is a delisted market.
    """
    if len(markets) < 2 or any(market.get("active") is False for market in markets.values()):
        return ""
    return (
        f"survivorship: all {len(markets)} markets still trade today; without the delisted ones, results look better "
        "than they were"
    )


def _failure_text(failure: Exception) -> str:
    return printable(f"{type(failure).__name__}: {failure}")
