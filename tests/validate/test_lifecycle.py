"""Every row of the stage table, the breakers, the confidence and the size of a position."""

from dataclasses import asdict, replace
from math import nan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.validate.lifecycle import (
    ACCOUNT_TRIGGERS,
    BREAKERS,
    STAGES,
    Live,
    Placement,
    Portfolio,
    circuit_breakers,
    confidence_score,
    place_stage,
    position_size,
    refusal,
)

GREAT = {"net_profit": 0.4, "sharpe_annual": 2.0, "total_trades": 150, "p_value": 0.01, "win_rate": 0.6}
ORDER = ("PAPER", "DISCOVERY", "VALIDATION", "MATURE")


def placed(
    word: Any = "GOLD", overfit: Any = "ACCEPT", *, approved: bool = True, live: Any = None, **m: Any
) -> Placement:
    return place_stage(word, GREAT | m, overfit, approved=approved, live=live)


def failed(found: Placement) -> list[str]:
    return [r.code for r in found.reasons if r.state == "FAIL"]


def test_all_rules_met_and_approved_is_mature() -> None:
    found = placed()
    assert (found.stage, found.eligible_for, failed(found)) == ("MATURE", None, [])
    assert (found.position_multiplier, found.max_allocation_pct) == (1.0, 10.0)


def test_without_a_person_it_stays_validation_and_is_eligible() -> None:
    found = placed(approved=False)
    assert (found.stage, found.eligible_for) == ("VALIDATION", "MATURE")
    assert (found.position_multiplier, found.max_allocation_pct) == (0.5, 5.0)
    assert found.reasons[-1].code == "APPROVAL" and found.reasons[-1].state == "UNKNOWN"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"word": "PYRITE"}, "VERDICT"),
        ({"net_profit": -0.0001}, "NET_PROFIT"),
        ({"net_profit": nan}, "NET_PROFIT"),
        ({"sharpe_annual": 0.49}, "SHARPE"),
        ({"sharpe_annual": nan}, "SHARPE"),
        ({"sharpe_annual": None}, "SHARPE"),
        ({"live": Live(fill_rate=0.69)}, "FILL_RATE"),
        ({"live": Live(rolling_30d_sharpe=0.99, lifetime_sharpe_ratio=2.0)}, "ROLLING_SHARPE"),
    ],
)
def test_paper(given: dict[str, Any], code: str) -> None:
    found = placed(**given)
    assert found.stage == "PAPER" and code in failed(found)
    assert (found.position_multiplier, found.max_allocation_pct, found.eligible_for) == (0.0, 0.0, None)


@pytest.mark.parametrize(
    ("live", "code"),
    [
        (Live(performance_degradation=-0.21), "DEGRADATION"),
        (Live(death_signal_count=2), "DEATH_SIGNALS"),
        (Live(adverse_selection_score=0.61, live_trades=30), "ADVERSE_SELECTION"),
    ],
)
def test_decay_comes_from_monitoring_and_before_discovery(live: Live, code: str) -> None:
    for word in ("GOLD", "UNPROVEN"):
        found = placed(word, live=live)
        assert found.stage == "DECAY" and code in failed(found)
        assert (found.position_multiplier, found.max_allocation_pct) == (0.0, 3.0)
    assert placed(live=live, sharpe_annual=0.1).stage == "PAPER"


@pytest.mark.parametrize(
    "given", [{"word": "UNPROVEN"}, {"total_trades": 29}, {"p_value": 0.05}, {"p_value": nan}, {"total_trades": nan}]
)
def test_discovery(given: dict[str, Any]) -> None:
    found = placed(**given)
    assert (found.stage, found.position_multiplier, found.max_allocation_pct) == ("DISCOVERY", 0.25, 2.0)


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"total_trades": 100}, "MATURE_TRADES"),
        ({"sharpe_annual": 1.49}, "MATURE_SHARPE"),
        ({"overfit": "CAUTION"}, "WINDOWS"),
        ({"overfit": "REJECT"}, "WINDOWS"),
        ({"overfit": None}, "WINDOWS"),
        ({"live": Live(adverse_selection_score=0.3)}, "MATURE_ADVERSE_SELECTION"),
    ],
)
def test_validation_even_when_approved(given: dict[str, Any], code: str) -> None:
    found = placed(**given)
    assert (found.stage, found.eligible_for, failed(found)) == ("VALIDATION", None, [code])


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        ({"net_profit": 0.0}, "MATURE"),
        ({"sharpe_annual": 0.5}, "VALIDATION"),
        ({"sharpe_annual": 1.5}, "MATURE"),
        ({"total_trades": 30}, "VALIDATION"),
        ({"total_trades": 101}, "MATURE"),
        ({"p_value": 0.0499}, "MATURE"),
        ({"live": Live(fill_rate=0.7)}, "MATURE"),
        ({"live": Live(performance_degradation=-0.2)}, "MATURE"),
        ({"live": Live(adverse_selection_score=0.6, live_trades=30)}, "VALIDATION"),
        ({"live": Live(adverse_selection_score=0.9)}, "VALIDATION"),
        ({"live": Live(rolling_30d_sharpe=1.0, lifetime_sharpe_ratio=2.0)}, "MATURE"),
        ({"live": Live(rolling_30d_sharpe=-3.0, lifetime_sharpe_ratio=-1.0)}, "MATURE"),
        ({"live": Live(rolling_30d_sharpe=-3.0)}, "MATURE"),
    ],
)
def test_the_limits_themselves(given: dict[str, Any], stage: str) -> None:
    assert placed(**given).stage == stage


