"""Alarms that keep their budget where nothing changed, and are raised where something did."""

import numpy as np
import pytest
from scipy.signal import lfilter

from assay.features.importance import psi
from assay.kernel.errors import ConfigError
from assay.validate.monitoring import input_drift, record_bands

NAMES = ["a", "b", "c"]


def steady(seed: int, n: int, d: int = 3) -> np.ndarray:
    """Columns with memory, as features have."""
    return lfilter([1], [1, -0.8], np.random.default_rng(seed).standard_normal((n + 200, d)), axis=0)[200:]


def looked(x: np.ndarray, live: int = 60, **options: float):
    return input_drift(x[:-live], x[-live:], NAMES, **options)


def test_inputs_that_did_not_move_keep_the_budget() -> None:
    """200 looks at a budget of 0.1: a fair one raises 31 with probability 0.01."""
    alarms = [looked(steady(seed, 60 * 20), false_alarms=0.1).alarm for seed in range(200)]
    assert 5 <= sum(map(bool, alarms)) <= 31
    fixed = [max(looked(steady(seed, 60 * 20)).psi.values()) > 0.25 for seed in range(50)]
    assert sum(fixed) > 40, "the usual limit would cry wolf at nearly every look"


def test_a_column_that_moved_is_named() -> None:
    x = steady(1, 60 * 25)
    x[-60:, 1] += 6
    found = looked(x)
    assert found.alarm is True
    assert found.moved[0] == "b"
    assert found.p_value == 1 / 25
    assert found.psi["b"] > 0.25


def test_wider_swings_are_a_move_too() -> None:
    x = steady(2, 60 * 25)
    x[-60:, 2] *= 8
    assert looked(x).alarm is True


def test_the_index_is_that_of_the_importances() -> None:
    x = steady(3, 600)
    found = looked(x)
    assert found.psi == {name: psi(x[:-60, j], x[-60:, j]) for j, name in enumerate(NAMES)}


def test_too_little_history_raises_no_alarm_and_says_what_it_needs() -> None:
    x = steady(4, 60 * 15)
    x[-60:] += 9
    found = looked(x)
    assert (found.alarm, found.windows, found.rows_needed) == (None, 14, 19 * 60)
    assert looked(steady(4, 60 * 20)).alarm is not None


def test_holes_are_a_value_and_flat_columns_do_not_move() -> None:
    x = steady(5, 60 * 25)
    x[:, 0], x[::7, 1] = 3.0, np.nan
    assert looked(x).alarm is False
    x[-60:, 1] = np.nan
    assert looked(x).moved == ("b",)
    x[:, 1] = np.nan
    assert looked(x).alarm is False


@pytest.mark.parametrize(
    ("train", "live", "names"),
    [
        (np.zeros((50, 3)), np.zeros((60, 3)), NAMES),
        (np.zeros((50, 3)), np.zeros((0, 3)), NAMES),
        (np.zeros((50, 3)), np.zeros((5, 2)), NAMES),
        (np.zeros((50, 3)), np.zeros((5, 3)), NAMES[:2]),
        (np.zeros(50), np.zeros(5), ["a"]),
    ],
)
def test_tables_that_do_not_go_together_are_refused(train, live, names) -> None:
    with pytest.raises(ConfigError):
        input_drift(train, live, names)


def record(seed: int, n: int, mean: float = 0.0005) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n) * 0.01 + mean


def test_a_record_that_goes_on_stays_in_its_band() -> None:
    """100 records as long as their past: 2 or 3 below are meant, and past 8 the rate is above 0.03 (0.995 sure).

    A band without the past's own luck would miss one in six.
    """
    states = [record_bands(r[:200], r[200:], reps=300, seed=1).state for r in (record(s, 400) for s in range(100))]
    assert 1 <= states.count("below") <= 8
    assert states.count("within") >= 90


def test_a_record_that_broke_is_below_and_a_better_one_above() -> None:
    past = record(1, 1000, 0.002)
    broke = record_bands(past, record(2, 300, -0.003), seed=1)
    assert (broke.state, broke.p_value < 0.01) == ("below", True)
    assert broke.total < broke.low < broke.high
    assert record_bands(past, record(3, 300, 0.008), seed=1).state == "above"
    assert record_bands(past, [0.01, -1.0, 0.5], seed=1) == record_bands(past, [0.01, -1.0, 3.5], seed=1)
    assert record_bands(past, [0.01, -1.0, 0.5], seed=1).total == -1.0


def test_the_same_seed_gives_the_same_band() -> None:
    past, now = record(1, 300), record(2, 100)
    once = record_bands(past, now, reps=50, seed=3)
    assert once == record_bands(past.tolist(), now.tolist(), reps=50, seed=3)
    assert once != record_bands(past, now, reps=50, seed=4)
    assert once.total == pytest.approx(np.prod(1 + now) - 1, rel=1e-12)


@pytest.mark.parametrize("now", [[], [0.01, np.nan]])
def test_what_is_no_record_is_unknown(now) -> None:
    assert record_bands(record(1, 100), now, seed=1).state == "unknown"
    assert record_bands(np.full(100, -1.0), [0.01], seed=1).state == "unknown"


@pytest.mark.parametrize(
    "change", [{"level": 1.0}, {"reps": 0}, {"seed": None}, {"block_size": 0}, {"block_size": 101}]
)
def test_misuse_is_refused(change) -> None:
    with pytest.raises(ConfigError):
        record_bands(record(1, 100), record(2, 10), **{"seed": 1, **change})
