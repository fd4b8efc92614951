"""Each check's three states, the word, and the bars that would decide."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.seeds import generator
from assay.simulate.performance import Moments
from assay.validate import verdict
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
    audit_passed=True,
    regimes=np.arange(N) % 3,
)


def state(check: str, **change: object) -> str:
    return judge(replace(GOOD, **change)).reason(check).state  # type: ignore[arg-type]


def test_all_pass_is_gold() -> None:
    word = judge(GOOD)
    assert (word.word, word.stage, word.bars_needed) == ("GOLD", "VALIDATION", 0)
    assert [r.check for r in word.reasons] == ["audit", "ledger", "sample", "edge", "cost", "regimes"]
    assert {r.state for r in word.reasons} == {"PASS"}


@pytest.mark.parametrize(
    ("check", "change", "want"),
    [
        ("audit", {"audit_passed": False}, "FAIL"),
        ("audit", {"audit_passed": None}, "UNKNOWN"),
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
