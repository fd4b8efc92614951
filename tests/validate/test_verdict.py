"""Each check's three states, the word, and the bars that would decide."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from assay.kernel.seeding import generator
from assay.simulate.performance import Moments
from assay.validate import gate
from assay.validate.audit.pipeline import AuditReport, Violation
from assay.validate.diagnostics import BreakEven, CostSides, Fills
from assay.validate.gate import CHECKS, GateInput, Thresholds, evaluate_gate
from assay.validate.statistics import Overfitting

N = 1000


def returns(mean: float, n: int = N) -> np.ndarray:
    drawn = generator(1, "returns").normal(0, 1, n)
    return 0.01 * (drawn - drawn.mean()) / drawn.std() + mean


GOOD = GateInput(
    returns=returns(0.002),
    bars_per_year=8760,
    n_trades=100,
    n_trials=1,
    effective_trials=1.0,
    ledger_complete=True,
    stressed_returns=returns(0.001),
    active_returns=returns(0.002),
    fills=Fills(0.0, 0.0, 0.0, 0.0, 1e6),
    data_problems=(),
    audit=AuditReport(True, (), {"truncate": 40, "fit": 3}),
    regimes=np.arange(N) % 3,
)


PEEKED = Violation("truncate", "zscore_all", 900, 812, 0.31, "feature 'zscore_all' at row 812 changed by 0.31")


def found(pbo: float, loss_share: float) -> Overfitting:
    return Overfitting(pbo, np.zeros(70), np.zeros(70), np.zeros(70), 0.0, 0.0, loss_share, 0)


def state(check: str, **change: object) -> str:
    return evaluate_gate(replace(GOOD, **change)).reason(check).state  # type: ignore[arg-type]


def test_all_pass_is_gold() -> None:
    word = evaluate_gate(GOOD)
    assert (word.verdict, word.stage, word.bars_needed) == ("GOLD", "VALIDATION", 0)
    assert tuple(r.check for r in word.reasons) == CHECKS
    assert word.nature == "edge"
    assert {r.state for r in word.reasons} == {"PASS"}


@pytest.mark.parametrize(
    ("check", "change", "want"),
    [
        ("audit", {"audit": replace(GOOD.audit, violations=(PEEKED,))}, "FAIL"),
        ("audit", {"audit": replace(GOOD.audit, violations=(PEEKED,), complete=False)}, "FAIL"),
        ("audit", {"audit": replace(GOOD.audit, complete=False)}, "UNKNOWN"),
        ("audit", {"audit": replace(GOOD.audit, checks={})}, "UNKNOWN"),
        ("audit", {"audit": None}, "UNKNOWN"),
        ("overfitting", {"n_searched": 2}, "UNKNOWN"),
        ("overfitting", {"n_searched": 2, "overfitting": found(0.1, 0.2)}, "PASS"),
        ("overfitting", {"overfitting": found(0.9, 0.2)}, "PASS"),
        ("overfitting", {"overfitting": found(0.9, 0.21)}, "UNKNOWN"),
        ("overfitting", {"overfitting": found(0.5, 0.9)}, "UNKNOWN"),
        ("overfitting", {"overfitting": found(0.51, 0.51)}, "FAIL"),
        ("overfitting", {"overfitting": found(0.51, 0.51), "n_trades": 3}, "UNKNOWN"),
        ("overfitting", {"overfitting": found(np.nan, np.nan)}, "UNKNOWN"),
        ("seeds", {"seed_sharpes": np.array([0.1, 0.2, 0.1, 0.3, -0.1])}, "PASS"),
        ("seeds", {"seed_sharpes": np.array([0.1, 0.2, 0.1, 0.3])}, "UNKNOWN"),
        ("seeds", {"seed_sharpes": np.array([0.1, 0.2, 0.1, -0.3, -0.1])}, "UNKNOWN"),
        ("seeds", {"seed_sharpes": np.array([0.1, 0.2, -0.1, -0.3, -0.1])}, "FAIL"),
        ("seeds", {"seed_sharpes": np.array([0.1, 0.2, -0.1, -0.3, -0.1]), "n_trades": 3}, "UNKNOWN"),
        ("seeds", {"seed_sharpes": np.full(5, np.nan)}, "UNKNOWN"),
        ("ledger", {"ledger_complete": False}, "UNKNOWN"),
        ("sample", {"n_trades": 29}, "UNKNOWN"),
        ("sample", {"n_trades": 30}, "PASS"),
        ("sample", {"returns": returns(0.002, 249), "active_returns": None, "regimes": None}, "UNKNOWN"),
        ("sample", {"n_independent_trades": 29}, "UNKNOWN"),
        ("sample", {"n_independent_trades": 30}, "PASS"),
        ("profit", {"returns": returns(-0.001)}, "FAIL"),
        ("profit", {"returns": np.zeros(N)}, "FAIL"),
        ("profit", {"returns": returns(-0.001), "n_trades": 3}, "UNKNOWN"),
        ("profit", {"returns": returns(-0.001), "n_independent_trades": 3}, "UNKNOWN"),
        ("profit", {"returns": returns(1e-9)}, "PASS"),
        ("edge", {"active_returns": returns(-0.001)}, "FAIL"),
        ("edge", {"active_returns": returns(-0.001), "n_trades": 3}, "UNKNOWN"),
        ("edge", {"active_returns": np.zeros(N)}, "FAIL"),
        ("edge", {"active_returns": np.zeros(N), "n_trades": 3}, "UNKNOWN"),
        ("edge", {"active_returns": returns(0.0003)}, "UNKNOWN"),
        ("edge", {"active_returns": None}, "UNKNOWN"),
        ("edge", {"returns": returns(-0.001)}, "PASS"),
        ("edge", {"effective_trials": 1e9, "n_trials": 10**9}, "UNKNOWN"),
        ("cost", {"stressed_returns": returns(-0.0001)}, "UNKNOWN"),
        ("cost", {"stressed_returns": np.zeros(N)}, "UNKNOWN"),
        ("cost", {"stressed_returns": returns(-0.0001), "shown_returns": returns(1e-5)}, "UNKNOWN"),
        ("cost", {"stressed_returns": returns(-0.0002), "shown_returns": returns(-0.0001)}, "FAIL"),
        ("cost", {"stressed_returns": returns(-0.0002), "shown_returns": np.zeros(N)}, "FAIL"),
        ("cost", {"stressed_returns": returns(-0.0002), "shown_returns": returns(-0.0001), "n_trades": 3}, "UNKNOWN"),
        ("cost", {"returns": returns(-0.0001), "stressed_returns": returns(-0.001)}, "FAIL"),
        ("fills", {"fills": None}, "UNKNOWN"),
        ("fills", {"fills": Fills(np.nan, np.nan, np.nan, np.nan, np.nan)}, "UNKNOWN"),
        ("fills", {"fills": Fills(0.02, 0.0, np.nan, 0.02, np.nan)}, "PASS"),
        ("fills", {"fills": Fills(0.01, 0.0, 0.011, 0.021, 1e6)}, "UNKNOWN"),
        ("fills", {"fills": Fills(0.10, 0.0, 0.0, 0.10, 1e6)}, "UNKNOWN"),
        ("fills", {"fills": Fills(0.0, 0.11, 0.0, 0.11, 1e6)}, "FAIL"),
        ("fills", {"fills": Fills(0.0, 0.11, 0.0, 0.11, 1e6), "n_trades": 3}, "UNKNOWN"),
        ("data", {"data_problems": None}, "UNKNOWN"),
        ("data", {"data_problems": ("usa AAPL 1d 2014-06-09: looks like a split 7:1",)}, "UNKNOWN"),
        ("regimes", {"regimes": None}, "UNKNOWN"),
        ("regimes", {"regimes": np.zeros(N, np.int64)}, "UNKNOWN"),
        ("regimes", {"regimes": np.full(N, -1)}, "UNKNOWN"),
        ("regimes", {"regimes": np.where(np.arange(N) < 99, 0, 1)}, "UNKNOWN"),
    ],
)
def test_each_check(check: str, change: dict[str, object], want: str) -> None:
    assert state(check, **change) == want
    word = evaluate_gate(replace(GOOD, **change))  # type: ignore[arg-type]
    states = {r.state for r in word.reasons}
    assert word.verdict == ("PYRITE" if "FAIL" in states else "UNPROVEN" if "UNKNOWN" in states else "GOLD")
    assert word.stage == {"GOLD": "VALIDATION", "UNPROVEN": "DISCOVERY", "PYRITE": "PAPER"}[word.verdict]


def test_two_of_three_regimes_are_enough_and_one_is_not() -> None:
    label = np.arange(N) % 3
    for losing, want in (((0,), "PASS"), ((0, 1), "UNKNOWN")):
        r = np.abs(GOOD.returns)
        r[np.isin(label, losing)] *= -1
        assert state("regimes", returns=r, regimes=label) == want


def test_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Moments(8760, 0.0003, 0.01, 0.03, -0.5, 6.0)
    monkeypatch.setattr(gate, "moments", lambda _: example)
    evidence = replace(
        GOOD, returns=np.full(8760, 0.0003), active_returns=np.zeros(8760), stressed_returns=np.zeros(8760),
        regimes=None, effective_trials=20.0, n_trials=20, n_trades=400,
    )  # fmt: skip
    word = evaluate_gate(evidence)
    edge = word.reason("edge")
    # v = 1 + 2/3 * 0.5 * 0.03 + 1.25 * 0.0009 = 1.011125; z = 0.03 * sqrt(8759 / v) = 2.792197; p1 = 0.0026176
    assert edge.state == "UNKNOWN" and edge.threshold == 0.01
    assert edge.value == pytest.approx(1 - (1 - 0.00261757) ** 20, abs=5e-6)
    assert "the best of 20 trials without skill" in edge.text and "3.6% of the time" in edge.text
    # z_q = Phi^-1(0.99^(1/20)) = 3.289...: n = 1 + (z_q * sqrt(v) / 0.03)^2
    z = float(norm.isf(1 - 0.99 ** (1 / 20)))
    assert word.bars_needed == int(np.ceil(1 + (z / 0.03) ** 2 * 1.011125)) - 8760


def test_the_line_is_drawn_at_the_error() -> None:
    close = replace(GOOD, active_returns=returns(0.01 * 2.2 / np.sqrt(N)))  # 2.2 deviations: p 0.014
    assert evaluate_gate(close).reason("edge").value == pytest.approx(0.014, abs=5e-4)
    for error, state in ((0.01, "UNKNOWN"), (0.0135, "UNKNOWN"), (0.0145, "PASS"), (0.05, "PASS")):
        assert evaluate_gate(close, Thresholds(error=error)).reason("edge").state == state


def test_a_tiny_p_value_keeps_its_digits() -> None:
    sure = replace(GOOD, active_returns=returns(0.01), effective_trials=1e6, n_trials=10**6)
    p = evaluate_gate(sure).reason("edge").value
    assert 0 < p < 1e-100  # 1 - PSR would be 0


def test_bars_needed_waits_for_the_slowest() -> None:
    few_trades = replace(GOOD, n_trades=10)
    assert evaluate_gate(few_trades).bars_needed == 2000, "20 more trades at one in 100 bars"
    assert evaluate_gate(replace(GOOD, n_trades=400, n_independent_trades=10)).bars_needed == 2000
    assert evaluate_gate(replace(GOOD, n_trades=0)).bars_needed is None
    assert evaluate_gate(replace(GOOD, active_returns=returns(-0.001))).bars_needed is None
    assert evaluate_gate(replace(GOOD, active_returns=None)).bars_needed is None
    short = replace(GOOD, returns=returns(0.006, 100), active_returns=returns(0.006, 100), regimes=None)
    assert evaluate_gate(short).bars_needed == 150
    assert evaluate_gate(short, Thresholds(min_bars=100)).bars_needed == 0


@pytest.mark.parametrize(
    ("change", "nature"),
    [
        ({}, "edge"),
        ({"active_returns": returns(-0.001)}, "holding"),
        ({"active_returns": returns(0.00029), "returns": returns(0.0006)}, "holding"),
        ({"active_returns": returns(0.00031), "returns": returns(0.0006)}, "luck"),
        ({"returns": returns(0.0003), "active_returns": returns(0.0003)}, "luck"),
        ({"effective_trials": 1e9, "n_trials": 10**9}, "luck"),
        ({"returns": returns(-0.001), "break_even": BreakEven(0.5, 0.0005)}, "costs"),
        ({"returns": returns(-0.001), "break_even": BreakEven(0.0, 0.0)}, "loss"),
        ({"stressed_returns": returns(-0.001)}, "costs"),
        ({"stressed_returns": returns(-0.002), "shown_returns": returns(-0.001)}, "costs"),
        ({"fills": Fills(0.9, 0.0, 0.0, 0.9, np.nan)}, "fills"),
        ({"audit": AuditReport(True, (PEEKED,), {"fit": 1})}, "leak"),
        ({"n_trades": 3}, "unknown"),
        ({"active_returns": None}, "unknown"),
    ],
)
def test_what_it_is_in_plain_words(change: dict[str, object], nature: str) -> None:
    assert evaluate_gate(replace(GOOD, **change)).nature == nature  # type: ignore[arg-type]


def test_the_cost_check_says_what_was_assumed_and_where_it_breaks_even() -> None:
    sides = (CostSides(0.0, 0.0040, 0.0040, 0.0040),)
    free = evaluate_gate(replace(GOOD, cost_sides=sides, break_even=BreakEven(np.nan, 0.0012))).reason("cost").text
    assert "at 40.0 basis points a side (none assumed, 40.0 at least by its candles)" in free
    assert free.endswith("breaks even at 12.0 basis points a side")
    sides = (CostSides(0.0015, 0.0015, 0.0030, 0.0001),)
    usual = evaluate_gate(replace(GOOD, cost_sides=sides, break_even=BreakEven(1.5, 0.00225))).reason("cost").text
    assert "at 30.0 basis points a side (15.0 assumed)" in usual and "1.50 times the assumed" in usual
    endless = evaluate_gate(replace(GOOD, break_even=BreakEven(np.inf, np.inf))).reason("cost").text
    assert "no multiple of the costs takes all it earns" in endless


def test_a_limit_that_is_looser_than_the_default_is_named() -> None:
    loose = evaluate_gate(GOOD, Thresholds(error=0.05, min_trades=5, cost_factor=1.0, max_loss_share=0.3))
    for check, said in (
        ("edge", "error 0.05, looser than 0.01"),
        ("sample", "min_trades 5"),
        ("cost", "1, looser"),
    ):
        assert said in loose.reason(check).text
    strict = evaluate_gate(GOOD, Thresholds(error=0.005, min_trades=50, max_loss_share=0.1))
    assert not any("looser" in reason.text for reason in (*strict.reasons, *evaluate_gate(GOOD).reasons))


def test_a_failed_audit_names_what_it_found_first() -> None:
    assert (
        PEEKED.text in evaluate_gate(replace(GOOD, audit=AuditReport(True, (PEEKED, PEEKED), {}))).reason("audit").text
    )
    cut = AuditReport(False, (), {"fit": 1}, ("two refits were cut off by the budget of 10 s",))
    assert "two refits were cut off" in evaluate_gate(replace(GOOD, audit=cut)).reason("audit").text


def test_asking_for_more_keeps_nothing_from_pyrite() -> None:
    loses = replace(GOOD, returns=-GOOD.returns, active_returns=-GOOD.returns)
    for more in (Thresholds(min_trades=10**6), Thresholds(min_bars=10**6)):
        word = evaluate_gate(loses, more)
        states = [word.reason(check).state for check in ("sample", "profit", "edge")]
        assert (word.verdict, states) == ("PYRITE", ["UNKNOWN", "FAIL", "FAIL"])


def test_a_record_below_holding_never_passes() -> None:
    below = evaluate_gate(replace(GOOD, active_returns=-GOOD.returns), Thresholds(error=1 - 1e-12))
    assert below.reason("edge").state == "FAIL"
