"""A parameter search through its door: what it tells, what it leaves, when it is the same, what it refuses."""

import io
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assay.kernel.bars import Bars
from assay.kernel.errors import ArtifactError
from assay.kernel.panel import Panel, Window
from assay.kernel.timeframe import iso
from assay.learn.rules import RuleModel
from assay.learn.strategies import load_strategy_file, strategy_named
from assay.runs.bot_config.schema import parse_configuration as read_configuration
from assay.track.model_files.artifact_store import Blobs
from tests.doors.commands import MARKET, assay, ended, process, told
from tests.doors.conftest import BARS
from tests.doors.searching import GRID, KEY, POINTS, SMA, Found, evidence, same
from tests.doors.test_backtest import record_of
from tests.doors.test_strategies import OWN, own
from tests.runs.walked_by_hand import by_hand, cut

_PROMISED = {
    "run_id", "config_id", "best_parameters", "best_score", "best_metrics", "trials", "valid_trials", "windows",
    "overfit", "stage", "seconds", "engine_seconds",
}  # fmt: skip
_WINDOW = {
    "number", "train_from", "train_to", "test_from", "test_to", "parameters", "score", "trials", "valid_trials", "note",
    "plateau", "curve", "train", "test",
}  # fmt: skip


def test_the_document_has_what_is_promised(_searched: Found) -> None:
    _, found = _searched
    assert set(found) >= _PROMISED
    assert all(set(window) == _WINDOW for window in found["windows"]) and len(found["windows"]) == 4
    assert {"detected", "reasons", "stability_score"} <= set(found["overfit"])
    assert found["stage"] in ("PAPER", "DISCOVERY") and found["kind"] == "optimize"
    assert found["best_parameters"] == {"fast": 15, "slow": 30, "allow_short": True, "share": 1.0}
    assert found["searched"] == ["fast", "slow"] and found["constraints"] == ["fast < slow"]
    assert (found["walk_forward"], found["mode"], found["method"], found["sampler"]) == (
        "30/15/1", "refit", "grid", None,
    )  # fmt: skip
    newest = found["windows"][-1]
    assert found["best_score"] == newest["score"] == newest["train"]["sharpe_annual"]
    assert {**newest["parameters"]}.items() <= found["best_parameters"].items()
    assert 0 < found["engine_seconds"] < found["seconds"]
    assert found["trials"] == sum(w["trials"] for w in found["windows"]) == 4 * len(POINTS)
    assert found["valid_trials"] == sum(w["valid_trials"] for w in found["windows"])
    assert all(reason["value"] is not None and reason["text"] for reason in found["overfit"]["reasons"])


def test_it_is_what_a_person_finds_by_hand(_searched: Found, gold: Bars) -> None:
    home, found = _searched
    bars, rule = gold[:BARS], strategy_named("sma_cross")
    walked = by_hand(bars, rule, POINTS, cut(bars, 30, 15, 1), min_trades=3)
    assert len(walked) == len(found["windows"]) == 4
    trials = evidence(home, found).trials
    assert trials is not None
    for number, (hand, window) in enumerate(zip(walked, found["windows"], strict=True)):
        assert hand.best is not None
        assert window["parameters"] == POINTS[hand.best] and window["score"] == hand.score[hand.best]
        ends = [hand.train[0], hand.train[-1], hand.test[0], hand.test[-1]]
        assert [window[n] for n in ("train_from", "train_to", "test_from", "test_to")] == [
            iso(int(bars.known_at[row])) for row in ends
        ]
        assert window["test"]["net_profit"] == pytest.approx(hand.record.equity[-1] - 1, abs=1e-12)
        assert window["test"]["total_trades"] == len(hand.record.trades)
        rows = trials.filter(pl.col("window") == number).sort("number")
        assert rows["score"].to_list() == pytest.approx([None if s != s else s for s in hand.score], rel=1e-12)
        assert rows["trades"].to_list() == hand.trades
        assert rows.select(fast="p_fast", slow="p_slow").to_dicts() == POINTS
    stitched = np.prod([hand.record.equity[-1] for hand in walked])
    assert found["metrics"]["net_profit"] == pytest.approx(stitched - 1, rel=1e-12)
    assert found["metrics"]["total_trades"] == sum(len(hand.record.trades) for hand in walked)
    assert found["metrics"]["n_obs"] == sum(len(hand.test) for hand in walked)
    every = np.concatenate([hand.record.returns for hand in walked])
    assert found["metrics"]["sharpe"] == pytest.approx(every.mean() / every.std(ddof=1), rel=1e-9)


