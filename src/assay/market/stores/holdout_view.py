"""A candle store of which the last stretch of some markets cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import iso
from assay.market.stores.base import CandleStore, Holding, Span, Upserted

LockedFrom = Callable[[str, str], int | None]


@dataclass(frozen=True, slots=True)
class HoldoutView:
    """What a store holds, but for bars that close after the instant from which their market is locked.

    locked_from: of an exchange and a symbol that instant (ms), None where nothing is locked. It holds for bars of every
    length. Everything is written as it is without a lock, and what is counted or hashed is all that is stored.
    """

    store: CandleStore
    locked_from: LockedFrom

    def read(
        self, instrument: Instrument, *, start: int | None = None, end: int | None = None, newest: int | None = None
    ) -> Bars:
        """See `CandleStore`. DataError ``DATA_LOCKED`` where no bar is left."""
        since = self.locked_from(instrument.exchange, instrument.symbol)
        if since is None:
            return self.store.read(instrument, start=start, end=end, newest=newest)
        last = since - instrument.bar.ms + 1
        bars = self.store.read(instrument, start=start, end=last if end is None else min(end, last), newest=newest)
        if not len(bars) and start is None and end is None:
            raise DataError(
                f"all bars of {instrument} are in the locked stretch, which begins {iso(since)}",
                code="DATA_LOCKED",
                hint="assay vault list shows what is locked, and by whom.",
                locked_from=iso(since),
            )
        return bars

    def upsert(self, bars: Bars, *, source: str, covered: Span | None = None) -> Upserted:
        """See `CandleStore`."""
        return self.store.upsert(bars, source=source, covered=covered)

    def instruments(self) -> list[Holding]:
        """See `CandleStore`."""
        return self.store.instruments()

    def digest(self, instrument: Instrument | None = None) -> str:
        """See `CandleStore`."""
        return self.store.digest(instrument)

    def revisions(self, instrument: Instrument) -> Bars | None:
        """See `CandleStore`; of visible bars."""
        result = self.store.revisions(instrument)
        since = self.locked_from(instrument.exchange, instrument.symbol)
        return result if result is None or since is None else result[: int((result.known_at <= since).sum())]

    def put_series(self, exchange: str, symbol: str, name: str, series: Joined) -> int:
        """See `CandleStore`."""
        return self.store.put_series(exchange, symbol, name, series)

    def series(self, exchange: str, symbol: str) -> Mapping[str, Joined]:
        """See `CandleStore`; what was known before the lock."""
        since = self.locked_from(exchange, symbol)
        result = self.store.series(exchange, symbol)
        return result if since is None else {name: each.until(since) for name, each in result.items()}

    def coverage(self, instrument: Instrument) -> tuple[Span, ...]:
        """See `CandleStore`."""
        return self.store.coverage(instrument)
