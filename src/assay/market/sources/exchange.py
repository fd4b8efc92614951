"""Download candles and funding from exchanges through ccxt, with rate limits, retries and resumption."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError, did_you_mean, printable
from assay.kernel.instrument import Instrument, check_exchange
from assay.kernel.timeframe import Timeframe, current_ms, iso
from assay.market.quality import Quality, SetAside, examine_quality
from assay.market.stores.base import CandleStore, Span, Upserted, unite_spans
from assay.market.validation import ValidatedBars, admit

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

    def load_markets(self) -> Mapping[str, Mapping[str, object]]:
        """All markets by unified symbol."""
        ...

    def fetch_ohlcv(self, symbol: str, timeframe: str, since: int | None, limit: int | None) -> list[list[object]]:
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


def survivorship(markets: Mapping[str, Mapping[str, object]]) -> str:
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


PAGE_LIMIT = 500
REVISIT = 24  # bars before the resume point that are asked for again, for revisions
SETTLE_MS = 10_000  # the exchange's clock may be behind ours
_EMPTY_ASKED = 2  # an empty page is asked for so often before it is believed


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a collection is.

    share:    0 to 1 of the time that was asked for.
    position: next time to ask for, ms.
    """

    share: float
    position: int
    upserted: Upserted
    requests: int


@dataclass(frozen=True, slots=True)
class Collected:
    """What a collection brought.

    quality:      report on the stored bars of the time that was asked for, gaps included; None if there are none.
    set_aside:    rows that the door did not let in.
    history_from: open of the first bar, where the exchange has nothing earlier although it was asked; else None.
    active:       False for a delisted market, None where the exchange does not say.
    warnings:     texts for a person.
    """

    instrument: Instrument
    upserted: Upserted
    requests: int
    quality: Quality | None
    set_aside: tuple[SetAside, ...]
    history_from: int | None
    active: bool | None
    warnings: tuple[str, ...]


