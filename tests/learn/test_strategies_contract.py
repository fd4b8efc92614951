"""The contract over all rules; and rules that break it, each of which must be caught."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.errors import ConfigError, LeakError, TrainError
from assay.learn import check_strategy, setup_columns
from assay.learn.strategies import Range, Setups, Side, State, Structural, Threshold, all_strategies, strategy
from tests.learn.strategy_bars import lively

RULES = all_strategies()
SMALL = {
    "htf_sweep": {"htf": "4h", "swing_lookback_periods": 10},
    "divergence_capitulation": {
        "ema_fast": 10, "ema_slow": 40, "take_profit_ema": 40, "volume_spike_multiplier": 1.0, "min_reward_risk": 0.2,
    },
    "failed_breakdown": {"recovery_volume_threshold": 1.0, "breakdown_volume_threshold": 0.9},
}  # fmt: skip


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("seed", [5, 6])
def test_every_rule_keeps_the_contract(name, seed):
    assert check_strategy(RULES[name], lively(1000, seed=seed), SMALL.get(name)) >= 20


@pytest.mark.parametrize("name", [n for n, rule in RULES.items() if rule.needs_volume])
def test_a_volume_window_with_a_hole_is_silent_and_no_other(name):
    rule, bars = RULES[name], lively(900, seed=2)
    values = rule.resolve(SMALL.get(name))
    whole = rule.entries(bars, values).side
    assert whole.any()
    holes = replace(bars, volume=np.where(np.arange(900) % 15 == 0, np.nan, bars.volume))
    assert not rule.entries(holes, values).side.any()  # every window of 20 has one
    reach = rule.lookback(values, "1h")
    for row in range(reach, 880, 97):
        one = rule.entries(replace(bars, volume=np.where(np.arange(900) == row, np.nan, bars.volume)), values).side
        assert np.array_equal(one[:row], whole[:row])
        assert np.array_equal(one[row + reach + 1 :], whole[row + reach + 1 :])


@pytest.mark.parametrize("name", ["range_sweep", "liquidity_sweep", "volume_breakout"])
def test_zero_volume_is_a_small_number(name):
    rule, bars = RULES[name], lively(900, seed=2)
    quiet = replace(bars, volume=np.where(np.arange(900) % 10 == 0, 0.0, bars.volume))
    assert rule.entries(quiet, rule.resolve()).side.any()
    none = rule.entries(replace(bars, volume=np.zeros(900)), rule.resolve())
    assert not none.side.any()  # a mean of 0 is no yardstick


@pytest.mark.parametrize("name", RULES)
def test_flat_bars_and_few_bars_give_no_error_and_no_order(name):
    rule = RULES[name]
    values = rule.resolve(SMALL.get(name))
    lookback = rule.lookback(values, "1h")
    bars = lively(lookback + 40)
    flat = np.full(len(bars), 0.1 + 0.2)
    still = replace(bars, open=flat, high=flat, low=flat, close=flat)
    assert not np.nan_to_num(rule.decisions(still, values).target).any()
    for n in (0, 1, lookback):
        made = rule.decisions(bars[:n], values)
        assert len(made) == n
        assert not made.target.any()


def dip(bars, *, shift=0, w=3):
    drop = np.full(len(bars), np.nan)
    drop[w:] = 1 - bars.close[w:] / bars.close[:-w]
    drop = np.roll(drop, -shift)
    return Side(drop > 0, {"depth": drop}, stop_base=0.01 * bars.close)


def planted(rule, **more):
    declared = {"depth": Threshold(0.001), "w": Structural(3, search=Range(2, 5))}
    return strategy("planted", declared, **({"lookback": 6} | more))(rule)


def test_an_honest_rule_passes():
    assert check_strategy(planted(lambda bars, *, w: Setups(dip(bars, w=w))), lively(300)) > 20


def test_a_rule_that_peeks_at_the_next_bar_is_refused_with_the_bar():
    with pytest.raises(LeakError, match=r"peeks: .* in row \d+ \(bar of [\dT:.-]+Z\)") as caught:
        check_strategy(planted(lambda bars, *, w: Setups(dip(bars, shift=1, w=w))), lively(300))
    assert caught.value.code == "LEAK_STRATEGY"
    row = caught.value.facts["row"]
    assert caught.value.facts["timestamp"] == lively(300).timestamp[row]


def test_a_rule_that_scales_by_the_whole_series_is_refused():
    def scaled(bars, *, w):
        side = dip(bars, w=w)
        return Setups(replace(side, stop_base=np.full(len(bars), bars.close.std())))

    with pytest.raises(LeakError, match="stop_base"):
        check_strategy(planted(scaled), lively(300))


def test_a_rule_that_learns_the_last_bar_is_refused():
    """Nothing but its newest rows differs: it fills the row after the end from what it has not."""

    def filled(bars, *, w):
        after = np.r_[bars.close[1:], bars.close[-1]]
        return State(np.sign(after - bars.close))

    rule = strategy("planted", {"w": Structural(3)}, lookback=6, state=True)(filled)
    with pytest.raises(LeakError, match="side"):
        check_strategy(rule, lively(300))


def test_a_lookback_that_is_too_short_is_refused_with_the_bar():
    with pytest.raises(ConfigError, match=r"more than its lookback of 2 rows: .* in row \d+") as caught:
        check_strategy(planted(lambda bars, *, w: Setups(dip(bars, w=w)), lookback=2), lively(300))
    assert caught.value.code == "CONFIG_STRATEGY"


def test_a_rule_that_draws_lots_is_refused():
    def drawn(bars, *, w):
        return State(np.random.default_rng().choice([-1.0, 1.0], len(bars)))

    with pytest.raises(TrainError, match="two answers"):
        check_strategy(strategy("planted", {"w": Structural(3)}, lookback=6, state=True)(drawn), lively(300))


def test_a_rule_that_writes_into_the_bars_is_refused():
    def writes(bars, *, w):
        bars.close[17] = 1.0
        return Setups(dip(bars, w=w))

    with pytest.raises(TrainError, match="wrote into close of the bars, row 17"):
        check_strategy(planted(writes), lively(300))


def test_a_rule_that_fails_at_an_end_of_its_space_is_refused_with_its_line():
    def fails(bars, *, w):
        if w == 5:
            raise ZeroDivisionError("five")
        return Setups(dip(bars, w=w))

    with pytest.raises(TrainError, match=r"planted failed in line \d+: ZeroDivisionError: five") as caught:
        check_strategy(planted(fails), lively(300))
    assert caught.value.facts["line"] == fails.__code__.co_firstlineno + 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"name": "Planted One"}, "small letters"),
        ({"parameters": {"depth": Threshold(0.001)}}, "its structural parameters are"),
        ({"parameters": {"v": Structural(1), "depth": Threshold(1.0)}}, "its structural parameters are"),
        ({"sizing": "kelly"}, "sizing"),
        ({"parameters": {"w": Structural(1), "share": Threshold(1.0)}}, "share"),
    ],
)
def test_space_and_signature_agree(change, match):
    declared = {
        "name": "planted",
        "parameters": {"depth": Threshold(0.001), "w": Structural(3)},
        "lookback": 6,
    } | change
    with pytest.raises(ConfigError, match=match) as caught:
        strategy(**declared)(lambda bars, *, w: Setups(dip(bars, w=w)))
    assert caught.value.code == "CONFIG_STRATEGY"


def test_what_is_compared_is_blank_where_there_is_no_setup():
    rows = setup_columns(Setups(dip(lively(30))))
    assert np.isnan(rows["long depth"][rows["long"] == 0]).all()
    assert np.isfinite(rows["long depth"][rows["long"] == 1]).all()
