"""Windows held against each other, parameters against their ranges, the best against its neighbours."""

from math import nan, sqrt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.validate.stability import parameter_stability, plateau_score, stability, windows_stability


def window(sharpe: float | None, wins: float | None = 0.5, profit: float = 0.01, trades: int = 20) -> dict[str, Any]:
    return {"sharpe_annual": sharpe, "win_rate": wins, "net_profit": profit, "total_trades": trades}


def codes(train: list[dict[str, Any]], test: list[dict[str, Any]]) -> list[str]:
    return [r.code for r in stability(train, test).reasons]


GOOD = [window(2.0), window(2.2), window(1.8)]
IDLE = window(None, None, 0.0, 0)


def test_steady_windows_are_accepted() -> None:
    found = stability(GOOD, [window(1.8, 0.5), window(2.0, 0.52), window(1.9, 0.48)])
    assert (found.detected, found.reasons, found.verdict) == (False, (), "ACCEPT")
    # std of 1.8, 2.0, 1.9 is 0.1; of the win rates 0.02; all earn
    assert found.stability_score == pytest.approx(0.4 / 1.1 + 0.3 / 1.2 + 0.3)
    assert found.train_sharpe_std == pytest.approx(0.2)
    assert found.test_sharpe == pytest.approx(1.9) and found.test_win_rate == pytest.approx(0.5)
    assert found.test_net_profit == pytest.approx(0.01) and found.windows == 3


@pytest.mark.parametrize(
    ("test", "code", "value", "limit"),
    [
        ([1.3, 1.4, 1.4], "SHARPE_DROP", 4.1 / 3, 1.4),
        ([-0.1, -0.2, -0.3], "NEGATIVE_TEST", -0.2, 0.0),
        ([4.0, 2.0, 0.5], "UNSTABLE", float(np.std([4.0, 2.0, 0.5], ddof=1)), 1.5),
    ],
)
def test_reasons_of_the_sharpe_ratios(test: list[float], code: str, value: float, limit: float) -> None:
    found = {r.code: r for r in stability(GOOD, [window(s) for s in test]).reasons}
    assert found[code].value == pytest.approx(value) and found[code].limit == pytest.approx(limit)
    assert found[code].text


def test_the_limits_themselves_are_no_reason() -> None:
    assert codes([window(2.0)] * 2, [window(1.4)] * 2) == []
    assert codes([window(2.0, 0.5)] * 2, [window(2.0, 0.4)] * 2) == []
    assert codes(GOOD[:2], [window(2.0), window(2.0, profit=-0.1)]) == []
    assert codes([window(-1.0)] * 2, [window(0.0, profit=0.1)] * 2) == []  # no drop from a loss; 0 is not negative


def test_win_rates_that_fall_and_windows_that_lose() -> None:
    assert codes(GOOD, [window(2.0, 0.39)] * 3) == ["WIN_RATE_DROP"]
    assert codes(GOOD, [window(2.0), window(2.0, profit=-0.1), window(2.0, profit=0.0)]) == ["FEW_PROFITABLE"]


def test_a_window_without_trades_has_sharpe_0_earns_nothing_and_has_no_win_rate() -> None:
    found = stability(GOOD, [window(3.0, 0.6), window(3.0, 0.6), IDLE])
    assert found.test_sharpe == pytest.approx(2.0) and found.test_win_rate == pytest.approx(0.6)
    spread = float(np.std([3.0, 3.0, 0.0], ddof=1))
    assert found.stability_score == pytest.approx(0.4 / (1 + spread) + 0.3 + 0.3 * 2 / 3)
    assert [r.code for r in found.reasons] == ["UNSTABLE"]
    odd = {"sharpe_annual": 9.0, "win_rate": 1.0, "net_profit": 0.0, "total_trades": 0}
    assert stability(GOOD, [window(3.0, 0.6), window(3.0, 0.6), odd]) == found


def test_nothing_traded_at_all() -> None:
    found = stability([IDLE, IDLE], [IDLE, IDLE])
    assert found.stability_score == 0.0 and found.verdict == "REJECT"
    assert [r.code for r in found.reasons] == ["FEW_PROFITABLE"]


def test_one_window_can_reject_but_never_accept() -> None:
    good = stability(GOOD[:1], [window(2.0)])
    assert (good.detected, good.verdict) == (None, None)
    assert np.isnan([good.stability_score, good.train_sharpe_std]).all()
    bad = stability(GOOD[:1], [window(-2.0)])
    assert (bad.detected, bad.verdict) == (True, "REJECT")


def test_no_window_says_nothing() -> None:
    found = stability([], [])
    assert (found.windows, found.detected, found.verdict, found.reasons) == (0, None, None, ())


def test_a_low_score_without_a_reason_is_a_caution() -> None:
    test = [window(3.0, 0.9), window(0.4, 0.2), window(2.6, 0.8, -0.1)]
    found = stability(GOOD, test)
    assert (found.detected, found.verdict) == (False, "CAUTION") and found.stability_score < 0.6