def collect_bars(
    client: ExchangeClient,
    instrument: Instrument,
    *,
    since: int,
    store: CandleStore,
    until: int | None = None,
    now: int | None = None,
    report: Callable[[Progress], None] | None = None,
    page_limit: int = PAGE_LIMIT,
    again: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> Collected:
    """Store all closed bars with ``since <= open < until`` (ms; until now when None) that the exchange has.

    Each page is committed together with the stretch of time that it answers for, so that a process killed at any
    instant goes on where it was, without a gap and without a duplicate. Stretches that were answered are not asked for
    again, but for the last 24 bars before the resume point; with `again` everything is. Bars still open at `now` (10 s
    allowed for clocks) are left out. `report` may raise to cancel.

    Every page passes the door (`assay.market.validation.admit`). Of two rows with one time the exchange's later one
    counts.

    Raises ConfigError (``CONFIG_EXCHANGE``, ``CONFIG_SYMBOL``, ``CONFIG_TIMEFRAME``, ``CONFIG_FIELD``), DataError
    ``DATA_EXCHANGE`` where the exchange gives no usable answer, and those of the door; what was stored stays.
    Cost: one request a `page_limit` bars, at the exchange's rate limit.
    """
    at = current_ms() if now is None else now
    line = Line(client, sleep)
    market = line.market(instrument)
    span = _closed_span(instrument.bar, since, until, at)
    covered = () if again else store.coverage(instrument)
    walk = _Walk(line, instrument, store, span, at, report or _silent, page_limit, began=bool(covered))
    for part in _open_parts(span, covered, instrument.bar.ms * REVISIT):
        walk.through(part)
    return walk.result(market.get("active"))


@dataclass(slots=True)
class _Walk:
    line: Line
    instrument: Instrument
    store: CandleStore
    span: Span
    now: int
    report: Callable[[Progress], None]
    limit: int
    began: bool  # whether a bar was ever seen
    upserted: Upserted = field(default_factory=Upserted)
    set_aside: list[SetAside] = field(default_factory=list)

    def through(self, part: Span) -> None:
        """Ask from the start of this part to its end.

        Covered is what a page answers for: from where it was asked to its last bar. Not covered, and so asked for again
        next time, is a jump of more than a page (the exchange may ignore ``since``), and, once bars have begun, time
        for which nothing came (the exchange may have repeated an old page).
        """
        position = answered = part.start
        while position < part.end:
            rows = self._page(position, part.end)
            beyond = position + self.limit * self.instrument.bar.ms
            if rows:
                position = answered = self._keep(rows, answered, beyond)
            else:
                position = min(beyond, part.end)
                answered = position if self.began else answered
            done = (position - self.span.start) / (self.span.end - self.span.start)
            self.report(Progress(min(1.0, done), position, self.upserted, self.line.requests))

    def _page(self, position: int, end: int) -> list[list[object]]:
        """Rows of ``[position, end)``; that there are none is only believed when it was said twice."""
        rows: list[list[object]] = []
        for _ in range(_EMPTY_ASKED):
            sent = self.line.page(self.instrument, position, self.limit)
            rows = [row for row in sent if position <= row[0] < end]
            if rows:
                break
        return rows

    def _keep(self, rows: list[list[Any]], answered: int, beyond: int) -> int:
        """Store a page and what it covers; returns the open of the bar after it."""
        bar = self.instrument.bar
        ends = bar.floor(np.array([min(row[0] for row in rows), max(row[0] for row in rows)], np.int64))
        first, following = int(ends[0]), int(bar.close(ends[1:])[0])
        admitted = _admitted(self.line.client.id, self.instrument, rows, self.now)
        covered = Span(answered if first < beyond else first, following)
        self.upserted += self.store.upsert(admitted.bars, source=self.line.client.id, covered=covered)
        self.set_aside += admitted.quality.set_aside
        self.began = True
        return following

    def _minutes_held(self) -> bool:
        return replace(self.instrument, timeframe="1m") in {h.instrument for h in self.store.instruments()}

    def result(self, active: bool | None) -> Collected:
        """The account of the walk."""
        warnings, quality, history_from = [], None, None
        stored, earlier = _stored(self.store, self.instrument, self.span)
        if stored is None:
            warnings.append(f"{self.instrument}: no candles between {iso(self.span.start)} and {iso(self.span.end)}")
        else:
            quality = examine_quality(stored)
            if not earlier and stored.timestamp[0] > self.span.start:
                history_from = int(stored.timestamp[0])
                warnings.append(f"{self.instrument}: history not available before {iso(history_from)}")
        if self.instrument.timeframe == "1M" and self._minutes_held():
            warnings.append(f"{self.instrument}: 1M is a calendar month; this market is stored in minutes (1m) as well")
        if active is False:
            warnings.append(f"{self.instrument}: delisted; its history guards a universe against survivorship bias")
        warnings += [f"{self.instrument}: {row.code}: {row.text}, set aside" for row in self.set_aside]
        return Collected(
            self.instrument,
            self.upserted,
            self.line.requests,
            quality,
            tuple(self.set_aside),
            history_from,
            active,
            tuple(warnings),
        )


def _stored(store: CandleStore, instrument: Instrument, span: Span) -> tuple[Bars | None, bool]:
    """The stored bars of a stretch, None without any; and whether there are earlier ones."""
    try:
        bars = store.read(instrument, start=span.start, end=span.end)
    except DataError as failure:
        if failure.code != "DATA_NOT_FOUND":
            raise
        return None, False
    earlier = len(store.read(instrument, end=span.start, newest=1)) > 0
    return bars if len(bars) else None, earlier


def _silent(_: Progress) -> None:
    return


def _closed_span(bar: Timeframe, since: int, until: int | None, now: int) -> Span:
    """From the first whole bar to the open of the bar in progress."""
    floor = bar.floor(np.array([since, now - SETTLE_MS], np.int64))
    start = int(floor[0]) if floor[0] == since else int(bar.close(floor[:1])[0])
    end = int(floor[1]) if until is None else min(until, int(floor[1]))
    if start >= end:
        raise ConfigError(
            f"no closed {bar} bar lies between since {iso(since)} and until {iso(now if until is None else until)}",
            code="CONFIG_FIELD",
            field="since",
        )
    return Span(start, end)


def _open_parts(span: Span, covered: Sequence[Span], revisit: int) -> list[Span]:
    """What is to be asked: all that is not covered, each part begun a little earlier; at least the end of the span."""
    parts, position = [], span.start
    for done in covered:
        if done.end <= span.start or done.start >= span.end:
            continue
        if done.start > position:
            parts.append(Span(position, done.start))
        position = max(position, done.end)
    parts.append(Span(min(position, span.end), span.end))
    return list(unite_spans(Span(max(span.start, p.start - revisit), p.end) for p in parts))


def _admitted(exchange: str, instrument: Instrument, rows: list[list[object]], now: int) -> ValidatedBars:
    """The page through the door. A volume of 0 stays 0: whether a market has volume, no single page can tell."""
    names = ("timestamp", "open", "high", "low", "close", "volume")
    kinds = {name: pl.Int64 if name == "timestamp" else pl.Float64 for name in names}
    table = pl.DataFrame([row[:6] for row in rows], schema=kinds, orient="row", strict=False)
    admitted = admit(table, instrument, now_ms=now, on_conflict="last", source=f"exchange {exchange}")
    if admitted.bars.volume is None and table["volume"].null_count() == 0:
        return replace(admitted, bars=replace(admitted.bars, volume=np.zeros(len(admitted.bars))))
    return admitted
