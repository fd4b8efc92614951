"""The checks at the door, row by row of the catalogue."""

import re

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError, DataError
from assay.kernel.instrument import Instrument
from assay.market.validation import ValidatedBars, admit
from assay.testing.bars import START_MS, random_bars

HOUR = 3_600_000
MARKET = Instrument("test", "BTC/USDT", "1h")
NOW = START_MS + 10_000 * HOUR


def table(n: int = 200) -> pl.DataFrame:
    bars = random_bars(n, seed=3)
    names = ("timestamp", "open", "high", "low", "close", "volume")
    return pl.DataFrame({name: getattr(bars, name) for name in names})


def put(frame: pl.DataFrame, row: int, **values: float | None) -> pl.DataFrame:
    """The frame with other values in one row, counted from 1."""
    at = pl.int_range(pl.len()) == row - 1
    return frame.with_columns(pl.when(at).then(value).otherwise(pl.col(k)).alias(k) for k, value in values.items())


def let_in(frame: pl.DataFrame, **options: object) -> ValidatedBars:
    return admit(frame, MARKET, **{"now_ms": NOW, "source": "candles.csv", **options})  # type: ignore[arg-type]


def said(admitted: ValidatedBars) -> str:
    return "\n".join(f"{w.code} {w.text}" for w in admitted.quality.warnings)


def refused(frame: pl.DataFrame, code: str, *texts: str, **options: object) -> DataError:
    with pytest.raises(DataError) as caught:
        let_in(frame, **options)
    assert caught.value.code == code
    for text in texts:
        assert re.search(text, caught.value.message, re.IGNORECASE), caught.value.message
    return caught.value


def test_good_rows_become_the_same_bars() -> None:
    bars = random_bars(200, seed=3)
    admitted = let_in(table())
    assert admitted.bars.digest() == bars.digest()
    assert admitted.quality.warnings == ()
    assert admitted.quality.bars == 200


@pytest.mark.parametrize(
    ("values", "code", "texts"),
    [
        ({"high": 1.0}, "DATA_OHLC", ("row 17", "high", "low")),
        ({"close": 1e3, "high": 5e2}, "DATA_OHLC", ("row 17", "high", "low")),
        ({"low": 1e3}, "DATA_OHLC", ("row 17", "high", "low")),
        ({"close": 0.0}, "DATA_PRICE", ("row 17", "close")),
        ({"open": -1.0}, "DATA_PRICE", ("row 17", "open")),
        ({"close": float("nan")}, "DATA_NAN", ("close", "2024-01-01T16:00")),
        ({"low": None}, "DATA_NAN", ("low", "2024-01-01T16:00")),
        ({"high": float("inf")}, "DATA_NAN", ("high", "infinite")),
        ({"volume": -1.0}, "DATA_VOLUME", ("row 17", "volume")),
        ({"volume": float("inf")}, "DATA_VOLUME", ("row 17", "volume")),
        ({"timestamp": START_MS + 16 * HOUR + 1_695_000}, "DATA_OFF_GRID", ("row 17", "16:28:15")),
    ],
)
def test_a_row_that_cannot_be_true_is_set_aside(values: dict[str, float], code: str, texts: tuple[str, ...]) -> None:
    admitted = let_in(put(table(), 17, **values))
    assert admitted.quality.quarantined == {code: 1}
    assert len(admitted.bars) == 199
    assert START_MS + 16 * HOUR not in admitted.bars.timestamp
    for text in (code, *texts):
        assert text in said(admitted)
    assert admitted.quality.set_aside[0].row == 17


def test_too_many_such_rows_refuse_the_load_under_their_code() -> None:
    two = put(put(table(), 17, close=0.0), 18, close=0.0)
    refused(two, "DATA_PRICE", "2 of 200", "row 17", "close")
    many = table(2500)
    assert len(let_in(put(put(many, 17, close=0.0), 18, close=0.0)).bars) == 2498
    refused(put(put(put(many, 17, close=0.0), 18, close=0.0), 19, close=0.0), "DATA_PRICE", "3 of 2500")


def test_negative_prices_are_allowed_on_request() -> None:
    frame = put(table(), 17, low=-5.0, close=-1.0)
    assert len(let_in(frame, allow_negative_price=True).bars) == 200
    assert len(let_in(frame).bars) == 199


