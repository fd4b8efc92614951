"""Thresholds as settings: read, refused, stored with the verdict, asked again when a model is to serve."""

import math
from pathlib import Path
from typing import Any

import pytest

from assay.app import context
from assay.kernel.errors import ConfigError
from assay.settings import Gate
from assay.validate.thresholds import Thresholds
from tests.doors.commands import MARKET, TRAIN, assay, told
from tests.doors.searching import GRID, KEY
from tests.doors.test_backtest import record_of
from tests.doors.test_models import change

Trained = tuple[Path, dict[str, Any]]


@pytest.fixture
def served(trained: Trained) -> Trained:
    """A model that is GOLD by its thresholds."""
    home, document = trained
    reasons = [{"check": "ledger", "state": "PASS", "text": "every trial is counted: 1"}]
    verdict = {"word": "GOLD", "reasons": reasons, "thresholds": document["thresholds"]}
    change(home, audit_status="passed", verdict=verdict)
    return home, verdict


def test_defaults_and_what_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(Gate.model_fields) == set(Thresholds.__dataclass_fields__)
    assert context(home=tmp_path)[0].thresholds == Thresholds()
    monkeypatch.setenv("ASSAY_GATE_ERROR", "0.005")
    monkeypatch.setenv("ASSAY_GATE_MIN_TRADES", "50")
    monkeypatch.setenv("ASSAY_GATE_MIN_BARS", "")
    found, warnings = context(home=tmp_path)
    assert found.thresholds == found.limits == Thresholds(error=0.005, min_trades=50) and not warnings
    rows = {row["variable"]: row for row in told("settings")["settings"]}
    assert (rows["ASSAY_GATE_ERROR"]["value"], rows["ASSAY_GATE_ERROR"]["source"]) == (0.005, "environment")
    assert (rows["ASSAY_GATE_MIN_BARS"]["value"], rows["ASSAY_GATE_MIN_BARS"]["source"]) == (250, "default")
    assert (rows["ASSAY_GATE_COST_FACTOR"]["name"], rows["ASSAY_GATE_COST_FACTOR"]["value"]) == (
        "gate.cost_factor",
        2.0,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ERROR", "1"), ("ERROR", "0"), ("ERROR", "nan"), ("ERROR", "sure"), ("MIN_TRADES", "-1"), ("MIN_COST", "-1"),
        ("MAX_DOUBTFUL_FILLS", "2"), ("PYRITE_DOUBTFUL_FILLS", "nan"),
        ("MIN_TRADES", "2.5"), ("MIN_REGIME_BARS", "0"), ("MAX_LOSS_SHARE", "1.1"), ("PYRITE_SHARE", "-0.1"),
        ("COST_FACTOR", "0"), ("COST_FACTOR", "inf"), ("MATURE_TRADES", "99"), ("MATURE_ANNUAL_SHARPE", "1"),
    ],
)  # fmt: skip
def test_a_limit_that_limits_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"ASSAY_GATE_{name}", value)
    with pytest.raises(ConfigError, match=f"ASSAY_GATE_{name} is '{value}'") as refused:
        context(home=tmp_path)
    assert (refused.value.code, refused.value.facts["field"]) == ("CONFIG_FIELD", f"ASSAY_GATE_{name}")
    assert assay("settings").code == 2


def test_nothing_can_waive_the_audit_or_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUDIT", "LEDGER", "EROR"):
        monkeypatch.setenv(f"ASSAY_GATE_{name}", "0")
    found, warnings = context(home=tmp_path)
    assert found.thresholds == Thresholds() and len(warnings) == 3
    assert "ASSAY_GATE_EROR is unknown; did you mean ASSAY_GATE_ERROR?" in warnings


@pytest.mark.parametrize(("value", "error"), [("0.95", "0.05"), ("0.999", "0.001"), ("0.99", "0.01"), ("sure", "0.01")])
def test_a_confidence_is_refused_with_the_error_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, error: str
) -> None:
    monkeypatch.setenv("ASSAY_GATE_CONFIDENCE", value)
    with pytest.raises(
        ConfigError, match=f"ASSAY_GATE_CONFIDENCE is '{value}'.* write ASSAY_GATE_ERROR={error} "
    ) as no:
        context(home=tmp_path)
    assert (no.value.code, no.value.exit_code, no.value.facts["field"]) == (
        "CONFIG_UNSAFE",
        78,
        "ASSAY_GATE_CONFIDENCE",
    )
    assert assay("runs", "list", home=tmp_path).code == 78 == assay("settings").code
    monkeypatch.setenv("ASSAY_GATE_CONFIDENCE", "")
    assert context(home=tmp_path)[0].thresholds == Thresholds()


