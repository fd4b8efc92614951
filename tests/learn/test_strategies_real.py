"""The rules on real candles: sane densities, honest lookback, no future."""

import numpy as np
import pytest

from assay.learn import check_strategy
from assay.learn.strategies import all_strategies
from tests.learn.strategy_bars import read

pytestmark = pytest.mark.market_data
RULES = all_strategies()
FILES = ("binance_BTC-USDT_1h", "binance_ETH-USDT_15m_2024", "binance_ETH-USDT_5m_2025")
DOCUMENTED = {  # signals per 1,000 bars on the three files
    "liquidity_sweep": (12, 12, 13),
    "capitulation_reversal": (25, 24, 25),
    "failed_breakdown": (0.7, 1.3, 1.7),
    "htf_sweep": (13, 13, 5),
    "volume_breakout": (5, 5, 5),
    "divergence_capitulation": (0.2, 0.2, 0.2),
}
HIGHER = ("4h", "1h", "1h")  # what htf_sweep's densities were measured with


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("name", DOCUMENTED)
def test_signals_are_as_frequent_as_documented(market_data, name, which):
    rule, bars = RULES[name], read(market_data, FILES[which], 20_000)
    given = {"htf": HIGHER[which]} if name == "htf_sweep" else {}
    signals = np.count_nonzero(rule.entries(bars, rule.resolve(given)).side)
    assert DOCUMENTED[name][which] / 3 <= signals / 20 <= DOCUMENTED[name][which] * 3


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("file", ["binance_BTC-USDT_1h", "ftx_BTC-USD-PERP_1m", "usa_SPY_1h_raw"])
def test_no_future_and_an_honest_lookback(market_data, name, file):
    assert check_strategy(RULES[name], read(market_data, file, 6_000)) >= 10


@pytest.mark.parametrize("name", RULES)
def test_every_signal_is_found_again_with_the_lookback_alone(market_data, name):
    rule, bars = RULES[name], read(market_data, "binance_BTC-USDT_1h", 4_000)
    values = rule.resolve()
    lookback = rule.lookback(values, "1h")
    whole = rule.decisions(bars, values)
    for t in np.flatnonzero(np.nan_to_num(whole.target))[::7]:
        alone = rule.decisions(bars[t - lookback : t + 1], values)
        assert (alone.target[-1], alone.hold[-1]) == (whole.target[t], whole.hold[t])
        assert np.array_equal([alone.stop[-1], alone.take[-1]], [whole.stop[t], whole.take[t]], equal_nan=True)


def test_volume_breakout_is_silent_on_daily_equities(market_data):
    rule, bars = RULES["volume_breakout"], read(market_data, "usa_SPY_1d_adj")
    assert not rule.entries(bars, rule.resolve()).side.any()
