"""Windowed indicators: fresh sums, exact in any slice, deaf to what lies outside their window."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.learn.strategies.indicators import atr, ema, fold_window, rsi, share_indicators, sma, volume_ratio
from tests.learn import strategy_references as words
from tests.learn.strategy_bars import candles, lively


@given(st.integers(1, 70), st.integers(0, 90), st.sampled_from([1.0, 0.9, 0.5, 0.0]), st.integers(0, 99))
@settings(max_examples=150, deadline=None)
def test_folded_sums_are_fresh_sums(w, n, q, seed):
    x = np.random.default_rng(seed).normal(100, 10, n)
    found = fold_window(x, w, q)
    assert np.isnan(found[: w - 1]).all()
    for t in range(w - 1, n):
        assert found[t] == pytest.approx(sum(q**k * x[t - k] for k in range(w)), rel=1e-12)


@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 99))
@settings(max_examples=100, deadline=None)
def test_a_slice_gives_the_numbers_of_the_whole_to_the_last_bit(w, skipped, seed):
    x = np.random.default_rng(seed).normal(1, 1e5, 200)
    assert np.array_equal(fold_window(x, w, 0.97)[skipped + w - 1 :], fold_window(x[skipped:], w, 0.97)[w - 1 :])


@pytest.mark.parametrize("w", [1, 7, 40, 600, 3000])
def test_long_series_are_folded_in_blocks_that_nobody_sees(w):
    x = np.random.default_rng(w).normal(50, 5, 9_000)
    found = fold_window(x, w, 1.0)
    assert found[w - 1 :] == pytest.approx(np.convolve(x, np.ones(w), "valid"), rel=1e-12)
    for skipped in (1, 1_111, 2_048):
        assert np.array_equal(found[skipped + w - 1 :], fold_window(x[skipped:], w, 1.0)[w - 1 :])


def test_a_nan_spoils_the_windows_that_see_it():
    x = np.ones(30)
    x[10] = np.nan
    assert np.flatnonzero(np.isnan(fold_window(x, 7, 1.0))).tolist() == [0, 1, 2, 3, 4, 5, *range(10, 17)]


@pytest.mark.parametrize("t", [14, 20, 55, 119])
def test_indicators_by_their_definitions(t):
    bars = lively(120)
    assert atr(bars, 14)[t] == pytest.approx(words.atr(bars, t), rel=1e-12)
    assert rsi(bars, 14)[t] == pytest.approx(words.rsi(bars, t), rel=1e-9)
    assert sma(bars, 10)[t] == pytest.approx(np.mean(bars.close[t - 9 : t + 1]), rel=1e-12)
    for made, word in ((volume_ratio(bars, 20), words.ratio(bars, t)), (ema(bars, 9), words.ema(bars, t, 9))):
        assert made[t] == pytest.approx(word, rel=1e-12, nan_ok=True)


def test_flat_bars():
    bars = candles([(0.3,) * 4] * 40, [0.0] * 40)
    assert (atr(bars, 14)[14:] == 0.0).all()
    assert (rsi(bars, 14)[14:] == 50.0).all()
    assert np.isnan(volume_ratio(bars, 20)).all()  # a mean of 0 is no yardstick
    assert np.isnan(volume_ratio(candles([(1.0,) * 4] * 40, None), 20)).all()


def test_within_a_sweep_an_indicator_is_computed_once_for_the_same_bars():
    bars, other = lively(60), lively(60, seed=1)
    with share_indicators():
        first = atr(bars, 14)
        assert atr(bars, 14) is first
        assert atr(bars, 13) is not first
        assert not np.array_equal(atr(other, 14), first, equal_nan=True)
    assert atr(bars, 14) is not first
    assert np.array_equal(atr(bars, 14), first, equal_nan=True)
