"""What the tests of collecting share."""

from typing import Any

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.kernel.timeframe import HOUR_MS
from assay.market.sources.exchange import Collected, collect_bars
from assay.market.sources.synthetic import START_MS, synthetic
from assay.market.stores.base import CandleStore
from assay.market.stores.upsert import rows as rows_at
from assay.testing.fake_exchange import FakeExchange, Faults

BTC = Instrument("binance", "BTC/USDT", "1h")
N = 700
LIVE = synthetic(bars=N + 1, seed=1, exchange="binance", symbol="BTC/USDT")
CLOSED = LIVE[:N]
NOW = int(LIVE.timestamp[N]) + HOUR_MS // 2  # in the middle of the last candle
PAGE = 100


def collected(exchange: FakeExchange, store: CandleStore, **more: Any) -> Collected:
    waited: list[float] = more.pop("waited", [])
    given = {"since": START_MS, "now": NOW, "page_limit": PAGE, "sleep": waited.append} | more
    return collect_bars(exchange, BTC, store=store, **given)


def exchange_of(bars: Bars = LIVE, **faults: Any) -> FakeExchange:
    return FakeExchange(bars, now=NOW, faults=Faults(**faults), others=["ETH/USDT", "BTC/USDC"])


def without(gaps: list[tuple[int, int]]) -> Bars:
    keep = np.ones(N + 1, np.bool_)
    for start, length in gaps:
        keep[start : start + length] = False
    return rows_at(LIVE, np.flatnonzero(keep))
