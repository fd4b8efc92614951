"""`assay models health` on markets whose truth is known: nothing changes, the edge turns, the swings widen."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import assay.runs.model_health as runs_health
from assay.kernel.bars import PRICES, Bars
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.errors import DataError
from assay.kernel.panel import Panel, Window
from assay.kernel.timeframe import DAY_MS as DAY
from assay.learn.rules import RuleTrainer
from assay.learn.strategies.registry import strategy_named
from assay.market.sources.synthetic import synthetic
from assay.runs.context import Context
from assay.simulate.engine import simulate
from assay.track import ExperimentTracker, ModelRegistry
from assay.track.loading import load_model
from assay.validate.monitoring import performance_finding
from tests.doors.commands import MARKET, assay, told
from tests.doors.conftest import csv_of
from tests.doors.test_models import change, spoil

LEARNT, NEW = 3_000, 400
SEARCH = (
    "optimize", "sma_cross", *MARKET, "--method", "grid", "--space", "fast=2:8:3", "--space", "slow=20,30",
    "--min-trades", "3", "--walk-forward", "40/20/1",
)  # fmt: skip
TREES = ("--set", "trees=20", "--set", "forest_trees=10", "--set", "target.horizon=12")
TRAIN = ("train", "ensemble", *MARKET, "--features", "mini5", "--train-bars", "1000", "--test-bars", "600", *TREES)


def market(bars: int, ic: float = 0.3) -> Bars:
    return synthetic(bars=bars, seed=3, ic=ic, symbol="GOLD/USDT:USDT", exchange="test")


def turned() -> Bars:
    """From the first new bar on the last day's move speaks for the opposite."""
    other = market(LEARNT + NEW, -0.3)[LEARNT:]
    factor = market(LEARNT).close[-1] / other.open[0]
    return replace(other, **{name: getattr(other, name) * factor for name in PRICES})


