"""The one shape in which market data travels."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument

PRICES = ("open", "high", "low", "close")
USABLE = "usable"  # column of 1 and 0: no signal and no training row where it is 0
_YEAR_MS = 365 * 86_400_000
_FULL = 0.9  # share of the unbroken grid from which on a market counts as open around the clock


@dataclass(frozen=True, slots=True)
class Joined:
    """A series from elsewhere (funding, a calendar, a statistic) with the instant at which each value became known.

    value_time: ``(m,)`` int64 ms, what the value speaks of.
    known_at:   ``(m,)`` int64 ms, non-decreasing; a revision is a row of its own.
    value:      ``(m,)`` float64.
    """

    value_time: IntArray
    known_at: IntArray
    value: FloatArray

    def __post_init__(self) -> None:
        if not len(self.value_time) == len(self.known_at) == len(self.value):
            raise DataError("a joined series needs arrays of one length", code="DATA_SCHEMA")
        if np.any(np.diff(self.known_at) < 0):
            raise DataError("a joined series must be sorted by known_at", code="DATA_KNOWN_AT")

    def until(self, instant: int) -> "Joined":
        """The part that is known at `instant` (ms)."""
        end = int(np.searchsorted(self.known_at, instant, side="right"))
        return Joined(self.value_time[:end], self.known_at[:end], self.value[:end])


def _nothing() -> Mapping[str, FloatArray]:
    return MappingProxyType({})


def _nothing_joined() -> Mapping[str, Joined]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True, eq=False)
class Bars:
    """Closed candles of one instrument, oldest first; row t is known at ``known_at[t]`` and not one tick earlier.

    timestamp: ``(n,)`` int64, UTC milliseconds of the bar's **open**, strictly increasing.
    open, high, low, close: ``(n,)`` float64, C-contiguous, quote currency, finite.
    volume:    ``(n,)`` float64, base units, NaN where a bar has none; None where the market has no volume at all.
    columns:   further ``(n,)`` float64 columns that are known at the bar's close (``quote_volume``, ``trade_count``,
               ``avg_spread``, ``book_bid_share`` …); NaN where unknown.
    joined:    series on their own clock, such as ``funding_rate`` (fraction of notional, positive: longs pay).

    Raises DataError ``DATA_SCHEMA`` (shapes), ``DATA_ORDER`` (times), ``DATA_NAN`` (prices).
    """

    instrument: Instrument
    timestamp: IntArray
    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    volume: FloatArray | None = None
    columns: Mapping[str, FloatArray] = field(default_factory=_nothing)
    joined: Mapping[str, Joined] = field(default_factory=_nothing_joined)

    def __post_init__(self) -> None:
        n = len(self.timestamp)
        for name, array in self._arrays():
            if array.shape != (n,):
                raise DataError(
                    f"{self.instrument}: {name} has shape {array.shape}, timestamp has {n} rows", code="DATA_SCHEMA"
                )
        steps = np.diff(self.timestamp)
        if steps.size and steps.min() <= 0:
            row = int(np.argmax(steps <= 0)) + 1
            raise DataError(
                f"{self.instrument}: bar times must strictly increase, row {row} does not", code="DATA_ORDER", row=row
            )
        for name in PRICES:
            prices = getattr(self, name)
            if not np.isfinite(prices).all():
                row = int(np.argmin(np.isfinite(prices)))
                raise DataError(f"{self.instrument}: {name} in row {row} is not finite", code="DATA_NAN", row=row)

    def _arrays(self) -> list[tuple[str, FloatArray]]:
        named = [(name, getattr(self, name)) for name in PRICES]
        if self.volume is not None:
            named.append(("volume", self.volume))
        return named + sorted(self.columns.items())

    def __len__(self) -> int:
        return len(self.timestamp)

    def __getitem__(self, rows: slice) -> "Bars":
        """A stretch of rows, as views; joined series keep their past and lose what is not known at the last row."""
        if rows.step not in (None, 1):
            raise IndexError("bars are cut in stretches, without a step")
        start, stop, _ = rows.indices(len(self))
        available = int(self.known_at[stop - 1]) if stop > start else 0
        return replace(
            self,
            timestamp=self.timestamp[rows],
            volume=None if self.volume is None else self.volume[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            joined={name: series.until(available) for name, series in self.joined.items()},
            **{name: getattr(self, name)[rows] for name in PRICES},
        )

    def copy(self) -> "Bars":
        """The same bars in arrays of their own, which lead to no longer array that they were cut from."""
        return replace(
            self,
            timestamp=self.timestamp.copy(),
            volume=None if self.volume is None else self.volume.copy(),
            columns={name: column.copy() for name, column in self.columns.items()},
            joined={n: Joined(j.value_time.copy(), j.known_at.copy(), j.value.copy()) for n, j in self.joined.items()},
            **{name: getattr(self, name).copy() for name in PRICES},
        )

    @property
    def known_at(self) -> IntArray:
        """``(n,)`` int64 ms: the close of each bar, when its row is known and decided on."""
        return self.instrument.bar.close(self.timestamp)

    @property
    def bars_per_year(self) -> float:
        """Bars that this market really has in a year, for annualising.

        Around-the-clock markets: 365 days over the bar's length (8760 for hourly bars), 12 for months. Markets with
        sessions: the bars counted over the years between first and last. NaN for fewer than two bars.
        """
        if len(self) < 2:
            return float("nan")
        span = float(self.timestamp[-1] - self.timestamp[0])
        grid = span / self.instrument.bar.ms + 1
        if len(self) / grid >= _FULL:
            return 12.0 if self.instrument.timeframe == "1M" else _YEAR_MS / self.instrument.bar.ms
        return (len(self) - 1) / (span / (365.2425 * 86_400_000))

    def digest(self) -> str:
        """SHA-256 (hex) of name, times and all values: equal bars, equal digest, on any machine."""
        sha = hashlib.sha256(self.instrument.key.encode())
        sha.update(self.timestamp.astype("<i8").tobytes())
        for name, array in self._arrays():
            sha.update(name.encode() + b"\0" + _canonical(array))
        for name, series in sorted(self.joined.items()):
            sha.update(name.encode() + b"\0" + series.value_time.astype("<i8").tobytes())
            sha.update(series.known_at.astype("<i8").tobytes() + _canonical(series.value))
        return sha.hexdigest()


def _canonical(values: FloatArray) -> bytes:
    """Little-endian bytes with one NaN and one zero."""
    plain = np.where(np.isnan(values), np.nan, values) + 0.0
    return plain.astype("<f8").tobytes()
