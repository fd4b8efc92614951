"""One window, with a model made by hand: clusters, blocks, what may be learnt from, and who represents a cluster."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.features.importance import Chosen
from assay.features.importance.selection import TrainRows, _shuffled, select_features


@dataclass
class Fake:
    """Leans on all columns alike; its score falls with the distance of the first two columns."""

    gain: np.ndarray
    seen: list[np.ndarray]

    def score(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> float:
        self.seen.append(x.copy())
        return -float(np.abs(x[:, 0] - x[:, 1]).mean())

    def contributions(self, x: np.ndarray) -> np.ndarray:
        return np.ones(x.shape[1])


def window(x: np.ndarray, reach: int = 1) -> TrainRows:
    at = np.arange(len(x))
    y = (np.random.default_rng(0).random(len(x)) > 0.5).astype(float)
    return TrainRows(x.astype(np.float32), y, np.ones(len(x)), at, at + reach, 2)


def faked(
    rows: TrainRows, names: tuple[str, ...], lookbacks: tuple[int, ...], **more: Any
) -> tuple[Chosen, Fake, list[Any]]:
    model = Fake(np.ones(rows.x.shape[1]), [])
    fits: list[Any] = []

    def fit(x: np.ndarray, y: np.ndarray, weight: np.ndarray, *, n_classes: int, seed: int) -> Fake:
        fits.append((x, y, weight, n_classes, seed))
        return model

    return select_features(rows, names, lookbacks, fit=fit, seed=3, **more), model, fits


def test_a_cluster_is_permuted_together_in_blocks_of_the_longest_label() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(400, 3))
    x[:, 1] = x[:, 0]
    found, model, _ = faked(window(x, reach=7), ("a", "b", "c"), (0, 0, 0))
    assert found.clusters == ((0, 1), (2,))
    assert found.perm_mean.tolist() == [0, 0, 0], "twins that move together stay equal"
    newest = x[300:].astype(np.float32)
    assert len(model.seen) == 1 + 5 + 5 and np.array_equal(model.seen[0], newest)
    for moved in model.seen[1:6]:
        assert np.array_equal(moved[:, 0], moved[:, 1]) and np.array_equal(moved[:, 2], newest[:, 2])
        assert not np.array_equal(moved, newest)
        assert np.array_equal(np.sort(moved[:, 0]), np.sort(newest[:, 0]))
        where = np.array([int(np.flatnonzero(newest[:, 0] == v)[0]) for v in moved[:, 0]])
        assert (np.diff(where) != 1).sum() <= -(-len(newest) // 7) - 1, "blocks stay whole"
    for moved in model.seen[6:]:
        assert np.array_equal(moved[:, :2], newest[:, :2])


@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_shuffled_blocks_hold_every_row_once(n: int, block: int, seed: int) -> None:
    rows = _shuffled(n, block, np.random.default_rng(seed))
    assert sorted(rows.tolist()) == list(range(n))
    assert ((np.diff(rows) == 1) | (rows[1:] % block == 0)).all()


def test_the_model_learns_only_what_is_known_before_the_newest_quarter_decides() -> None:
    rows = window(np.random.default_rng(5).normal(size=(400, 2)), reach=20)
    _, _, fits = faked(rows, ("a", "b"), (0, 0))
    ((x, _, weight, n_classes, _),) = fits
    assert len(x) == 280, "row 280 is known at 300, when the first of the newest quarter decides"
    assert n_classes == 2
    assert weight.sum() == pytest.approx(280 / rows.of(slice(0, 280)).overlap.mean()), "in independent labels"


def test_the_representative_is_the_one_of_most_gain_then_fewest_nan_then_shortest_lookback_then_name() -> None:
    x = np.repeat(np.random.default_rng(5).normal(size=(400, 1)), 4, axis=1)
    names = ("d", "c", "b", "a")
    assert faked(window(x), names, (1, 1, 1, 1))[0].representatives == (3,)
    assert faked(window(x), names, (1, 0, 1, 1))[0].representatives == (1,)
    x[5, 1] = np.nan
    assert faked(window(x), names, (1, 0, 1, 1))[0].representatives == (3,)
    x[5, 2:] = np.nan
    assert faked(window(x), names, (9, 0, 1, 1))[0].representatives == (0,)
