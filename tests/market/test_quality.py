"""What the report finds, and what it must not find."""

import json
from pathlib import Path

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import DataError
from assay.market.quality import Quality, examine_quality
from assay.market.sources.files import read_file
from assay.testing.bars import bars_of, random_bars


def times(events: tuple[object, ...]) -> list[str]:
    return [event.time[:16] for event in events]  # type: ignore[attr-defined]


def scaled(bars: Bars, rows: slice, factor: float, volume: float = 1.0) -> Bars:
    arrays = [bars.open.copy(), bars.high.copy(), bars.low.copy(), bars.close.copy()]
    for array in arrays:
        array[rows] *= factor
    assert bars.volume is not None
    traded = bars.volume.copy()
    traded[rows] *= volume
    return Bars(bars.instrument, bars.timestamp, *arrays, traded)


def test_a_random_walk_is_clean() -> None:
    quality = examine_quality(random_bars(3000))
    assert (quality.bars, quality.missing_bars, quality.longest_gap) == (3000, 0, 0)
    assert not (quality.jumps or quality.splits or quality.spikes or quality.odd_prices or quality.volume_units)
    assert (quality.zero_volume.count, quality.flat.count, quality.null_volume) == (0, 0, 0)


def test_runs_by_hand() -> None:
    bars = bars_of([100, 101, 101, 101, 102, 102, 103.0], volume=0.0)
    quality = examine_quality(bars)
    assert (quality.zero_volume.count, quality.zero_volume.longest) == (7, 7)
    assert (quality.equal_closes.count, quality.equal_closes.longest) == (3, 3)
    assert quality.equal_closes.first == "2024-01-01T01:00:00.000Z"
    assert (quality.flat.count, quality.flat.longest, quality.flat.longest_from[:13]) == (4, 2, "2024-01-01T02")
    assert quality.flat_share == pytest.approx(3 / 7)


@pytest.mark.parametrize("n", [0, 1, 2, 3])
def test_few_bars_are_no_error(n: int) -> None:
    quality = examine_quality(random_bars(n))
    assert quality.bars == n
    json.dumps(quality.as_dict(), allow_nan=False)


def test_equal_prices_only() -> None:
    quality = examine_quality(bars_of(np.full(50, 100.0), volume=None))
    assert (quality.null_volume, quality.flat.count, quality.equal_closes.longest) == (50, 50, 50)


def test_a_split_is_told_from_a_crash_by_its_turnover() -> None:
    bars = random_bars(200, timeframe="1d")
    split = examine_quality(scaled(bars, slice(100, None), 1 / 3, volume=3.0))
    (event,) = split.splits
    assert (event.seen["split"], event.seen["verdict"]) == ("3:1", "likely")
    crash = scaled(bars, slice(100, None), 1 / 3)
    assert crash.volume is not None
    crash.volume[100] = 100 * np.median(crash.volume)
    (event,) = examine_quality(crash).splits
    assert event.seen["verdict"] == "doubtful"
    assert len(examine_quality(crash).jumps) == 1
    (event,) = examine_quality(scaled(bars, slice(100, None), 10.0)).splits
    assert event.seen["split"] == "1:10"


def test_a_unit_of_volume_is_found_to_the_bar() -> None:
    bars = scaled(random_bars(2000), slice(700, 1300), 1.0, volume=1 / 500)
    found = examine_quality(bars).volume_units
    assert [event.time for event in found] == ["2024-01-30T04:00:00.000Z", "2024-02-24T04:00:00.000Z"]


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest):  # type: ignore[no-untyped-def]
    folder: Path = request.getfixturevalue("market_data")

    def read(name: str) -> Quality:
        return read_file(folder / f"{name}.parquet", on_conflict="last").one.quality

    return read


