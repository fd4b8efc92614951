"""A backtest through its door: what it tells, what it leaves, when it is the same, what it refuses."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.learn.strategies import strategy_named
from assay.simulate.engine import simulate
from assay.track.tracking_store import TrackingStore, open_store
from tests.doors.commands import MARKET, assay, told
from tests.doors.conftest import BARS, csv_of
from tests.doors.test_strategies import OWN, own
from tests.runs.test_report import read

SMA = ("backtest", "sma_cross", *MARKET)
SPOT = ("-e", "test", "-s", "GOLD/USDT", "-t", "1h")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TRADE = {"entry_time", "exit_time", "side", "entry_price", "exit_price", "quantity", "pnl", "return_net", "bars_held",
          "exit_reason"}  # fmt: skip


def record_of(home: Path) -> TrackingStore:
    return open_store(f"sqlite:///{home / 'ml_experiments.db'}")


@pytest.fixture
def spot(stocked: Path, gold: Bars, tmp_path: Path) -> Path:
    """The same candles under a spot symbol."""
    assert assay("import", csv_of(gold[:BARS], tmp_path / "spot.csv"), *SPOT, home=stocked).code == 0
    return stocked


def test_it_tells_what_the_engine_says_of_the_rule(stocked: Path, gold: Bars) -> None:
    found = told(*SMA, "--set", "fast=8", "--set", "slow=30", "--set", "costs.fee=0.0004", home=stocked)
    rule, bars = strategy_named("sma_cross"), gold[:BARS]
    values = rule.resolve({"fast": 8, "slow": 30})
    wanted = simulate(bars, rule.decisions(bars, values), Costs(fee=0.0004))
    assert found["parameters"] == values and found["bars"] == len(bars) == BARS
    assert found["equity_end"] == wanted.equity[-1] and found["metrics"]["total_trades"] == len(wanted.trades)
    assert [t["pnl"] for t in found["trades"]] == wanted.trades.pnl.tolist()
    assert [t["exit_reason"] for t in found["trades"]] == list(wanted.trades.reasons)
    assert found["metrics"]["net_profit"] == pytest.approx(found["equity_end"] / found["equity_start"] - 1, abs=1e-12)


def test_the_document_has_what_is_promised(stocked: Path) -> None:
    found = told(*SMA, home=stocked)
    promised = {"metrics", "trades", "equity_end", "bars", "run_id", "experiment_id", "exchange", "symbol", "timeframe",
                "strategy", "parameters", "from", "to", "seconds"}  # fmt: skip
    assert promised <= set(found)
    assert all(set(trade) >= _TRADE for trade in found["trades"]) and len(found["trades"]) > 20
    assert all(_TIME.fullmatch(t[end]) for t in found["trades"] for end in ("entry_time", "exit_time"))
    assert {t["side"] for t in found["trades"]} == {"LONG", "SHORT"}
    assert (found["exchange"], found["symbol"], found["timeframe"]) == ("test", "GOLD/USDT:USDT", "1h")
    assert found["strategy"] == "sma_cross" and "verdict" not in found


def test_it_is_a_run_in_the_record_and_one_trial_of_the_market(stocked: Path) -> None:
    found = told(*SMA, home=stocked)
    with record_of(stocked) as record:
        row = record.experiments.get(found["experiment_id"])
        assert (row["status"], row["experiment_type"], row["run_id"]) == ("completed", "backtest", found["run_id"])
        assert row["spec"]["strategy"] == "sma_cross" and row["spec"]["params"] == found["parameters"]
        (trial,) = record.ledger.read("test|GOLD/USDT:USDT|1h")
        assert (trial["learner"], trial["strategy_name"], trial["tuning_method"]) == ("rules", "sma_cross", "manual")
        assert trial["total_trades"] == len(found["trades"]) and trial["n_obs"] == BARS
        trades = record.trades.read(row["id"])
        assert len(trades) == len(found["trades"]) and {t["fold"] for t in trades} == {None}
        assert record.metrics.last(row["id"], split="test")["net_profit"] == found["metrics"]["net_profit"]
    assert found["n_trials"] == 1
    assert (stocked / "snapshots" / f"{found['snapshots']['GOLD/USDT:USDT']}.parquet").is_file()
    shown = told("runs", "show", found["experiment_id"], home=stocked)
    assert shown["metrics"] == found["metrics"] and shown["trades"] == len(found["trades"])
    assert "net_profit" in assay("runs", "show", found["experiment_id"], home=stocked).out
    assert told("runs", "list", home=stocked)[0]["metrics"]["total_trades"] == len(found["trades"])


def test_the_trial_is_counted_before_anything_is_told(stocked: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("no space")

    monkeypatch.setattr("assay.runs.run_outputs.leave", full)
    with pytest.raises(OSError, match="no space"):
        assay(*SMA, "--json", home=stocked)
    with record_of(stocked) as record:
        assert record.ledger.count("test|GOLD/USDT:USDT|1h") == 1
        assert record.experiments.recent(1)[0]["status"] == "failed"


def test_the_same_spec_is_the_same_run_unless_forced(stocked: Path) -> None:
    found = told(*SMA, home=stocked)
    assert told(*SMA, "--set", "fast=10", home=stocked) == found  # the default, written out
    assert "already ran" in assay(*SMA, home=stocked).out
    forced = told(*SMA, "--force", home=stocked)
    assert forced["run_id"] != found["run_id"] and forced["trades"] == found["trades"]
    assert forced["n_trials"] == 1  # the same look twice is one look
    others = [("--set", "fast=11"), ("--set", "costs.fee=0"), ("--bars", "2000")]
    assert [told(*SMA, *words, home=stocked)["n_trials"] for words in others] == [2, 3, 4]


def test_only_the_newest_bars(stocked: Path, gold: Bars) -> None:
    found = told(*SMA, "--bars", "500", home=stocked)
    assert found["bars"] == found["metrics"]["n_obs"] == 500
    assert found["to"] == told(*SMA, home=stocked)["to"]


def test_spot_is_long_only_unless_it_is_asked_otherwise(spot: Path) -> None:
    words = ("backtest", "sma_cross", *SPOT)
    found, allowed = told(*words, home=spot), told(*words, "--set", "allow_short=true", home=spot)
    assert {t["side"] for t in found["trades"]} == {"LONG"} and found["parameters"]["allow_short"] is False
    assert {t["side"] for t in allowed["trades"]} == {"LONG", "SHORT"} and allowed["short"]


def test_a_rule_of_ones_own_that_does_not_say_it_sells_short_does_not_on_spot(spot: Path, tmp_path: Path) -> None:
    long = 'long=Side(hold=fall > 9, columns={"depth": fall}, stop_base=0.02 * bars.close)'
    short = OWN.replace("Setups(long=", f"Setups({long}, short=")
    words = ("backtest", "--strategy-file", own(tmp_path, text=short))
    assert told(*words, *MARKET, home=spot)["metrics"]["total_trades"] > 5
    assert told(*words, *SPOT, home=spot)["metrics"]["total_trades"] == 0


def test_a_strategy_of_ones_own(stocked: Path, tmp_path: Path) -> None:
    words = ("backtest", "my_dip", *MARKET, "--strategy-file", own(tmp_path), "--set", "depth=0.01")
    found = told(*words, home=stocked)
    assert found["strategy"] == "my_dip" and found["parameters"]["depth"] == 0.01
    assert found["metrics"]["total_trades"] > 5 and found["spec"]["origin"]
    assert told(*words, home=stocked) == found
    own(tmp_path, text=OWN + "\n# another file\n")
    assert told(*words, home=stocked)["run_id"] != found["run_id"]


def test_people_read_it_within_80_columns(stocked: Path) -> None:
    for words in (SMA, ("backtest", "liquidity_sweep", *MARKET), ("backtest", "range_sweep", *MARKET)):
        said = assay(*words, home=stocked)
        assert said.code == 0 and said.err == ""
        assert max(len(line) for line in said.out.splitlines()) <= 80
        assert "net profit" in said.out and "ended by" in said.out and "nothing here is out of sample" in said.out


def test_a_rule_that_never_trades_is_no_failure(stocked: Path) -> None:
    words = ("backtest", "range_sweep", *MARKET, "--set", "p=0.9", "--report")
    found = told(*words, home=stocked)
    assert found["trades"] == [] and found["equity_end"] == 1.0 and found["metrics"]["sharpe_annual"] is None
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert "did not trade" in page and read(page).ids
    assert assay(*words, home=stocked).code == 0


def test_the_page_says_that_nothing_was_judged(stocked: Path) -> None:
    found = told("backtest", "liquidity_sweep", *MARKET, "--report", home=stocked)
    page = Path(found["report"]).read_text(encoding="utf-8")
    assert not read(page).fetched or all(link.startswith("#") for link in read(page).fetched)
    assert "BACKTEST" in page and "In-sample results" in page and "liquidity_sweep" in page
    for word in ("Out-of-sample", "never seen", "stage", "GOLD</span>", 'id="folds"', 'id="importance"', "None"):
        assert word not in re.sub(r"<style>.*?</style>|<script>.*?</script>", "", page, flags=re.DOTALL), word
    assert {'id="equity"', 'id="trades"', 'id="costs"', 'id="spec"'} <= set(re.findall(r'id="\w+"', page))
    again = told("report", found["experiment_id"], "-o", "again.html", home=stocked)
    assert Path(again["report"]).read_text(encoding="utf-8") == page


def refused(*words: object, home: Path) -> dict[str, Any]:
    said = assay(*words, "--json", home=home)
    assert said.code != 0, said.out
    return said.error | {"exit": said.code}


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "texts"),
    [
        (("sma_crossing", *MARKET), "CONFIG_STRATEGY", 2, ["did you mean sma_cross"]),
        (("supply_shock", *MARKET), "CONFIG_STRATEGY", 2, ["headlines"]),
        (("", *MARKET), "CONFIG_STRATEGY", 2, ["no strategy is named", "assay strategies list"]),
        (("sma_cross", *MARKET, "--set", "fsat=3"), "CONFIG_PARAMETER", 2, ["'fsat'", "did you mean fast"]),
        (("sma_cross", *MARKET, "--set", "fee=0"), "CONFIG_PARAMETER", 2, ["'fee'"]),
        (("sma_cross", *MARKET, "--set", "cost.fee=0"), "CONFIG_PARAMETER", 2, ["costs.fee"]),
        (("sma_cross", *MARKET, "--set", "costs.feee=0"), "CONFIG_FIELD", 2, ["costs.feee", "did you mean fee"]),
        (("sma_cross", *MARKET, "--set", "costs.fee=-1"), "CONFIG_PARAMETER", 2, ["costs.fee", ">= 0"]),
        (("sma_cross", *MARKET, "--set", "fast=0"), "CONFIG_PARAMETER", 2, ["fast is 0", ">= 1"]),
        (("sma_cross", *MARKET, "--set", "fast=quick"), "CONFIG_PARAMETER", 2, ["'quick'", "integer"]),
        (("sma_cross", *MARKET, "--set", "fast=50"), "CONFIG_PARAMETER", 2, ["fast < slow", "50"]),
        (("sma_cross", *MARKET, "--set", "fast"), "CONFIG_FIELD", 2, ["key=value"]),
        (("sma_cross", *MARKET, "--bars", "0"), "CONFIG_PARAMETER", 2, ["bars is 0", "in 1..1,000,000,000"]),
        (("sma_cross", *MARKET, "--bars", "20"), "DATA_TOO_FEW", 65, ["needs 40 bars", "there are 20"]),
        (("sma_cross", *MARKET, "--set", "slow=5000"), "DATA_TOO_FEW", 65, ["5000", "2400"]),
        (("sma_cross", "-e", "test", "-s", "SILVER/USDT", "-t", "1h"), "DATA_NOT_FOUND", 65, ["SILVER/USDT"]),
        (("sma_cross", "-e", "test"), "CONFIG_FIELD", 2, ["--symbol"]),
        (("liquidity_sweep", *MARKET, "--set", "max_spread_tolerance=5"), "CONFIG_BOOK_DATA", 2, ["spread_bps"]),
        ((*MARKET, "--strategy-file", "no.py"), "CONFIG_STRATEGY_FILE", 2, ["no.py"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_and_leaves_nothing(
    words: tuple[str, ...], code: str, exit_code: int, texts: list[str], stocked: Path
) -> None:
    error = refused("backtest", *words, home=stocked)
    assert (error["code"], error["exit"]) == (code, exit_code), error
    for text in texts:
        assert text in error["message"] + error["hint"], error
    _nothing_was_left(stocked)


def _nothing_was_left(home: Path) -> None:
    with record_of(home) as record:
        assert record.experiments.recent(5, experiment_type="backtest") == []
        assert record.ledger.count("test|GOLD/USDT:USDT|1h") == 0


def test_a_rule_that_needs_volume_says_so(stocked: Path, tmp_path: Path) -> None:
    rows = "timestamp,open,high,low,close,volume\n" + "".join(
        f"{1_704_067_200_000 + 3_600_000 * t},{p},{p + 1},{p - 1},{p},\n"
        for t, p in enumerate(100 + np.arange(400) % 7)
    )
    (tmp_path / "bare.csv").write_text(rows)
    bare = ("-e", "test", "-s", "BARE/USDT", "-t", "1h")
    assert assay("import", tmp_path / "bare.csv", *bare, home=stocked).code == 0
    error = refused("backtest", "liquidity_sweep", *bare, home=stocked)
    assert (error["code"], error["exit"]) == ("DATA_VOLUME_MISSING", 65) and "liquidity_sweep" in error["message"]
    assert told("backtest", "sma_cross", *bare, home=stocked)["bars"] == 400


def test_a_strategy_that_fails_shows_its_own_line(stocked: Path, tmp_path: Path) -> None:
    file = own(tmp_path, last="raise ValueError('not today')")
    error = refused("backtest", *MARKET, "--strategy-file", file, home=stocked)
    assert (error["code"], error["exit"]) == ("TRAIN_STRATEGY", 1)
    assert error["message"] == "my_dip.py:20: strategy my_dip failed: ValueError: not today"
    assert error["facts"]["line"] == 20
    _nothing_was_left(stocked)


def test_a_file_that_declares_another_name_is_refused(stocked: Path, tmp_path: Path) -> None:
    error = refused("backtest", "my_dipp", *MARKET, "--strategy-file", own(tmp_path), home=stocked)
    assert error["code"] == "CONFIG_STRATEGY" and "did you mean my_dip" in error["hint"]


@pytest.mark.market_data
def test_real_candles(market_data: Path, tmp_path: Path) -> None:
    home, market = tmp_path / "home", ("-e", "binanceusdm", "-s", "BTC/USDT:USDT", "-t", "1h")
    assert assay("import", market_data / "binanceusdm_BTC-USDT-PERP_1h.parquet", *market, home=home).code == 0
    found = told("backtest", "liquidity_sweep", *market, home=home)
    assert found["bars"] == 37_660 and found["metrics"]["total_trades"] == len(found["trades"]) > 100
    assert {t["exit_reason"] for t in found["trades"]} >= {"TP", "SL"}
    assert all(np.isfinite(t["return_net"]) for t in found["trades"])
