"""The quick model scores as it says, and its shares are its own."""

import numpy as np
import pytest

from assay.learn.ensemble.importance_model import QuickModel, fit_quick

N = 2000


def made(kind: str, seed: int = 3) -> tuple[QuickModel, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(N, 4)).astype(np.float32)
    x[::9, 2] = np.nan
    line = x[:, 0] + 0.5 * rng.normal(size=N)
    y = {"real": 100 + 7 * line, "two": line > 0, "three": np.digitize(line, [-0.7, 0.7])}[kind].astype(float)
    weight = rng.random(N) + 0.5
    return fit_quick(x, y, weight, n_classes={"real": 0, "two": 2, "three": 3}[kind], seed=seed), x, y, weight


@pytest.mark.parametrize("kind", ["real", "two", "three"])
def test_it_leans_on_what_is_there_and_on_nothing_else(kind: str) -> None:
    model, x, _, _ = made(kind)
    for shares in (model.gain, model.contributions(x)):
        assert shares.shape == (4,) and shares[0] > 0 and shares[0] > 20 * shares[1:].sum()


@pytest.mark.parametrize("kind", ["real", "two", "three"])
def test_the_score_is_weighted_and_falls_without_the_column(kind: str) -> None:
    model, x, y, weight = made(kind)
    told = model.booster.predict(x)
    if kind == "real":
        mean = np.average(y, weights=weight)
        spread = np.sqrt(np.average((y - mean) ** 2, weights=weight))
        expected = -np.average((told - (y - mean) / spread) ** 2, weights=weight)
    elif kind == "two":
        expected = np.average(np.where(y == 1, np.log(told), np.log(1 - told)), weights=weight)
    else:
        expected = np.average(np.log(told[np.arange(N), y.astype(int)]), weights=weight)
    assert model.score(x, y, weight) == pytest.approx(expected, rel=1e-12)
    moved = x.copy()
    moved[:, 0] = x[::-1, 0]
    assert model.score(moved, y, weight) < expected - 0.1


def test_contributions_are_those_that_add_up_to_the_margin() -> None:
    model, x, _, _ = made("two")
    parts = model.booster.predict(x, pred_contrib=True)
    margin = model.booster.predict(x, raw_score=True)
    np.testing.assert_allclose(parts.sum(axis=1), margin, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(model.contributions(x), np.abs(parts[:, :4]).mean(axis=0))


def test_equal_seeds_give_equal_models() -> None:
    one, two = (made("three")[0].booster.model_to_string() for _ in range(2))
    assert one == two


def test_noise_is_not_used() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(N, 30)).astype(np.float32), (rng.random(N) > 0.5).astype(float)
    model = fit_quick(x, y, np.ones(N), n_classes=2, seed=1)
    assert (model.gain > 0).sum() <= 1
    assert model.contributions(x).shape == (30,)
