"""Candles and decisions that tests write by hand."""

import numpy as np

from assay.kernel.bars import Bars, Joined
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument

HOUR = 3_600_000
FREE = Costs(fee=0.0, slippage_bps=0.0)


def candles(*rows, symbol="BTC/USDT", volume=None, funding=None, first=0, timeframe="1h"):
    """Bars from (open, high, low, close) rows; funding is a list of (paid at ms, rate)."""
    opens, high, low, close = (np.array(column, float) for column in zip(*rows, strict=True))
    joined = {}
    if funding is not None:
        at = np.array([t for t, _ in funding], np.int64)
        joined["funding_rate"] = Joined(at, at, np.array([rate for _, rate in funding]))
    times = first + np.arange(len(opens)) * HOUR
    amount = None if volume is None else np.array(volume, float)
    return Bars(Instrument("binance", symbol, timeframe), times, opens, high, low, close, amount, joined=joined)


def flat_candles(*prices, **more):
    """Bars whose four prices are equal."""
    return candles(*[(p, p, p, p) for p in prices], **more)


def decide(n, **rows):
    """Decisions that keep, except for ``r3=(target, stop, take, hold)``; None is NaN, what is left out too."""
    target, stop, take = (np.full(n, np.nan) for _ in range(3))
    hold = np.zeros(n, np.int32)
    for name, row in rows.items():
        t = int(name[1:])
        wanted, *levels = row if isinstance(row, tuple) else (row,)
        stop_by, take_by, most = [*levels, None, None, None][:3]
        target[t] = wanted
        stop[t] = np.nan if stop_by is None else stop_by
        take[t] = np.nan if take_by is None else take_by
        hold[t] = most or 0
    return Decisions(target, stop, take, hold)


def random_candles(n, seed, *, symbol="BTC/USDT", volume=True):
    g = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(g.normal(0, 0.01, n)))
    opens = np.r_[100.0, close[:-1]] * np.exp(g.normal(0, 0.002, n))
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, 0.005, n)))
    low = np.minimum(opens, close) * (1 - np.abs(g.normal(0, 0.005, n)))
    amount = np.where(g.random(n) < 0.1, 0.0, g.uniform(0.5, 50, n)) if volume else None
    return Bars(Instrument("binance", symbol, "1h"), np.arange(n) * HOUR, opens, high, low, close, amount)


def random_decisions(n, seed, *, scale=100.0):
    g = np.random.default_rng(seed)
    target = g.choice([np.nan, np.nan, np.nan, 0.0, 1.0, -1.0, 0.5, -0.3], n)
    stop = np.where(g.random(n) < 0.4, g.uniform(0.005, 0.04, n) * scale, np.nan)
    take = np.where(g.random(n) < 0.4, g.uniform(0.005, 0.04, n) * scale, np.nan)
    hold = np.where(g.random(n) < 0.3, g.integers(1, 9, n), 0).astype(np.int32)
    return Decisions(target, stop, take, hold)
