"""Bars for tests: small, random, and all of one price."""

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.kernel.seeding import generator

START_MS = 1_704_067_200_000  # 2024-01-01T00:00:00Z, a Monday


def bars_of(
    close: FloatArray | list[float],
    *,
    exchange: str = "test",
    symbol: str = "BTC/USDT",
    timeframe: str = "1h",
    start_ms: int = START_MS,
    spread: float = 0.0,
    volume: float | None = 1.0,
) -> Bars:
    """Gap-free bars from closes: open is the close before, high and low lie `spread` (a fraction) outside."""
    closes = np.ascontiguousarray(close, dtype=np.float64)
    instrument = Instrument(exchange, symbol, timeframe)
    times = start_ms + instrument.bar.ms * np.arange(len(closes), dtype=np.int64)
    opens = np.r_[closes[:1], closes[:-1]]
    high, low = np.maximum(opens, closes) * (1 + spread), np.minimum(opens, closes) * (1 - spread)
    traded = None if volume is None else np.full(len(closes), float(volume))
    return Bars(instrument, times, opens, high, low, closes, traded)


def random_bars(
    n: int = 500,
    *,
    seed: int = 0,
    exchange: str = "test",
    symbol: str = "BTC/USDT",
    timeframe: str = "1h",
    start_ms: int = START_MS,
    volatility: float = 0.01,
) -> Bars:
    """A geometric random walk from 100 with gaps between close and open, wicks and log-normal volume.

    Equal arguments, equal bars. No gap in time; all prices and volumes positive.
    """
    draw = generator(seed, "testing.bars")
    instrument = Instrument(exchange, symbol, timeframe)
    times = start_ms + instrument.bar.ms * np.arange(n, dtype=np.int64)
    close = 100 * np.exp(np.cumsum(draw.normal(0, volatility, n)))
    opened = np.r_[100.0, close[:-1]][:n] * np.exp(draw.normal(0, volatility / 10, n))
    high = np.maximum(opened, close) * np.exp(np.abs(draw.normal(0, volatility / 2, n)))
    low = np.minimum(opened, close) * np.exp(-np.abs(draw.normal(0, volatility / 2, n)))
    volume = np.exp(draw.normal(3, 1, n))
    return Bars(instrument, times, opened, high, low, close, volume)
