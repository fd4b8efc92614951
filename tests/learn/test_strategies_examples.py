"""The document's worked examples, and one computed by hand for each rule that has none."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.bars import Bars
from assay.learn.strategies import strategy_named
from tests.learn.strategy_bars import candles, mirrored
from tests.learn.strategy_references import ema

NAN = float("nan")


def sides(rule, bars, given):
    return rule.entries(bars, rule.resolve(given)).side.tolist()


def levels(rule, bars, given, t):
    made = rule.decisions(bars, rule.resolve(given))
    return made.stop[t], made.take[t]


def test_sma_cross():
    closes = [10, 11, 12, 13, 12, 10, 9, 10, 12, 13]
    bars = candles([(c, c + 1, c - 1, c) for c in closes], None)
    rule = strategy_named("sma_cross")
    made = rule.decisions(bars, rule.resolve({"fast": 2, "slow": 4}))
    assert made.target.tolist() == [0, 0, 0, 1, 1, -1, -1, -1, 1, 1]
    assert np.isnan(made.stop).all() and np.isnan(made.take).all() and not made.hold.any()
    half = rule.decisions(bars, rule.resolve({"fast": 2, "slow": 4, "share": 0.5, "allow_short": False}))
    assert half.target.tolist() == [0, 0, 0, 0.5, 0.5, 0, 0, 0, 0.5, 0.5]


def test_sma_cross_keeps_what_it_has_while_the_means_are_equal():
    price = 0.1 + 0.2  # three tenths have no exact sum
    bars = candles([(price,) * 4] * 60, None)
    rule = strategy_named("sma_cross")
    target = rule.decisions(bars, rule.resolve({"fast": 7, "slow": 30})).target
    assert not target[:29].any()
    assert np.isnan(target[29:]).all()


SWEEP = {
    "key_level_lookback": 12, "min_level_touches": 2, "reversal_candles": 1, "min_distance_from_level": 0.002,
    "pierce_depth": 0.002, "volume_spike_threshold": 2.0, "volume_sma_period": 4, "atr_period": 3,
}  # fmt: skip


def sweep_bars():
    lows = [103, 102, 101, 100, 101, 102, 103, 101.5, 100.1, 101, 102, 103, 102]
    rows = [(low + 1, low + 2, low, low + 1.5) for low in lows]
    rows += [
        (102.5, 103, 101, 101.5),
        (101.5, 101.8, 99.5, 99.9),
        (100.7, 101.6, 100.6, 101.4),
        (101.4, 102.2, 101, 102),
    ]
    return candles(rows, [10] * 14 + [30, 12, 11])


def test_liquidity_sweep():
    rule, bars = strategy_named("liquidity_sweep"), sweep_bars()
    assert rule.lookback(rule.resolve(SWEEP), "1h") == 15
    assert sides(rule, bars, SWEEP) == [0] * 15 + [1, 0]
    assert levels(rule, bars, SWEEP, 15) == (pytest.approx(3.25), pytest.approx(6.5))
    made = rule.decisions(bars, rule.resolve(SWEEP))
    assert made.hold.tolist() == [0] * 15 + [30, 0]
    assert made.target[15] == pytest.approx(0.02 * 101.4 / 3.25)  # two percent of equity at the stop
    assert not made.target[:15].any() and np.isnan(made.target[16])
    assert rule.entries(bars, rule.resolve(SWEEP)).confidence[15] == 0.71


def test_liquidity_sweep_mirrored():
    rule = strategy_named("liquidity_sweep")
    bars = mirrored(sweep_bars(), 100.0)
    assert sides(rule, bars, SWEEP) == [0] * 15 + [-1, 0]
    assert levels(rule, bars, SWEEP, 15) == (pytest.approx(3.25), pytest.approx(6.5))
    assert sides(rule, bars, SWEEP | {"allow_short": False}) == [0] * 17


@pytest.mark.parametrize(
    ("change", "signal"),
    [
        ({"pierce_depth": 0.0054}, 1),  # 1 - 99.5 / 100.05 = 0.005497
        ({"pierce_depth": 0.0056}, 0),
        ({"volume_spike_threshold": 3.0}, 1),  # VR[14] is 3
        ({"volume_spike_threshold": 3.01}, 0),
        ({"min_level_touches": 3}, 0),
        ({"min_distance_from_level": 0.0009}, 0),  # 100.1 does not join 100
        ({"reversal_body_atr": 0.32}, 1),  # 0.7 / 2.166667 = 0.323
        ({"reversal_body_atr": 0.33}, 0),
    ],
)
def test_each_condition_of_liquidity_sweep(change, signal):
    assert sides(strategy_named("liquidity_sweep"), sweep_bars(), SWEEP | change)[15] == signal


@pytest.mark.parametrize(
    ("density", "spread", "signal"), [(0.8, 4.0, 1), (0.4, 4.0, 0), (0.8, 6.0, 0), (NAN, 4.0, 1), (NAN, NAN, 1)]
)
def test_the_book_speaks_where_it_is_known(density, spread, signal):
    bars = sweep_bars()
    n = len(bars)
    bars = replace(bars, columns={"stop_density": np.full(n, density), "spread_bps": np.full(n, spread)})
    given = SWEEP | {"min_stop_density_score": 0.5, "max_spread_tolerance": 5.0}
    assert sides(strategy_named("liquidity_sweep"), bars, given)[15] == signal


def panic_bars(share=None) -> Bars:
    rows = [(100, 100.5, 99.5, 100)] * 60
    rows += [(100, 100.2, 96.8, 97), (97, 97.1, 94.9, 95), (95, 97.2, 94.8, 97), (97, 98.2, 96.8, 98)]
    columns = {} if share is None else {"book_bid_share": np.full(64, share)}
    return candles(rows, [10] * 60 + [40, 50, 30, 30], columns=columns)


def test_capitulation_reversal():
    # Row 61: volume 50 / 11.5, speed 2/97, RSI 0: .30 + .25 + .10. Row 62: volume 30 / 13.5, RSI 200/7.
    rule, bars = strategy_named("capitulation_reversal"), panic_bars()
    assert rule.lookback(rule.resolve(), "1h") == 15 + 35
    assert sides(rule, bars, {}) == [0] * 62 + [1, 0]
    assert levels(rule, bars, {}, 62) == (pytest.approx(1.5 * 19 / 14), pytest.approx(2.5 * 1.5 * 19 / 14))
    assert rule.entries(bars, rule.resolve()).confidence[62] == pytest.approx(0.65)
    assert sides(rule, mirrored(bars, 100.0), {}) == [0] * 62 + [-1, 0]
    assert levels(rule, mirrored(bars, 100.0), {}, 62)[0] == pytest.approx(1.5 * 19 / 14)


@pytest.mark.parametrize(
    ("change", "signal"),
    [
        ({"panic_score_minimum": 0.65}, 1),
        ({"panic_score_minimum": 0.66}, 0),
        ({"recovery_volume_threshold": 2.2}, 1),  # 30 / 13.5 = 2.222
        ({"recovery_volume_threshold": 2.3}, 0),
        ({"consecutive_panic_candles": 3}, 0),
        ({"price_velocity_threshold": 0.021, "panic_score_minimum": 0.41}, 0),  # .30 + .10 are left
    ],
)
def test_each_condition_of_capitulation_reversal(change, signal):
    assert sides(strategy_named("capitulation_reversal"), panic_bars(), change)[62] == signal


@pytest.mark.parametrize(("share", "long", "short"), [(0.7, 1, 0), (0.3, 0, -1), (NAN, 1, -1)])
def test_capitulation_reversal_reads_the_book_of_its_side(share, long, short):
    rule, given = strategy_named("capitulation_reversal"), {"orderbook_imbalance_threshold": 0.6}
    assert sides(rule, panic_bars(share), given)[62] == long
    assert sides(rule, mirrored(panic_bars(share), 100.0), given)[62] == short


SPRING = {"range_lookback_periods": 6, "spring_max_duration": 3, "range_memory": 4, "atr_period": 2}


def spring_bars(absorption=None):
    rows = [(100, 150, 80, 100)] * 10 + [(100.5, 101, 100, 100.5)] * 6
    rows += [(100, 100.2, 99, 99.4), (99.4, 99.9, 99.2, 99.6), (99.6, 100.6, 99.5, 100.5), (100.5, 101, 100, 100.8)]
    columns = {} if absorption is None else {"book_absorption": np.full(20, absorption)}
    return candles(rows, [15] * 10 + [20] * 3 + [10] * 3 + [6, 8, 30, 12], columns=columns)


def test_failed_breakdown():
    # Range rows 10..15: S 100, Vm 15, 12 touches. Breaks in rows 16 and 17 return in row 18; the newer scores higher.
    rule, bars = strategy_named("failed_breakdown"), spring_bars()
    assert rule.lookback(rule.resolve(SPRING), "1h") == 12
    assert sides(rule, bars, SPRING) == [0] * 18 + [1, 0]
    weak = 0.25 * (1 - (8 / 15) / 0.6) + 0.30 * (2 / 2.25) + 0.20 * (1 - 1 / 3) + 0.15
    assert rule.entries(bars, rule.resolve(SPRING)).confidence[18] == pytest.approx(weak / 0.9)
    assert levels(rule, bars, SPRING, 18) == (pytest.approx(0.5 + 1.2 * 0.9), pytest.approx(2 * (0.5 + 1.2 * 0.9)))
    assert sides(rule, bars, SPRING | {"accumulation_score_minimum": 0.65})[18] == 0


def test_failed_breakdown_uses_absorption_where_it_is_known():
    rule, given = strategy_named("failed_breakdown"), SPRING | {"orderbook_absorption_threshold": 2.0}
    confidence = [rule.entries(spring_bars(x), rule.resolve(given)).confidence[18] for x in (3.0, 1.0, NAN)]
    plain = 0.25 * (1 - (8 / 15) / 0.6) + 0.30 * (2 / 2.25) + 0.20 * (1 - 1 / 3) + 0.15
    assert confidence == pytest.approx([plain + 0.10, plain + 0.05, plain / 0.9])


HIGHER = {"htf": "15m", "swing_lookback_periods": 3, "min_sweep_percentage": 0.001}


def higher_bars():
    rows = [
        (103, 103.4, 102.8, 103.2), (103.2, 103.3, 102.5, 102.6), (102.6, 102.9, 102.2, 102.4),
        (102.4, 102.5, 101.6, 101.8), (101.8, 102, 101.5, 101.7), (101.7, 101.9, 101.2, 101.3),
        (101.3, 101.4, 100.4, 100.6), (100.6, 101, 100, 100.8), (100.8, 101.5, 100.7, 101.4),
        (101.4, 101.9, 101.2, 101.7), (101.7, 101.8, 100.9, 101), (101, 101.2, 100.5, 100.6),
        (100.6, 100.7, 99.9, 100.1), (100.1, 100.2, 99.5, 99.8), (99.8, 100.6, 99.7, 100.4),
        (100.4, 100.65, 100.2, 100.6), (100.6, 101.1, 100.5, 101), (101, 101.2, 100.8, 101.1),
    ]  # fmt: skip
    return candles(rows, None, timeframe="5m")


def test_htf_sweep():
    rule, bars = strategy_named("htf_sweep"), higher_bars()
    assert rule.lookback(rule.resolve(HIGHER), "5m") == 15
    assert sides(rule, bars, HIGHER) == [0] * 16 + [1, 0]
    assert levels(rule, bars, HIGHER, 16) == (pytest.approx(1.5), pytest.approx(3.75))
    assert sides(rule, bars, HIGHER | {"min_sweep_percentage": 0.0051}) == [0] * 18  # 1 - 99.5 / 100 = 0.005
    # The mirror image about 103: the swing high is 106, the sweep bar's high 106.5, 0.47 % above it.
    assert sides(rule, mirrored(bars, 103.0), HIGHER) == [0] * 16 + [-1, 0]
    assert levels(rule, mirrored(bars, 103.0), HIGHER, 16)[0] == pytest.approx(1.5)


def test_htf_sweep_without_confirmation_counts_a_bucket_as_used_before_the_lookback():
    # Known at row 14, which lies before the lookback: the one signal of this bucket is gone.
    given = HIGHER | {"structure_shift_confirmation": False}
    assert sides(strategy_named("htf_sweep"), higher_bars(), given) == [0] * 18


QUIET = {"consolidation_period": 3, "atr_period": 3, "volume_sma_period": 4}


def quiet_bars():
    high = [103, 102, 102, 101.5, 101.2, 101, 101.4, 101.3, 103.2, 101.5, 101.2, 101.6, 102.8, 104]
    low = [99, 98, 99, 100, 100.2, 100.1, 100.4, 100.5, 100.4, 100.3, 100.2, 100.4, 101, 102]
    close = [100, 101, 100.5, 100.8, 100.6, 100.7, 101, 100.9, 101, 100.8, 100.9, 101.2, 102.5, 103]
    volume = [10, 12, 9, 10, 8, 9, 10, 8, 10, 9, 10, 9, 40, 20]
    return candles(zip([101, *close[:-1]], high, low, close, strict=True), volume)


def test_volume_breakout():
    rule, bars = strategy_named("volume_breakout"), quiet_bars()
    assert rule.lookback(rule.resolve(QUIET), "1h") == 11
    assert sides(rule, bars, QUIET) == [0] * 12 + [1, 0]
    assert levels(rule, bars, QUIET, 12) == (pytest.approx(1.6), pytest.approx(4.0))
    assert sides(rule, bars, QUIET | {"volume_multiplier": 4.2})[12] == 1
    assert sides(rule, bars, QUIET | {"volume_multiplier": 40 / 9.5})[12] == 0  # the ratio itself: more is needed


def test_divergence_capitulation():
    rows = [(131 - i, 131.2 - i, 129.8 - i, 130 - i) for i in range(21)]
    rows += [(110, 110.2, 105, 106), (106, 109.2, 105.8, 109), (109, 109.2, 105.5, 107)]
    rows += [(107, 107.2, 104.5, 106.8), (106.8, 107.6, 106.7, 107.5)]
    bars = candles(rows, [10] * 24 + [50, 12])
    rule = strategy_named("divergence_capitulation")
    given = {
        "rsi_period": 3, "volume_sma_period": 3, "ema_fast": 3, "ema_slow": 5, "take_profit_ema": 5,
        "divergence_lookback": 8, "stop_buffer": 0.001, "min_reward_risk": 0.05,
    }  # fmt: skip
    assert rule.lookback(rule.resolve(given), "1h") == 20
    assert sides(rule, bars, given) == [0] * 25 + [1]
    stop, take = levels(rule, bars, given, 25)
    assert stop == pytest.approx(107.5 - 0.999 * 104.5)
    assert take == pytest.approx(ema(bars, 25, 5) - 107.5)
    assert sides(rule, bars, given | {"volume_spike_multiplier": 5.0})[25] == 0  # 50 over 10 is not more than 5
    assert sides(rule, bars, given | {"volume_spike_multiplier": 4.99})[25] == 1
    assert sides(rule, bars, given | {"min_reward_risk": take / stop * 1.01})[25] == 0
    assert sides(rule, bars, given | {"divergence_lookback": 5})[25] == 0  # the older low lies outside


def test_range_sweep():
    rows = [(10, 10.5, 9.5, 10), (10, 10.5, 9.6, 10.2), (10.2, 10.4, 9.4, 10.3), (10.3, 10.6, 9.39, 9.45)]
    bars = candles(rows, [10, 10, 30, 10])
    rule, given = strategy_named("range_sweep"), {"N": 2, "p": 0.001, "atr_period": 2, "volume_sma_period": 2}
    assert sides(rule, bars, given) == [0, 0, 1, 0]
    assert sides(rule, bars, given | {"k": 0.5}) == [0, 0, 1, 1]
    assert sides(rule, bars, given | {"p": 0.011}) == [0, 0, 0, 0]
    made = rule.decisions(bars, rule.resolve(given | {"atr_multiplier_sl": 2.0, "atr_multiplier_tp": 3.0}))
    assert made.stop[2] == pytest.approx(2 * 0.95)
    assert made.take[2] == pytest.approx(3 * 0.95)
    assert made.target.tolist()[:3] == [0.0, 0.0, 1.0]
