"""Files as people have them, and as nobody should."""

import gzip
import re
import stat
from pathlib import Path

import pytest

from assay.kernel.errors import ConfigError, DataError
from assay.market.sources.files import read_file
from tests.market.given_files import (
    HEADER,
    HOUR,
    ROWS,
    START,
    read,
    refused,
    said,
    text,
    times,
    zipped,
)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (text(ROWS), "candles.csv"),
        (b"\xef\xbb\xbf" + text(ROWS).replace("\n", "\r\n").encode(), "candles.csv"),
        (text(ROWS).rstrip("\n"), "candles.csv"),
        (text(ROWS).replace("\n", "\n\n"), "candles.csv"),
        (text(ROWS).replace(",", ";"), "candles.csv"),
        (text(ROWS).replace(",", "\t"), "candles.tsv"),
        (text([f'"{row.replace(",", chr(34) + "," + chr(34))}"' for row in ROWS]), "candles.csv"),
        (text(ROWS, " Open Time ,Open,HIGH,low,Close,Vol"), "candles.csv"),
        (gzip.compress(text(ROWS).encode()), "candles.csv.gz"),
        (zipped(("candles.csv", text(ROWS))), "candles.zip"),
    ],
)
def test_all_these_are_the_same_candles(tmp_path: Path, content: str | bytes, name: str) -> None:
    bars = read(tmp_path, content, name).one.bars
    assert bars.digest() == read(tmp_path, text(ROWS), "plain.csv").one.bars.digest()
    assert (len(bars), bars.close[3], bars.instrument.key) == (50, 104.0, "test|BTC/USDT|1h")


@pytest.mark.parametrize("content", ["", HEADER, HEADER + "\n", "\n\n", b"\xef\xbb\xbf"])
def test_nothing_in_it(tmp_path: Path, content: str | bytes) -> None:
    refused(tmp_path, content, "DATA_EMPTY", r"candles\.csv", "0 rows")


def test_columns_must_be_there_and_clear(tmp_path: Path) -> None:
    short = [row.rsplit(",", 1)[0] for row in ROWS]
    plain = read(tmp_path, text(short, HEADER.removesuffix(",volume"))).one  # FX and indices have none
    assert plain.bars.volume is None and any("no column of volume" in each.text for each in plain.quality.warnings)
    without_close = [row.rsplit(",", 2)[0] + "," + row.rsplit(",", 1)[1] for row in ROWS]
    refused(tmp_path, text(without_close, HEADER.replace(",close", "")), "DATA_SCHEMA", "missing", "close", "found")
    refused(tmp_path, "\n".join(ROWS), "DATA_SCHEMA", "missing", "timestamp")
    more = [row + ",1" for row in ROWS]
    refused(tmp_path, text(more, HEADER + ",CLOSE"), "DATA_SCHEMA", "twice")
    refused(tmp_path, text(more, HEADER.replace("timestamp", "date") + ",time"), "DATA_SCHEMA", "'date', 'time'")
    assert read(tmp_path, text(more, HEADER + ",date")).one.bars.timestamp[0] == START
    refused(tmp_path, text(ROWS), "DATA_SCHEMA", "--symbol", "--exchange", symbol=None, exchange=None)


def test_time_units(tmp_path: Path) -> None:
    seconds = text([f"{1_700_000_000 + i * 3600}," + ROWS[i].split(",", 1)[1] for i in range(50)])
    refused(tmp_path, seconds, "DATA_TIME_UNIT", "1700000000", "seconds", "--time-unit")
    even = text([f"{START // 1000 + i * 3600}," + ROWS[i].split(",", 1)[1] for i in range(50)])
    assert read(tmp_path, even, time_unit="s").one.bars.digest() == read(tmp_path, text(ROWS)).one.bars.digest()
    with pytest.raises(ConfigError, match="time-unit"):
        read(tmp_path, even, time_unit="sec")


def test_local_times_need_a_zone_in_which_they_exist(tmp_path: Path) -> None:
    local = times("2024-03-10 01:00", "2024-03-10 03:00")
    refused(tmp_path, local, "DATA_TZ", "no time zone", "--tz")
    bars = read(tmp_path, local, tz="America/New_York").one.bars
    assert bars.timestamp.tolist() == [1710050400000, 1710054000000]  # 06:00 and 07:00 UTC
    spring = times("2024-03-10 01:00", "2024-03-10 02:30")
    refused(tmp_path, spring, "DATA_TZ", "row 2", "does not exist", "New_York", tz="America/New_York")
    autumn = times("2024-11-03 01:00", "2024-11-03 03:00")
    refused(tmp_path, autumn, "DATA_TZ", "row 1", "twice", tz="America/New_York")
    with pytest.raises(ConfigError, match="did you mean America/New_York"):
        read(tmp_path, local, tz="America/NewYork")