@pytest.mark.parametrize("name", ["sharpe_annual", "win_rate", "net_profit", "total_trades"])
def test_a_missing_metric_is_an_error_never_a_zero(name: str) -> None:
    broken = {k: v for k, v in window(1.0).items() if k != name}
    with pytest.raises(ConfigError, match=f"window 1, test lacks the metric {name}") as told:
        stability(GOOD[:2], [window(1.0), broken])
    assert told.value.code == "CONFIG_METRIC"
    with pytest.raises(ConfigError, match="2 train windows stand beside 1"):
        stability(GOOD[:2], GOOD[:1])


def test_windows_of_a_document() -> None:
    searched = [{"train": GOOD[k], "test": window(1.8 + k / 10)} for k in range(2)]
    nothing = {"train": {}, "test": {}}
    found = windows_stability([*searched, nothing])
    assert found == stability([*GOOD[:2], IDLE], [window(1.8), window(1.9), IDLE])
    assert windows_stability([{"train": GOOD[0], "test": {}}]).windows == 0


NUMBERS = st.floats(-20, 20) | st.just(nan)
WINDOWS = st.lists(
    st.builds(window, NUMBERS, st.floats(0, 1) | st.just(nan), st.floats(-1, 5), st.integers(0, 200)),
    min_size=2,
    max_size=12,
)


@given(WINDOWS, st.integers(0, 2**32))
def test_the_score_lies_in_0_to_1_and_knows_no_order(test: list[dict[str, Any]], seed: int) -> None:
    train = test[::-1]
    found = stability(train, test)
    assert 0.0 <= found.stability_score <= 1.0
    assert found.verdict == ("REJECT" if found.reasons else "CAUTION" if found.stability_score < 0.6 else "ACCEPT")
    order = np.random.default_rng(seed).permutation(len(test))
    shuffled = stability([train[i] for i in order], [test[i] for i in order])
    assert shuffled.stability_score == pytest.approx(found.stability_score, abs=1e-12)


FLOAT = {"x": {"type": "float", "low": 0.0, "high": 2.0}}


def test_parameters_that_stay_are_stable() -> None:
    assert parameter_stability([{"x": 1.3}] * 4, FLOAT) == 1.0
    assert parameter_stability([{"x": 0.0}, {"x": 2.0}], FLOAT) == 0.0
    # positions 0.4 and 0.6: std 0.2 / sqrt 2, against sqrt(1/12)
    assert parameter_stability([{"x": 0.8}, {"x": 1.2}], FLOAT) == pytest.approx(1 - 0.2 / sqrt(2) * sqrt(12))


def test_parameters_by_rank_logarithm_and_mode() -> None:
    # ranks 0 and 1 of 0..4: positions 0, .25; a uniform draw of five ranks has std sqrt(6 / 48)
    by_rank = pytest.approx(1 - 0.25 / sqrt(2) / sqrt(6 / 48))
    found = [{"x": 10}, {"x": 20}]
    assert parameter_stability(found, {"x": {"type": "choice", "values": [10, 20, 70, 80, 99]}}) == by_rank
    assert parameter_stability([{"x": 1}, {"x": 2}], {"x": {"type": "int", "low": 1, "high": 5}}) == by_rank
    log = {"x": {"type": "float", "low": 0.01, "high": 1.0, "log": True}}
    assert parameter_stability([{"x": 0.01}, {"x": 0.1}], log) == pytest.approx(max(0, 1 - 0.5 / sqrt(2) * sqrt(12)))
    assert parameter_stability([{"x": 0.09}, {"x": 0.11}], log) > 0.8
    words = {"x": {"type": "choice", "values": ["a", "b", "c"]}}
    assert parameter_stability([{"x": w} for w in "aab"], words) == pytest.approx((2 / 3 - 1 / 3) / (2 / 3))
    assert parameter_stability([{"x": w} for w in "abc"], words) == 0.0
    flags = {"x": {"type": "choice", "values": [True, False]}}
    assert parameter_stability([{"x": True}] * 3, flags) == 1.0
    assert parameter_stability([{"x": True, "y": 0.0}, {"x": True, "y": 2.0}], flags | {"y": FLOAT["x"]}) == 0.5


def test_parameters_too_few_to_tell() -> None:
    assert np.isnan(parameter_stability([{"x": 1.0}], FLOAT))
    assert np.isnan(parameter_stability([{}, {}], {}))
    assert np.isnan(parameter_stability([{"x": 3}] * 3, {"x": {"type": "choice", "values": [3]}}))
    with pytest.raises(ConfigError, match="window 1 lacks the searched parameter x"):
        parameter_stability([{"x": 1.0}, {"X": 1.0}], FLOAT)