def wild(new: Bars) -> Bars:
    """Every move and every wick five times as wide."""
    first, low = float(new.open[0]), {name: np.log(getattr(new, name)) for name in PRICES}
    close = np.log(first) + 5 * (low["close"] - np.log(first))
    opened = np.r_[np.log(first), close[:-1]]
    up, down = low["high"] - np.maximum(low["open"], low["close"]), np.minimum(low["open"], low["close"]) - low["low"]
    high, under = np.maximum(opened, close) + 5 * up, np.minimum(opened, close) - 5 * down
    return replace(new, open=np.exp(opened), high=np.exp(high), low=np.exp(under), close=np.exp(close))


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a search (model 1) and a training (model 2), both learnt from the same 3,000 bars."""
    home = tmp_path_factory.mktemp("served") / "home"
    candles = csv_of(market(LEARNT), tmp_path_factory.mktemp("files") / "learnt.csv")
    assert assay("import", candles, *MARKET, home=home).code == 0
    assert told(*SEARCH, home=home)["verdict"] == "GOLD"
    told(*TRAIN, home=home)
    return home


@pytest.fixture
def served(_served: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(_served, tmp_path / "home"))


def later(home: Path, new: Bars) -> None:
    assert assay("import", csv_of(new, home / "new.csv"), *MARKET, home=home).code == 0


def states(found: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: each["state"] for each in found["reasons"]}


def test_without_a_new_bar_nothing_is_invented(served: Path) -> None:
    found = told("models", "health", 1, home=served)
    assert (found["recommendation"], found["new_bars"], found["record"], found["inputs"]) == ("keep", 0, None, None)
    assert states(found) == {
        "files": "PASS", "audit": "PASS", "verdict": "PASS", "age": "PASS", "record": "UNKNOWN", "inputs": "UNKNOWN",
    }  # fmt: skip
    assert found["age"]["newest"] == found["age"]["learnt_to"] and found["age"]["days_of_candles"] == 0
    assert "0 new bars; 50 are needed, 50 more" in assay("models", "health", 1, home=served).out
    later(served, market(LEARNT + 30)[LEARNT + 4 :])
    found = told("models", "health", 1, home=served)
    assert (found["new_bars"], found["record"], found["age"]["gap_bars"]) == (26, None, 4)
    assert "is a gap of 4 bars" in assay("models", "health", 1, home=served).out


def test_where_nothing_changes_a_model_is_kept_and_its_record_is_that_of_its_decisions(served: Path) -> None:
    later(served, market(LEARNT + NEW)[LEARNT:])
    found = told("models", "health", 1, home=served)
    assert (found["recommendation"], found["new_bars"]) == ("keep", NEW)
    assert states(found)["record"] == states(found)["inputs"] == "PASS"
    assert found["record"]["band"]["state"] == "within" and found["record"]["bars"] == NEW
    context = Context(served, f"sqlite:///{served / 'ml_experiments.db'}", f"duckdb:///{served / 'candles.duckdb'}")
    row = context.record.models.get(1)
    model, bars = load_model(row, context.places), market(LEARNT + NEW)
    context.record.close()
    record = simulate(bars, model.decisions(bars), Costs(), start=LEARNT)  # type: ignore[attr-defined]
    assert found["record"]["band"]["total"] == pytest.approx(record.equity[-1] - 1, rel=1e-9)
    assert found["record"]["trades"] == len(record.trades)


def test_a_rule_whose_edge_has_turned_is_retired(served: Path) -> None:
    later(served, turned())
    found = told("models", "health", 1, home=served)
    assert (found["recommendation"], states(found)["record"]) == ("retire", "FAIL")
    assert found["record"]["deflated"]["state"] == "below" and found["record"]["band"]["total"] < -0.1
    assert states(found)["inputs"] == "PASS", "the candles look as before: only the record tells"


def test_wider_swings_are_an_alarm_for_a_rule_and_for_an_ensemble(served: Path) -> None:
    later(served, wild(market(LEARNT + NEW)[LEARNT:]))
    rule, ensemble = (told("models", "health", each, home=served) for each in (1, 2))
    assert (rule["recommendation"], ensemble["recommendation"]) == ("retrain", "retrain")
    assert rule["inputs"]["alarm"] and rule["inputs"]["moved"][0] == "price_range"
    assert ensemble["inputs"]["alarm"] and "volatility_5" in ensemble["inputs"]["moved"]
    assert set(ensemble["inputs"]["psi"]) <= {
        "latest_return", "mean_return_5", "volatility_5", "sma_ratio_5", "volume_ratio_10",
    }  # fmt: skip


@pytest.mark.slow
def test_a_model_expires_and_an_ensemble_has_a_record_too(served: Path) -> None:
    later(served, market(LEARNT + 601)[LEARNT:])
    found = told("models", "health", 2, home=served)
    assert (states(found)["age"], found["recommendation"]) == ("FAIL", "retrain")
    assert found["record"]["bars"] == 601 and found["record"]["out_of_sample_bars"] == 1_800
    assert told("models", "health", 1, home=served)["recommendation"] == "retrain"


@pytest.mark.slow
def test_what_nobody_may_serve_is_retired(served: Path) -> None:
    change(served, model=2, audit_status="failed")
    assert told("models", "health", 2, home=served)["recommendation"] == "retire"
    change(served, model=2, audit_status="pending", verdict={"word": "PYRITE"})
    found = told("models", "health", 2, home=served)
    assert (found["recommendation"], states(found)["audit"], states(found)["verdict"]) == ("retire", "UNKNOWN", "FAIL")
    shutil.rmtree(served / "models" / "ensemble")
    spoil(served)
    for model, code in ((1, "ARTIFACT_CORRUPT"), (2, "ARTIFACT_GONE")):
        found = told("models", "health", model, home=served)
        assert (found["recommendation"], found["record"]) == ("retire", None)
        assert code in found["reasons"][0]["text"]
    change(served, integrity="corrupt")
    assert "verify found its files corrupt" in told("models", "health", 1, home=served)["reasons"][0]["text"]


@pytest.mark.slow
def test_without_a_name_all_that_serve_are_a_line_each(served: Path) -> None:
    assert told("models", "health", home=served) == {"models": []}
    assert "No model serves" in assay("models", "health", home=served).out
    told("models", "promote", 1, "--by", "ann", home=served)
    later(served, turned())
    (found,) = told("models", "health", home=served)["models"]
    assert (found["id"], found["aliases"], found["recommendation"]) == (1, ["champion"], "retire")
    people = assay("models", "health", home=served)
    assert people.code == 0 and all(len(row) <= 80 for row in people.out.splitlines())
    assert "retire" in people.out and "1 retire: record: -" in people.out
    one = assay("models", "health", 1, home=served).out
    assert "serves as champion" in one and all(len(row) <= 80 for row in one.splitlines()[1:])


def test_of_a_model_that_came_from_elsewhere_only_what_is_known_is_said(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    record, history = str(home / "ml_experiments.db"), Window.of_bars(market(300))
    model = RuleTrainer(strategy_named("sma_cross")).fit(Panel.of(history), seed=1, report=NullReport())
    (tmp_path / "theirs.pth").write_bytes(b"x")
    with ExperimentTracker(record) as tracker:
        run = tracker.start_experiment("by hand", "rules")
        ours = ModelRegistry(record).publish(run, model, history, strategy_type="sma_cross", val_metric=0.4)
        theirs = ModelRegistry(record).register_model(run, str(tmp_path / "theirs.pth"))
        tracker.end_experiment()
    found = told("models", "health", ours, home=home)
    assert (found["recommendation"], found["open"], found["new_bars"], found["record"]) == ("keep", 3, None, None)
    assert states(found) == {"files": "PASS", "audit": "UNKNOWN", "verdict": "UNKNOWN", "candles": "UNKNOWN"}
    assert states(told("models", "health", theirs, home=home))["files"] == "UNKNOWN"
    assert "keep; 4 of 4 checks are open" in assay("models", "health", theirs, home=home).out


@pytest.mark.slow
def test_a_rule_of_ones_own_is_looked_at_by_the_source_that_its_run_kept(stocked: Path, tmp_path: Path) -> None:
    from tests.doors.test_strategies import own

    file = own(tmp_path)
    searched = ("optimize", "my_dip", *MARKET, "--strategy-file", file, "--trials", "4", "--min-trades", "1")
    assert assay(*searched, "--walk-forward", "30/15/1", home=stocked).code == 0
    file.unlink()
    later(stocked, synthetic(bars=2_500, seed=3, ic=0.2, symbol="GOLD/USDT:USDT")[2_400:])
    found = told("models", "health", 1, home=stocked)
    assert (states(found)["files"], found["record"]["bars"], found["inputs"]["windows"]) == ("PASS", 100, 23)
    shutil.rmtree(stocked / "snapshots")
    assert states(told("models", "health", 1, home=stocked))["candles"] == "UNKNOWN"


def test_what_is_locked_away_is_not_looked_at_and_that_is_said(served: Path) -> None:
    later(served, turned())
    whole = told("models", "health", 1, home=served)
    begins = "2020-05-08T00:00:00Z"
    told("vault", "lock", "-e", "test", "-s", "GOLD/USDT:USDT", "--from", begins, "--by", "ann", home=served)
    found = told("models", "health", 1, home=served)
    assert whole["new_bars"] == NEW and 0 < found["new_bars"] < NEW
    (said,) = [each["text"] for each in found["reasons"] if each["check"] == "candles"]
    assert said.startswith("bars from 2020-05-08T00:00 on are locked away")


def test_where_every_bar_is_locked_its_own_are_looked_at_and_the_list_stands(served: Path) -> None:
    told("models", "promote", 1, "--by", "ann", home=served)
    bars = market(400)
    older = replace(synthetic(bars=400, seed=3, timeframe="1d"), timestamp=bars.timestamp[0] + DAY * np.arange(-400, 0))
    daily = csv_of(older, served / "daily.csv")
    assert assay("import", daily, *MARKET[:-1], "1d", home=served).code == 0
    told("vault", "lock", "-e", "test", "-s", "GOLD/USDT:USDT", "--from", "2019-12-01", "--by", "ann", home=served)
    found = told("models", "health", 1, home=served)
    (said,) = [each for each in found["reasons"] if each["check"] == "candles"]
    assert (found["new_bars"], said["state"]) == (0, "UNKNOWN")
    assert said["text"].startswith("bars from 2019-12-01T00:00 on are locked away")
    assert [row["id"] for row in told("models", "health", home=served)["models"]] == [1]


def test_one_that_cannot_be_looked_at_does_not_hide_the_others(
    served: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    told("models", "promote", 1, "--by", "ann", home=served)
    change(served, model=2, audit_status="passed")
    told("models", "promote", 2, "--by", "ann", "--override", "for a test", home=served)
    honest = runs_health.since_training

    def broken(row: Any, context: Context) -> Any:
        if row["id"] == 2:
            raise DataError("the candles are no candles", code="DATA_OHLC")
        return honest(row, context)

    monkeypatch.setattr(runs_health, "since_training", broken)
    two, one = told("models", "health", home=served)["models"]
    assert (one["id"], states(one)["files"], two["id"], states(two)["candles"]) == (1, "PASS", 2, "UNKNOWN")
    assert "it could not be looked at (DATA_OHLC): the candles are no candles" in two["reasons"][-1]["text"]
    assert "model 2 could not be looked at" in caplog.text
    assert assay("models", "health", 2, "--json", home=served).error["code"] == "DATA_OHLC"


def test_luck_is_counted_as_the_gate_counts_it(served: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later(served, market(LEARNT + 60)[LEARNT:])
    given: list[float] = []

    def spied(*values: Any, n_trials: float, **more: Any) -> Any:
        given.append(n_trials)
        return performance_finding(*values, n_trials=n_trials, **more)

    monkeypatch.setattr(runs_health, "performance_finding", spied)
    left = runs_health.run_outputs.evidence_of

    def with_(used: dict[str, float]) -> dict[str, Any]:
        def changed(run: int, context: Context) -> Any:
            found = left(run, context)
            assert found is not None
            return replace(found, document={**found.document, "evidence": used})

        monkeypatch.setattr(runs_health.run_outputs, "evidence_of", changed)
        return dict(told("models", "health", 1, home=served)["record"])

    counted = told("runs", "show", 2, home=served)["n_trials"]
    found = with_({"effective_trials": 3.5})
    assert (found["effective_trials"], found["n_trials"]) == (3.5, counted)
    assert with_({})["effective_trials"] == counted, "of before these were kept"
    assert given == [3.5, counted]


@pytest.mark.parametrize("budget", ["0", "nan", "1"])
def test_a_budget_that_is_none_is_refused_where_no_model_serves(tmp_path: Path, budget: str) -> None:
    said = assay("models", "health", "--false-alarms", budget, "--json", home=tmp_path / "none")
    assert said.code == 2 and "false_alarms" in said.error["message"]


def test_an_unknown_model_and_a_budget_that_is_none_are_refused(served: Path) -> None:
    said = assay("models", "health", 77, "--json", home=served)
    assert said.code == 1 and said.error["code"] == "STORE_NOT_FOUND"
    later(served, market(LEARNT + 60)[LEARNT:])
    said = assay("models", "health", 1, "--false-alarms", "2", "--json", home=served)
    assert said.code == 2 and "false_alarms" in said.error["message"]
