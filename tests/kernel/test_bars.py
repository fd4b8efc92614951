"""Bars: checked at birth, cut as views, one digest for one content."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument
from assay.testing.bars import bars_of, random_bars


def joined() -> Joined:
    at = 1_704_067_200_000 + 7_200_000 * np.arange(8, dtype=np.int64)
    return Joined(at, at + 1, np.arange(8.0))


@settings(deadline=None)
@given(st.integers(0, 20), st.integers(0, 20))
def test_a_stretch_is_these_rows_and_no_more(start: int, stop: int) -> None:
    bars = replace(random_bars(16), joined={"funding_rate": joined()}, columns={"trade_count": np.arange(16.0)})
    part = bars[start:stop]
    for name in ("timestamp", "open", "high", "low", "close", "volume"):
        np.testing.assert_array_equal(getattr(part, name), getattr(bars, name)[start:stop])
    np.testing.assert_array_equal(part.columns["trade_count"], np.arange(16.0)[start:stop])
    last = part.known_at[-1] if len(part) else 0
    want = joined().value[joined().known_at <= last]
    np.testing.assert_array_equal(part.joined["funding_rate"].value, want)


def test_a_step_is_refused() -> None:
    with pytest.raises(IndexError):
        random_bars(5)[::2]


def test_the_digest_knows_every_value_and_nothing_else() -> None:
    bars = replace(random_bars(20), joined={"funding_rate": joined()}, columns={"x": np.arange(20.0)})
    same = replace(bars, **{k: getattr(bars, k).copy() for k in ("open", "close")})
    assert same.digest() == bars.digest()
    negative = replace(bars, columns={"x": np.where(np.arange(20) == 0, -0.0, np.arange(20.0))})
    assert negative.digest() == bars.digest(), "one zero"
    seen = {bars.digest()}
    for name in ("open", "high", "low", "close", "volume"):
        values = getattr(bars, name).copy()
        values[7] = np.nextafter(values[7], np.inf)
        seen.add(replace(bars, **{name: values}).digest())
    seen.add(replace(bars, timestamp=bars.timestamp + 3_600_000).digest())
    seen.add(replace(bars, instrument=Instrument("test", "ETH/USDT", "1h")).digest())
    seen.add(replace(bars, columns={"y": np.arange(20.0)}).digest())
    seen.add(replace(bars, volume=None).digest())
    moved = replace(joined(), known_at=joined().known_at + 1)
    seen.add(replace(bars, joined={"funding_rate": moved}).digest())
    assert len(seen) == 11
    assert bars.digest() == "".join(bars.digest()) and len(bars.digest()) == 64


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"open": np.ones(4)}, "DATA_SCHEMA"),
        ({"timestamp": np.array([0, 1, 1, 2, 3], np.int64)}, "DATA_ORDER"),
        ({"timestamp": np.array([0, 2, 1, 3, 4], np.int64)}, "DATA_ORDER"),
        ({"close": np.array([1, 2, np.nan, 4, 5.0])}, "DATA_NAN"),
        ({"high": np.array([1, 2, np.inf, 4, 5.0])}, "DATA_NAN"),
        ({"columns": {"x": np.ones(3)}}, "DATA_SCHEMA"),
    ],
)
def test_what_is_no_series(change: dict[str, object], code: str) -> None:
    with pytest.raises(DataError) as caught:
        replace(bars_of([1.0, 2, 3, 4, 5]), **change)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_a_joined_series_is_sorted_by_when_it_was_known() -> None:
    with pytest.raises(DataError) as caught:
        Joined(np.arange(2), np.array([5, 4]), np.zeros(2))
    assert caught.value.code == "DATA_KNOWN_AT"


@pytest.mark.parametrize(("timeframe", "a_year"), [("1h", 8760.0), ("1d", 365.0), ("15m", 35_040.0), ("4h", 2190.0)])
def test_bars_a_year_around_the_clock(timeframe: str, a_year: float) -> None:
    assert random_bars(400, timeframe=timeframe).bars_per_year == a_year


def test_months_are_twelve() -> None:
    times = np.arange("2015-01", "2020-01", dtype="datetime64[M]").astype("datetime64[ms]").astype(np.int64)
    ones = np.ones(len(times))
    assert Bars(Instrument("test", "BTC/USDT", "1M"), times, ones, ones, ones, ones).bars_per_year == 12.0


def test_sessions_are_counted() -> None:
    days = np.arange("2010-01-01", "2020-01-01", dtype="datetime64[D]")
    days = days[np.is_busday(days)]
    ones = np.ones(len(days))
    times = days.astype("datetime64[ms]").astype(np.int64)
    bars = Bars(Instrument("test", "SPY", "1d"), times, ones, ones, ones, ones)
    assert bars.bars_per_year == pytest.approx(261, abs=0.5)
    assert np.isnan(bars[:1].bars_per_year)


@pytest.mark.market_data
def test_spy_has_about_252_sessions(market_data: Path) -> None:
    from assay.market.sources.files import read_file

    bars = read_file(market_data / "usa_SPY_1d_adj.parquet").one.bars
    assert bars.bars_per_year == pytest.approx(252, abs=1.5)
    btc = read_file(market_data / "binance_BTC-USDT_1h.parquet").one.bars
    assert btc.bars_per_year == 8760.0