def test_a_training_is_judged_by_what_is_set_and_keeps_it(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    home, was = trained
    assert told(*TRAIN, home=home)["experiment_id"] == was["experiment_id"]
    monkeypatch.setenv("ASSAY_GATE_COST_FACTOR", "1.5")
    monkeypatch.setenv("ASSAY_GATE_MIN_BARS", "1501")
    found = told(*TRAIN, home=home)
    assert found["experiment_id"] != was["experiment_id"]  # that one was judged by others
    assert (found["thresholds"]["cost_factor"], found["thresholds"]["min_bars"]) == (1.5, 1501)
    reasons = {each["check"]: each for each in found["reasons"]}
    assert reasons["sample"]["state"] == "UNKNOWN" and "needs 1,501" in reasons["sample"]["text"]
    assert "cost_factor 1.5, looser than 2" in reasons["cost"]["text"]
    assert math.isclose(reasons["cost"]["value"], found["evidence"]["stressed_sharpe"])
    assert found["evidence"]["stressed_sharpe"] > was["evidence"]["stressed_sharpe"]
    assert found["n_trials"] == was["n_trials"]  # other limits are no new look at the data
    page = Path(told("report", found["experiment_id"], home=home)["report"]).read_text()
    assert "Same decisions, 1.5 times the costs" in page and "Same decisions, doubled costs" not in page
    monkeypatch.delenv("ASSAY_GATE_COST_FACTOR")
    monkeypatch.delenv("ASSAY_GATE_MIN_BARS")
    assert told("runs", "reproduce", found["experiment_id"], home=home)["equal"]  # by its own limits


def test_gold_by_looser_limits_needs_a_person(served: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    home, verdict = served
    promote = ("models", "promote", 1, "--by", "ann")
    change(home, verdict=verdict | {"thresholds": verdict["thresholds"] | {"error": 0.4}})
    said = assay(*promote, "--json", home=home)
    assert said.error["code"] == "STORE_VALUE" and "GOLD by error 0.4, looser than 0.01" in said.error["message"]
    monkeypatch.setenv("ASSAY_GATE_ERROR", "0.4")  # a variable is nobody's reason
    assert "GOLD by error 0.4, looser than 0.01" in assay(*promote, "--json", home=home).error["message"]
    assert told(*promote, "--override", "a small account", home=home)["aliases"] == ["champion"]


def test_gold_of_before_is_asked_by_the_limits_of_now(served: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    home, _ = served
    promote = ("models", "promote", 1, "--by", "ann")
    monkeypatch.setenv("ASSAY_GATE_ERROR", "0.005")
    assert "GOLD by error 0.01, looser than 0.005" in assay(*promote, "--json", home=home).error["message"]
    found = told(*promote, "--override", "it was gold last week", home=home)
    assert found["override"]["reason"] == "it was gold last week"


def test_gold_of_the_first_version_is_no_gold_of_now(served: Trained) -> None:
    home, verdict = served
    old = {name: value for name, value in verdict["thresholds"].items() if name != "error"} | {"confidence": 0.95}
    change(home, verdict=verdict | {"thresholds": old})
    error = assay("models", "promote", 1, "--by", "ann", "--json", home=home).error
    assert "GOLD by error 0.05, looser than 0.01" in error["message"]
    assert told("models", "list", home=home)


def test_a_broken_chain_judges_nothing_and_says_where(searched: Trained) -> None:
    home, was = searched
    with record_of(home) as record, record.database.write() as connection:
        connection.exec_driver_sql("DROP TRIGGER trials_no_update")
        connection.exec_driver_sql("UPDATE trials SET score = 9 WHERE seq = 2")
    runs = len(told("runs", "list", home=home))
    for words in (TRAIN, GRID):
        error = assay(*words, "--force", "--json", home=home).error
        assert error["code"] == "STORE_CORRUPT" and f"{KEY} number 2 has been changed" in error["message"]
        facts = error["facts"]
        assert facts["seq"] == 2 and len(facts["found"]) == len(facts["wanted"]) == 64
        assert facts["found"] != facts["wanted"]
    assert len(told("runs", "list", home=home)) == runs  # refused before anything is fitted
    told("backtest", "sma_cross", *MARKET, home=home)  # is judged by nobody
    error = assay("models", "promote", 1, "--by", "ann", "--override", "x", "--json", home=home).error
    assert "number 2 has been changed" in error["message"]
    assert was["verdict"] == told("runs", "show", was["experiment_id"], home=home)["verdict"]


def test_no_door_lets_through_what_was_not_audited(stocked: Path) -> None:
    was = told(*GRID, "--audit", "off", home=stocked)
    assert {each["check"]: each["state"] for each in was["reasons"]}["audit"] == "UNKNOWN"
    assert was["evidence"]["audit"] is None
    for words in (
        ("models", "promote", 1, "--by", "ann", "--override", "I know better"),
        ("config", "activate", was["config_id"]),
        ("config", "approve", was["config_id"], "--by", "ann", "--why", "I know better"),
    ):
        said = assay(*words, "--json", home=stocked)
        assert (said.code, said.error["code"]) == (3, "LEAK_NOT_AUDITED"), said
        assert f"assay audit {was['experiment_id']}" in said.error["hint"]
    told("config", "deactivate", was["config_id"], home=stocked)
    change(stocked, audit_status="failed")
    assert assay("config", "activate", was["config_id"], "--json", home=stocked).error["code"] == "LEAK_AUDIT"
    change(stocked, audit_status="passed")
    assert told("config", "activate", was["config_id"], home=stocked)["is_active"]
