"""Files as people have them, and as nobody should."""

import gzip
import io
import re
import stat
import zipfile
from pathlib import Path

import polars as pl
import pytest

from assay.kernel.errors import AssayError, ConfigError, DataError
from assay.kernel.seeds import generator
from assay.market.sources import archive
from assay.market.sources.files import Contents, read_file

HOUR = 3_600_000
START = 1_704_067_200_000
NOW = START + 100_000 * HOUR
HEADER = "timestamp,open,high,low,close,volume"
ROWS = [f"{START + i * HOUR},{100 + i % 5},106,99,{101 + i % 4},{5 + i}" for i in range(50)]


def text(rows: list[str], header: str = HEADER) -> str:
    return "\n".join([header, *rows]) + "\n"


def read(folder: Path, content: str | bytes, name: str = "candles.csv", **options: object) -> Contents:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    named = {"exchange": "test", "symbol": "BTC/USDT", "timeframe": "1h", "now_ms": NOW}
    return read_file(path, **{**named, **options})  # type: ignore[arg-type]


def refused(
    folder: Path, content: str | bytes, code: str, *texts: str, name: str = "candles.csv", **options: object
) -> AssayError:
    with pytest.raises(AssayError) as caught:
        read(folder, content, name, **options)
    assert caught.value.code in code.split("|"), caught.value.message
    for pattern in texts:
        assert re.search(pattern, caught.value.message, re.IGNORECASE), caught.value.message
    return caught.value


def said(contents: Contents) -> str:
    return "\n".join(w.text for w in contents.one.quality.warnings)


def zipped(*members: tuple[str, str | bytes]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members:
            file.writestr(name, content)
    return held.getvalue()


def times(*stamps: str) -> str:
    return text([f"{stamp},100,106,99,101,5" for stamp in stamps])


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
    refused(tmp_path, text(short, HEADER.removesuffix(",volume")), "DATA_SCHEMA", "missing", "volume", "found")
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


def test_archives_that_are_traps(tmp_path: Path) -> None:
    name = "candles.zip"
    refused(tmp_path, gzip.compress(b"0" * 10**6), "DATA_ARCHIVE", "ratio", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", "0" * 10**7)), "DATA_ARCHIVE", "ratio", name=name)
    for member in ("../x", "/etc/x", "a/../../x.csv", "..\\x.csv", "C:/x.csv"):
        refused(
            tmp_path, zipped((member, text(ROWS))), "DATA_ARCHIVE", re.escape(member.replace("\\", "/")[-4:]), name=name
        )
    refused(tmp_path, zipped(("in.zip", zipped(("a.csv", "1")))), "DATA_ARCHIVE", r"in\.zip", name=name)
    refused(tmp_path, zipped(("in.csv", zipped(("a.csv", "1")))), "DATA_ARCHIVE", "archive", name=name)
    refused(tmp_path, gzip.compress(gzip.compress(b"1")), "DATA_ARCHIVE", "archive", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", "1"), ("b.csv", "1")), "DATA_ARCHIVE", "a.csv", name=name)
    refused(tmp_path, zipped(), "DATA_ARCHIVE", "0 members", name=name)
    refused(tmp_path, gzip.compress(text(ROWS).encode())[:-20], "DATA_ARCHIVE", "damaged", name="candles.csv.gz")
    refused(tmp_path, zipped(("a.csv", text(ROWS)))[:-30], "DATA_ARCHIVE", "damaged", name=name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["candles.csv.gz", "candles.zip"]


def test_the_size_limit_stops_before_the_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "LIMIT", 1000)
    refused(tmp_path, gzip.compress(text(ROWS).encode()), "DATA_ARCHIVE", "1 GiB", name="candles.csv.gz")


def frame() -> pl.DataFrame:
    return pl.read_csv(text(ROWS).encode())


def parquet(table: pl.DataFrame) -> bytes:
    held = io.BytesIO()
    table.write_parquet(held)
    return held.getvalue()


def test_parquet(tmp_path: Path) -> None:
    plain = read(tmp_path, text(ROWS)).one.bars.digest()
    assert read(tmp_path, parquet(frame()), "candles.parquet").one.bars.digest() == plain
    timed = frame().with_columns(pl.col("timestamp").cast(pl.Datetime("ms", "UTC")))
    assert read(tmp_path, parquet(timed), "candles.parquet").one.bars.digest() == plain
    naive = parquet(frame().with_columns(pl.col("timestamp").cast(pl.Datetime("ms")).cast(pl.Datetime("ns"))))
    refused(tmp_path, naive, "DATA_TZ", "no time zone", "--tz", name="candles.parquet")
    assert read(tmp_path, naive, "candles.parquet", tz="UTC").one.bars.digest() == plain
    null = frame().with_columns(pl.lit(None).alias("volume"))
    assert read(tmp_path, parquet(null), "candles.parquet").one.bars.volume is None


def test_parquet_that_is_none(tmp_path: Path) -> None:
    whole = parquet(frame())
    name = "candles.parquet"
    for cut in (whole[:-4], whole[:100], whole[:-100], text(ROWS).encode(), b"PAR1"):
        refused(tmp_path, cut, "DATA_PARQUET", "footer", name=name)
    wide = parquet(pl.DataFrame({f"c{i}": [1] for i in range(10_001)}))
    refused(tmp_path, wide, "DATA_PARQUET", "10,000", name=name)
    refused(tmp_path, parquet(frame()[:0]), "DATA_EMPTY", "0 rows", name=name)
    refused(tmp_path, parquet(frame().drop("volume")), "DATA_SCHEMA", "missing", "volume", "found", name=name)
    lists = frame().with_columns(pl.concat_list("close").alias("close"))
    refused(tmp_path, parquet(lists), "DATA_SCHEMA", "close", name=name)


@pytest.mark.parametrize("kind", ["parquet", "zip", "csv.gz", "csv"])
def test_damaged_bytes_end_in_an_error_of_ours_or_in_candles(tmp_path: Path, kind: str) -> None:
    made = {
        "zip": zipped(("a.csv", text(ROWS))),
        "csv.gz": gzip.compress(text(ROWS).encode()),
        "csv": text(ROWS).encode(),
    }
    whole = made.get(kind) or parquet(frame())
    draw = generator(0, kind)
    outcomes = set()
    for _ in range(150):
        damaged = bytearray(whole)
        for at in draw.integers(0, len(whole), size=draw.integers(1, 4)):
            damaged[at] = draw.integers(0, 256)
        try:
            outcomes.add(type(read(tmp_path, bytes(damaged), f"candles.{kind}")))
        except AssayError as error:
            outcomes.add(type(error))
    assert DataError in outcomes


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
