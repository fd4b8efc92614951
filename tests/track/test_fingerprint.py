"""The same market is known by its candles, and another one is not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.market.sources.synthetic import synthetic
from assay.track.fingerprint import (
    Closes,
    Fingerprint,
    Match,
    compute_fingerprint,
    merge_fingerprints,
    pack,
    same_market,
    unpack,
)
from assay.track.tracking_store import TrackingStore
from tests.track.altered import COPIES, HOUR, YEARS, bent, flat_after_each, resampled

DAY = 86_400_000


def series(closes: np.ndarray, timeframe: str = "1d", symbol: str = "X/USD", start: int = 4 * DAY) -> Bars:  # a Monday
    instrument = Instrument("test", symbol, timeframe)
    times = start + np.arange(len(closes)) * instrument.bar.ms
    return Bars(instrument, times, closes, closes, closes, closes, None)


def walk(n: int, seed: int = 1, timeframe: str = "1d", symbol: str = "X/USD") -> Bars:
    return series(100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.02, n))), timeframe, symbol)


def same(one: Bars, other: Bars) -> Match | None:
    found = same_market(compute_fingerprint(one), compute_fingerprint(other))
    back = same_market(compute_fingerprint(other), compute_fingerprint(one))
    assert (found is None) == (back is None)
    return found


def test_closes_by_hand() -> None:
    bars = series(np.array([1.0, np.e, 1.0, 1.0]), "12h", start=4 * DAY + 43_200_000)
    found = compute_fingerprint(bars)
    np.testing.assert_array_equal(found.days.units, [4, 5, 6])
    np.testing.assert_array_equal(found.days.logs, [0, 0, 0])
    np.testing.assert_array_equal(found.bars.logs, [0, 100_000_000, 0, 0])
    assert (len(found.hours), found.zero_share, found.n_bars) == (0, 1 / 3, 4)
    np.testing.assert_array_equal(Closes(np.array([4, 10, 11]), np.array([1, 2, 3])).weeks.logs, [2, 3])


@given(st.lists(st.tuples(st.integers(-(10**6), 10**6), st.integers(-(10**12), 10**12)), max_size=50))
def test_what_is_packed_comes_back(pairs: list[tuple[int, int]]) -> None:
    closes = Closes(np.array([a for a, _ in pairs], np.int64), np.array([b for _, b in pairs], np.int64))
    found = unpack(pack(closes))
    np.testing.assert_array_equal(found.units, closes.units)
    np.testing.assert_array_equal(found.logs, closes.logs)


def test_another_name_other_prices_and_a_split_change_nothing() -> None:
    bars = walk(400)
    renamed = replace(bars, instrument=Instrument("own", "Y", "1d"))
    assert same(bars, renamed) == Match()
    scaled = np.where(np.arange(400) < 200, 0.25, 1.0) * bars.close  # adjusted for a split of 4 to 1
    assert same(bars, series(scaled)) == Match()
    noisy = bars.close * np.exp(np.random.default_rng(3).normal(0, 0.0005, 400))  # another exchange
    assert same(bars, series(noisy)) == Match()
    assert same(bars, series(1 / bars.close)) == Match()  # quoted the other way round: correlation -1


def test_other_markets_are_other_ones() -> None:
    bars = walk(400)
    assert same(bars, walk(400, seed=2)) is None
    shared = np.log(bars.close) * 0.8 + np.log(walk(400, seed=2).close) * 0.6  # a correlation of 0.8
    assert same(bars, series(np.exp(shared))) is None


@pytest.mark.parametrize(("bars", "timeframe"), [(300, "1d"), (1_500, "1h"), (600, "5m"), (60, "1m"), (120, "4h")])
def test_short_series_are_told_by_finer_units(bars: int, timeframe: str) -> None:
    one = walk(bars, timeframe=timeframe)
    near = series(one.close * np.exp(np.random.default_rng(3).normal(0, 1e-4, bars)), timeframe)
    assert same(one, near) == Match()
    assert same(one, walk(bars, seed=2, timeframe=timeframe)) is None


def test_too_little_in_common_is_no_market() -> None:
    assert same(walk(20), series(walk(20).close * 1.001)) is None
    assert same(walk(20), walk(20)) == Match()  # the very same candles are, however few


def test_candles_that_hardly_ever_move_are_known_by_digest_alone() -> None:
    flat = walk(400).close.copy()
    flat[1:] = np.where(np.arange(1, 400) % 20 == 0, flat[1:], np.nan)
    held = pl.Series(flat).fill_nan(None).fill_null(strategy="forward").to_numpy()
    one = series(held)
    assert same(one, series(held * 1.5)) is None  # 20 moves tell nothing of a market
    assert same(one, replace(one, instrument=Instrument("own", "Y", "1d"))) == Match()


LONGER = {"5m": "15m", "1h": "4h", "4h": "1d"}


@pytest.mark.parametrize("timeframe", ["5m", "1h", "4h", "1d"])
@pytest.mark.parametrize("how", COPIES)
def test_altered_copies_are_the_market(how: str, timeframe: str) -> None:
    one = walk(1_500, timeframe=timeframe)
    one = replace(one, timestamp=one.timestamp + (7 * HOUR if timeframe in ("5m", "1h") else 0))
    copy = COPIES[how](one)
    assert same(one, copy) is not None
    assert same(copy, walk(1_500, seed=2, timeframe=timeframe)) is None
    assert same(COPIES[how](walk(1_500, seed=2, timeframe=timeframe)), one) is None


@pytest.mark.parametrize("timeframe", LONGER)
@pytest.mark.parametrize("by", [0, 2 * HOUR, YEARS])
def test_resampled_copies_are_the_market(timeframe: str, by: int) -> None:
    one = walk(3_000, timeframe=timeframe)
    copy = resampled(one, LONGER[timeframe], by)
    assert same(one, copy) is not None
    assert same(copy, walk(3_000, seed=2, timeframe=timeframe)) is None


def test_a_shift_is_said_where_one_explains_the_stamps() -> None:
    one = walk(3_000, timeframe="4h")
    assert same_market(compute_fingerprint(one), compute_fingerprint(bent(one, YEARS))) == Match(YEARS)
    assert same_market(compute_fingerprint(one), compute_fingerprint(flat_after_each(one))) == Match(None)


@pytest.mark.parametrize(("timeframe", "bars", "by"), [("1d", 400, 10_227 * DAY), ("1h", 3_000, -90 * DAY),
                                                       ("5m", 2_000, 77 * HOUR)])  # fmt: skip
def test_candles_that_were_moved_are_found(timeframe: str, bars: int, by: int) -> None:
    one = walk(bars, timeframe=timeframe)
    moved = replace(one, instrument=Instrument("own", "Y", timeframe), timestamp=one.timestamp + by)
    assert same_market(compute_fingerprint(one), compute_fingerprint(moved)) == Match(by)
    part = moved[bars // 4 :]
    assert same_market(compute_fingerprint(one), compute_fingerprint(part)) == Match(by)
    assert same(one, replace(walk(bars, seed=5, timeframe=timeframe), timestamp=one.timestamp + by)) is None


def test_a_stamp_an_hour_later_is_the_market() -> None:
    one = walk(24 * 400, timeframe="1h")
    late = replace(one, timestamp=one.timestamp + HOUR)
    assert same(one, late) == Match()


def test_what_is_read_again_lengthens_its_row(record: TrackingStore) -> None:
    whole = synthetic(bars=3_000, seed=1)
    record.markets.keep(whole[:1_500])
    record.markets.keep(whole[500:2_500])
    record.markets.keep(whole[:600])  # nothing new
    assert record.markets.fingerprint_keys() == [whole.instrument.key]
    with record.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT COUNT(*) FROM market_fingerprints").scalar()
    assert rows == 1
    old, late = compute_fingerprint(whole[:1_500]), compute_fingerprint(whole[500:2_500])
    grew = merge_fingerprints(old, late)
    assert grew is not None and merge_fingerprints(grew, compute_fingerprint(whole[:600])) is grew
    np.testing.assert_array_equal(grew.days.units, compute_fingerprint(whole[:2_500]).days.units)
    np.testing.assert_array_equal(grew.days.logs, compute_fingerprint(whole[:2_500]).days.logs)
    np.testing.assert_array_equal(grew.hours.logs, compute_fingerprint(whole[:2_500]).hours.logs)


def test_other_candles_under_a_name_hide_nothing(record: TrackingStore) -> None:
    first, second = (synthetic(bars=2_000, seed=seed) for seed in (1, 2))
    record.markets.keep(first)
    record.markets.keep(second)
    own = [replace(bars, instrument=Instrument("own", f"{k}/USD", "1h")) for k, bars in enumerate((first, second))]
    for bars in own:
        assert record.markets.like([bars]) == {first.instrument.key: (0,)}
    assert record.markets.like([synthetic(bars=2_000, seed=3)]) == {}
    record.markets.keep(own[0])
    third = "test|Z/USD|1h"
    assert record.markets.distinct([first.instrument.key, own[0].instrument.key, third]) == 2


@pytest.mark.parametrize("lost", [("bars",), ("days", "hours", "bars")])
def test_rows_of_an_earlier_version_are_read_and_completed(record: TrackingStore, lost: tuple[str, ...]) -> None:
    """They hold no bars of long series, and nothing of one with a price that is not above zero."""
    bars = walk(6_000, timeframe="15m")
    record.markets.keep(bars)
    with record.database.write() as connection:
        connection.exec_driver_sql("UPDATE market_fingerprints SET " + ", ".join(f"{name} = ''" for name in lost))
    copy = replace(bars, instrument=Instrument("own", "Y", "15m"), timestamp=bars.timestamp + 10 * DAY)
    by_closes = {bars.instrument.key: (-10 * DAY,)}
    assert record.markets.like([copy]) == ({} if "days" in lost else by_closes)
    assert record.markets.like([replace(bars, instrument=copy.instrument)]) == {bars.instrument.key: (0,)}
    assert record.markets.fingerprint_keys() == ([] if "days" in lost else [bars.instrument.key])
    record.markets.keep(bars)
    assert record.markets.like([copy]) == by_closes
    assert record.markets.like([flat_after_each(bars)]) == {bars.instrument.key: (None,)}
    with record.database.read() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM market_fingerprints").scalar() == 1


def stored(folder: Path, name: str, timeframe: str) -> Bars:
    table = (
        pl.read_parquet(folder / f"{name}.parquet")
        .sort("timestamp")
        .unique("timestamp", keep="first", maintain_order=True)
    )
    columns = {c: table[c].to_numpy().astype(np.float64) for c in ("open", "high", "low", "close")}
    times = table["timestamp"].cast(pl.Int64).to_numpy()
    return Bars(Instrument("real", name.split("_")[1].split("-")[0], timeframe), times, volume=None, **columns)


@pytest.mark.market_data
def test_real_markets(market_data: Path) -> None:
    """The measured ones: 0.996, 0.992, 0.994 are one market, 0.79 are two."""
    hours = stored(market_data, "binance_BTC-USDT_1h", "1h")
    days = stored(market_data, "bitstamp-coinbase_BTC-USD_1d", "1d")
    raw, adjusted = (stored(market_data, f"usa_AAPL_1d_{kind}", "1d") for kind in ("raw", "adj"))
    bitcoin, ether = (stored(market_data, f"binanceusdm_{name}-USDT-PERP_1h", "1h") for name in ("BTC", "ETH"))
    assert same(hours, days) == same(raw, adjusted) == same(hours, bitcoin) == Match()
    assert same(hours, replace(hours, timestamp=hours.timestamp + HOUR)) == Match()
    assert same(bitcoin, ether) is None
    assert same(adjusted, stored(market_data, "usa_GOOG_1d_adj", "1d")) is None
    spy = stored(market_data, "usa_SPY_1d_adj", "1d")
    assert same(spy, stored(market_data, "usa_SPY_1h_raw", "1h")) == Match() and same(spy, adjusted) is None
    kept: Fingerprint = compute_fingerprint(hours)
    assert len(pack(kept.days)) < 20_000 < len(pack(kept.hours)) < 400_000


@pytest.mark.market_data
def test_real_markets_altered(market_data: Path) -> None:
    """Copies of real candles are recognised, and none of them is taken for a market that moves with it."""
    bitcoin, ether, solana = (
        stored(market_data, f"binanceusdm_{name}-USDT-PERP_1h", "1h")[-8_000:] for name in ("BTC", "ETH", "SOL")
    )
    for how, copy in COPIES.items():
        assert same(bitcoin, copy(bitcoin)) is not None, how
        assert same(copy(bitcoin), ether) is None and same(copy(ether), solana) is None, how
