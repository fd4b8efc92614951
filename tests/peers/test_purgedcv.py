"""Splits and statistics of purgedcv 0.1.11 beside ours. Conventions that differ: docs/why/agreement-with-peers.md.

Theirs holds label intervals half-open, ours closed; on whole milliseconds a closed [a, b] is a half-open [a, b + 1 ms),
so their evaluation times are given as ours plus one.
"""

import numpy as np
import pandas as pd
import purgedcv
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtri
from scipy.stats import kurtosis, skew

from assay.validate.splits import CombinatorialPurged, PurgedKFold, WalkForward
from assay.validate.statistics import (
    deflated_sharpe_ratio,
    expected_max_sharpe,
    min_backtest_length_years,
    min_track_record_length,
    probabilistic_sharpe_ratio,
    probability_of_backtest_overfitting,
)

HOUR = 3_600_000


def at(times):
    return pd.Series(pd.to_datetime(times, unit="ms"))


def theirs(kind, decided, known, **options):
    splitter = kind(prediction_times=at(decided), evaluation_times=at(known + 1), **options)
    return list(splitter.split(np.zeros((len(decided), 1))))


def waiting(bars):
    """Their embargo of so many hourly bars, counted from the shifted evaluation times."""
    return pd.Timedelta(milliseconds=max(bars * HOUR - 1, 0))


def same(ours, peer):
    ours = [(fold.train, fold.test) for fold in ours]
    assert len(ours) == len(peer) > 0
    for (train, test), (their_train, their_test) in zip(ours, peer, strict=True):
        np.testing.assert_array_equal(test, their_test)
        np.testing.assert_array_equal(train, their_train)


@st.composite
def histories(draw):
    """Hourly rows, labels of any length up to nine bars, on the bar or between two."""
    n = draw(st.integers(60, 120))
    decided = np.arange(n) * HOUR
    lengths = draw(st.lists(st.integers(0, 9 * HOUR), min_size=n, max_size=n))
    return decided, decided + np.array(lengths)


@given(histories(), st.integers(2, 5), st.integers(0, 4))
def test_purged_k_folds_are_theirs(history, n_folds, embargo):
    decided, known = history
    ours = PurgedKFold(n_folds, embargo=embargo).folds(known, decided)
    # theirs embargoes from every test label's end, for a time; ours from the run's last, in rows. On even rows: equal
    peer = theirs(purgedcv.PurgedKFold, decided, known, n_splits=n_folds, embargo=waiting(embargo))
    same(ours, peer)


@given(histories(), st.integers(1, 3), st.integers(0, 2))
def test_combinatorial_folds_are_theirs(history, tested, embargo):
    decided, known = history
    ours = CombinatorialPurged(6, tested, embargo=embargo).folds(known, decided)
    options = {"n_splits": 6, "n_test_groups": tested, "embargo": waiting(embargo)}
    same(ours, theirs(purgedcv.CombinatorialPurgedCV, decided, known, **options))


def test_a_label_that_ends_where_a_test_row_decides_is_purged_here_and_kept_there():
    decided = np.arange(30) * HOUR
    known = decided + 2 * HOUR
    half_open = purgedcv.PurgedKFold(n_splits=3, prediction_times=at(decided), evaluation_times=at(known))
    (_, middle, _) = half_open.split(np.zeros((30, 1)))
    ours = list(PurgedKFold(3).folds(known, decided))[1]
    assert set(middle[0]) - set(ours.train) == {8, 21}  # 8 is known as 10 decides, 21 decides as 19 becomes known


@pytest.mark.parametrize("pooled", [1, 3])
def test_purging_across_pooled_symbols_is_theirs(pooled):
    decided = np.repeat(np.arange(40) * HOUR, pooled)
    known = decided + np.random.default_rng(3).integers(0, 5, len(decided)) * HOUR
    same(PurgedKFold(4).folds(known, decided), theirs(purgedcv.PurgedKFold, decided, known, n_splits=4))


@pytest.mark.parametrize(("groups", "tested"), [(4, 2), (6, 2), (6, 3), (10, 8)])
def test_paths_take_groups_from_the_same_folds(groups, tested):
    plan = CombinatorialPurged(groups, tested)
    decided = np.arange(3 * groups) * HOUR
    peer = purgedcv.CombinatorialPurgedCV(
        n_splits=groups, n_test_groups=tested, prediction_times=at(decided), evaluation_times=at(decided + 1)
    )
    told = [np.full(3 * tested, float(fold)) for fold in range(plan.n_folds)]  # each fold forecasts its own number
    paths = peer.reconstruct_paths(told)
    np.testing.assert_array_equal(paths, np.repeat(plan.paths(), 3, axis=1))
    assert paths.shape[0] == plan.n_paths
    assert peer.get_n_splits() == plan.n_folds


@pytest.mark.parametrize("expanding", [False, True])
def test_walking_forward_is_theirs_where_the_tests_end_with_the_data(expanding):
    """Theirs lays its tests back from the end, ours forth from the first whole train window: here they coincide."""
    decided = np.arange(83) * HOUR
    known = decided + 2 * HOUR
    ours = list(WalkForward(21, 12, expanding=expanding).folds(known, decided))
    window = {"window": "expanding"} if expanding else {"window": "sliding", "train_size": 21}
    same(ours, theirs(purgedcv.WalkForwardSplit, decided, known, n_splits=5, test_size=12, **window))


