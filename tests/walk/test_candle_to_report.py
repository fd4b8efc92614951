"""One candle's way through the house: a file becomes a model with a judged record and a page that opens offline."""

import re
from pathlib import Path

import polars as pl
import pytest

from assay.market.sources.synthetic import synthetic
from tests.doors.commands import SMALL, TREES, assay, told

GOLD = ("-e", "test", "-s", "GOLD/USDT:USDT", "-t", "1h")
BTC = ("-e", "binance", "-s", "BTC/USDT", "-t", "1h")
_OUTSIDE = re.compile(r"""(?:src|href|action|data)\s*=\s*["']?(?!#|data:)[^"'\s>]|url\(\s*["']?(?!data:|#)|@import""")


def candles(path: Path) -> Path:
    bars = synthetic(bars=2_400, seed=3, ic=0.2, symbol="GOLD/USDT:USDT")
    columns = {name: getattr(bars, name) for name in ("timestamp", "open", "high", "low", "close", "volume")}
    pl.DataFrame(columns).write_csv(path)
    return path


def test_from_a_file_to_a_page(tmp_path: Path) -> None:
    home = tmp_path / "home"
    imported = told("import", candles(tmp_path / "gold.csv"), *GOLD, home=home)
    assert imported["bars"] == 2_400
    trained = told("train", "ensemble", *GOLD, *SMALL, *TREES, home=home)
    shown = told("runs", "show", trained["run_id"], home=home)
    assert shown["metrics"] == trained["metrics"] and shown["trades"] == trained["trades"]
    page = Path(told("report", trained["experiment_id"], home=home)["report"])
    assert page == home / "reports" / f"run_{trained['experiment_id']}.html"
    html = page.read_text(encoding="utf-8")
    assert not _OUTSIDE.search(html), _OUTSIDE.search(html)
    assert trained["run_id"] in html and "<svg" in html
    for name in ("run.json", "account.parquet", "bars.parquet", "decisions.parquet", "trades.parquet"):
        assert len(list((home / "artifacts").rglob(name))) == 1
    trades = pl.read_parquet(next((home / "artifacts").rglob("trades.parquet")))
    assert len(trades) == trained["trades"]


def test_a_page_goes_where_it_is_wanted(tmp_path: Path) -> None:
    home = tmp_path / "home"
    told("import", candles(tmp_path / "gold.csv"), *GOLD, home=home)
    told("train", "ensemble", *GOLD, *SMALL, *TREES, home=home)
    out = tmp_path / "pages" / "a page.html"
    assert told("report", "2", "--out", out, home=home) == {"report": str(out)}
    assert out.read_bytes()[:15].lower() == b"<!doctype html>"
    refused = assay("report", "2", "--out", tmp_path, "--json", home=home)
    assert (refused.code, refused.error["code"]) == (1, "STORE_PATH")


@pytest.mark.slow
@pytest.mark.market_data
def test_the_real_market(market_data: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    imported = told("import", market_data / "binance_BTC-USDT_1h.parquet", home=home)
    assert (imported["exchange"], imported["symbol"], imported["timeframe"]) == ("binance", "BTC/USDT", "1h")
    longest = max(imported["quality"]["gaps"], key=lambda gap: gap["missing"])
    assert longest["missing"] == 33 and longest["first"].startswith("2018-02-08")
    small = ("--features", "mini5", "--bars", "6000", *TREES)
    found = told("train", "ensemble", *BTC, *small, home=home)
    assert len(found["folds"]) == 8 and found["verdict"] in ("GOLD", "UNPROVEN", "PYRITE")
    assert found["n_trials"] == 1 and found["metrics"]["log_loss"] > 0
    assert Path(told("report", found["run_id"], home=home)["report"]).stat().st_size > 10_000


@pytest.mark.market_data
def test_known_defects_are_named_and_conflicts_refused_with_the_report(market_data: Path, tmp_path: Path) -> None:
    file, home = market_data / "defects_binance_BTC-USDT_1h.parquet", tmp_path / "home"
    said = assay("import", file, "--json", home=home)
    assert (said.code, said.error["code"]) == (65, "DATA_CONFLICT")
    assert "--on-conflict last" in said.error["message"] + said.error["hint"]
    report = said.error["facts"]["quality"]
    assert "  gap: " in said.err and "  zero_volume: " in said.err
    assert report["duplicates"]["conflicting"] + report["duplicates"]["equal"] == 2_649
    assert (report["zero_volume"]["count"], sum(gap["missing"] for gap in report["gaps"])) == (117, 16)
    assert told("data", "list", home=home) == {"instruments": []}
    taken = told("import", file, "--on-conflict", "last", home=home)
    assert taken["quality"]["duplicates"]["resolved"] == "last"
    assert taken["bars"] == taken["inserted"] > 33_000


@pytest.mark.market_data
def test_a_changed_unit_of_volume_is_named(market_data: Path, tmp_path: Path) -> None:
    found = told("import", market_data / "defects_bitstamp_BTC-USD_1h.parquet", home=tmp_path)
    assert len(found["quality"]["volume_units"]) == 3
    assert "volume_unit" in {warning["code"] for warning in found["quality"]["warnings"]}
