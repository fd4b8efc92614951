"""Worked values of the specification, and forecasts against scikit-learn."""

import numpy as np
import pytest

from assay.kernel.errors import ConfigError
from assay.validate import statistics as s

R = [0.02, -0.01, 0.03, -0.04, 0.01, 0.02, -0.02, 0.05]


def near(value: float) -> object:
    return pytest.approx(value, rel=2e-9, abs=5e-10)


def test_worked_values() -> None:
    assert s.expected_max_sharpe(10, 1) == near(1.574598301)
    assert s.expected_max_sharpe(1000, 1) == near(3.255121514)
    assert s.expected_max_sharpe(1.2, 1) == 0 == s.expected_max_sharpe(1, 1)
    assert s.expected_max_sharpe(10, 0.0004) == near(0.031491966)
    assert s.probabilistic_sharpe_ratio(0.458, 24, 0, 3) == near(0.981674919)
    assert s.probabilistic_sharpe_ratio(0.05, 1000, -0.5, 6, 0.01) == near(0.893776679)
    assert s.deflated_sharpe_ratio(0.08, 2000, -0.5, 6, 20, 0.0004) == near(0.966650833)
    assert s.deflated_sharpe_ratio(0.08, 2000, -0.5, 6, 1, 0.0004) == near(0.999762028)


def test_moments_of_the_example() -> None:
    m = s.moments(R)
    assert m.n == 8
    assert m.sharpe == near(0.257247878)
    assert m.skew == near(-0.254210508)
    assert m.kurtosis == near(2.106983970)


def test_the_gates_example() -> None:
    luck = s.expected_max_sharpe(20, 1 / 8759)
    assert luck == pytest.approx(0.020309, abs=5e-7)
    assert s.probabilistic_sharpe_ratio(0.03, 8760, -0.5, 6, luck) == pytest.approx(0.815874, abs=5e-7)
    assert np.ceil(s.bars_for_confidence(0.03, -0.5, 6, 20, 0.95)) - 8760 == 5314


def test_enough_bars_are_enough_and_one_fewer_is_not() -> None:
    n = int(np.ceil(s.bars_for_confidence(0.03, -0.5, 6, 20, 0.95)))
    confidence = [s.deflated_sharpe_ratio(0.03, m, -0.5, 6, 20, 1 / (m - 1)) for m in (n - 1, n)]
    assert confidence[0] < 0.95 <= confidence[1]


def test_undefined_is_nan_and_misuse_is_refused() -> None:
    assert np.isnan(s.probabilistic_sharpe_ratio(0.1, 1, 0, 3))
    assert np.isnan(s.probabilistic_sharpe_ratio(1.0, 100, 3.0, 1.0))
    assert np.isnan(s.bars_for_confidence(0.0, 0, 3, 20, 0.95))
    assert np.isnan(s.bars_for_confidence(float("nan"), 0, 3, 20, 0.95))
    with pytest.raises(ConfigError, match=r"n_trials is 0\.5"):
        s.expected_max_sharpe(0.5, 1)


def test_scalars_broadcast() -> None:
    found = s.probabilistic_sharpe_ratio(np.array([0.458, 0.05]), np.array([24, 1]), 0, 3)
    assert found[0] == near(0.981674919)
    assert np.isnan(found[1])
    assert s.expected_max_sharpe([1, 10], 1.0).tolist() == [0.0, near(1.574598301)]
