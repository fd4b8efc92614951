"""Was the search overfitted? Worked values, a second opinion by brute force, and what cannot be judged."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.simulate.performance import sharpe_ratio
from assay.validate import statistics as s

PERCENT = [[3, 1, 2], [1, 2, -1], [-2, 1, 3], [2, 0, 1], [1, -1, 2], [-1, 3, 0], [0, 2, -2], [2, 1, 1]]
R = np.random.default_rng(7).standard_normal((250, 5)) * 0.01
R[:, 2] += 0.002
SAME = {"block_size": 5, "reps": 500, "seed": 1}


def by_hand(returns, n_blocks):
    """CSCV as the paper tells it, split by split, on the rows themselves."""
    blocks = np.array_split(np.arange(len(returns)), n_blocks)
    logits, inside, outside, dropped = [], [], [], 0
    for chosen in itertools.combinations(range(n_blocks), n_blocks // 2):
        rows = np.concatenate([blocks[b] for b in chosen])
        rest = np.concatenate([blocks[b] for b in range(n_blocks) if b not in chosen])
        before, after = sharpe_ratio(returns[rows]), np.nan_to_num(sharpe_ratio(returns[rest]), nan=0.0)
        if np.isnan(before).all():
            dropped += 1
            continue
        best = int(np.nanargmax(before))
        rank = (after < after[best]).sum() + ((after == after[best]).sum() + 1) / 2
        omega = rank / (returns.shape[1] + 1)
        logits.append(np.log(omega / (1 - omega)))
        inside.append(before[best])
        outside.append(after[best])
    return np.array(logits), np.array(inside), np.array(outside), dropped


def test_worked_overfitting() -> None:
    found = s.probability_of_backtest_overfitting(np.array(PERCENT) / 100, 4)
    assert found.logits == pytest.approx([1.098612289, 1.098612289, 0, -1.098612289, 1.098612289, 1.098612289])
    assert found.pbo == pytest.approx(1 / 3) and found.loss_share == 0 and found.n_dropped == 0
    assert found.slope == pytest.approx(-0.356083787, rel=1e-8)
    assert found.intercept == pytest.approx(1.180806091, rel=1e-8)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10_000), st.integers(2, 6), st.sampled_from([2, 4, 6]), st.integers(40, 60))
def test_sums_by_block_say_what_the_rows_say(seed, columns, n_blocks, n) -> None:
    g = np.random.default_rng(seed)
    returns = g.normal(0.3, 0.01, (n, columns)) * (g.random((n, columns)) < 0.8)  # far from 0, and often idle
    returns[: n // 2, 0] = 0.0
    found = s.probability_of_backtest_overfitting(returns, n_blocks)
    logits, inside, outside, dropped = by_hand(returns, n_blocks)
    np.testing.assert_allclose(found.logits, logits, atol=1e-12)
    np.testing.assert_allclose(found.in_sample, inside, rtol=1e-9)
    np.testing.assert_allclose(found.out_of_sample, outside, rtol=1e-9, atol=1e-12)
    assert found.n_dropped == dropped


def test_idle_configurations_are_cash_and_never_the_best() -> None:
    g = np.random.default_rng(0)
    losing = g.normal(-0.01, 0.01, (200, 1))
    found = s.probability_of_backtest_overfitting(np.column_stack([losing, np.zeros((200, 3))]), 8)
    assert found.n_dropped == 0 and found.loss_share == 1.0 and found.pbo == 1.0
    nobody = s.probability_of_backtest_overfitting(np.zeros((200, 3)), 8)
    assert nobody.n_dropped == 70 and np.isnan([nobody.pbo, nobody.loss_share, nobody.slope]).all()
    assert len(nobody.logits) == 0


def test_a_real_best_stays_the_best_and_noise_does_not() -> None:
    g = np.random.default_rng(1)
    noise = g.normal(0, 0.01, (1_000, 20))
    skilled = noise.copy()
    skilled[:, 7] += 0.004
    assert s.probability_of_backtest_overfitting(skilled, 10).pbo == 0.0
    draws = [s.probability_of_backtest_overfitting(g.normal(0, 0.01, (300, 20)), 8).pbo for _ in range(60)]
    assert 0.4 < np.mean(draws) < 0.6


def test_many_columns_are_judged_piece_by_piece(monkeypatch) -> None:
    from assay.validate.statistics import overfitting

    whole = s.probability_of_backtest_overfitting(R, 8)
    monkeypatch.setattr(overfitting, "_TOGETHER", 5 * 7)
    pieces = s.probability_of_backtest_overfitting(R, 8)
    np.testing.assert_array_equal(whole.logits, pieces.logits)
    # The sums of a product depend in their last bit on its shape, and on the processor.
    np.testing.assert_allclose(whole.in_sample, pieces.in_sample, rtol=1e-12)


@pytest.mark.parametrize(
    ("returns", "n_blocks", "said"),
    [
        (R, 3, "must be even"),
        (R, 0, "must be even"),
        (R, 26, "2..24"),
        (R[:10], 16, "there are 10 rows"),
        (R[:, :1], 4, "N >= 2"),
        (R[:, 0], 4, "N >= 2"),
        (np.where(np.arange(1250).reshape(250, 5) == 12, np.nan, R), 4, "nan in row 2 of configuration 2"),
    ],
)
def test_what_cannot_be_split_is_refused(returns, n_blocks, said) -> None:
    with pytest.raises(ConfigError, match=said):
        s.probability_of_backtest_overfitting(returns, n_blocks)


def test_worked_comparisons() -> None:
    found = s.superior_predictive_ability(R, **SAME)
    assert (found.lower, found.consistent, found.upper) == pytest.approx((0.126, 0.158, 0.228))
    assert s.reality_check(R, **SAME) == pytest.approx(0.228)
    assert s.step_m(R, **SAME) == ()
    low, high = s.bootstrap_interval(R[:, 2], lambda x: x.mean() / x.std(ddof=1), block_size=5, seed=1)
    assert (low, high) == pytest.approx((-0.04495664, 0.22991768), abs=5e-9)


def test_who_is_plainly_better_is_found_by_its_place() -> None:
    better = R.copy()
    better[:, 3] += 0.01
    assert s.step_m(np.column_stack([np.zeros(250), better]), **SAME) == (4,)
    assert s.superior_predictive_ability(better, **SAME).consistent < 0.01
    assert s.superior_predictive_ability(R, R[:, 2], **SAME).consistent > 0.3


def test_idle_configurations_change_no_p_value() -> None:
    idle = np.column_stack([R[:, :2], np.zeros(250), R[:, 2:]])
    assert s.superior_predictive_ability(idle, **SAME) == s.superior_predictive_ability(R, **SAME)
    assert np.isnan(s.superior_predictive_ability(np.zeros((50, 3)), **SAME).consistent)


def test_what_cannot_be_compared() -> None:
    holed = np.where(np.arange(1250).reshape(250, 5) == 12, np.nan, R)
    assert np.isnan(s.reality_check(holed, **SAME))
    with pytest.raises(ConfigError, match="hold a NaN"):
        s.step_m(holed, **SAME)
    with pytest.raises(ConfigError, match="benchmark"):
        s.superior_predictive_ability(R, R[:-1, 0], **SAME)
    with pytest.raises(ConfigError, match="block_size is 300"):
        s.reality_check(R, block_size=300, reps=10, seed=1)
    assert np.isnan(s.bootstrap_interval(np.zeros(50), np.mean, seed=1)).all()
    with pytest.raises(ConfigError, match="n >= 3"):
        s.bootstrap_interval(R[:2, 0], np.mean, seed=1)


def test_the_block_that_politis_and_white_would_take_is_at_most_a_third() -> None:
    rising = np.cumsum(np.random.default_rng(0).normal(size=30))
    low, high = s.bootstrap_interval(rising, np.mean, reps=50, seed=1)
    assert low < rising.mean() < high