def test_dates_alone_are_sessions(tmp_path: Path) -> None:
    daily = times("2024-03-08", "2024-03-11")
    refused(tmp_path, daily, "DATA_TZ", "no time zone", timeframe="1d")
    contents = read(tmp_path, daily, timeframe="1d", tz="America/New_York")
    assert contents.one.bars.timestamp.tolist() == [1709856000000, 1710115200000]
    assert "session dates" in said(contents)


def test_mixed_offsets_are_told(tmp_path: Path) -> None:
    contents = read(tmp_path, times("2024-03-10T01:00:00+01:00", "2024-03-10T03:00:00+02:00", "2024-03-10T04:00+0200"))
    assert contents.one.bars.timestamp.tolist() == [1710028800000, 1710032400000, 1710036000000]
    assert "2 offsets (+02:00 in 2 rows, +01:00 in 1 rows)" in said(contents)


@pytest.mark.parametrize(
    "stamp", ["03/10/2024 01:00", "yesterday", "2024-02-30T00:00Z", "2024-03-10T25:00Z", "1.7E+12"]
)
def test_no_time_is_guessed(tmp_path: Path, stamp: str) -> None:
    refused(tmp_path, times("2024-03-10T01:00Z", stamp), "DATA_TIME", "row 2", re.escape(stamp))


@pytest.mark.parametrize("cell", ['"1,234.50"', '"1.234,50"', "$5", "５", "0x10", "1_000", "N/A", "5 %", "1e", "."])
@pytest.mark.parametrize("place", [("close", 4), ("volume", 5)])
def test_no_number_is_guessed(tmp_path: Path, cell: str, place: tuple[str, int]) -> None:
    parts = ROWS[2].split(",")
    parts[place[1]] = cell
    rows = [*ROWS[:2], ",".join(parts), *ROWS[3:]]
    refused(tmp_path, text(rows), "DATA_NUMBER", "row 3", place[0], re.escape(cell.strip('"')))


def test_plain_spellings_of_numbers(tmp_path: Path) -> None:
    rows = [f"{START}, 100 ,1.06e2,+99,101.,.5", *ROWS[1:]]
    bars = read(tmp_path, text(rows)).one.bars
    assert bars.volume is not None
    assert (bars.open[0], bars.high[0], bars.low[0], bars.close[0], bars.volume[0]) == (100, 106, 99, 101, 0.5)


@pytest.mark.parametrize("cell", ["", "nan", "NaN", "null"])
def test_a_missing_price_is_set_aside(tmp_path: Path, cell: str) -> None:
    rows = [*ROWS[:2], f"{START + 2 * HOUR},100,106,99,{cell},5", *ROWS[3:]]
    contents = read(tmp_path, text(rows))
    assert contents.one.quality.quarantined == {"DATA_NAN": 1}
    assert "close is NaN" in said(contents)


def test_rows_of_another_width(tmp_path: Path) -> None:
    refused(tmp_path, text([*ROWS[:11], ROWS[11] + ",9"]), "DATA_CSV", "row 12", "7", "6")
    refused(tmp_path, text([*ROWS[:11], ROWS[11][:-3]]), "DATA_CSV", "row 12", "5", "6")
    refused(tmp_path, text([*ROWS[:11], '"1",2,3,4,5,6,7']), "DATA_CSV", "row 12", "7", "6")


@pytest.mark.parametrize("cell", ['"106', '1"06', '"106"5'])
def test_quotes_that_do_not_fit(tmp_path: Path, cell: str) -> None:
    refused(
        tmp_path, text([*ROWS[:11], f"{START + 11 * HOUR},100,{cell},99,101,5", *ROWS[12:]]), "DATA_CSV|DATA_NUMBER"
    )


@pytest.mark.parametrize("content", [b"a\0b\n1\n", b"\xff\xfet\0", text(ROWS).encode() + b"\xe9\n"])
def test_no_text(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content, "DATA_CSV")


def test_formulas_and_unknown_columns_are_ignored_by_name(tmp_path: Path) -> None:
    contents = read(tmp_path, text([row + ",=cmd|' /C calc'!A0" for row in ROWS], HEADER + ",note"))
    assert "'note'" in said(contents)
    assert len(contents.one.bars) == 50