RECORDS = [(seed, n) for seed in range(4) for n in (30, 500)]


def their_moments(r):
    """Deviation with ddof 0, skew and kurtosis corrected for bias: ours are ddof 1 and uncorrected."""
    return r.mean() / r.std(), skew(r, bias=False), kurtosis(r, bias=False, fisher=False)


def record(seed, n):
    return np.random.default_rng(seed).standard_t(5, n) * 0.01 + 0.001


@pytest.mark.parametrize(("seed", "n"), RECORDS)
@pytest.mark.parametrize("benchmark", [0.0, 0.05])
def test_probabilistic_sharpe_ratio_is_theirs_of_their_moments(seed, n, benchmark):
    r = record(seed, n)
    sharpe, third, fourth = their_moments(r)
    ours = probabilistic_sharpe_ratio(sharpe, n, third, fourth, benchmark)
    assert ours == pytest.approx(purgedcv.probabilistic_sharpe_ratio(r, benchmark), rel=1e-9)


@pytest.mark.parametrize(("seed", "n"), RECORDS)
@pytest.mark.parametrize("trials", [1, 2, 20, 10_000])
def test_deflated_sharpe_ratio_is_theirs_of_their_moments(seed, n, trials):
    r = record(seed, n)
    sharpe, third, fourth = their_moments(r)
    peer = purgedcv.deflated_sharpe_ratio_full(r, trials, 0.0004)
    assert expected_max_sharpe(trials, 0.0004) == pytest.approx(peer.sr_star, rel=1e-9)
    assert deflated_sharpe_ratio(sharpe, n, third, fourth, trials, 0.0004) == pytest.approx(peer.dsr, rel=1e-9)


@given(st.floats(0.01, 0.5), st.floats(0.001, 0.4), st.floats(-1, 1), st.floats(3, 12), st.floats(0.51, 0.999))
def test_track_record_length_is_theirs_rounded_up(over, benchmark, third, fourth, probability):
    ours = min_track_record_length(benchmark + over, third, fourth, benchmark, probability=probability)
    peer = purgedcv.min_track_record_length(benchmark + over, benchmark, 1 - probability, third, fourth)
    assert -1e-6 <= peer - ours < 1 + 1e-6


def test_track_record_length_differs_where_no_length_will_do_and_where_any_will():
    assert purgedcv.min_track_record_length(0.1, 0.2, 0.05, 0, 3) == np.inf
    assert np.isnan(min_track_record_length(0.1, 0, 3, 0.2))  # undefined is NaN here, never an infinity
    assert purgedcv.min_track_record_length(0.1, 0.0, 0.8, 0, 3) == 2  # a floor; ours is the formula as it stands
    formula = 1 + (1 + 0.1**2 / 2) * (ndtri(0.2) / 0.1) ** 2
    assert min_track_record_length(0.1, 0, 3, probability=0.2) == pytest.approx(formula, rel=1e-12)


@given(st.integers(1, 10**6), st.floats(0.1, 5))
def test_backtest_length_is_theirs(trials, target):
    peer = purgedcv.minimum_backtest_length(trials, target)
    assert min_backtest_length_years(trials, target) == pytest.approx(peer, rel=1e-9)


@pytest.mark.parametrize(("columns", "blocks", "rows"), [(2, 4, 41), (5, 6, 90), (12, 8, 203)])
def test_overfitting_is_theirs_from_the_other_end(columns, blocks, rows):
    """Theirs counts combinations by their out-of-sample blocks, ours by the in-sample ones: the order is reversed."""
    r = np.random.default_rng(rows).standard_normal((rows, columns)) * 0.01
    ours = probability_of_backtest_overfitting(r, blocks)
    peer = purgedcv.probability_of_backtest_overfitting(r.T, blocks)
    np.testing.assert_allclose(ours.logits, peer.logits[::-1], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(ours.in_sample, peer.is_oos_performance[::-1, 0], rtol=1e-9)
    np.testing.assert_allclose(ours.out_of_sample, peer.is_oos_performance[::-1, 1], rtol=1e-9, atol=1e-12)
    assert ours.slope == pytest.approx(peer.slope, rel=1e-9)
    median = np.mean(ours.logits == 0)  # the median itself is overfitted here, and not there
    assert ours.pbo == pytest.approx(peer.pbo + median, abs=1e-12)
    assert median > 0 if columns % 2 else median == 0


def test_a_configuration_that_never_moves_may_be_their_best_and_is_never_ours():
    r = np.random.default_rng(5).standard_normal((80, 3)) * 0.01 - 0.02
    r[:, 1] = 0.0
    peer = purgedcv.probability_of_backtest_overfitting(r.T, 4)
    ours = probability_of_backtest_overfitting(r, 4)
    assert (peer.is_oos_performance[:, 0] == 0).all()
    assert (ours.in_sample < 0).all()
