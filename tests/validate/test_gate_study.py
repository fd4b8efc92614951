"""The statistics of the gate alone: their error, their power, and that the study would see a wrong one."""

import numpy as np
import pytest
from scipy.stats import binomtest, kurtosis, skew

from assay.kernel.errors import ConfigError
from assay.validate import gate_study as study
from assay.validate.gate_study import (
    STUDY_CASES,
    Case,
    GateStudyResult,
    count_errors,
    draw_moments,
    drift_study,
    edge_rule,
    run_gate_study,
)

FEW = [Case("normal", 1, 2_000), Case("normal", 20, 1_000), Case("heavy_tails", 20, 500)]


def contradicted(found: GateStudyResult, error: float) -> bool:
    """Whether so many errors would be seen in 1 % of the studies at most, if the error were what it says."""
    return bool(binomtest(found.wrong, found.case.markets, error, alternative="greater").pvalue < 0.01)


@pytest.mark.parametrize("error", [0.01, 0.05])
def test_the_error_is_the_one_that_is_asked_for_at_any_number_of_looks(error: float) -> None:
    for found in run_gate_study(FEW, error=error):
        assert not contradicted(found, error if found.case.kind == "normal" else 2 * error), found
        assert found.power > 0.95 * found.bound - 2 * np.sqrt(0.25 / found.case.markets), found


def test_a_rule_that_forgets_the_other_looks_is_seen() -> None:
    draws = draw_moments(Case("normal", 20, 500), seed=2)
    forgetful = edge_rule(0.01)
    found = count_errors(draws, lambda s, k3, k4, n, count: forgetful(s, k3, k4, n, 1), 0.01)
    assert contradicted(found, 0.01) and found.error == pytest.approx(1 - 0.99**20, abs=0.05)


def test_the_bound_is_that_of_a_known_deviation() -> None:
    (one,) = run_gate_study([Case("normal", 1, 10)])
    assert one.bound == pytest.approx(0.9529, abs=5e-5)  # Phi(2 * 2 - 2.3263)
    assert one.error == one.wrong / 10 and one.power == one.right / 10


def test_the_same_seed_draws_the_same_and_another_does_not() -> None:
    case = Case("trades", 3, 4)
    first, again, other = (draw_moments(case, seed=seed).skillless[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (4, 3) and not np.isin(first, other).any()


def test_moments_from_sums_of_powers() -> None:
    x = np.random.default_rng(1).standard_t(5, 500) + 0.1
    sharpe, third, fourth = study._moments(np.array([(x**k).sum() for k in (1, 2, 3, 4)]), 500)
    assert sharpe == pytest.approx(x.mean() / x.std(ddof=1))
    assert (third, fourth) == pytest.approx((skew(x), kurtosis(x, fisher=False)))


def test_every_record_of_trades_has_as_many_as_are_asked_for() -> None:
    sums = np.empty((50, 3, 4))
    study._trades(np.random.default_rng(1), 20, 0.0, 2, 30.0, sums)  # an eighth of the looks would have none
    assert (sums[..., 1] > 0).mean() > 0.97  # the few others never change sides, so that nothing is beyond holding


def test_positions_are_entered_and_left() -> None:
    g = np.random.default_rng(1)
    moves, side = g.standard_normal(1_008), np.empty(1_008)
    count = study._positions(g, moves, side, 8.0)
    entries = int(((side != 0) & (np.r_[0.0, side[:-1]] == 0)).sum())
    assert 1 <= entries <= count and set(np.unique(side)) <= {-1.0, 0.0, 1.0}


def test_a_rising_market_fools_plain_returns_and_not_active_ones() -> None:
    for found in drift_study(markets=200):
        assert found.plain > 20 and not binomtest(found.active, 200, 0.01, alternative="greater").pvalue < 0.01, found


def test_every_kind_is_studied_at_every_number_of_looks() -> None:
    assert {(c.kind, c.n_trials) for c in STUDY_CASES} == {(k, n) for k in study.KINDS for n in (1, 20, 100, 1_000)}
    with pytest.raises(ConfigError, match="kind is 'cauchy'"):
        draw_moments(Case("cauchy", 1, 1), seed=1)  # type: ignore[arg-type]