@pytest.mark.market_data
def test_volume_that_changes_its_unit_three_times(report) -> None:  # type: ignore[no-untyped-def]
    quality = report("defects_bitstamp_BTC-USD_1h")
    assert times(quality.volume_units) == ["2019-03-03T01:00", "2019-04-13T17:00", "2020-10-12T09:00"]
    assert all(event.seen["like_price"] == "yes" for event in quality.volume_units)
    assert (quality.zero_volume.count, quality.flat.count) == (5, 5)
    assert quality.zero_volume.first.startswith("2020-04-25")
    json.dumps(quality.as_dict(), allow_nan=False)


@pytest.mark.market_data
def test_doubled_hours_outages_and_a_bad_first_bar(report, market_data: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(
        DataError, match=r"2649 conflicting duplicates.*open in 1442.*close in 1.*--on-conflict"
    ) as caught:
        read_file(market_data / "defects_binance_BTC-USDT_1h.parquet")
    assert caught.value.code == "DATA_CONFLICT"
    quality = report("defects_binance_BTC-USDT_1h")
    found = quality.duplicates
    assert (found.conflicting, found.fields["open"], found.fields["close"], found.resolved) == (2649, 1442, 1, "last")
    assert (found.first[:16], found.last[:16]) == ("2020-08-01T23:00", "2020-11-20T07:00")
    assert (quality.zero_volume.count, quality.flat.count, quality.flat.longest) == (117, 117, 33)
    assert (len(quality.gaps), quality.missing_bars, quality.longest_gap) == (8, 16, 4)
    (first,) = quality.odd_prices
    assert first.time == "2017-08-17T04:00:00.000Z"
    assert first.seen == {"open": 16199.91, "high": 16199.91, "close": 4308.83}


@pytest.mark.market_data
def test_splits_and_a_real_crash(report) -> None:  # type: ignore[no-untyped-def]
    raw = report("usa_AAPL_1d_raw")
    likely = [e for e in raw.splits if e.seen["verdict"] == "likely"]
    assert [(e.time[:10], e.seen["split"]) for e in likely] == [
        ("2000-06-21", "2:1"),
        ("2005-02-28", "2:1"),
        ("2014-06-09", "7:1"),
        ("2020-08-31", "4:1"),
    ]
    adjusted = report("usa_AAPL_1d_adj")
    assert [(e.time[:10], e.seen["verdict"]) for e in adjusted.splits] == [("2000-09-29", "doubtful")]
    (jump,) = adjusted.jumps
    assert jump.time[:10] == "2000-09-29"
    assert jump.seen["change"] == pytest.approx(-0.52, abs=0.01)
    google = report("usa_GOOG_1d_adj")
    assert [(e.time[:10], e.seen["verdict"]) for e in google.splits] == [("2014-04-03", "likely")]
    assert times(google.spikes) == ["2008-09-30T00:00"]


@pytest.mark.market_data
@pytest.mark.parametrize(
    ("name", "holes", "missing", "longest", "zero"),
    [
        ("binance_BTC-USDT_1h", 28, 128, 33, 4),
        ("binanceusdm_BTC-USDT-PERP_1h", 0, 0, 0, 0),
        ("binance_ETH-USDT_5m_2025", 0, 0, 0, 0),
        ("fx_EUR-USD_1h_novolume", 452, 22678, 74, 0),
        ("usa_SPY_1h_raw", 5848, 162910, 161, 0),
        ("bitstamp-coinbase_BTC-USD_1d", 0, 0, 0, 33),
    ],
)
def test_the_gaps_and_dead_bars_that_the_data_page_states(  # type: ignore[no-untyped-def]
    report, name: str, holes: int, missing: int, longest: int, zero: int
) -> None:
    quality = report(name)
    assert (len(quality.gaps), quality.missing_bars, quality.longest_gap) == (holes, missing, longest)
    assert quality.zero_volume.count == zero
    assert not quality.volume_units
    assert not quality.set_aside
    assert not [e for e in quality.splits if e.seen["verdict"] == "likely"]
