"""The V3 document: its numbers, its honesty about what is not known, its row."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from jsonschema import Draft202012Validator
from scipy.stats import norm

from assay.features.regime import REGIME_NAMES, regime_codes
from assay.kernel.bars import Bars, Joined
from assay.kernel.errors import ConfigError
from assay.kernel.instrument import Instrument
from assay.kernel.spec import canonical
from assay.market.alignment import resample
from assay.market.sources.synthetic import synthetic
from assay.runs.bot_config import configure, engine_hash
from assay.runs.bot_config.document import TIMEFRAMES, row_of
from assay.runs.bot_config.numbers import ensemble
from assay.runs.bot_config.schema import FILE, configuration_schema, parse_configuration
from assay.track.schema.tables import CONFIGURATIONS
from assay.validate.statistics import deflated_sharpe_ratio, moments

from .configured import CREATED, ENGINE, bars, changed, configured, golden, searched
from .report_evidence import SYMBOL, market
from .report_search import search_of

Document = dict[str, Any]
SPEC_KEYS = """id configId version strategy status createdAt metadata context parameters performance
 statistical_validation execution_metrics ensemble_regime_classification alternative_data_signals adversarial_analysis
 risk_allocation market_microstructure pattern_health lifecycle circuit_breakers validation meta_learning_outputs"""


@pytest.fixture(scope="module")
def document() -> Document:
    return configured().document


def test_it_has_the_keys_of_the_version_in_their_order(document: Document) -> None:
    assert list(document) == SPEC_KEYS.split()
    assert list(document) == list(configuration_schema()["properties"]) == configuration_schema()["required"]
    Draft202012Validator.check_schema(configuration_schema())
    assert document["version"] == "3.0.0" and FILE == "configuration-3.0.0.schema.json"


def test_its_id_says_strategy_time_and_content(document: Document) -> None:
    assert re.fullmatch(r"LIQUIDITY_SWEEP_V3_20260101_120000_[0-9a-f]{6}", document["configId"])
    assert document["createdAt"] == "2026-01-01T12:00:00.000Z"
    assert configured().document == document
    others = [
        configured("another-run"),
        configured(best_parameters={**searched().document["best_parameters"], "reversal_candles": 5}),
        configured(regime_filter="bear"),
    ]
    assert len({document["configId"], *(o.config_id for o in others)}) == 4
    assert len({document["id"], *(o.document["id"] for o in others)}) == 4


def test_where_it_comes_from(document: Document) -> None:
    found, meta = searched().document, document["metadata"]
    assert document["strategy"] == "liquidity_sweep" and document["parameters"] == found["best_parameters"]
    assert (meta["run_id"], meta["engine_hash"], meta["job_id"]) == ("a-run", ENGINE, None)
    assert (meta["spec_hash"], meta["data_digest"]) == (found["spec_hash"], found["data_digest"])
    assert (meta["optimizer"], meta["seed"], meta["n_trials"]) == ("bayesian", 42, 7)
    with_job = configure(searched(), bars(), run_id="r", created=CREATED, engine_hash=ENGINE, job=(3, "uuid"))
    assert with_job.document["metadata"]["job_id"] == "uuid" and with_job.row["job_id"] == 3
    assert re.fullmatch("[0-9a-f]{64}", engine_hash())


def test_its_money_is_that_of_the_stitched_account(document: Document) -> None:
    trades, account = searched().trades, searched().account
    told, metrics = document["performance"], searched().document["metrics"]
    grown = float(account["equity"][-1]) - 1.0
    assert told["NET_PROFIT"] == pytest.approx(10_000 * grown)
    pnl = trades["pnl"].to_numpy() * 10_000
    assert told["avg_win"] == pytest.approx(pnl[pnl > 0].mean())
    assert told["avg_loss"] == pytest.approx(pnl[pnl < 0].mean()) and told["avg_loss"] < 0
    assert told["exchange_fees"] == pytest.approx(trades["fees"].sum() * 10_000)
    assert told["est_slippage"] == pytest.approx(trades["slippage_cost"].sum() * 10_000)
    wins, losses = metrics["winning_trades"], metrics["losing_trades"]
    assert told["avg_win"] * wins + told["avg_loss"] * losses == pytest.approx(told["NET_PROFIT"])
    assert told["sample_size"] == len(trades) and told["gross_WR"] == metrics["gross_win_rate"]


def test_an_account_that_began_with_other_money_tells_the_same() -> None:
    richer = replace(
        searched(),
        account=searched().account.with_columns(equity=pl.col("equity") * 500.0),
        trades=searched().trades.with_columns(pnl=pl.col("pnl") * 500.0),
    )
    found = configure(richer, bars(), run_id="a-run", created=CREATED, engine_hash=ENGINE).document["performance"]
    assert found == pytest.approx(configured().document["performance"])


def test_its_p_value_is_that_of_the_check_edge(document: Document) -> None:
    sure, m = document["statistical_validation"], moments(searched().account["return"].to_numpy())
    probability = deflated_sharpe_ratio(m.sharpe, m.n, m.skew, m.kurtosis, 7, 1 / (m.n - 1))
    assert sure["deflated_sharpe"] == pytest.approx(probability)  # of the plain returns, for information
    edge = next(r for r in searched().document["reasons"] if r["check"] == "edge")
    assert sure["p_value"] == pytest.approx(edge["value"]) and sure["z_score"] == pytest.approx(norm.isf(edge["value"]))
    more = configured(n_trials=5_000).document["statistical_validation"]
    assert more["p_value"] > sure["p_value"] and more["z_score"] < sure["z_score"]


def test_a_record_beyond_doubt_keeps_a_finite_z() -> None:
    steady = np.random.default_rng(1).normal(0.01, 0.02, len(searched().account))
    columns = [pl.Series("return", steady), pl.Series("active_return", steady)]
    sure = replace(searched(), account=searched().account.with_columns(columns))
    found = configure(sure, bars(), run_id="r", created=CREATED, engine_hash=ENGINE).document["statistical_validation"]
    assert found["deflated_sharpe"] == 1.0 and 0 < found["p_value"] < 1e-16 and 8 < found["z_score"] < 40


def test_a_run_of_before_active_returns_has_no_p_value() -> None:
    old = replace(searched(), account=searched().account.drop("active_return"))
    found = configure(old, bars(), run_id="r", created=CREATED, engine_hash=ENGINE).document["statistical_validation"]
    assert found["p_value"] is None and found["z_score"] is None and found["deflated_sharpe"] > 0


def test_what_only_live_trading_knows_is_null(document: Document) -> None:
    execution = dict(document["execution_metrics"])
    assert execution.pop("assumed") == {"fee": 0.0004, "slippage_bps": 1.0}
    assert set(execution.values()) == set(document["adversarial_analysis"].values()) == {None}
    assert set(document["pattern_health"]["death_signals"].values()) == {None}
    assert document["pattern_health"]["death_signal_count"] == 0
    assert document["performance"]["actual_slippage"] is None
    stored_ones = {k: v for k, v in document["market_microstructure"].items() if v is not None}
    assert stored_ones == {"taker_fee": 0.0004}
    assert document["alternative_data_signals"]["funding_rate"] is None


def test_stored_funding_and_spreads_are_told() -> None:
    n = len(bars())
    times = bars().known_at[:3]
    rich = replace(
        bars(),
        columns={"spread_bps": np.full(n, 3.0), "book_bid_share": np.full(n, 0.6), "other": np.full(n, np.nan)},
        joined={"funding_rate": Joined(times, times, np.array([0.1, 0.2, 0.0003]))},
    )
    found = configure(searched(), rich, run_id="r", created=CREATED, engine_hash=ENGINE).document
    assert found["alternative_data_signals"]["funding_rate"] == 0.0003
    micro = found["market_microstructure"]
    assert micro["avg_spread_bps"] == 3.0 and micro["book_imbalance"] == pytest.approx(0.2)


def test_its_stage_is_that_of_the_table(document: Document) -> None:
    assert document["status"] == document["lifecycle"]["current_stage"] == "DISCOVERY"
    assert document["risk_allocation"]["max_position_size"] == 200.0
    good = golden().document
    assert (good["status"], good["lifecycle"]["eligible_for"]) == ("VALIDATION", "MATURE")
    assert (
        good["circuit_breakers"]["max_daily_loss_pct"] == 2 and good["circuit_breakers"]["latency_threshold_ms"] == 500
    )
    assert golden(overfit="CAUTION").document["lifecycle"]["eligible_for"] is None
    assert configured(verdict="PYRITE").stage == "PAPER"
    assert good["lifecycle"]["approved_by"] is None and good["lifecycle"]["confidence_score"] > 0.5
    codes_told = {r["code"]: r for r in good["lifecycle"]["reasons"]}
    assert codes_told["MATURE_TRADES"]["limit"] == 100 and codes_told["FILL_RATE"]["value"] is None


def test_its_validation_holds_the_windows(document: Document) -> None:
    told, windows = document["validation"], searched().document["windows"]
    sharpes = [w["test"]["sharpe_annual"] for w in windows]
    assert told["total_windows"] == 6 and told["test_sharpe_ratio"] == pytest.approx(np.mean(sharpes))
    profits = [w["test"]["net_profit"] for w in windows]
    assert told["test_net_profit_pct"] == pytest.approx(100 * np.mean(profits))
    assert (told["method"], told["mode"], told["verdict"]) == ("walk_forward", "refit", "REJECT")
    assert told["audit_passed"] is None  # it was not run
    assert configured(walk_forward="split").document["validation"]["method"] == "split"
    passed = [{"check": "audit", "state": "PASS", "text": ""}]
    assert configured(reasons=passed).document["validation"]["audit_passed"] is True


def test_a_search_that_held_nothing_back_claims_nothing() -> None:
    windows = [w | {"test": {}} for w in searched().document["windows"]]
    overfit = {"detected": None, "reasons": [], "stability_score": None, "train_sharpe_std": None, "verdict": None}
    found = configured(windows=windows, overfit=overfit, walk_forward="none", verdict=None, metrics={}).document
    assert found["status"] == "PAPER" and found["validation"] == {}
    assert set(found["performance"].values()) == set(found["statistical_validation"].values()) == {None}
    assert found["meta_learning_outputs"]["optimal_market_conditions"] == {} and found["context"]["regime"] is None
    row = row_of(found, {})
    assert "regime" not in row and row["net_profit_pct"] is None


def test_the_regime_is_the_most_frequent_one_out_of_sample_or_the_wanted_one(document: Document) -> None:
    at = np.isin(bars().timestamp, searched().account["timestamp"].to_numpy())
    labels = regime_codes(bars())[at]
    expected = REGIME_NAMES[int(np.bincount(labels[labels >= 0]).argmax())]
    assert document["context"]["regime"] == document["metadata"]["regime"] == expected
    wanted = configured(regime_filter="volatile").document["context"]
    assert (wanted["regime"], wanted["regime_filter"]) == ("volatile", True)


def test_the_ensemble_of_regimes() -> None:
    hourly = synthetic(bars=24 * 560, seed=2, timeframe="1h")
    found = ensemble(hourly)
    models, last = found["regime_models"], {}
    for timeframe in ("1h", "4h", "1d"):
        longer = hourly if timeframe == "1h" else resample(hourly, timeframe)
        last[timeframe] = regime_codes(longer)[513:][-100:]
        assert models[f"model_{timeframe}"]["prediction"] == REGIME_NAMES[last[timeframe][-1]]
    assert 0 < len(last["1d"]) < 100
    total = sum(len(labels) for labels in last.values())
    assert models["model_1d"]["weight"] == pytest.approx(len(last["1d"]) / total)
    ranging = sum(models[f"model_{t}"]["weight"] * np.mean(labels == 0) for t, labels in last.items())
    final = found["final_regime_probability"]
    assert final["ranging"] == pytest.approx(ranging) and sum(final.values()) == pytest.approx(1.0)
    changes = np.mean(last["1h"][1:] != last["1h"][:-1])
    assert found["regime_transition_probability"] == pytest.approx(changes)
    assert found["regime_stability_score"] == pytest.approx(1 - changes)


def test_too_little_history_has_no_regime() -> None:
    short = ensemble(synthetic(bars=400, seed=2, timeframe="1h"))
    assert {m["prediction"] for m in short["regime_models"].values()} == {None}
    assert set(short["final_regime_probability"].values()) == {None}
    daily = ensemble(synthetic(bars=700, seed=2, timeframe="1d"))
    assert daily["regime_models"]["model_1d"]["weight"] == 1.0
    assert daily["regime_models"]["model_4h"] == {"timeframe": "4h", "weight": 0.0, "prediction": None}


def test_returns_are_correlated_with_those_of_others() -> None:
    own = searched().account
    mirrored = own.with_columns(pl.col("return") * -2.0)
    others = {"B": mirrored, "A": own[40:], "FLAT": own.with_columns(pl.lit(0.0).alias("return")), "FEW": own[:29]}
    found = configure(searched(), bars(), run_id="r", created=CREATED, engine_hash=ENGINE, others=others).document
    assert found["pattern_health"]["correlation_to_other_patterns"] == pytest.approx({"A": 1.0, "B": -1.0})


def test_its_row_has_every_documented_column_and_agrees(document: Document) -> None:
    made = configured(experiment_id=5)
    columns = set(CONFIGURATIONS.columns.keys())
    left_to_the_record = {"id", "status", "is_active", "last_activated_at", "last_deactivated_at"}
    assert set(made.row) == columns - left_to_the_record
    row = made.row
    assert row["config_json"] == document == made.document and row["experiment_id"] == 5
    assert (row["lifecycle_stage"], row["config_id"]) == (document["status"], document["configId"])
    assert row["net_profit_pct"] == pytest.approx(100 * searched().document["metrics"]["net_profit"])
    assert row["verdict"]["word"] == "UNPROVEN" and row["sharpe_ratio"] == row["lifetime_sharpe_ratio"]
    assert row["total_trades"] == row["sample_size"] and row["fill_rate"] is None


@pytest.mark.parametrize(
    ("given", "code", "text"),
    [
        ({"best_parameters": {}}, "CONFIG_PARAMETER", "no valid trial"),
        ({"metrics": {}}, "CONFIG_METRIC", "lack net_profit"),
    ],
)
def test_what_cannot_be_configured(given: dict[str, Any], code: str, text: str) -> None:
    with pytest.raises(ConfigError, match=text) as told:
        configured(**given)
    assert told.value.code == code


def test_a_configuration_is_of_one_market() -> None:
    for other in (
        synthetic(bars=900, seed=1, timeframe="1h", symbol="LEAD/USDT"),
        synthetic(bars=900, seed=1, timeframe="4h", symbol=SYMBOL),
    ):
        with pytest.raises(ConfigError, match="of one market") as told:
            configure(searched(), other, run_id="r", created=CREATED, engine_hash=ENGINE)
        assert told.value.code == "CONFIG_SYMBOL"
    odd = market(2_000, timeframe="2h")
    with pytest.raises(ConfigError, match="not of '2h'") as told:
        configure(search_of(odd), odd[SYMBOL], run_id="r", created=CREATED, engine_hash=ENGINE)
    assert told.value.code == "CONFIG_TIMEFRAME" and "4h" in TIMEFRAMES


def test_the_evidence_is_left_as_it_was() -> None:
    before = canonical({k: v for k, v in searched().document.items() if k != "folds"})
    configured()
    assert canonical({k: v for k, v in changed().document.items() if k != "folds"}) == before


@pytest.mark.market_data
def test_years_of_real_candles_have_a_regime_on_every_timeframe(market_data: Path) -> None:
    table = pl.read_parquet(market_data / "binance_BTC-USDT_1h.parquet")
    names = ("open", "high", "low", "close", "volume")
    columns = {name: table[name].to_numpy().astype(np.float64) for name in names}
    times = table["timestamp"].to_numpy().astype(np.int64)
    real = Bars(Instrument("binance", "BTC/USDT", "1h"), times, **columns)
    made = configure(search_of({"BTC/USDT": real}), real, run_id="r", created=CREATED, engine_hash=ENGINE)
    found = made.document["ensemble_regime_classification"]
    assert all(m["prediction"] is not None for m in found["regime_models"].values())
    assert sum(found["final_regime_probability"].values()) == pytest.approx(1.0)
    assert made.document["performance"]["sample_size"] > 1_000 and made.document["context"]["regime"] == "sideways"
    assert parse_configuration(canonical(made.document)) == made.document
