"""The sentence on what a record is and what to do with it, by the states of its checks."""

from dataclasses import replace

import numpy as np
import pytest

from assay.runs.gate_decision import advice
from assay.validate.active import NATURE_SENTENCES
from assay.validate.diagnostics import BreakEven, CostSides
from assay.validate.gate import evaluate_gate
from tests.validate.test_verdict import GOOD, N, returns

METRICS = {"sharpe": 0.1, "n_obs": float(N)}


@pytest.mark.parametrize(
    ("change", "begins", "ends"),
    [
        ({}, "edge", "Trade it small: every check passed."),
        ({"audit": None}, "edge", "trials that were made; still open: audit."),
        ({"active_returns": returns(-0.001)}, "holding", "Leave it: beyond holding its mean position"),
        ({"active_returns": returns(0.0005)}, "holding", "1,170 more bars (49 days) would decide."),
        ({"active_returns": returns(0.0001)}, "holding", "Waiting will not decide it"),
        ({"active_returns": None}, "unknown", "Do not trade it yet: its exposures were not kept"),
        ({"n_trades": 0}, "unknown", "It made no trade: loosen its rule"),
        (
            {"active_returns": returns(-0.001), "n_trades": 1},
            "unknown",
            "Do not trade it: so far it earns no more than holding its average position. A longer record, or a rule "
            "that trades more often, would tell: 1,000 bars (needs 250) and 1 trade (needs 30).",
        ),
        (
            {"stressed_returns": returns(-0.001), "break_even": BreakEven(1.4, 0.0021)},
            "costs",
            "Trade it cheaper: with 2 times the costs",
        ),
        (
            {"shown_returns": returns(-0.001), "cost_sides": (CostSides(0.0005, 0.004, 0.004, 0.004),)},
            "costs",
            "Leave it: at 40.0 basis points a side (5.0 assumed, 40.0 at least by its candles)",
        ),
    ],
)
def test_what_it_is_and_what_to_do(change: dict[str, object], begins: str, ends: str) -> None:
    said = advice(evaluate_gate(replace(GOOD, **change)), METRICS, bars_per_year=8760)  # type: ignore[arg-type]
    assert said.startswith(NATURE_SENTENCES[begins]) and ends in said  # type: ignore[index]


def test_waiting_is_named_from_ten_times_the_judged_bars_on() -> None:
    for deviations, waits in ((0.75, True), (0.70, False)):  # needs (2.326 / 0.75)^2 - 1 = 8.6 times more, and 10.0
        mean = 0.01 * deviations / np.sqrt(N)
        word = evaluate_gate(replace(GOOD, returns=returns(mean), active_returns=returns(mean)))
        said = advice(word, METRICS, bars_per_year=8760)
        assert ("would decide" in said) == waits and ("Waiting will not decide it" in said) != waits


def test_an_edge_of_which_a_check_failed_is_not_called_one() -> None:
    word = evaluate_gate(replace(GOOD, seed_sharpes=np.array([-0.1, -0.1, -0.2, 0.1, -0.1])))
    said = advice(word, METRICS, bars_per_year=8760)
    assert word.verdict == "PYRITE" and "This is an edge" not in said
    assert said.startswith("This earns more than holding and luck explain, but a check failed. Leave it: 1 of 5 seeds")
