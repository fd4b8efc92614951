"""The sentence on what a record is and what to do with it, by the states of its checks."""

from dataclasses import replace

import numpy as np
import pytest

from assay.runs.advice import advice
from assay.validate.cost_stress import BreakEven, CostSides
from assay.validate.nature import SENTENCES
from assay.validate.verdict import judge
from tests.validate.test_verdict import GOOD, N, returns

METRICS = {"sharpe": 0.1, "n_obs": float(N)}


@pytest.mark.parametrize(
    ("change", "begins", "ends"),
    [
        ({}, "edge", "Trade it small: every check passed."),
        ({"audit": None}, "edge", "looks that were made; still open: audit."),
        ({"active_returns": returns(-0.001)}, "holding", "Leave it: beyond holding its mean position"),
        ({"active_returns": returns(0.0005)}, "holding", "years) would decide."),
        ({"active_returns": returns(0.0001)}, "holding", "Waiting will not decide it"),
        ({"active_returns": None}, "unknown", "Leave it: more bars at this rate would not change that."),
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
    said = advice(judge(replace(GOOD, **change)), METRICS, bars_per_year=8760)  # type: ignore[arg-type]
    assert said.startswith(SENTENCES[begins]) and ends in said  # type: ignore[index]


def test_waiting_is_named_from_ten_times_the_judged_bars_on() -> None:
    for deviations, waits in ((0.75, True), (0.70, False)):  # needs (2.326 / 0.75)^2 - 1 = 8.6 times more, and 10.0
        mean = 0.01 * deviations / np.sqrt(N)
        word = judge(replace(GOOD, returns=returns(mean), active_returns=returns(mean)))
        said = advice(word, METRICS, bars_per_year=8760)
        assert ("would decide" in said) == waits and ("Waiting will not decide it" in said) != waits
