"""Bars that meet stored ones: another market is refused, a revision is told, and so is what is odd at the seam."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assay.app import context
from assay.kernel.errors import DataError
from assay.kernel.instrument import Instrument
from assay.market.validation import ValidatedBars, admit
from assay.runs import import_file

HOUR, START = 3_600_000, 1_704_067_200_000
MARKET = Instrument("test", "A/USDT", "1h")
NOW = START + 10**11


def rows(count: int, price: float, *, start: int = START, volume: float = 10.0, wave: float = 0.001) -> pl.DataFrame:
    close = price * (1 + wave * np.sin(np.arange(count)))
    opened = np.r_[close[0], close[:-1]]
    return pl.DataFrame({
        "timestamp": start + HOUR * np.arange(count), "open": opened, "high": np.maximum(opened, close) * 1.001,
        "low": np.minimum(opened, close) * 0.999, "close": close, "volume": np.full(count, volume),
    })  # fmt: skip


def csv(folder: Path, name: str, table: pl.DataFrame) -> Path:
    file = folder / name
    table.write_csv(file)
    return file


def imported(home: Path, file: Path, **options: str) -> list[dict[str, object]]:
    opened, _ = context(home=home)
    with opened.record:
        return import_file(file, opened, exchange="test", symbol="A/USDT", timeframe="1h", **options)


BTC = ["42000,42100,41900,42050,10", "42050,42200,42000,42150,11", "42150,42180,42000,42020,9"]
ETH = ["2300,2310,2290,2305,100", "2305,2320,2300,2315,110", "2315,2318,2301,2303,90"]


def written(folder: Path, name: str, lines: list[str]) -> Path:
    body = "\n".join(f"{START + HOUR * i},{line}" for i, line in enumerate(lines))
    (folder / name).write_text(f"timestamp,open,high,low,close,volume\n{body}\n")
    return folder / name


def test_another_market_under_the_same_name_is_refused(tmp_path: Path) -> None:
    imported(tmp_path / "home", written(tmp_path, "a.csv", BTC))
    other = written(tmp_path, "b.csv", ETH)
    with pytest.raises(
        DataError, match=r"3 of 3 stored bars would change, closes by -94\.5%.*another market"
    ) as refused:
        imported(tmp_path / "home", other)
    assert refused.value.code == "DATA_CONFLICT" and "--on-conflict last" in refused.value.hint
    (kept,) = imported(tmp_path / "home", other, on_conflict="first")
    assert (kept["inserted"], kept["revised"]) == (0, 0)
    (taken,) = imported(tmp_path / "home", other, on_conflict="last")
    assert taken["revised"] == 3


def test_one_factor_is_a_readjustment_and_a_small_revision_goes_on(tmp_path: Path) -> None:
    imported(tmp_path / "home", csv(tmp_path, "a.csv", rows(100, 100.0)))
    quarter = csv(tmp_path, "b.csv", rows(100, 25.0))
    with pytest.raises(DataError, match=r"re-adjusted prices \(all by the factor 0\.25\)"):
        imported(tmp_path / "home", quarter)
    nearly = rows(100, 100.0).with_columns(pl.col("close") * 1.0001)
    (told,) = imported(tmp_path / "home", csv(tmp_path, "c.csv", nearly))
    assert told["revised"] == 100
    one = rows(100, 100.0).with_columns(  # four of a hundred, each by 2 %
        pl.when(pl.int_range(pl.len()) < 4).then(pl.col("close") * 0.98).otherwise(pl.col("close")).alias("close"),
        pl.col("low") * 0.9,
    )
    (told,) = imported(tmp_path / "home", csv(tmp_path, "d.csv", one))
    assert told["revised"] == 100


def test_the_report_covers_the_seam(tmp_path: Path) -> None:
    imported(tmp_path / "home", csv(tmp_path, "a.csv", rows(700, 42_000.0)))
    later = rows(700, 2_500.0, start=START + HOUR * (700 + 260), volume=10_000.0)
    (told,) = imported(tmp_path / "home", csv(tmp_path, "b.csv", later))
    seam = [each["text"] for each in told["quality"]["warnings"] if each["code"] == "seam"]  # type: ignore[index]
    assert len(seam) == 1
    assert "a gap of 260 bars" in seam[0] and "a jump of -94%" in seam[0] and "another unit of volume" in seam[0]
    between = rows(260, 42_000.0, start=START + HOUR * 700)
    (told,) = imported(tmp_path / "home", csv(tmp_path, "c.csv", between))
    seam = [each["text"] for each in told["quality"]["warnings"] if each["code"] == "seam"]  # type: ignore[index]
    assert len(seam) == 1 and "a jump of -94%" in seam[0]  # with the bars after; with those before nothing is odd


def test_nothing_is_said_where_bars_follow_each_other(tmp_path: Path) -> None:
    imported(tmp_path / "home", csv(tmp_path, "a.csv", rows(50, 100.0)))
    (told,) = imported(tmp_path / "home", csv(tmp_path, "b.csv", rows(50, 100.0, start=START + HOUR * 50)))
    assert [each["code"] for each in told["quality"]["warnings"]] == []  # type: ignore[index]


# --- what gets in ----------------------------------------------------------------------------------------------------
def let_in(table: pl.DataFrame, instrument: Instrument = MARKET, **options: str) -> ValidatedBars:
    return admit(table, instrument, now_ms=NOW, **options)  # type: ignore[arg-type]


def test_a_true_jump_is_no_other_unit() -> None:
    """Sixty days: thirty at a cent, one from there to 80 cents, twenty-nine at 80 cents."""
    day = Instrument("test", "A/USDT", "1d")
    prices = [(0.0100, 0.0101, 0.0099, 0.0100)] * 30 + [(0.0100, 0.8600, 0.0099, 0.8000)]
    prices += [(0.8000, 0.8080, 0.7920, 0.8000)] * 29
    table = pl.DataFrame(prices, schema=["open", "high", "low", "close"], orient="row").with_columns(
        pl.Series("timestamp", START + 24 * HOUR * np.arange(60)), pl.lit(1000.0).alias("volume")
    )
    admitted = let_in(table, day)
    assert len(admitted.bars) == 60 and len(admitted.quality.jumps) == 1 and not admitted.quality.set_aside
    back = table[:31].vstack(table[:1].with_columns(pl.lit(START + 24 * HOUR * 31).alias("timestamp")))
    back = back.vstack(table[1:29].with_columns(pl.Series("timestamp", START + 24 * HOUR * np.arange(32, 60))))
    assert [each.code for each in let_in(back, day).quality.set_aside] == ["DATA_JUMP"]  # the level does not stay


@pytest.mark.parametrize(("first", "count"), [(194, 2), (192, 5), (196, 2), (3, 2), (3, 5), (100, 5)])
def test_a_stretch_in_another_unit_is_set_aside_wherever_it_stands(first: int, count: int) -> None:
    """With two or three right rows after it (or before it), too: too few to make a level of."""
    at = pl.int_range(pl.len()).is_between(first, first + count - 1)
    prices = ("open", "high", "low", "close")
    odd = rows(200, 100.0).with_columns(pl.when(at).then(pl.col(k) * 1e4).otherwise(pl.col(k)).alias(k) for k in prices)
    many = 6_000  # so that five rows are less than 0.1 %
    before, behind = rows(many, 100.0, start=START - many * HOUR), rows(many, 100.0, start=START + 200 * HOUR)
    admitted = let_in(before.vstack(odd) if first > 10 else odd.vstack(behind))
    assert admitted.quality.quarantined == {"DATA_JUMP": count}


@pytest.mark.parametrize("after", [3, 5, 20])
def test_a_level_that_stays_three_bars_is_true(after: int) -> None:
    table = rows(100, 100.0)
    new = pl.int_range(pl.len()) >= 100 - 1 - after
    prices = ("open", "high", "low", "close")
    moved = table.with_columns(pl.when(new).then(pl.col(k) * 80).otherwise(pl.col(k)).alias(k) for k in prices)
    moved = moved.with_columns(  # the bar of the move opens at the old level
        pl.when(pl.int_range(pl.len()) == 99 - after).then(pl.lit(100.0)).otherwise(pl.col(k)).alias(k)
        for k in ("open", "low")
    )
    assert len(let_in(moved).bars) == 100


def test_suspects_are_set_aside_kept_or_refused() -> None:
    table = rows(200, 100.0)
    odd = table.with_columns(
        pl.when(pl.int_range(pl.len()) == 90).then(pl.lit(1e6)).otherwise(pl.col("high")).alias("high")
    )
    assert len(let_in(odd).bars) == 199
    kept = let_in(odd, suspects="keep")
    assert len(kept.bars) == 200 and any("kept as asked" in each.text for each in kept.quality.warnings)
    with pytest.raises(DataError, match="1 row of 200; row 91: high 1000000") as refused:
        let_in(odd, suspects="refuse")
    assert refused.value.code == "DATA_JUMP"


def test_a_rounding_is_widened_and_a_real_break_shows_its_digits() -> None:
    table = rows(2_500, 101.1)
    high = pl.max_horizontal("open", "close") * (1 - 1.5e-16 * 2)
    some = pl.int_range(pl.len()) < 8
    rounded = table.with_columns(pl.when(some).then(high).otherwise(pl.col("high")).alias("high"))
    missed = int((rounded["high"] < rounded.select(pl.max_horizontal("open", "close")).to_series()).sum())
    admitted = let_in(rounded)
    assert missed > 0 and len(admitted.bars) == 2_500 and not admitted.quality.set_aside
    assert [each.text for each in admitted.quality.warnings if each.code == "rounding"] == [
        f"{missed} row{'s' * (missed > 1)} whose high or low missed open or close by a rounding: widened to them"
    ]
    broken = table.with_columns(
        pl.when(some).then(pl.max_horizontal("open", "close") * (1 - 1e-8)).otherwise(pl.col("high")).alias("high")
    )
    with pytest.raises(DataError, match="high must be the highest"):
        let_in(broken)


def test_bars_of_another_length_are_refused() -> None:
    daily = rows(6, 100.0).with_columns(pl.Series("timestamp", START + 24 * HOUR * np.arange(6)))
    with pytest.raises(DataError, match=r"all steps are 24 h.*is this 1d\?") as refused:
        let_in(daily)
    assert refused.value.code == "DATA_TIMEFRAME" and "--timeframe 1d" in refused.value.hint
    assert len(let_in(daily[:3]).bars) == 3  # two steps tell nothing
    holes = rows(9, 100.0).with_columns(pl.Series("timestamp", START + 5 * HOUR * np.r_[0:8, 7.2]).cast(pl.Int64))
    assert len(let_in(holes).bars) == 9  # one step of a bar: gaps


def test_rows_without_any_price_are_gaps_and_half_empty_ones_are_faults() -> None:
    table = rows(5, 100.0)
    none = pl.int_range(pl.len()).is_in([1, 3])
    empty = table.with_columns(
        pl.when(none).then(None).otherwise(pl.col(k)).alias(k) for k in ("open", "high", "low", "close", "volume")
    )
    admitted = let_in(empty)
    assert (len(admitted.bars), len(admitted.quality.gaps)) == (3, 2)
    assert [each.text for each in admitted.quality.warnings if each.code == "empty"] == [
        "2 rows without any price left out, the first is row 2: gaps"
    ]
    half = table.with_columns(pl.when(none).then(None).otherwise(pl.col("close")).alias("close"))
    with pytest.raises(DataError, match="close is NaN or missing"):
        let_in(half)