def test_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = {"exchange": "test", "symbol": "BTC/USDT", "timeframe": "1h"}
    for path, word in (
        (tmp_path, "directory"),
        (tmp_path / "none.csv", "missing"),
        ("a\0b", "cannot"),
        ("", "directory"),
    ):
        with pytest.raises(DataError, match=word) as caught:
            read_file(path, **named)
        assert caught.value.code == "DATA_PATH"
    locked = tmp_path / "locked.csv"
    locked.write_text(text(ROWS))

    def forbidden(*_: object, **__: object) -> None:
        raise PermissionError

    monkeypatch.setattr(Path, "open", forbidden)  # root may read everything
    with pytest.raises(DataError, match="permission"):
        read_file(locked, **named)
    assert stat.S_ISREG(locked.stat().st_mode)


def test_several_instruments_in_one_file(tmp_path: Path) -> None:
    both = [part for row in ROWS for part in (row + ",BTC/USDT", row.split(",")[0] + ",5,6,4,5,1,ETH/USDT")]
    content = text(both, HEADER + ",Symbol")
    contents = read(tmp_path, content, symbol=None)
    assert [str(c.bars.instrument) for c in contents.candles] == ["test BTC/USDT 1h", "test ETH/USDT 1h"]
    assert contents.candles[0].bars.digest() == read(tmp_path, text(ROWS)).one.bars.digest()
    assert read(tmp_path, content, symbol="ETH/USDT").one.bars.close[0] == 5
    with pytest.raises(DataError, match="2 instruments"):
        _ = contents.one
    refused(tmp_path, content, "DATA_CONFLICT", "BTC/USDT", "XRP/USDT", symbol="XRP/USDT")
    refused(tmp_path, content.replace("ETH/USDT", "eth/usdt"), "CONFIG_SYMBOL", "did you mean ETH/USDT", symbol=None)
    without = text([row.rsplit(",", 1)[0] for row in both])
    refused(tmp_path, without, "DATA_CONFLICT", "two instruments")


def test_faults_of_all_instruments_and_of_cells_are_told_together(tmp_path: Path) -> None:
    rows = [*ROWS[:2], f"{START + 2 * HOUR},$100,106,99,5 %,5", *ROWS[3:]]
    error = refused(tmp_path, text(rows), "DATA_NUMBER", "open", "close")
    assert len(error.facts["faults"]) == 2  # type: ignore[arg-type]
    refused(tmp_path, text(["yesterday" + row[13:] for row in rows]), "DATA_TIME", "DATA_TIME", "DATA_NUMBER")
    upside = [f"{START // 1000 + i * 3600},100,1,99,{'$' * (i == 7)}101,5" for i in range(9)]
    error = refused(tmp_path, text(upside), "DATA_TIME_UNIT", "row 8: close", "DATA_OHLC.*8 of 9.*row 1: open 100")
    assert [f["code"] for f in error.facts["faults"]] == [  # type: ignore[attr-defined]
        "DATA_TIME_UNIT",
        "DATA_NUMBER",
        "DATA_OHLC",
    ]


def test_funding_is_a_series_on_its_own_clock(tmp_path: Path) -> None:
    content = f"exchange,symbol,timestamp,funding_rate\nx,BTC/USDT:USDT,{START + 8 * HOUR},0.0002\n"
    content += f"x,BTC/USDT:USDT,{START},0.0001\n"
    contents = read(tmp_path, content, symbol=None, exchange=None, timeframe=None)
    (funding,) = contents.series
    assert (funding.name, funding.exchange, funding.symbol) == ("funding_rate", "x", "BTC/USDT:USDT")
    assert funding.series.value.tolist() == [0.0001, 0.0002]
    assert funding.series.known_at.tolist() == [START, START + 8 * HOUR]
    refused(tmp_path, content.replace("0.0002", ""), "DATA_NAN", "NaN", symbol=None, exchange=None)


@pytest.mark.market_data
def test_every_file_of_the_market_data_is_read(market_data: Path) -> None:
    lengths = {}
    for path in sorted(market_data.glob("*.parquet")):
        contents = read_file(path, on_conflict="last")
        lengths[path.stem] = len(contents.candles[0].bars) if contents.candles else len(contents.series[0].series.value)
    assert len(lengths) == 26
    assert lengths["binance_BTC-USDT_1h"] == 58_419
    assert lengths["defects_binance_BTC-USDT_1h"] == 36_062 - 2_649
    assert lengths["usa_GOOG_1d_adj"] == 4_183
    assert lengths["bitstamp-coinbase_BTC-USD_1d"] == 4_763
    assert lengths["funding_binanceusdm_ETH-USDT-PERP_2025"] == 1_098
