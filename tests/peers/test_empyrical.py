"""Metrics of empyrical-reloaded 0.7.1 beside ours. Conventions that differ: docs/why/agreement-with-peers.md."""

import empyrical
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from assay.validate.statistics import (
    annual_return,
    annual_volatility,
    calmar_ratio,
    max_drawdown,
    omega_ratio,
    sharpe_ratio,
    sortino_ratio,
)

HOURS = 8760.0
RETURNS = arrays(np.float64, st.integers(2, 300), elements=st.floats(-0.5, 0.5).map(lambda x: round(x, 6)))


def equal(ours, peer):
    np.testing.assert_allclose(ours, peer, rtol=1e-9, atol=1e-12)


def moving(r):
    return np.ptp(r) > 0


@given(RETURNS.filter(moving))
def test_ratios_of_a_record_are_theirs(r):
    equal(sharpe_ratio(r, periods_per_year=HOURS), empyrical.sharpe_ratio(r, annualization=HOURS))
    equal(annual_volatility(r, periods_per_year=HOURS), empyrical.annual_volatility(r, annualization=HOURS))
    equal(max_drawdown(r), empyrical.max_drawdown(r))
    equal(omega_ratio(r), empyrical.omega_ratio(r))


@given(RETURNS.filter(lambda r: moving(r) and r.min() < 0))
def test_sortino_is_theirs_of_a_minimum_a_bar(r):
    equal(sortino_ratio(r, periods_per_year=252), empyrical.sortino_ratio(r, annualization=252))
    peer = empyrical.sortino_ratio(r, required_return=0.001, annualization=252)
    equal(sortino_ratio(r, minimum=0.001, periods_per_year=252), peer)


@given(
    arrays(np.float64, st.integers(30, 300), elements=st.floats(-0.05, 0.05).map(lambda x: round(x, 6))).filter(moving)
)
def test_growth_is_theirs(r):
    equal(annual_return(r, periods_per_year=252), empyrical.annual_return(r, annualization=252))
    if r.min() < 0 and max_drawdown(r) < 0:
        equal(calmar_ratio(r, periods_per_year=252), empyrical.calmar_ratio(r, annualization=252))


def test_columns_are_theirs():
    r = np.random.default_rng(1).normal(0.0005, 0.01, (400, 7))
    equal(sharpe_ratio(r, periods_per_year=252), empyrical.sharpe_ratio(r, annualization=252))
    equal(sortino_ratio(r, periods_per_year=252), empyrical.sortino_ratio(r, annualization=252))
    equal(max_drawdown(r), empyrical.max_drawdown(r))
    equal(annual_volatility(r, periods_per_year=252), empyrical.annual_volatility(r, annualization=252))


def test_omegas_threshold_is_a_bar_here_and_a_year_there():
    r = np.random.default_rng(2).normal(0.0005, 0.01, 500)
    peer = empyrical.omega_ratio(r, required_return=1.0001**252 - 1, annualization=252)
    assert omega_ratio(r, threshold=0.0001) == pytest.approx(peer, rel=1e-6)  # their root costs digits
    equal(omega_ratio(r, threshold=0.0001), empyrical.omega_ratio(r, required_return=0.0001, annualization=1))


def test_a_hole_in_the_record_is_skipped_there_and_undefined_here():
    r = np.array([0.01, np.nan, -0.02, 0.03])
    assert np.isfinite(empyrical.sharpe_ratio(r))
    assert np.isfinite(empyrical.max_drawdown(r))
    for ours in (sharpe_ratio(r), max_drawdown(r), omega_ratio(r), annual_return(r, periods_per_year=252)):
        assert np.isnan(ours)


def test_a_record_that_never_loses_has_an_infinite_sortino_there_and_none_here():
    r = np.array([0.01, 0.02, 0.01])
    assert empyrical.sortino_ratio(r) == np.inf
    assert np.isnan(sortino_ratio(r))


def test_a_total_loss_stays_total_here_and_is_traded_on_there():
    r = np.array([0.1, -1.5, -3.0])  # -1.5 times -3 of the money: a gain on a debt, squared away
    assert max_drawdown(r) == -1.0
    assert annual_return(r, periods_per_year=252) == -1.0
    assert empyrical.max_drawdown(r) < -1.0
    assert empyrical.cum_returns_final(r) == pytest.approx(1.1 * -0.5 * -2 - 1)
