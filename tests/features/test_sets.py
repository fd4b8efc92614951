"""Names, sets and what is refused."""

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from assay import features
from assay.features.patterns import parse_name, refuse_twins
from assay.features.registry import unregister_feature
from assay.kernel.errors import AssayError, ConfigError, DataError, LeakError
from assay.testing import features as contract
from assay.testing.bars import random_bars

BARS = random_bars(400)
SPREAD, EXTERNAL = 3, 11


@pytest.mark.parametrize(
    ("name", "columns", "lookback", "extra"),
    [("core72", 49, 259, 14), ("full110", 80, 1224, 16), ("classic12", 12, 33, 0), ("mini5", 5, 9, 0)],
)
def test_set_has_its_columns(name: str, columns: int, lookback: int, extra: int) -> None:
    made = features.table(BARS, name)
    assert made.values.shape == (400, columns)
    assert len(features.set_columns(name)) == len(set(features.set_columns(name))) == columns
    assert made.lookback == lookback
    assert len(made.absent) == extra


def test_further_data_brings_further_columns() -> None:
    bars = contract.equipped_bars(60)
    assert len(features.table(bars, "core72").names) == 63
    assert len(features.table(bars, "full110", lower=contract.lower_bars(bars)).names) == 96
    assert len(features.table(bars, "full110").names) == 94


def test_levels_become_relative_unless_asked_for() -> None:
    made, raw = features.table(BARS, "core72"), features.table(BARS, "core72", levels=True)
    assert "close_rel" in made.names
    assert "close" not in made.names
    assert "volume" in made.names
    np.testing.assert_array_equal(made.column("close_rel"), 0.0)
    np.testing.assert_allclose(made.column("sma_50_rel"), raw.column("sma_50") / BARS.close - 1, atol=1e-15)
    np.testing.assert_allclose(made.column("macd_rel"), raw.column("macd") / BARS.close, atol=1e-15)


def test_missing_volume_is_named(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        made = features.table(replace(BARS, volume=None), "core72")
    assert {"volume", "mfi"} <= set(made.absent)
    assert len(made.names) == 47
    assert "volume, mfi" in caplog.text
    with pytest.raises(ConfigError, match="the market has no volume"):
        made.column("mfi")


def test_quality_counts_missing_values() -> None:
    made = features.table(BARS, "mini5")
    assert made.missing[:3].tolist() == [5, 4, 4]
    assert made.quality[0] == 0.0
    assert made.quality[9] == 1.0


@pytest.mark.parametrize(
    ("asked", "kind", "code", "words"),
    [
        ("core71", ConfigError, "CONFIG_FEATURE", "did you mean core72"),
        (["rsi14"], ConfigError, "CONFIG_FEATURE", "did you mean rsi_14"),
        (["rsi_14", "rsi_14"], ConfigError, "CONFIG_FEATURE_DUPLICATE", "twice"),
        (["close", "close_rel"], ConfigError, "CONFIG_FEATURE_DUPLICATE", "close_rel"),
        (
            ["w20_s2_high_breakout_lag_20", "w20_s2.0_high_breakout_lag_20"],
            ConfigError,
            "CONFIG_FEATURE_DUPLICATE",
            "say the same",
        ),
        (["rsi_14_rel"], ConfigError, "CONFIG_FEATURE", "rsi_14_rel"),
        (["close_lag_0"], ConfigError, "CONFIG_FEATURE", "close_lag_0"),
        (["target_return_1h"], LeakError, "LEAK_COLUMN", "target_return_1h"),
        (["future_return"], LeakError, "LEAK_COLUMN", "future_return"),
        (["base_w20_s2.0_high_breakout"], LeakError, "LEAK_COLUMN", "base_w20"),
    ],
)
def test_wrong_names_are_refused(asked: object, kind: type[AssayError], code: str, words: str) -> None:
    with pytest.raises(kind, match=words) as caught:
        features.table(BARS, asked)  # type: ignore[arg-type]
    assert caught.value.code == code


def test_ones_own_feature_stands_beside_ours() -> None:
    @features.feature(lookback=2, unit="ratio")
    def my_column(study: features.FeatureContext) -> np.ndarray:
        return study.column("return_1") + study.column("close_lag_2") * 0

    try:
        made = features.table(BARS, ["my_column", "my_column_lag_3"])
        assert made.lookbacks == (2, 5)
        contract.sees_no_future(["my_column"], BARS)
        with pytest.raises(ConfigError, match="is there already"):
            features.feature(lookback=0, unit="ratio", name="my_column")(my_column)
    finally:
        unregister_feature("my_column")
    for bad in ("future_x", "base_x", "x_lag_3", "X y"):
        with pytest.raises(ConfigError, match="will not do"):
            features.feature(lookback=0, unit="ratio", name=bad)(my_column)


def test_lower_bars_must_be_of_the_same_market() -> None:
    with pytest.raises(DataError, match="lower timeframe"):
        features.table(BARS, "full110", lower=random_bars(10, symbol="ETH/USDT", timeframe="5m"))


def test_digest_tells_sets_apart() -> None:
    assert features.set_digest("core72") == features.set_digest("core72")
    assert len({features.set_digest(s) for s in ("core72", "full110", "mini5")}) == 3
    assert features.set_digest("core72", levels=True) != features.set_digest("core72")


def test_pattern_names_are_compared_as_numbers() -> None:
    assert parse_name("base_w20_s2_high_breakout") == parse_name("base_w20_s2.0_high_breakout")
    assert parse_name("base_w2_s2_high_breakout") != parse_name("base_w20_s2_high_breakout")
    assert parse_name("base_w20_s1.0_high_breakout") != parse_name("base_w20_s1.05_high_breakout")
    pattern = parse_name("w20_s2.00_low_reversion_t1.5_since_lag_40")
    assert pattern is not None
    assert pattern.name == "w20_s2.0_low_reversion_t1.5_since_lag_40"
    assert pattern.lookback == 6 * 20 + 1 + 40
    for other in (
        "base_w20_s2.0_high_breakout_lag_20",
        "w20_s2.0_high_breakout",
        "base_w020_s2_high_breakout",
        "rsi_14",
    ):
        assert parse_name(other) is None
    with pytest.raises(ConfigError, match="say the same"):
        refuse_twins(["base_w20_s2_high_breakout", "base_w20_s2.0_high_breakout"])


def test_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, assay.features, assay.targets; "
        "print([m for m in ('numba', 'talib', 'scipy', 'sklearn') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