def test_tables_trades_and_metrics_agree(_searched: Found) -> None:
    home, found = _searched
    kept = evidence(home, found)
    assert kept.trials is not None
    assert dict(kept.document) == found
    assert kept.account["equity"][-1] == pytest.approx(1 + found["metrics"]["net_profit"], rel=1e-12)
    assert len(kept.account) == len(kept.bars) == len(kept.decisions) == found["metrics"]["n_obs"]
    assert len(kept.trades) == found["trades"] == found["metrics"]["total_trades"] > 10
    by_fold = kept.trades.group_by("fold").len().sort("fold")["len"].to_list()
    assert by_fold == [w["test"]["total_trades"] for w in found["windows"]]
    for window in found["windows"]:
        stamps = kept.bars.filter(pl.col("fold") == window["number"])["timestamp"]
        opens = [iso(int(stamp) + 3_600_000) for stamp in (stamps[0], stamps[-1])]
        assert opens == [window["test_from"], window["test_to"]]
    with record_of(home) as record:
        trades = record.trades.read(found["experiment_id"])
        assert sorted(t["pnl"] for t in trades) == sorted(kept.trades["pnl"].to_list())
        assert {t["strategy_name"] for t in trades} == {"sma_cross"}
        last = record.metrics.last(found["experiment_id"], split="test")
        assert last["net_profit"] == found["metrics"]["net_profit"]
        row = record.experiments.get(found["experiment_id"])
        assert (row["status"], row["experiment_type"], row["run_id"]) == ("completed", "optimize", found["run_id"])
    assert kept.trials.columns == [
        "window", "number", "p_fast", "p_slow", "score", "valid", "reason", "trades", "sharpe", "sharpe_annual",
        "net_profit", "max_drawdown", "win_rate",
    ]  # fmt: skip
    assert len(kept.trials) == found["trials_shown"] == found["trials"]
    assert int(kept.trials["valid"].sum()) == found["valid_trials"]
    best = kept.trials.filter(pl.col("valid")).group_by("window").agg(pl.col("score").max()).sort("window")
    assert best["score"].to_list() == [w["score"] for w in found["windows"]]


def test_the_ledger_holds_every_trial(_searched: Found) -> None:
    home, found = _searched
    shown = evidence(home, found).trials
    assert shown is not None
    with record_of(home) as record:
        rows = record.ledger.read(KEY)
        assert record.ledger.count(KEY) == found["trials"] + 1  # and the walk itself
        assert (found["n_trials"], found["looks"]["candidates"]) == (1, found["trials"])  # its own are no looks at it
        assert record.ledger.check() == len(rows) == 5
    *searches, walk = rows
    assert [row["n_configs"] for row in searches] == [w["trials"] for w in found["windows"]]
    assert [row["score"] for row in searches] == [w["score"] for w in found["windows"]]
    assert {(r["learner"], r["strategy_name"], r["tuning_method"]) for r in searches} == {
        ("rules", "sma_cross", "grid")
    }
    assert (walk["n_configs"], walk["tuning_method"], walk["total_trades"]) == (1, "none", found["trades"])
    for number, row in enumerate(searches):
        block = pl.read_parquet(io.BytesIO(Blobs(home / "artifacts").get(row["block_sha256"])))
        trials = shown.filter(pl.col("window") == number).sort("number")
        for name in ("p_fast", "p_slow", "score", "trades", "sharpe"):
            assert block[name].to_list() == pytest.approx(trials[name].to_list()), name
        assert (~block["failed"]).to_list() == trials["valid"].to_list()


def test_the_configuration_is_kept_and_can_be_exported(searched: Found, tmp_path: Path) -> None:
    home, found = searched
    shown = told("config", "show", found["config_id"], home=home)
    assert (shown["config_id"], shown["stage"], shown["is_active"]) == (found["config_id"], found["stage"], False)
    assert shown["experiment_id"] == found["experiment_id"]
    (line,) = told("config", "list", home=home)["configurations"]
    assert line["config_id"] == found["config_id"]
    assert assay("config", "export", found["config_id"], "-o", tmp_path / "c.json", home=home).code == 0
    document = read_configuration((tmp_path / "c.json").read_text())
    assert document["configId"] == found["config_id"] and document["status"] == found["stage"]
    assert document["parameters"] == found["best_parameters"]
    assert document["metadata"]["run_id"] == found["run_id"]
    assert document["metadata"]["n_trials"] == found["n_trials"]
    assert document["performance"]["sample_size"] == found["metrics"]["total_trades"]
    assert document["context"]["pair"] == "GOLD/USDT:USDT" and document["context"]["timeframe"] == "1h"
    assert document == shown["configuration"]


