"""Which trials of a sweep are kept with their returns."""

import io

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.contracts import NullReport
from assay.validate.search import sweep_evaluator as best_returns
from assay.validate.search.result import Trials
from assay.validate.search.sampler import Grid, Random
from tests.learn.strategy_bars import lively
from tests.validate.test_search_swept import GRID, RULES, learning, made, walked


def block(scores, *, trades=None, skew=None):
    n = len(scores)
    score = np.array(scores, np.float64)
    other = np.zeros(n) if skew is None else np.array(skew, np.float64)
    return Trials(
        {"x": np.arange(n)},
        score,
        np.where(np.isfinite(score), 0, 1).astype(np.int8),
        np.full(n, 10) if trades is None else np.array(trades),
        {"sharpe": score, "skew": other, "kurtosis": np.zeros(n)},
        np.full(n, -1),
    )


def test_the_best_are_kept_best_first_and_none_twice():
    found = block([1.0, 3.0, np.nan, 3.0, 2.0, 3.0], trades=[10, 10, 99, 10, 10, 12])
    assert best_returns.distinct(found, 32) == [5, 1, 4, 0]  # 3 trades as 1 did; 2 was never scored
    assert best_returns.distinct(found, 2) == [5, 1]
    assert best_returns.distinct(block([2.0, 2.0], skew=[0.1, 0.2]), 2) == [0, 1]
    assert best_returns.distinct(block([2.0, 2.0], skew=[np.nan, np.nan]), 2) == [0]
    assert best_returns.distinct(block([np.nan] * 3), 5) == best_returns.distinct(found, 0) == []


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.integers(1, 8), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_looking_at_the_leading_only_finds_the_same(scores, most, look):
    found = block([float(s) for s in scores], skew=[s % 3 for s in range(len(scores))])
    ranked = sorted(range(len(scores)), key=lambda k: (-scores[k], k))
    wanted = [k for i, k in enumerate(ranked) if (scores[k], k % 3) not in {(scores[j], j % 3) for j in ranked[:i]}]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(best_returns, "_FIRST_LOOK", look)
        patch.setattr(best_returns, "_WIDER", 2)
        got = best_returns.distinct(found, most)
    assert got == wanted[:most]


def test_a_block_pays_for_what_it_keeps():
    assert best_returns.affordable(1_000_000, 37_660, improved=True) == 32
    assert best_returns.affordable(1_000_000, 37_660, improved=False) == 32
    assert best_returns.affordable(4_096, 2_000, improved=False) == 6
    assert best_returns.affordable(16, 37_660, improved=True) == 4
    assert best_returns.affordable(16, 37_660, improved=False) == best_returns.affordable(16, 0, improved=False) == 0


def test_what_is_kept_are_the_returns_of_the_candidate_walked_alone():
    search, train, report = (
        made(RULES["sma_cross"], space=GRID, method=Grid()),
        learning(lively(700), 100),
        NullReport(),
    )
    result = search.search(train, seed=1, report=report)
    (trial,) = report.trials
    kept = pl.read_parquet(io.BytesIO(trial.tops))
    scores = result.trials.score
    assert kept.width == 4 and int(kept.columns[0]) == result.best.number
    assert (np.diff([scores[int(name)] for name in kept.columns]) <= 0).all()
    for name in kept.columns:
        record = walked(search, train, result.trials.point(int(name)))
        np.testing.assert_array_equal(kept[name].to_numpy(), record.returns)


def test_batches_keep_the_best_where_they_improve():
    search = made(RULES["sma_cross"], method=Random(), trials=30_000)
    report = NullReport()
    search.search(learning(lively(400), 100), seed=1, report=report)
    best, improved = -np.inf, []
    for trial in report.trials:
        improved.append(trial.score > best)
        best = max(best, trial.score)
        within = best_returns.affordable(trial.n_configs, 301, improved=improved[-1])
        kept = pl.read_parquet(io.BytesIO(trial.tops)) if trial.tops else pl.DataFrame()
        assert kept.width <= within and (kept.width > 0) == (within > 0)
    assert improved[0] and not all(improved)
