"""Real candles with real funding, and a second, slower account beside ours."""

import numpy as np
import pytest

from assay.kernel.bars import Bars, Joined
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument
from assay.simulate.engine import simulate


@pytest.mark.market_data
def test_a_perpetual_pays_its_funding(market_data):
    import polars as pl

    table = pl.read_parquet(market_data / "binanceusdm_ETH-USDT-PERP_1h_2025.parquet")
    rates = pl.read_parquet(market_data / "funding_binanceusdm_ETH-USDT-PERP_2025.parquet")
    at = rates["timestamp"].to_numpy().astype(np.int64)
    rate = rates["funding_rate"].to_numpy()
    names = ("open", "high", "low", "close", "volume")
    columns = {name: table[name].to_numpy().astype(np.float64) for name in names}
    times = table["timestamp"].to_numpy().astype(np.int64)
    bars = Bars(
        Instrument("binanceusdm", "ETH/USDT:USDT", "1h"),
        times,
        **columns,
        joined={"funding_rate": Joined(at, at, rate)},
    )
    record = simulate(bars, Decisions.weights(np.ones(len(bars))), Costs())

    # the same year as plain arithmetic: bought once, every payment at the close of the bar that it ends
    units = 1 / (bars.open[1] * 1.0005)
    close_at = dict(zip((times + 3_600_000).tolist(), bars.close.tolist(), strict=True))
    paid = sum(units * close_at[t] * r for t, r in zip(at.tolist(), rate.tolist(), strict=True) if t > times[1])
    sold = units * bars.close[-1] * 0.9995
    assert len(at[at > times[1]]) > 1000
    assert record.funding == pytest.approx(paid, rel=1e-9)
    assert record.equity[-1] == pytest.approx(sold - 0.001 * (1 + sold) - paid, rel=1e-9)
