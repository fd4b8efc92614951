"""An exchange that answers as Binance does, over ccxt's own code, and misbehaves on demand. No network."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import ccxt
import numpy as np
import requests

from assay.kernel.bars import Bars
from assay.kernel.timeframe import TIMEFRAMES

Rows = list[list[Any]]
_SERVER_LIMIT = 1000


@dataclass(slots=True)
class Faults:
    """How the exchange misbehaves. Numbered faults count the requests for candles from 0.

    answers:        request number: an answer of this status, headers and body instead of candles.
    disconnects:    request numbers at which the connection breaks.
    repeats:        request numbers that get the answer of the request before.
    overlap:        so many rows before ``startTime`` come along.
    shuffled:       rows come in no order.
    doubled:        each row comes twice.
    since_ignored:  whatever is asked, the newest rows come.
    windowed:       only rows of ``startTime`` and `limit` bars after it come, instead of the next `limit` rows.
    """

    answers: Mapping[int, tuple[int, Mapping[str, str], str]] = field(default_factory=dict)
    disconnects: frozenset[int] = frozenset()
    repeats: frozenset[int] = frozenset()
    overlap: int = 0
    shuffled: bool = False
    doubled: bool = False
    since_ignored: bool = False
    windowed: bool = False


class FakeExchange(ccxt.binance):  # type: ignore[misc]
    """A ``ccxt.binance`` whose HTTP session is a market in memory; everything above the wire is ccxt's own code.

    bars:   what the exchange knows, closed or not: the last row may be a candle still in the making.
    now:    the exchange's clock, ms; rows that open later are not shown yet.
    faults: how it misbehaves.
    requests:  the queries for candles that came in.
    """

    def __init__(self, bars: Bars, *, now: int, faults: Faults | None = None, others: Sequence[str] = ()) -> None:
        super().__init__({"enableRateLimit": False})
        self.now = now
        self.faults = faults or Faults()
        self.requests: list[dict[str, str]] = []
        self.active: bool | None = True
        self._symbols = [bars.instrument.symbol, *others]
        self._previous: Rows = []
        self.session = _Session(self._answer)
        self.revise(bars)

    def describe(self) -> dict[str, object]:
        """As Binance, under the name that its instruments have."""
        return self.deep_extend(super().describe(), {"has": {"fetchCurrencies": False}})

    def revise(self, bars: Bars) -> None:
        """From now on the exchange tells these bars."""
        volume = np.zeros(len(bars)) if bars.volume is None else bars.volume
        columns = (bars.open, bars.high, bars.low, bars.close, volume)
        texts = [[repr(float(v)) for v in column] for column in columns]
        self._rows: Rows = [
            [int(time), *values, int(close) - 1, "0", 0, "0", "0", "0"]
            for time, close, *values in zip(bars.timestamp, bars.known_at, *texts, strict=True)
        ]

    def fetch_markets(self, params: Mapping[str, object] | None = None) -> list[dict[str, object]]:
        """Spot markets of the symbols that it was made with."""
        return [self._market(symbol) for symbol in self._symbols]

    def _market(self, symbol: str) -> dict[str, object]:
        base, quote = symbol.split("/")
        names = {"id": base + quote, "symbol": symbol, "base": base, "quote": quote, "baseId": base, "quoteId": quote}
        kind = {"type": "spot", "spot": True, "swap": False, "future": False, "option": False, "contract": False}
        return self.safe_market_structure({**names, **kind, "active": self.active, "info": {}})

    def _answer(self, url: str) -> requests.Response:
        query = {name: values[-1] for name, values in parse_qs(urlsplit(url).query).items()}
        number = len(self.requests)
        self.requests.append(query)
        if number in self.faults.disconnects:
            raise requests.exceptions.ConnectionError("connection broken")
        if number in self.faults.answers:
            return _response(*self.faults.answers[number])
        if number not in self.faults.repeats:
            self._previous = self._select(query)
        return _response(200, {"Content-Type": "application/json"}, json.dumps(self._previous))

    def _select(self, query: Mapping[str, str]) -> Rows:
        faults, limit = self.faults, min(int(query["limit"]), _SERVER_LIMIT)
        shown = [row for row in self._rows if row[0] <= self.now]
        if faults.since_ignored:
            return shown[-limit:]
        since, step = int(query["startTime"]), TIMEFRAMES[query["interval"]]
        start = next((i for i, row in enumerate(shown) if row[0] >= since), len(shown))
        rows = shown[max(0, start - faults.overlap) : start + limit]
        if faults.windowed:
            rows = [row for row in rows if row[0] < since + limit * step]
        if faults.doubled:
            rows = [row for row in rows for _ in range(2)]
        if faults.shuffled:
            rows = [rows[i] for i in np.random.default_rng(len(self.requests)).permutation(len(rows))]
        return rows


class _Session:
    """The part of a requests session that ccxt uses."""

    def __init__(self, answer: Callable[[str], requests.Response]) -> None:
        self._answer = answer
        self.cookies: dict[str, str] = {}
        self.headers: dict[str, str] = {}

    def request(self, method: str, url: str, **_: object) -> requests.Response:
        """One answer."""
        return self._answer(url)

    def close(self) -> None:
        """Nothing to close."""


def _response(status: int, headers: Mapping[str, str], body: str) -> requests.Response:
    response = requests.Response()
    response.status_code = status
    response.reason = {200: "OK", 418: "I'm a teapot", 429: "Too Many Requests"}.get(status, "Error")
    response.headers.update(headers)
    response._content = body.encode()
    return response