@pytest.mark.parametrize(("factor", "word"), [(1e-3, "seconds"), (1e3, "microseconds"), (1e6, "nanoseconds")])
def test_other_time_units_are_refused_and_right_with_the_option(factor: float, word: str) -> None:
    unit = {"seconds": "s", "microseconds": "us", "nanoseconds": "ns"}[word]
    ms = table()["timestamp"]
    times = ms // 1000 if factor < 1 else ms * int(factor)
    frame = table().with_columns(times.alias("timestamp"))
    error = refused(frame, "DATA_TIME_UNIT", word, "--time-unit", "1704067200")
    assert error.facts["time_unit"] == unit
    assert let_in(frame, time_unit=unit).bars.digest() == let_in(table()).bars.digest()


def test_mixed_and_wrong_units_are_refused() -> None:
    mixed = put(table(), 5, timestamp=START_MS // 1000)
    refused(mixed, "DATA_TIME_UNIT", "1 seconds, 199 milliseconds")
    refused(table(), "DATA_TIME_UNIT", "does not fit", time_unit="s")
    with pytest.raises(ConfigError, match="did you mean"):
        let_in(table(), time_unit="millis")


def test_a_bar_ahead_of_now_is_refused() -> None:
    frame = table(17)
    error = refused(frame, "DATA_FUTURE", "row 17", "3 h", now_ms=START_MS + 13 * HOUR)
    assert error.facts["row"] == 17
    assert "3 rows, the first is row 15" in error.message


def test_only_the_candle_that_is_open_is_left_out() -> None:
    admitted = let_in(table(10), now_ms=START_MS + 9 * HOUR + 1)
    assert len(admitted.bars) == 9
    assert "open until 2024-01-01T10:00:00.000Z" in said(admitted)
    assert len(let_in(table(10), now_ms=START_MS + 10 * HOUR).bars) == 10


def test_duplicates_and_order() -> None:
    frame = table()
    twice = pl.concat([frame, frame[3:4]])
    admitted = let_in(twice)
    assert "1 duplicate " in said(admitted)
    assert admitted.bars.digest() == let_in(frame).bars.digest()
    turned = let_in(frame[::-1])
    assert "sorted" in said(turned)
    assert turned.quality.unsorted == 199
    assert turned.bars.digest() == let_in(frame).bars.digest()


def test_a_conflict_is_refused_unless_a_row_is_chosen() -> None:
    frame = table()
    other = put(frame, 4, close=float(frame["low"][3]))
    both = pl.concat([frame, other[3:4]])
    refused(both, "DATA_CONFLICT", f"{frame['close'][3]:.12g}", f"{frame['low'][3]:.12g}", "--on-conflict")
    assert let_in(both, on_conflict="first").bars.close[3] == frame["close"][3]
    assert let_in(both, on_conflict="last").bars.close[3] == frame["low"][3]
    assert let_in(both, on_conflict="last").quality.duplicates.conflicting == 1
    with pytest.raises(ConfigError, match="did you mean last"):
        let_in(both, on_conflict="lasst")


def test_two_instruments_in_one_table_are_refused_whatever_is_chosen() -> None:
    frame = table()
    other = frame.with_columns(pl.col("open", "high", "low", "close") * 20)
    refused(pl.concat([frame, other]), "DATA_CONFLICT", "two instruments")
    refused(pl.concat([frame, other]), "DATA_CONFLICT", "two instruments", on_conflict="last")


def test_gaps_are_listed_with_their_ends_and_never_filled() -> None:
    frame = table()
    admitted = let_in(pl.concat([frame[:50], frame[110:]]))
    (gap,) = admitted.quality.gaps
    assert (gap.missing, gap.first, gap.last) == (60, "2024-01-03T02:00:00.000Z", "2024-01-05T13:00:00.000Z")
    assert (gap.after, gap.before) == ("2024-01-03T01:00:00.000Z", "2024-01-05T14:00:00.000Z")
    assert re.search(f"gap.*60.*{gap.first}.*{gap.last}", said(admitted))
    assert len(admitted.bars) == 140


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(1, 98), max_size=60))
def test_every_missing_bar_is_known_and_none_is_invented(holes: set[int]) -> None:
    keep = [row for row in range(100) if row not in holes]
    admitted = let_in(table(100)[keep])
    assert admitted.quality.missing_bars == len(holes)
    assert len(admitted.bars) == 100 - len(holes)


@pytest.mark.parametrize("volume", [None, 0.0])
def test_a_market_without_volume_has_none(volume: float | None) -> None:
    admitted = let_in(table().with_columns(pl.lit(volume, dtype=pl.Float64).alias("volume")))
    assert admitted.bars.volume is None
    assert "volume" in said(admitted)


