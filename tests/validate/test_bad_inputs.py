"""What bad input gets from the proof: a typed error that names it or an undefined number, never a perfect score.

The ledger with a broken chain and the gate asked about a run without audit are in `tests.doors.test_gate`.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.kernel.seeding import generator
from assay.validate import statistics as s
from assay.validate.gate import evaluate_gate
from assay.validate.splits import CombinatorialPurged, PurgedKFold, WalkForward
from tests.validate.test_verdict import GOOD

R = generator(5, "bad inputs").normal(0, 0.01, (64, 4))
FLAT = np.full((64, 4), 0.001)
HOLED = np.where(np.arange(64 * 4).reshape(64, 4) == 7 * 4 + 2, np.nan, R)
LATE = np.arange(40) + 5


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: s.probability_of_backtest_overfitting(R[:10]), "n_blocks is 16, there are 10 rows"),
        (lambda: s.probability_of_backtest_overfitting(R[:, :1]), "one configuration cannot be overfitted"),
        (lambda: s.probability_of_backtest_overfitting(HOLED), "nan in row 7 of configuration 2"),
        (lambda: s.probability_of_backtest_overfitting(R, 7), "n_blocks is 7, must be even"),
        (lambda: s.probability_of_backtest_overfitting(R, 0), "n_blocks is 0, must be even"),
        (lambda: s.expected_max_sharpe(0, 1.0), "n_trials is 0"),
        (lambda: s.deflated_sharpe_ratio(0.1, 100, 0, 3, 0.5, 0.01), "n_trials is 0.5"),
        (lambda: s.superior_predictive_ability(R[:1], seed=1), "n >= 2"),
        (lambda: s.step_m(HOLED, seed=1), "hold a NaN"),
        (lambda: s.bootstrap_interval(R[:2, 0], np.mean, seed=1), "n >= 3"),
        (lambda: [*PurgedKFold(3).folds(LATE, np.arange(40)[::-1])], "must not decrease"),
        (lambda: [*WalkForward(5, 5).folds(LATE, np.r_[0:20, 21, 20, 22:40])], "must not decrease"),
        (lambda: [*CombinatorialPurged(4, 2).folds(np.arange(40) - 1)], "known"),
    ],
)
def test_misuse_is_an_error_that_names_it(act: Callable[[], object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        act()


@pytest.mark.parametrize(
    "number",
    [
        s.sharpe_ratio(R[:1, 0]),
        s.sharpe_ratio(FLAT[:, 0]),
        s.sharpe_ratio(HOLED[:, 2]),
        s.probabilistic_sharpe_ratio(s.sharpe_ratio(FLAT[:, 0]), 64, 0, 3),
        s.probabilistic_sharpe_ratio(0.1, 1, 0, 3),
        s.min_track_record_length(np.nan, 0, 3),
        s.probability_of_backtest_overfitting(FLAT).pbo,
        s.superior_predictive_ability(FLAT - 0.001, seed=1).consistent,
        s.superior_predictive_ability(HOLED, seed=1).consistent,
        s.reality_check(HOLED, seed=1),
    ],
)
def test_what_cannot_be_known_is_undefined(number: float) -> None:
    assert np.isnan(number)


@pytest.mark.parametrize(
    ("change", "check", "word"),
    [
        (
            {name: GOOD.returns[:40] for name in ("returns", "active_returns", "stressed_returns")} | {"regimes": None},
            "sample",
            "UNPROVEN",
        ),
        ({"active_returns": np.full(1000, 0.001)}, "edge", "PYRITE"),
        ({"active_returns": np.where(np.arange(1000) == 3, np.nan, GOOD.returns)}, "edge", "PYRITE"),
        ({"returns": np.full(1000, 0.001)}, "cost", "PYRITE"),
        ({"shown_returns": np.full(1000, 0.001)}, "cost", "PYRITE"),
        ({"stressed_returns": np.full(1000, 0.001)}, "cost", "UNPROVEN"),
        ({"audit": None}, "audit", "UNPROVEN"),
        ({"ledger_complete": False}, "ledger", "UNPROVEN"),
        ({"n_searched": 20}, "overfitting", "UNPROVEN"),
    ],
)
def test_the_gate_never_takes_it_for_gold(change: dict[str, object], check: str, word: str) -> None:
    assert evaluate_gate(GOOD).verdict == "GOLD"
    found = evaluate_gate(replace(GOOD, **change))  # type: ignore[arg-type]
    assert found.verdict == word and found.reason(check).state != "PASS"
