"""Download candles from an exchange into a store: page by page, resumable, closed bars only."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import Timeframe, current_ms, iso
from assay.market.quality import Quality, SetAside, examine_quality
from assay.market.sources.exchange import ExchangeClient, Line
from assay.market.stores.base import CandleStore, Span, Upserted, unite_spans
from assay.market.validation import ValidatedBars, admit

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

    def _page(self, position: int, end: int) -> list[list[Any]]:
        """Rows of ``[position, end)``; that there are none is only believed when it was said twice."""
        rows: list[list[Any]] = []
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


def _admitted(exchange: str, instrument: Instrument, rows: list[list[Any]], now: int) -> ValidatedBars:
    """The page through the door. A volume of 0 stays 0: whether a market has volume, no single page can tell."""
    names = ("timestamp", "open", "high", "low", "close", "volume")
    kinds = {name: pl.Int64 if name == "timestamp" else pl.Float64 for name in names}
    table = pl.DataFrame([row[:6] for row in rows], schema=kinds, orient="row", strict=False)
    admitted = admit(table, instrument, now_ms=now, on_conflict="last", source=f"exchange {exchange}")
    if admitted.bars.volume is None and table["volume"].null_count() == 0:
        return replace(admitted, bars=replace(admitted.bars, volume=np.zeros(len(admitted.bars))))
    return admitted