def test_small_prices_and_negative_zero() -> None:
    frame = table().with_columns(pl.col("open", "high", "low", "close") * 1e-12, pl.lit(-0.0).alias("volume"))
    admitted = let_in(put(frame, 1, volume=3.0))
    assert admitted.bars.volume is not None
    assert not np.signbit(admitted.bars.volume).any()
    assert len(admitted.bars) == 200


@pytest.mark.parametrize("factor", [1e4, 1e-4, 100.0])
@pytest.mark.parametrize("rows", [(1,), (100,), (200,), (50, 51)])
def test_a_price_in_another_unit_is_set_aside(factor: float, rows: tuple[int, ...]) -> None:
    frame = table(3000)
    at = pl.int_range(pl.len()).is_in([row - 1 if row < 200 else 2999 for row in rows])
    scaled = frame.with_columns(
        pl.when(at).then(pl.col(k) * factor).otherwise(pl.col(k)).alias(k) for k in ("open", "high", "low", "close")
    )
    edge = rows in ((1,), (200,)) and factor == 100.0
    admitted = let_in(scaled)
    assert admitted.quality.quarantined == ({} if edge else {"DATA_JUMP": len(rows)})
    if factor == 1e4:
        assert re.search("row.*10000.*unit", said(admitted))


def test_one_high_in_another_unit_is_set_aside_and_a_lasting_shift_is_not() -> None:
    frame = table()
    assert let_in(put(frame, 90, high=1e6)).quality.quarantined == {"DATA_JUMP": 1}
    after = pl.int_range(pl.len()) >= 100
    shifted = frame.with_columns(
        pl.when(after).then(pl.col(k) / 1000).otherwise(pl.col(k)).alias(k) for k in ("open", "high", "low", "close")
    )
    admitted = let_in(shifted)
    assert admitted.quality.quarantined == {}
    assert len(admitted.quality.jumps) == 1


def test_flat_closes_are_told() -> None:
    flat = table(500).with_columns(pl.lit(100.0).alias(k) for k in ("open", "high", "low", "close"))
    admitted = let_in(flat)
    assert "DATA_FLAT 500 equal closes" in said(admitted)
    assert "2024-01-01T00:00" in said(admitted)
    assert admitted.quality.flat_share > 0.5


def test_several_faults_are_told_together() -> None:
    frame = put(put(put(table(), 17, close=0.0), 18, close=0.0), 200, timestamp=NOW + 3 * HOUR)
    error = refused(frame, "DATA_FUTURE", "DATA_PRICE", "DATA_FUTURE", "2 of 200")
    told = error.facts["faults"]
    assert isinstance(told, list)
    assert [fault["code"] for fault in told] == ["DATA_FUTURE", "DATA_PRICE"]
    seconds = put(put(table(), 17, close=0.0), 18, close=0.0).with_columns(pl.col("timestamp") // 1000)
    error = refused(seconds, "DATA_TIME_UNIT", "DATA_PRICE.*row 17: close")
    assert "1970" not in error.message


def test_a_table_of_another_shape_is_refused() -> None:
    refused(table().drop("volume"), "DATA_SCHEMA", "missing", "volume", "found")
    refused(table()[:0], "DATA_EMPTY", "candles.csv", "0 rows")
    refused(table().with_columns(pl.col("close").cast(pl.String)), "DATA_SCHEMA", "close")
    refused(put(table(), 3, timestamp=None), "DATA_TIME", "row 3")
    refused(table(1).with_columns(pl.lit(0.0).alias("close")), "DATA_EMPTY", "0 rows of 1")


def test_known_columns_travel_with_the_bars() -> None:
    frame = table().with_columns(pl.lit(2.0).alias("trade_count"), pl.lit("=cmd").alias("note"))
    assert set(let_in(frame).bars.columns) == {"trade_count"}


def test_months_are_counted_by_the_calendar() -> None:
    months = [1704067200000, 1706745600000, 1714521600000]  # January, February, May 2024
    frame = table(3).with_columns(pl.Series("timestamp", months))
    admitted = admit(frame, Instrument("test", "BTC/USDT", "1M"), now_ms=NOW)
    (gap,) = admitted.quality.gaps
    assert (gap.missing, gap.first, gap.last) == (2, "2024-03-01T00:00:00.000Z", "2024-04-01T00:00:00.000Z")