def test_the_model_decides_as_the_rule_at_the_best_parameters(_searched: Found, gold: Bars) -> None:
    home, found = _searched
    with record_of(home) as record:
        (row,) = record.models.recent(found["experiment_id"])
    assert row["model_id"] == found["model_id"] and (home / "models" / row["checkpoint_path"]).is_file()
    model = RuleModel.load(Blobs(home / "artifacts").path(row["manifest_sha256"]))
    rule = strategy_named("sma_cross")
    assert dict(model.values) == found["best_parameters"] and model.strategy is rule
    decided = model.decide(Panel.of(Window.of_bars(gold)))["GOLD/USDT:USDT"]
    wanted = rule.decisions(gold, rule.resolve({"fast": 15, "slow": 30}))
    np.testing.assert_array_equal(decided.target, wanted.target)
    assert np.count_nonzero(np.diff(decided.target)) > 10


def test_the_same_spec_is_the_same_run_unless_forced(searched: Found) -> None:
    home, found = searched
    assert told(*GRID, home=home) == found
    assert "already ran" in assay(*GRID, home=home).out
    forced = told(*GRID, "--force", home=home)
    assert forced["run_id"] != found["run_id"] and forced["config_id"] != found["config_id"]
    assert same(forced) == same(found)  # the same looks again are no new looks
    assert len(told("config", "list", home=home)["configurations"]) == 2
    assert told(*GRID, home=home) == forced


@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_the_same_seed_is_the_same_answer_in_another_home(method: str, stocked: Path, tmp_path: Path) -> None:
    words = (*SMA, "--method", method, "--trials", "25", "--walk-forward", "40/20/1", "--min-trades", "3")
    shutil.copytree(stocked, tmp_path / "other")
    one, two = told(*words, home=stocked), told(*words, home=tmp_path / "other")
    assert same(two) == same(one) and two["run_id"] != one["run_id"]
    assert evidence(tmp_path / "other", two).trials.equals(evidence(stocked, one).trials)
    third = told(*words, "--seed", "43", home=stocked)
    assert [w["curve"] for w in third["windows"]] != [w["curve"] for w in one["windows"]]
    assert third["spec_hash"] != one["spec_hash"]
    assert (one["n_trials"], third["n_trials"]) == (1, 1 + one["trials"] + 1)  # looks of another search are looks


@pytest.mark.slow
@pytest.mark.parametrize("method", ["random", "bayesian"])
def test_the_same_seed_is_the_same_answer_in_another_process(method: str, stocked: Path, tmp_path: Path) -> None:
    words = (*SMA, "--method", method, "--trials", "25", "--walk-forward", "40/20/1", "--min-trades", "3")
    shutil.copytree(stocked, tmp_path / "other")
    said = ended(process(*words, "--json", home=tmp_path / "other", env={"NUMBA_NUM_THREADS": "1"}))
    assert said.code == 0, said
    assert same(said.document) == same(told(*words, home=stocked))


def test_a_strategy_of_ones_own(stocked: Path, tmp_path: Path, gold: Bars) -> None:
    file = own(tmp_path)
    words = ("optimize", *MARKET, "--strategy-file", file, "--method", "grid", "--space", "depth=0.005:0.03:3")
    words = (*words, "--space", "w=12,24", "--set", "risk_reward_ratio=1.5", "--min-trades", "2")
    found = told(*words, home=stocked)
    assert found["strategy"] == "my_dip" and len(found["origin"]) == 64 and found["spec"]["params"]["origin"]
    assert found["best_parameters"]["risk_reward_ratio"] == 1.5 and found["searched"] == ["w", "depth"]
    rule = load_strategy_file(file)
    points = [{"w": w, "depth": depth} for w in (12, 24) for depth in (0.005, 0.0175, 0.03)]
    bars = gold[:BARS]
    split = iter([(np.arange(1_680), np.arange(1_680, 2_400))])
    (hand,) = by_hand(bars, rule, points, split, base={"risk_reward_ratio": 1.5}, min_trades=2)
    (window,) = found["windows"]
    assert hand.best is not None and window["parameters"] == points[hand.best]
    assert window["score"] == hand.score[hand.best]
    assert found["metrics"]["total_trades"] == len(hand.record.trades) > 0
    with record_of(stocked) as record:
        (row,) = record.models.recent(found["experiment_id"])
    folder = Blobs(stocked / "artifacts").path(row["manifest_sha256"])
    assert RuleModel.load(folder, strategy=rule).values == found["best_parameters"]
    with pytest.raises(ArtifactError, match="give its file as well"):
        RuleModel.load(folder)
    own(tmp_path, text=OWN + "\n# another file\n")
    assert told(*words, home=stocked)["run_id"] != found["run_id"]


