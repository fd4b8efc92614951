"""What the gate refuses to judge; and records that are empty, flat, holed or mismatched are never perfect."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.validate.gate import Thresholds, evaluate_gate
from tests.validate.test_verdict import GOOD, N, found, returns

HOLED = np.where(np.arange(N) == 7, np.nan, GOOD.returns)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"returns": np.column_stack([GOOD.returns] * 2)}, "returns have shape"),
        ({"stressed_returns": np.column_stack([GOOD.returns] * 2)}, "stressed_returns have shape"),
        ({"active_returns": GOOD.returns[:-1]}, "active_returns have shape"),
        ({"n_independent_trades": 101}, "n_independent_trades is 101"),
        ({"regimes": np.zeros(N - 1, np.int64)}, "regimes have shape"),
        ({"regimes": np.full(N, 0.5)}, "regimes"),
        ({"seed_sharpes": np.ones((5, 2))}, "seed_sharpes have shape"),
        ({"n_trials": 0}, "n_trials is 0"),
        ({"n_trials": 2.5}, "n_trials is 2.5"),
        ({"effective_trials": 0.5}, "effective_trials is 0.5"),
        ({"effective_trials": np.inf}, "effective_trials is inf"),
        ({"effective_trials": np.nan}, "effective_trials is nan"),
        ({"n_searched": 0}, "n_searched is 0"),
        ({"n_trades": -1}, "n_trades is -1"),
        ({"bars_per_year": 0.0}, "bars_per_year is 0.0"),
        ({"bars_per_year": np.nan}, "bars_per_year is nan"),
        ({"trials_variance": -1.0}, "trials_variance is -1"),
    ],
)
def test_evidence_that_contradicts_itself_is_refused(change, said) -> None:
    with pytest.raises(ConfigError, match=said) as told:
        evaluate_gate(replace(GOOD, **change))
    assert told.value.code == "CONFIG_PARAMETER"


@pytest.mark.parametrize(
    "change",
    [
        {"error": 0.0},
        {"error": 1.0},
        {"error": np.nan},
        {"min_cost": -1.0},
        {"max_doubtful_fills": 1.5},
        {"pyrite_doubtful_fills": np.nan},
        {"max_loss_share": 1.5},
        {"pyrite_share": -0.1},
        {"min_regime_share": np.nan},
        {"min_seed_share": 2.0},
        {"min_trades": -1},
        {"min_bars": -1},
        {"min_seeds": -1},
        {"cost_factor": np.nan},
        {"cost_factor": -1.0},
        {"min_regime_bars": 0},
    ],
)
def test_limits_that_limit_nothing_are_refused(change) -> None:
    with pytest.raises(ConfigError, match=next(iter(change))):
        Thresholds(**change)


@pytest.mark.parametrize(
    "change",
    [
        {"returns": np.empty(0), "active_returns": np.empty(0), "stressed_returns": np.empty(0), "regimes": None},
        {"returns": np.ones(1), "active_returns": np.ones(1), "stressed_returns": np.ones(1), "regimes": None},
        {"active_returns": np.full(N, 0.001)},
        {"active_returns": HOLED},
        {"active_returns": None},
        {"returns": HOLED},
        {"fills": None},
        {"data_problems": None},
        {"stressed_returns": HOLED},
        {"stressed_returns": GOOD.stressed_returns[:-1]},
        {"stressed_returns": np.empty(0)},
        {"stressed_returns": np.full(N, 0.001)},
        {"overfitting": found(np.nan, np.nan), "n_searched": 20},
        {"n_searched": 20},
        {"regimes": np.full(N, -1)},
        {"seed_sharpes": np.full(5, np.nan)},
        {"seed_sharpes": np.empty(0)},
        {"seed_sharpes": np.full(1, 0.5)},
        {"n_trades": 0},
        {"ledger_complete": False},
        {"audit": None},
    ],
)
def test_what_cannot_be_known_is_never_gold(change) -> None:
    assert evaluate_gate(replace(GOOD, **change)).verdict != "GOLD"


def test_a_hole_is_called_a_hole() -> None:
    told = evaluate_gate(replace(GOOD, active_returns=HOLED)).reason("edge")
    assert "row 7" in told.text and "nan" in told.text
    assert "row 7" in evaluate_gate(replace(GOOD, returns=HOLED)).reason("profit").text
    assert "vary" in evaluate_gate(replace(GOOD, active_returns=np.full(N, 0.001))).reason("edge").text
    assert "row 7" in evaluate_gate(replace(GOOD, stressed_returns=HOLED)).reason("cost").text


def test_lists_are_evidence_too() -> None:
    listed = replace(GOOD, returns=GOOD.returns.tolist(), stressed_returns=returns(0.001).tolist())
    assert evaluate_gate(listed) == evaluate_gate(GOOD)
