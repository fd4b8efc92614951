"""Targets selected from pattern columns."""

import numpy as np
import pytest

from assay import targets
from assay.features.compute import FeatureContext
from assay.features.patterns import PATTERN_EVENTS, base_columns, base_values, lag_columns
from assay.kernel.decisions import Costs
from assay.kernel.errors import AssayError, ConfigError, DataError, LeakError
from assay.testing.bars import random_bars

CONFIG = {"window": 10, "std_dev": 1, "target_lag": 3}
A, B = random_bars(300, seed=1), random_bars(200, seed=2, symbol="ETH/USDT")
PATTERNS = [p for p in base_columns() if p.window == 10]
FRAME = {p.name: np.r_[base_values(FeatureContext(A), p), base_values(FeatureContext(B), p)] for p in PATTERNS} | {
    lag_columns(PATTERNS[0])[0]: np.zeros(500),
    "rsi_14": np.zeros(500),
}
SYMBOLS = ["BTC/USDT"] * 300 + ["ETH/USDT"] * 200
KNOWN = np.r_[A.known_at, B.known_at]


def test_y_is_the_event_some_bars_ahead() -> None:
    target = targets.parse_target("pattern", CONFIG, target_type="low_breakout")
    labels = targets.label_bars(A, target, costs=Costs())
    base = FRAME["base_w10_s1.0_low_breakout"][:300]
    np.testing.assert_array_equal(labels.y[:-3], base[3:])
    assert np.isnan(labels.y[-3:]).all()
    assert labels.known_at[100] == A.known_at[103]
    assert dict(labels.dropped) == {"tail": 3, "warm_up": 18}
    assert labels.side == -1


def test_no_value_crosses_the_border_between_symbols() -> None:
    chosen = targets.select(FRAME, SYMBOLS, KNOWN, CONFIG)
    assert set(chosen.y) == {f"target_{event}" for event in PATTERN_EVENTS}
    for event in PATTERN_EVENTS:
        both = chosen.y[f"target_{event}"]
        for bars, rows in ((A, slice(0, 300)), (B, slice(300, 500))):
            alone = targets.label_bars(bars, targets.parse_target("pattern", CONFIG, target_type=event), costs=Costs())
            np.testing.assert_array_equal(both[rows], alone.y)
            np.testing.assert_array_equal(chosen.known_at[rows], alone.known_at)
    assert chosen.dropped == {s: {"tail": 3, "warm_up": 18, "nan": 0} for s in ("BTC/USDT", "ETH/USDT")}


def test_base_columns_of_any_window_leave_x() -> None:
    frame = FRAME | {"base_w50_s2.5_high_breakout": np.zeros(500), "base_w30_s2_low_breakout_since": np.zeros(500)}
    assert targets.select(frame, SYMBOLS, KNOWN, CONFIG).x == ("w10_s1.0_high_breakout_lag_10", "rsi_14")


@pytest.mark.parametrize(
    ("config", "kind", "code", "words"),
    [
        ({"target_lag": 0}, LeakError, "LEAK_TARGET_LAG", "target_lag is 0, must be an integer >= 1"),
        ({"target_lag": -3}, LeakError, "LEAK_TARGET_LAG", "target_lag is -3"),
        ({"target_lag": 2.0}, ConfigError, "CONFIG_PARAMETER", "target_lag"),
        ({"target_lag": 200}, ConfigError, "CONFIG_PARAMETER", "ETH/USDT has only 200 rows"),
        ({"window": 20}, ConfigError, "CONFIG_TARGET_UNKNOWN", "there are w10 s1.0, w10 s1.5"),
        ({"std_dev": 1.05}, ConfigError, "CONFIG_TARGET_UNKNOWN", "std_dev 1.05"),
        ({"target_type": "high_breakouts"}, ConfigError, "CONFIG_TARGET_UNKNOWN", "high_breakout"),
        ({"target_leg": 3}, ConfigError, "CONFIG_PARAMETER", "did you mean target_lag"),
        ({"std_dev": "two"}, ConfigError, "CONFIG_PARAMETER", "std_dev"),
    ],
)
def test_wrong_target_config_is_refused(
    config: dict[str, object], kind: type[AssayError], code: str, words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        targets.select(FRAME, SYMBOLS, KNOWN, {**CONFIG, **config})
    assert caught.value.code == code


def test_lag_has_no_default() -> None:
    with pytest.raises(ConfigError, match="needs target_lag"):
        targets.parse_target("pattern", window=10, std_dev=1)


def test_four_targets_are_too_wide_for_one_trainer() -> None:
    with pytest.raises(ConfigError, match="four targets") as caught:
        targets.label_bars(A, targets.parse_target("pattern", CONFIG), costs=Costs())
    assert caught.value.code == "CONFIG_TARGET_WIDTH"
    assert [t.target_type for t in targets.Pattern(**CONFIG).each()] == list(PATTERN_EVENTS)  # type: ignore[arg-type]


def test_rows_out_of_order_and_twin_names_are_refused() -> None:
    with pytest.raises(DataError, match="sorted by"):
        targets.select(FRAME, SYMBOLS[::-1][:250] + SYMBOLS[:250], KNOWN, CONFIG)
    with pytest.raises(DataError, match="strictly increase"):
        targets.select(FRAME, SYMBOLS, KNOWN[::-1].copy(), CONFIG)
    with pytest.raises(ConfigError, match="say the same"):
        targets.select(FRAME | {"base_w10_s1_high_breakout": np.zeros(500)}, SYMBOLS, KNOWN, CONFIG)
