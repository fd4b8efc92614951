"""Wrappers over arch.bootstrap beside direct calls: the same bits, with the sign turned as losses demand."""

import numpy as np
import pandas as pd
import pytest
from arch.bootstrap import SPA, StationaryBootstrap, StepM, optimal_block_length

from assay.validate.statistics import bootstrap_interval, reality_check, step_m, superior_predictive_ability


def returns(seed=7, columns=5):
    r = np.random.default_rng(seed).standard_normal((250, columns)) * 0.01
    r[:, 2] += 0.002
    return r


def spa(r, base, **options):
    test = SPA(-base, -r, **options)
    test.compute()
    return test.pvalues


@pytest.mark.parametrize("block_size", [None, 5])
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
@pytest.mark.parametrize("beside", [False, True])
def test_p_values_are_those_of_a_direct_call(block_size, seed, beside):
    r = returns()
    base = np.random.default_rng(9).standard_normal(250) * 0.005 if beside else np.zeros(250)
    options = {"block_size": block_size, "reps": 200, "seed": seed}
    peer = spa(r, base, **options)
    ours = superior_predictive_ability(r, base if beside else None, **options)
    assert [ours.lower, ours.consistent, ours.upper] == list(peer)
    assert reality_check(r, base if beside else None, **options) == spa(r, base, studentize=False, **options)["upper"]


def test_without_turning_the_sign_the_worst_would_win():
    r = returns() - 0.004
    p = superior_predictive_ability(r, block_size=5, reps=200, seed=1)
    wrong = SPA(np.zeros(250), r, block_size=5, reps=200, seed=1)
    wrong.compute()
    assert p.consistent > 0.5 > 0.1 > wrong.pvalues["consistent"]


@pytest.mark.parametrize("size", [0.05, 0.5])
@pytest.mark.parametrize("seed", [1, 2])
def test_step_m_names_the_columns_of_a_direct_call(size, seed):
    r = returns()
    r[:, 4] += 0.003
    peer = StepM(np.zeros(250), pd.DataFrame(-r), size=size, block_size=5, reps=300, seed=seed)
    peer.compute()
    assert step_m(r, block_size=5, reps=300, seed=seed, size=size) == tuple(sorted(map(int, peer.superior_models)))
    assert 4 in step_m(r, block_size=5, reps=300, seed=seed, size=size)


def test_all_columns_may_be_superior():
    r = np.random.default_rng(3).standard_normal((250, 3)) * 0.01 + 0.01
    assert step_m(r, block_size=5, reps=200, seed=1) == (0, 1, 2)


@pytest.mark.parametrize("method", ["percentile", "basic", "norm", "bc", "bca"])
@pytest.mark.parametrize("block_size", [None, 4])
def test_intervals_are_those_of_a_direct_call(method, block_size):
    r = returns()[:, 2]
    length = max(1, round(float(optimal_block_length(r)["stationary"].iloc[0]))) if block_size is None else block_size
    peer = StationaryBootstrap(length, r, seed=3).conf_int(np.mean, reps=200, method=method, size=0.9)
    ours = bootstrap_interval(r, np.mean, level=0.9, reps=200, block_size=block_size, method=method, seed=3)
    assert ours == tuple(peer.ravel())
