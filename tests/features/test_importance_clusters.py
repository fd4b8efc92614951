"""Columns that say the same are one cluster."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from assay.features.importance.selection import cluster_columns, cluster_order, rank_correlations


def test_each_pair_is_correlated_on_the_rows_that_it_shares() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(400, 5))
    x[:, 1] += x[:, 0]
    x[:, 2] = -np.exp(x[:, 0])
    x[::3, 1] = np.nan
    x[1::5, 3] = np.inf
    rho = rank_correlations(x)
    for i in range(5):
        for j in range(5):
            both = np.isfinite(x[:, i]) & np.isfinite(x[:, j])
            assert rho[i, j] == pytest.approx(abs(spearmanr(x[both, i], x[both, j]).statistic), abs=1e-12)
    assert rho[0, 2] == pytest.approx(1.0), "a falling function of a column says the same"


def test_long_columns_are_thinned_evenly() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(50_000, 2))
    x[:, 1] += x[:, 0]
    rows = np.linspace(0, 49_999, 20_000).astype(np.int64)
    assert rank_correlations(x)[0, 1] == pytest.approx(spearmanr(x[rows, 0], x[rows, 1]).statistic, abs=1e-12)


def test_pairs_without_common_rows_and_constants_are_strangers() -> None:
    x = np.full((100, 3), np.nan)
    x[:50, 0] = np.arange(50)
    x[45:, 1] = np.arange(55)
    x[:, 2] = 7
    assert np.array_equal(rank_correlations(x), np.eye(3))


def test_average_linkage_cut_at_a_tenth() -> None:
    # 0 and 1 join at 0.05; 2 is 0.08 and 0.11 away, 0.095 on average: it joins. 3 is 0.12 and more away: it does not.
    distance = np.array([[0, 0.05, 0.08, 0.12], [0.05, 0, 0.11, 0.2], [0.08, 0.11, 0, 0.3], [0.12, 0.2, 0.3, 0]])
    assert cluster_columns(1 - distance) == ((0, 1, 2), (3,))
    distance[1, 2] = distance[2, 1] = 0.13  # 0.105 on average
    assert cluster_columns(1 - distance) == ((0, 1), (2,), (3,))
    assert cluster_columns(np.ones((1, 1))) == ((0,),) and cluster_columns(np.empty((0, 0))) == ()


def test_leaves_stand_beside_their_like() -> None:
    rho = np.eye(4)
    rho[0, 3] = rho[3, 0] = 0.95
    rho[1, 2] = rho[2, 1] = 0.95
    order = cluster_order(rho).tolist()
    assert abs(order.index(0) - order.index(3)) == 1 and abs(order.index(1) - order.index(2)) == 1
