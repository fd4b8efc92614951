"""The screen drops what says nothing and stops what says too much."""

import subprocess
import sys

import numpy as np
import pytest

from assay.features.importance import screen_columns
from assay.kernel.errors import AssayError, DataError, LeakError

RNG = np.random.default_rng(5)
N = 1000


def test_screen_drops_what_says_nothing() -> None:
    good, nearly, holed = RNG.normal(size=N), np.zeros(N), RNG.normal(size=N)
    nearly[:3] = [1, 2, 3]
    holed[: N // 4] = np.nan
    x = np.column_stack([good, np.full(N, 7.0), nearly, holed, np.full(N, np.nan)])
    found = screen_columns(x, ["good", "same", "nearly", "holed", "void"])
    assert found.retained == (0,)
    assert list(found.dropped) == ["same", "nearly", "holed", "void"]
    assert "constant (7)" in found.dropped["same"]
    assert "0.9970" in found.dropped["nearly"]
    assert "NaN share 0.250" in found.dropped["holed"]
    np.testing.assert_array_equal(found.apply(x), good[:, None])


def test_warm_up_does_not_count() -> None:
    x = RNG.normal(size=(N, 2))
    x[:300, 1] = np.nan
    assert screen_columns(x, ["a", "b"], warm_up=300).retained == (0, 1)
    assert screen_columns(x, ["a", "b"]).retained == (0,)


def test_borders_stay() -> None:
    x = np.column_stack([RNG.normal(size=N), np.r_[RNG.normal(size=5), np.zeros(N - 5)]])
    assert screen_columns(x, ["a", "b"]).retained == (0, 1), "0.995 is not more than 0.995"


@pytest.mark.parametrize("name", ["target_x", "future_return", "base_w20_s2.0_high_breakout", "base_other"])
def test_forbidden_names_stop_the_run(name: str) -> None:
    with pytest.raises(LeakError, match=name) as caught:
        screen_columns(RNG.normal(size=(N, 1)), [name])
    assert caught.value.code == "LEAK_COLUMN"


def test_a_column_that_is_the_answer_stops_the_run() -> None:
    y = RNG.normal(size=30_000)
    x = np.column_stack([RNG.normal(size=30_000), -np.exp(y) + 0.01 * RNG.normal(size=30_000)])
    x[::7, 1] = np.nan
    with pytest.raises(LeakError, match="'leaky'") as caught:
        screen_columns(x, ["fine", "leaky"], y)
    assert caught.value.code == "LEAK_SUSPECT"
    y[::3] = np.nan
    assert screen_columns(x[:, :1], ["fine"], y).retained == (0,)


@pytest.mark.parametrize(
    ("x", "names", "code"),
    [
        (np.zeros((5, 2)), ["a"], "DATA_SCHEMA"),
        (np.zeros((5, 1)), ["a"], "DATA_DEGENERATE"),
        (np.empty((0, 1)), ["a"], "DATA_DEGENERATE"),
    ],
)
def test_nothing_to_screen(x: np.ndarray, names: list[str], code: str) -> None:
    with pytest.raises(DataError) as caught:
        screen_columns(x, names)
    assert isinstance(caught.value, AssayError)
    assert caught.value.code == code


def test_screen_loads_no_trainer() -> None:
    code = "import sys, assay.features.importance; print([m for m in ('sklearn', 'lightgbm') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