def test_one_death_signal_is_an_alert_and_few_adverse_trades_halve_the_size() -> None:
    found = placed(live=Live(death_signal_count=1))
    assert (found.stage, found.position_multiplier, len(found.alerts)) == ("MATURE", 1.0, 1)
    found = placed(live=Live(adverse_selection_score=0.61, live_trades=29))
    assert (found.stage, found.position_multiplier, len(found.alerts)) == ("VALIDATION", 0.25, 1)


def test_a_missing_metric_is_an_error_never_discovery() -> None:
    for name in ("net_profit", "sharpe_annual", "total_trades", "p_value"):
        with pytest.raises(ConfigError, match=f"lack {name}") as told:
            place_stage("GOLD", {k: v for k, v in GREAT.items() if k != name}, "ACCEPT")
        assert told.value.code == "CONFIG_METRIC"
    with pytest.raises(ConfigError, match="must be GOLD"):
        place_stage("SILVER", GREAT, "ACCEPT")  # type: ignore[arg-type]


def test_every_reason_tells_value_and_limit() -> None:
    reasons = {r.code: r for r in placed(sharpe_annual=0.2).reasons}
    assert (reasons["SHARPE"].value, reasons["SHARPE"].limit, reasons["SHARPE"].state) == (0.2, 0.5, "FAIL")
    assert reasons["FILL_RATE"].state == "UNKNOWN" and reasons["FILL_RATE"].value is None
    assert len(reasons) == len(placed().reasons) - 1  # all but the approval, which nobody asks for


METRICS = st.fixed_dictionaries(
    {
        "net_profit": st.floats(-1, 3) | st.just(nan),
        "sharpe_annual": st.floats(-3, 5) | st.just(nan),
        "total_trades": st.integers(0, 300),
        "p_value": st.floats(0, 1) | st.just(nan),
    }
)
WORDS = st.sampled_from(["GOLD", "UNPROVEN", "PYRITE"])
OVERFIT = st.sampled_from(["ACCEPT", "CAUTION", "REJECT", None])
HIGHEST = {"GOLD": "MATURE", "UNPROVEN": "DISCOVERY", "PYRITE": "PAPER"}


@given(WORDS, METRICS, OVERFIT, st.booleans())
def test_limits_only_lower_what_the_gate_allows(word: Any, m: dict[str, Any], overfit: Any, approved: bool) -> None:
    found = place_stage(word, m, overfit, approved=approved)
    assert ORDER.index(found.stage) <= ORDER.index(HIGHEST[word])
    assert ORDER.index(place_stage(word, m, overfit).stage) <= ORDER.index("VALIDATION")
    if found.stage == "MATURE":
        assert approved and overfit == "ACCEPT"


@given(WORDS, METRICS, OVERFIT, st.sampled_from(["net_profit", "sharpe_annual", "total_trades", "p_value"]))
def test_a_worse_number_never_raises_the_stage(word: Any, m: dict[str, Any], overfit: Any, name: str) -> None:
    worse = m | {name: m[name] + 0.3 if name == "p_value" else m[name] - 40}
    before, after = (place_stage(word, each, overfit, approved=True).stage for each in (m, worse))
    assert ORDER.index(after) <= ORDER.index(before)


@given(WORDS, METRICS, OVERFIT)
def test_what_is_not_measured_changes_nothing(word: Any, m: dict[str, Any], overfit: Any) -> None:
    assert place_stage(word, m, overfit, live=Live()) == place_stage(word, m, overfit)
    assert place_stage(word, m, overfit, live=Live(fill_rate=nan)) == place_stage(word, m, overfit)


def test_the_breakers() -> None:
    def told(stage: Any) -> list[float]:
        return list(asdict(BREAKERS[stage]).values())

    assert told("PAPER") == told("DISCOVERY") == [1, 2, 5, 3, 5, 60, 1.0]
    assert told("VALIDATION") == [2, 5, 10, 5, 10, 30, 0.8]
    assert told("MATURE") == told("DECAY") == [3, 10, 15, 7, 20, 15, 0.5]
    assert [t.limit for t in ACCOUNT_TRIGGERS] == [0.02, 0.8, 3.0, 500, 5, 0.6, 0.3]
    assert len(circuit_breakers("MATURE")) == 14 and set(BREAKERS) == set(STAGES)