def test_uniform_draws_are_about_as_unstable_as_can_be() -> None:
    random = np.random.default_rng(0)
    assert parameter_stability([{"x": v} for v in random.uniform(0, 2, 4000)], FLOAT) < 0.03
    ints = {"x": {"type": "int", "low": 1, "high": 6}}
    assert parameter_stability([{"x": int(v)} for v in random.integers(1, 7, 4000)], ints) < 0.03


@given(st.lists(st.floats(0, 2), min_size=2, max_size=9), st.lists(st.sampled_from("abc"), min_size=9, max_size=9))
def test_parameter_stability_lies_in_0_to_1(values: list[float], words: list[str]) -> None:
    space = FLOAT | {"w": {"type": "choice", "values": ["a", "b", "c"]}}
    found = parameter_stability([{"x": v, "w": w} for v, w in zip(values, words, strict=False)], space)
    assert 0.0 <= found <= 1.0


def line(n: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.linspace(0, 1, n)[:, None]


def test_a_plateau_keeps_and_a_peak_loses() -> None:
    scores = np.full(101, 2.0)
    assert plateau_score(line(101), scores, 50) == 1.0
    scores[50] = 4.0
    assert plateau_score(line(101), scores, 50) == 0.5
    scores[45:50] = scores[51:56] = -1.0
    assert plateau_score(line(101), scores, 50) == 0.0


def test_the_neighbours_are_the_nearest_twentieth_and_at_least_five() -> None:
    # 40 others: 5 % would be 2, five count; best in the corner, so rows 1..5
    scores = np.array([10.0, 9, 8, 7, 6, 5] + [0.0] * 35)
    assert plateau_score(line(41), scores, 0) == pytest.approx(0.7)
    # 200 others: ten count
    scores = np.array([10.0] + [9.0] * 5 + [4.0] * 5 + [0.0] * 190)
    assert plateau_score(line(201), scores, 0) == pytest.approx(0.65)


def test_rejected_trials_are_no_neighbours() -> None:
    scores = np.array([10.0, nan, 8, nan, 8, nan, 8, nan, 8, nan, 8] + [0.0] * 10)
    assert plateau_score(line(21), scores, 0) == pytest.approx(0.8)
    few = np.array([10.0, 9.0, 9.0, 9.0, 9.0])
    assert np.isnan(plateau_score(line(5), few, 0)) and plateau_score(line(6), np.append(few, 9.0), 0) == 0.9
    assert np.isnan(plateau_score(line(8), np.array([nan] + [1.0] * 7), 0))


def test_trials_that_lie_equally_near_all_count() -> None:
    corners = np.array([[0.5, 0.5]] + [[0.5 + dx, 0.5 + dy] for dx in (-0.1, 0.1) for dy in (-0.1, 0.1)] * 2)
    scores = np.array([1.0, 0.0, 0.0, 0.0, 0.0, 0.8, 0.8, 0.8, 0.8])
    assert plateau_score(corners, scores, 0) == pytest.approx(0.4)


def test_losses_and_zeros() -> None:
    assert plateau_score(line(7), np.array([-0.1] + [-0.2] * 6), 0) == pytest.approx(0.5)
    assert plateau_score(line(7), np.zeros(7), 0) == 1.0
    assert plateau_score(line(7), np.array([0.0] + [-0.2] * 6), 0) == 0.0


def test_a_million_trials_give_what_all_of_them_would() -> None:
    random = np.random.default_rng(4)
    positions = random.random((300_000, 3))
    scores = 2.0 - ((positions - 0.5) ** 2).sum(axis=1) * 8
    best = int(scores.argmax())
    distance = ((positions - positions[best]) ** 2).sum(axis=1)
    nearest = np.argsort(distance)[1 : 1 + 15_000]
    exact = float(np.median(scores[nearest]) / scores[best])
    assert plateau_score(positions, scores, best) == pytest.approx(exact, abs=0.01)
    scores[random.random(300_000) > 1e-4] = nan  # few valid ones among very many
    assert 0 <= plateau_score(positions, scores, int(np.nanargmax(scores))) <= 1


def test_arrays_that_do_not_belong_together() -> None:
    for positions, scores, best in (
        (line(5), np.zeros(4), 0),
        (np.zeros(5), np.zeros(5), 0),
        (line(5), np.zeros(5), 5),
    ):
        with pytest.raises(ConfigError, match="do not belong together"):
            plateau_score(positions, scores, best)


@given(st.lists(st.floats(-5, 5), min_size=6, max_size=60), st.floats(0.1, 10))
def test_the_plateau_lies_in_0_to_1_and_does_not_depend_on_the_unit(scores: list[float], unit: float) -> None:
    values = np.array(scores)
    best = int(values.argmax())
    found = plateau_score(line(len(values)), values, best)
    assert 0.0 <= found <= 1.0
    if values[best] > 1e-3:
        assert plateau_score(line(len(values)), values * unit, best) == pytest.approx(found)