def test_what_ones_own_strategy_prints_is_no_part_of_the_result(
    stocked: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = own(tmp_path, last="print('looking')", text="print('hello')\n" + OWN)
    said = assay("optimize", *MARKET, "--strategy-file", file, "--trials", "5", "--min-trades", "1", "--json",
                 home=stocked)  # fmt: skip
    assert said.code == 0 and said.document["trials"] == 5
    for line in ("hello", "looking"):  # once each, however often the strategy is called
        assert caplog.messages.count(f"my_dip.py prints: {line}") == 1


@pytest.mark.parametrize(
    "words",
    [
        ("sma_cross", "--walk-forward", "10/3/0", "--min-trades", "1"),  # 30 windows
        ("liquidity_sweep", "--method", "bayesian", "--space", "min_level_touches=2,3"),
        ("capitulation_reversal", "--walk-forward", "30/30/1"),
        ("range_sweep", "--mode", "fixed", "--walk-forward", "30/15/1"),
        ("range_sweep", "--regime", "sideways", "--objective", "profit_factor", "--method", "grid", "--space",
         "max_holding_periods=20,30,50,75,100,150,200", "--space", "p=0.00012345:0.00023456:3"),
    ],
    ids=lambda words: words[0],
)  # fmt: skip
def test_people_read_it_within_80_columns(words: tuple[str, ...], stocked: Path) -> None:
    said = assay("optimize", *words, "--min-trades", "1", "--trials", "12", *MARKET, home=stocked)
    assert said.code == 0, said
    lines = said.out.splitlines()
    assert max(len(line) for line in lines) <= 80
    (table,) = [k for k, line in enumerate(lines) if line.startswith("window ") and "out of sample" in line]
    rows = lines[table + 1 :]
    whole = next(k for k, row in enumerate(rows) if row.split()[0] == "all")
    assert 1 <= whole <= 12 and len({len(row) for row in rows[: whole + 1]}) == 1  # one line a window
    document = told("optimize", *words, "--min-trades", "1", "--trials", "12", *MARKET, home=stocked)
    assert [int(row.split()[0]) for row in rows[:whole]] == [w["number"] + 1 for w in document["windows"][-12:]]
    assert f"configuration {document['config_id']}, stage {document['stage']}" in lines
    for name in document["searched"]:
        assert f"  {name} = {document['best_parameters'][name]}" in lines
    assert f"{document['trials']:,} trials ({document['valid_trials']:,} valid)" in said.out


def test_the_page_is_written_and_tells_of_this_search(searched: Found) -> None:
    home, _ = searched
    found = told(*GRID, "--report", home=home)
    page = Path(found["report"]).read_text(encoding="utf-8")
    for text in (found["config_id"], "sma_cross", "fast &lt; slow", 'id="windows"', 'id="search"'):
        assert text in page, text
    again = told("report", found["experiment_id"], "-o", "again.html", home=home)
    assert Path(again["report"]).read_text(encoding="utf-8") == page
    assert "report:" in assay(*GRID, "--report", home=home).out


@pytest.mark.slow
@pytest.mark.market_data
def test_real_candles(market_data: Path, tmp_path: Path) -> None:
    home, market = tmp_path / "home", ("-e", "binanceusdm", "-s", "BTC/USDT:USDT", "-t", "1h")
    assert assay("import", market_data / "binanceusdm_BTC-USDT-PERP_1h.parquet", *market, home=home).code == 0
    words = ("optimize", "liquidity_sweep", *market, "--walk-forward", "standard", "--trials", "60")
    found = told(*words, "--min-trades", "3", home=home)
    assert len(found["windows"]) > 40 and found["trials"] == 60 * len(found["windows"])
    assert found["metrics"]["total_trades"] > 100 and found["stage"] in ("PAPER", "DISCOVERY")
    spans = [(w["train_to"], w["test_from"], w["test_to"]) for w in found["windows"]]
    assert all(train < test < end for train, test, end in spans)
    assert all(a[2] < b[1] for a, b in pairwise(spans))
    tables = evidence(home, found)
    assert tables.trials is not None and len(tables.trials) == found["trials"]
    assert len(tables.trades) == found["metrics"]["total_trades"]
    assert tables.account["equity"][-1] == pytest.approx(1 + found["metrics"]["net_profit"])
    with record_of(home) as record:
        assert record.ledger.count("binanceusdm|BTC/USDT:USDT|1h") == found["trials"] + 1
    assert read_configuration(assay("config", "export", found["config_id"], home=home).out)["status"] == found["stage"]
