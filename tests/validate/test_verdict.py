"""Each check's three states, the word, and the bars that would decide."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.seeds import generator
from assay.simulate.performance import Moments
from assay.validate import verdict
from assay.validate.audit.report import AuditReport, Violation
from assay.validate.statistics import Overfitting
from assay.validate.verdict import Evidence, Thresholds, judge

N = 1000


def returns(mean: float, n: int = N) -> np.ndarray:
    drawn = generator(1, "returns").normal(0, 1, n)
    return 0.01 * (drawn - drawn.mean()) / drawn.std() + mean


GOOD = Evidence(
    returns=returns(0.002),
    bars_per_year=8760,
    n_trades=100,
    n_trials=1,
    effective_trials=1.0,
    ledger_complete=True,
    stressed_returns=returns(0.001),
    audit=AuditReport(True, (), {"truncate": 40, "fit": 3}),
    regimes=np.arange(N) % 3,
)


CHECKS = ["audit", "ledger", "sample", "edge", "overfitting", "cost", "regimes", "seeds"]
PEEKED = Violation("truncate", "zscore_all", 900, 812, 0.31, "feature 'zscore_all' at row 812 changed by 0.31")


def found(pbo: float, loss_share: float) -> Overfitting:
    return Overfitting(pbo, np.zeros(70), np.zeros(70), np.zeros(70), 0.0, 0.0, loss_share, 0)


def state(check: str, **change: object) -> str:
    return judge(replace(GOOD, **change)).reason(check).state  # type: ignore[arg-type]


def test_all_pass_is_gold() -> None:
    word = judge(GOOD)
    assert (word.word, word.stage, word.bars_needed) == ("GOLD", "VALIDATION", 0)
    assert [r.check for r in word.reasons] == CHECKS
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
        ("sample", {"returns": returns(0.002, 249), "regimes": None}, "UNKNOWN"),
        ("edge", {"returns": returns(-0.001)}, "FAIL"),
        ("edge", {"returns": returns(-0.001), "n_trades": 3}, "UNKNOWN"),
        ("edge", {"returns": np.zeros(N)}, "FAIL"),
        ("edge", {"returns": np.zeros(N), "n_trades": 3}, "UNKNOWN"),
        ("edge", {"returns": returns(0.0003)}, "UNKNOWN"),
        ("edge", {"effective_trials": 1e6, "n_trials": 10**6}, "UNKNOWN"),
        ("edge", {"returns": returns(0.0005), "effective_trials": 1000.0, "n_trials": 1000}, "FAIL"),
        ("cost", {"stressed_returns": returns(-0.0001)}, "FAIL"),
        ("cost", {"stressed_returns": np.zeros(N)}, "FAIL"),
        ("cost", {"stressed_returns": returns(-0.0001), "n_trades": 3}, "UNKNOWN"),
        ("regimes", {"regimes": None}, "UNKNOWN"),
        ("regimes", {"regimes": np.zeros(N, np.int64)}, "UNKNOWN"),
        ("regimes", {"regimes": np.full(N, -1)}, "UNKNOWN"),
        ("regimes", {"regimes": np.where(np.arange(N) < 99, 0, 1)}, "UNKNOWN"),
    ],
)
def test_each_check(check: str, change: dict[str, object], want: str) -> None:
    assert state(check, **change) == want
    word = judge(replace(GOOD, **change))  # type: ignore[arg-type]
    states = {r.state for r in word.reasons}
    assert word.word == ("PYRITE" if "FAIL" in states else "UNPROVEN" if "UNKNOWN" in states else "GOLD")
    assert word.stage == {"GOLD": "VALIDATION", "UNPROVEN": "DISCOVERY", "PYRITE": "PAPER"}[word.word]


def test_two_of_three_regimes_are_enough_and_one_is_not() -> None:
    label = np.arange(N) % 3
    for losing, want in (((0,), "PASS"), ((0, 1), "UNKNOWN")):
        r = np.abs(GOOD.returns)
        r[np.isin(label, losing)] *= -1
        assert state("regimes", returns=r, regimes=label) == want


def test_the_worked_example(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Moments(8760, 0.0003, 0.01, 0.03, -0.5, 6.0)
    monkeypatch.setattr(verdict, "moments", lambda _: example)
    evidence = replace(GOOD, returns=np.zeros(8760), regimes=None, effective_trials=20.0, n_trials=20, n_trades=400)
    word = judge(evidence)
    edge = word.reason("edge")
    assert edge.state == "UNKNOWN"
    assert edge.value == pytest.approx(0.815874, abs=5e-7)
    assert "20 trials would show 0.0203 by luck" in edge.text
    assert word.bars_needed == 5314


def test_bars_needed_waits_for_the_slowest() -> None:
    few_trades = replace(GOOD, n_trades=10)
    assert judge(few_trades).bars_needed == 2000, "20 more trades at one in 100 bars"
    assert judge(replace(GOOD, n_trades=0)).bars_needed is None
    assert judge(replace(GOOD, returns=returns(-0.001))).bars_needed is None
    short = replace(GOOD, returns=returns(0.004, 100), regimes=None)
    assert judge(short).bars_needed == 150
    assert judge(short, Thresholds(min_bars=100)).bars_needed == 0


def test_a_limit_that_is_looser_than_the_default_is_named() -> None:
    loose = judge(GOOD, Thresholds(confidence=0.9, min_trades=5, cost_factor=1.0, max_loss_share=0.3))
    for check, said in (
        ("edge", "confidence 0.9, looser than 0.95"),
        ("sample", "min_trades 5"),
        ("cost", "1, looser"),
    ):
        assert said in loose.reason(check).text
    strict = judge(GOOD, Thresholds(confidence=0.99, min_trades=50, max_loss_share=0.1))
    assert not any("looser" in reason.text for reason in (*strict.reasons, *judge(GOOD).reasons))


def test_a_failed_audit_names_what_it_found_first() -> None:
    assert PEEKED.text in judge(replace(GOOD, audit=AuditReport(True, (PEEKED, PEEKED), {}))).reason("audit").text
    cut = AuditReport(False, (), {"fit": 1}, ("two refits were cut off by the budget of 10 s",))
    assert "two refits were cut off" in judge(replace(GOOD, audit=cut)).reason("audit").text


def test_asking_for_more_keeps_nothing_from_pyrite() -> None:
    loses = replace(GOOD, returns=-GOOD.returns)
    for more in (Thresholds(min_trades=10**6), Thresholds(min_bars=10**6)):
        word = judge(loses, more)
        assert (word.word, word.reason("sample").state, word.reason("edge").state) == ("PYRITE", "UNKNOWN", "FAIL")


def test_a_record_below_luck_never_passes() -> None:
    assert judge(replace(GOOD, returns=-GOOD.returns), Thresholds(confidence=1e-300)).reason("edge").state == "FAIL"
