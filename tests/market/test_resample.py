"""Longer bars, and when they are known."""

from pathlib import Path

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.market.alignment import last_known, resample
from assay.market.sources.files import read_file
from assay.testing.bars import START_MS, bars_of, random_bars

HOUR = 3_600_000


def without(bars: Bars, *rows: int) -> Bars:
    keep = np.setdiff1d(np.arange(len(bars)), rows)
    prices = (bars.open[keep], bars.high[keep], bars.low[keep], bars.close[keep])
    volume = None if bars.volume is None else bars.volume[keep]
    return Bars(bars.instrument, bars.timestamp[keep], *prices, volume)


def test_by_hand() -> None:
    four = resample(bars_of([10, 12, 9, 11, 20, 21, 22, 23, 5.0], volume=2), "4h")
    assert four.instrument.timeframe == "4h"
    assert four.timestamp.tolist() == [START_MS, START_MS + 4 * HOUR]
    assert (four.open.tolist(), four.close.tolist()) == ([10, 11], [11, 23])
    assert (four.high.tolist(), four.low.tolist()) == ([12, 23], [9, 11])
    assert four.volume is not None
    assert four.volume.tolist() == [8, 8]


def test_gaps_stay_gaps_and_first_buckets_need_their_first_bar() -> None:
    hours = random_bars(12)
    assert len(resample(without(hours, 0), "4h")) == 2
    assert len(resample(without(hours, 0), "4h", first="any")) == 3
    assert resample(without(hours, 5), "4h").timestamp.tolist() == [START_MS + i * 4 * HOUR for i in range(3)]
    assert resample(without(hours, 4, 5, 6, 7), "4h").timestamp.tolist() == [START_MS, START_MS + 8 * HOUR]
    assert len(resample(without(hours, 11), "4h")) == 2
    assert len(resample(hours[:0], "4h")) == 0


def test_columns_and_missing_volume() -> None:
    bars = bars_of([1, 2, 3, 4.0])
    assert bars.volume is not None
    bars.volume[1] = np.nan
    columns = {
        "trade_count": np.array([1, 2, 3, 4.0]),
        "max_spread": np.array([1, 9, 3, 4.0]),
        "avg_spread": bars.close,
    }
    whole = Bars(bars.instrument, bars.timestamp, bars.open, bars.high, bars.low, bars.close, bars.volume, columns)
    two = resample(whole, "2h")
    assert two.volume is not None
    assert np.isnan(two.volume[0])
    assert two.volume[1] == 2
    assert two.columns["trade_count"].tolist() == [3, 7]
    assert two.columns["max_spread"].tolist() == [9, 4]
    assert two.columns["avg_spread"].tolist() == [1.5, 3.5]


@pytest.mark.parametrize(
    ("low", "high"), [("1h", "1h"), ("4h", "1h"), ("2h", "3d"), ("3d", "1w"), ("1w", "1M"), ("3d", "1M")]
)
def test_only_whole_multiples(low: str, high: str) -> None:
    if (low, high) == ("2h", "3d"):
        assert len(resample(random_bars(72, timeframe=low), high, first="any"))
        return
    with pytest.raises(ConfigError, match=f"{high} bars cannot be made of {low}"):
        resample(random_bars(50, timeframe=low), high)


def test_weeks_open_on_monday_and_months_on_the_first() -> None:
    days = random_bars(40, timeframe="1d")
    assert resample(days, "1w").timestamp[0] == START_MS
    assert len(resample(days, "1M")) == 1


def test_a_higher_bar_is_known_at_its_close_and_not_before() -> None:
    hours = random_bars(10)
    known = last_known(hours, resample(hours, "4h"))
    assert known.tolist() == [-1, -1, -1, 0, 0, 0, 0, 1, 1, 1]


def test_no_row_knows_a_bucket_that_its_future_changes() -> None:
    bars = random_bars(200)
    whole = last_known(bars, resample(bars, "4h"))
    for row in (3, 50, 101, 199):
        cut = resample(bars[: row + 1], "4h")
        assert len(cut) == whole[row] + 1
        assert cut.close[-1] == resample(bars, "4h").close[whole[row]]


@pytest.mark.market_data
@pytest.mark.parametrize("timeframe", ["15m", "1h", "4h", "1d"])
def test_five_minutes_give_the_exchange_s_own_longer_bars(market_data: Path, timeframe: str) -> None:
    name = "multitf_binance_BTC-USDT_{}_2024.parquet"
    made = resample(read_file(market_data / name.format("5m")).one.bars, timeframe)
    theirs = read_file(market_data / name.format(timeframe)).one.bars
    assert abs(len(theirs) - len(made)) <= 1
    same = theirs[: len(made)]
    for field in ("timestamp", "open", "high", "low", "close"):
        assert np.array_equal(getattr(made, field), getattr(same, field)), field
    assert made.volume is not None
    assert same.volume is not None
    assert np.allclose(made.volume, same.volume, rtol=1e-8, atol=0)
