"""Three small markets whose truth is known, or famous, through the whole house: no network, no server."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from assay.kernel.bars import PRICES, Bars
from assay.kernel.instrument import Instrument
from assay.kernel.spec import TargetChoice, TrainSpec
from assay.market import synthetic
from assay.runs._train import train
from assay.runs.context import Context, Listener
from assay.runs.run_views import write_run_page

_BARS = 9_000
_EDGE = 0.2


@dataclass(frozen=True, slots=True)
class DemoRow:
    """One market of the demo: what it is, what the training came to, where its report lies."""

    market: str
    truth: str
    document: dict[str, Any]
    report: Path


def run_demo(context: Context, *, seed: int = 1) -> Iterator[DemoRow]:
    """Train on gold (an edge is planted), pyrite (there is none) and a real daily series; a row as each is done."""
    markets = (
        (_gold(seed), f"an edge is planted (information coefficient {_EDGE})", 24),
        (_pyrite(seed), "no edge: every strategy can only lose its costs", 24),
        (daily(), "real: Apple, daily, 2019 to 2024", 5),
    )
    for number, (bars, truth, horizon) in enumerate(markets):
        part = replace(context, listener=_part(context, number, len(markets), bars.instrument.symbol))
        part.candles.upsert(bars, source="demo")
        instrument = bars.instrument
        spec = TrainSpec(
            exchange=instrument.exchange,
            symbols=(instrument.symbol,),
            timeframe=instrument.timeframe,
            target=TargetChoice(params={"horizon": horizon}),
            seed=seed,
        )
        result = dict(train(spec, part).document)
        yield DemoRow(str(instrument), truth, result, write_run_page(result["experiment_id"], part))


def daily() -> Bars:
    """Apple's daily candles, adjusted for splits, from the package hvsampledata (BSD licence)."""
    from hvsampledata import apple_stocks

    frame = apple_stocks("polars")
    prices = {name: np.ascontiguousarray(frame[name].to_numpy(), np.float64) for name in PRICES}
    # The series is rounded to cents after adjusting: the range must still hold open and close.
    prices["high"] = np.maximum.reduce([prices["high"], prices["open"], prices["close"]])
    prices["low"] = np.minimum.reduce([prices["low"], prices["open"], prices["close"]])
    opens = frame["date"].to_numpy().astype("datetime64[ms]").astype(np.int64)
    return Bars(
        Instrument("usa", "AAPL", "1d"),
        opens,
        prices["open"],
        prices["high"],
        prices["low"],
        prices["close"],
        frame["volume"].to_numpy().astype(np.float64),
    )


def _gold(seed: int) -> Bars:
    return synthetic(bars=_BARS, seed=seed, ic=_EDGE, symbol="GOLD/USDT:USDT")


def _pyrite(seed: int) -> Bars:
    return synthetic(bars=_BARS, seed=seed, ic=0.0, symbol="PYRITE/USDT:USDT")


def _part(context: Context, number: int, count: int, symbol: str) -> Listener:
    return lambda share, stage: context.listener((number + share) / count, f"{symbol}: {stage}")