def test_confidence() -> None:
    assert confidence_score(GREAT, 0.5) == pytest.approx(0.3 * 0.75 + 0.3 * 2 / 3 + 0.2 * 0.6 + 0.1)
    full = {"total_trades": 900, "sharpe_annual": 9.0, "win_rate": 1.0}
    assert confidence_score(full, 1.0) == 1.0
    assert confidence_score(full, nan) == confidence_score(full, None) == 0.8
    assert confidence_score(full | {"sharpe_annual": nan, "win_rate": None}, 1.0) == 0.5
    assert confidence_score(full | {"sharpe_annual": -2.0}, 1.0) == 0.7
    assert confidence_score({"total_trades": 1, "sharpe_annual": 1 / 7, "win_rate": 0.0}, 0.0) == 0.0158


def test_the_size_of_a_position() -> None:
    # 0.6 * 1 + 0.4 * 0.6 = 0.84
    assert position_size("MATURE", GREAT, capital=10_000, confidence=0.5) == pytest.approx(1_000 * 0.84 * 0.5)
    assert position_size("VALIDATION", GREAT, capital=10_000, confidence=1.0) == pytest.approx(500 * 0.84)
    huge = GREAT | {"sharpe_annual": 9.0, "win_rate": 1.0}
    assert position_size("DISCOVERY", huge, capital=10_000, confidence=1.0) == pytest.approx(200)  # 1.3, capped
    poor = GREAT | {"sharpe_annual": -4.0, "win_rate": nan}
    assert position_size("MATURE", poor, capital=10_000, confidence=1.0) == pytest.approx(500)
    for stage in ("PAPER", "DECAY"):
        assert position_size(stage, huge, capital=10_000, confidence=1.0) == 0.0  # type: ignore[arg-type]
    for capital, confidence in ((-1.0, 0.5), (nan, 0.5), (1.0, 1.1), (1.0, nan)):
        with pytest.raises(ConfigError):
            position_size("MATURE", GREAT, capital=capital, confidence=confidence)


@given(st.sampled_from(list(STAGES)), METRICS, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1e6))
def test_no_position_is_larger_than_its_base(
    stage: Any, m: dict[str, Any], wins: float, confidence: float, capital: float
) -> None:
    size = position_size(stage, m | {"win_rate": wins}, capital=capital, confidence=confidence)
    assert 0.0 <= size <= capital * STAGES[stage].base


EMPTY = Portfolio(capital=10_000, cash=10_000)


@pytest.mark.parametrize(
    ("size", "stage", "held", "code"),
    [
        (500, "MATURE", {}, None),
        (500, "MATURE", {"daily_loss": 0.02}, "MAX_DAILY_LOSS"),
        (500, "MATURE", {"by_stage": {"MATURE": 2_500, "VALIDATION": 1_400, "DISCOVERY": 650}}, "EXPOSURE"),
        (600, "MATURE", {"by_stage": {"MATURE": 2_500}}, "STAGE_EXPOSURE"),
        (500, "MATURE", {"by_stage": {"MATURE": 2_500}}, None),
        (600, "VALIDATION", {"by_stage": {"VALIDATION": 1_000}}, "STAGE_EXPOSURE"),
        (501, "DISCOVERY", {}, "STAGE_EXPOSURE"),
        (1_001, "DECAY", {}, "STAGE_EXPOSURE"),
        (600, "MATURE", {"cash": 3_500}, "CASH"),
        (500, "MATURE", {"cash": 3_500}, None),
        (600, "MATURE", {"by_asset": {"BTC": 1_500}}, "ASSET"),
        (600, "MATURE", {"by_asset": {"ETH": 1_500}}, None),
        (99, "MATURE", {}, "MIN_SIZE"),
        (0, "PAPER", {}, "MIN_SIZE"),
        (100, "PAPER", {}, "PAPER"),
        (500, "MATURE", {"positions": 10}, "POSITIONS"),
        (99, "PAPER", {"positions": 10, "daily_loss": 0.5, "cash": 0.0}, "MAX_DAILY_LOSS"),
    ],
)
def test_the_portfolio_refuses_in_order(size: float, stage: Any, held: dict[str, Any], code: str | None) -> None:
    found = refusal(size, stage, "BTC", replace(EMPTY, **held))
    assert (found and found.code) == code


def test_an_account_without_capital_opens_nothing() -> None:
    found = refusal(100, "MATURE", "BTC", Portfolio(capital=0.0, cash=0.0))
    assert found is not None and found.code == "EXPOSURE"
