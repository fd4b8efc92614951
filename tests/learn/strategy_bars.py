"""Candles that tests of strategies write by hand or read, and mirrored ones."""

from dataclasses import replace

import numpy as np
import polars as pl

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument

START = 1_704_067_200_000  # a Monday, midnight


def candles(rows, volume, *, timeframe="1h", columns=None):
    """Bars from (open, high, low, close) rows."""
    o, h, low, c = (np.array(part, float) for part in zip(*rows, strict=True))
    instrument = Instrument("test", "BTC/USDT", timeframe)
    times = START + instrument.bar.ms * np.arange(len(o), dtype=np.int64)
    amount = None if volume is None else np.array(volume, float)
    return Bars(instrument, times, o, h, low, c, amount, columns or {})


def mirrored(bars, pivot):
    """Each price p becomes 2·pivot - p: highs are lows, a fall is a rise."""
    return replace(
        bars,
        open=2 * pivot - bars.open,
        close=2 * pivot - bars.close,
        high=2 * pivot - bars.low,
        low=2 * pivot - bars.high,
    )


def read(folder, name, rows=None):
    """The newest rows of one of the real files."""
    table = pl.read_parquet(folder / f"{name}.parquet")
    table = table if rows is None else table.tail(rows)
    first = table.row(0, named=True)
    columns = [np.ascontiguousarray(table[c].to_numpy(), float) for c in ("open", "high", "low", "close", "volume")]
    instrument = Instrument(first["exchange"], first["symbol"], first["timeframe"])
    return Bars(instrument, np.ascontiguousarray(table["timestamp"].to_numpy()), *columns)


def lively(n=700, *, seed=0, calm=0.004, timeframe="1h"):
    """A walk with quiet and wild stretches, ticks of 0.05, heavy volume where it is wild: all rules find something."""
    draw = np.random.default_rng(seed)
    wild = np.repeat(draw.choice([0.4, 1.0, 3.0], n // 10 + 1, p=[0.5, 0.35, 0.15]), 10)[:n]
    pull = np.zeros(n)
    level = 0.0
    for t in range(n):
        level = 0.97 * level + draw.normal(0, calm * wild[t])
        pull[t] = level
    close = 100 * np.exp(pull + np.cumsum(draw.normal(0, calm / 6, n)))
    opened = np.r_[100.0, close[:-1]]
    reach = calm * wild * np.abs(draw.normal(0, 0.8, (2, n)))
    high, low = np.maximum(opened, close) * (1 + reach[0]), np.minimum(opened, close) * (1 - reach[1])
    tick = 0.05
    o, c = (np.round(x / tick) * tick for x in (opened, close))
    h, low = np.ceil(high / tick) * tick, np.floor(low / tick) * tick
    volume = np.round(np.exp(draw.normal(2, 0.6, n)) * wild, 2)
    instrument = Instrument("test", "BTC/USDT", timeframe)
    times = START + instrument.bar.ms * np.arange(n, dtype=np.int64)
    return Bars(instrument, times, o, np.maximum(h, np.maximum(o, c)), np.minimum(low, np.minimum(o, c)), c, volume)
