"""Candles in memory: for tests, and for work that leaves nothing behind."""

from collections.abc import Mapping
from threading import RLock
from types import MappingProxyType

import numpy as np

from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars, Joined
from assay.kernel.instrument import Instrument
from assay.market.stores.base import Holding, Span, Upserted, digest_of, not_found, unite_spans
from assay.market.stores.upsert import combine, merge, rows, tidy, unite_series


class MemoryStore:
    """A `CandleStore` that lives as long as the object; threads may share it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._bars: dict[Instrument, Bars] = {}
        self._replaced: dict[Instrument, Bars] = {}
        self._series: dict[tuple[str, str], dict[str, Joined]] = {}
        self._covered: dict[Instrument, tuple[Span, ...]] = {}

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """See `CandleStore.upsert`; the source is not kept."""
        key = bars.instrument
        with self._lock:
            stored = self._bars.get(key, rows(bars, np.empty(0, np.int64)))
            parts = merge(stored, bars)
            written = combine(combine(stored, parts.revised), parts.inserted)
            if len(written):
                self._bars[key] = written
            if len(parts.replaced):
                self._replaced[key] = combine(self._replaced.get(key, parts.replaced), parts.replaced)
            for name, series in bars.joined.items():
                self.put_series(key.exchange, key.symbol, name, series)
            if covered is not None:
                self._covered[key] = unite_spans([*self._covered.get(key, ()), covered])
        return Upserted(len(parts.inserted), len(parts.revised), parts.unchanged)

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore.read`."""
        with self._lock:
            if instrument not in self._bars:
                raise not_found(instrument, self.instruments())
            bars, joined = self._bars[instrument], self.series(instrument.exchange, instrument.symbol)
        first, stop = _between(bars.timestamp, start, end)
        if newest is not None:
            first = max(first, stop - max(newest, 0))
        return tidy(rows(bars, np.arange(first, stop)), joined)

    def instruments(self) -> list[Holding]:
        """See `CandleStore.instruments`."""
        with self._lock:
            holding = [Holding(k, len(b), int(b.timestamp[0]), int(b.timestamp[-1])) for k, b in self._bars.items()]
        return sorted(holding)

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore.digest`."""
        with self._lock:
            return digest_of([b for k, b in self._bars.items() if instrument in (None, k)])

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore.revisions`."""
        return self._replaced.get(instrument)

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore.put_series`."""
        with self._lock:
            of_market = self._series.setdefault((exchange, symbol), {})
            of_market[name], changed = unite_series(of_market.get(name), series)
        return changed

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore.series`."""
        with self._lock:
            return MappingProxyType(dict(sorted(self._series.get((exchange, symbol), {}).items())))

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore.covered`."""
        return self._covered.get(instrument, ())


def _between(timestamp: IntArray, start: int | None, end: int | None) -> tuple[int, int]:
    first = 0 if start is None else int(np.searchsorted(timestamp, start))
    stop = len(timestamp) if end is None else int(np.searchsorted(timestamp, end))
    return first, max(first, stop)
