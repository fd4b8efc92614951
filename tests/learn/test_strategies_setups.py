"""Thresholds, both sides at once, edges, exits: the arithmetic that every rule shares."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError, TrainError
from assay.learn.strategies import AT_MOST, Entries, Exit, Setups, Side, Structural, Threshold, strategy
from assay.learn.strategies import all_strategies as all_rules
from assay.learn.strategies.parameters import Exit as ExitKind
from assay.learn.strategies.setups import exit_decisions
from tests.learn.strategy_bars import lively

NAN = float("nan")
FIXED = {"sizing": "fixed", "share": 1.0, "risk_per_trade": 0.02, "max_share": 1.0}
THRESHOLDS = {"deep": Threshold(1.0), "calm": Threshold(1.0, holds=AT_MOST)}


def side(hold, deep, calm, **levels):
    columns = {"deep": np.array(deep, float), "calm": np.array(calm, float)}
    return Side(np.array(hold, bool), columns, **levels)


def test_thresholds_filter_and_nan_never_passes():
    setups = Setups(side([1, 1, 1, 0, 1, 1], [1, 2, NAN, 2, 2, 0.5], [1, 1, 1, 1, 3, 1]))
    values = {"deep": 1.0, "calm": 1.0}
    assert setups.entries(THRESHOLDS, values).side.tolist() == [1, 1, 0, 0, 0, 0]
    assert setups.entries(THRESHOLDS, values | {"deep": None}).side.tolist() == [1, 1, 1, 0, 0, 1]
    assert setups.entries(THRESHOLDS, values | {"calm": None, "deep": 2.0}).side.tolist() == [0, 1, 0, 0, 1, 0]


def test_a_bar_for_both_sides_is_silent_after_the_thresholds_and_before_the_edge():
    long = side([1, 1, 1, 1], [1, 1, 3, 1], [0] * 4)
    short = side([0, 1, 1, 0], [0, 3, 1, 0], [0] * 4)
    loose, strict = {"deep": 1.0, "calm": None}, {"deep": 2.0, "calm": None}
    assert Setups(long, short).entries(THRESHOLDS, loose).side.tolist() == [1, 0, 0, 1]
    assert Setups(long, short).entries(THRESHOLDS, strict).side.tolist() == [0, -1, 1, 0]
    assert Setups(long, short, edge=True).entries(THRESHOLDS, loose).side.tolist() == [1, 0, 0, 1]
    assert Setups(long, None, edge=True).entries(THRESHOLDS, loose).side.tolist() == [1, 0, 0, 0]


def test_levels_come_from_the_side_of_the_signal():
    long = side([1, 0], [9, 9], [0, 0], stop_base=np.array([1.0, 2.0]), confidence=0.5)
    short = side([0, 1], [9, 9], [0, 0], stop_base=np.array([3.0, 4.0]), confidence=np.array([0.1, 0.2]))
    made = Setups(long, short).entries(THRESHOLDS, {"deep": 1.0, "calm": None})
    assert made.stop_base.tolist() == [1.0, 4.0]
    assert made.confidence.tolist() == [0.5, 0.2]
    assert made.stop_unit is None


def entries(*signs, **levels):
    return Entries(np.array(signs, np.int8), **{k: np.array(v, float) for k, v in levels.items()})


def test_the_four_formulas():
    close = np.full(3, 100.0)
    made = entries(1, -1, 0, stop_base=[1, 2, 9], stop_unit=[2, 2, 9], take_base=[NAN, 7, 9])
    chosen = FIXED | {"atr_multiplier_sl": 1.5, "risk_reward_ratio": 2.0, "max_holding_periods": 12, "share": 0.5}
    got = exit_decisions(made, close, chosen, lookback=0)
    assert got.stop.tolist()[:2] == [4.0, 5.0]
    assert got.take.tolist()[:2] == [8.0, 7.0]
    assert got.target.tolist()[:2] == [0.5, -0.5]
    assert got.hold.tolist() == [12, 12, 0]
    assert np.isnan([got.target[2], got.stop[2], got.take[2]]).all()


def test_sizing_by_risk_loses_the_wanted_share_at_the_stop_and_has_a_limit():
    made = entries(1, 1, stop_base=[8.0, 0.5])
    got = exit_decisions(made, np.full(2, 100.0), FIXED | {"sizing": "risk"}, lookback=0)
    assert got.target.tolist() == [0.02 * 100 / 8, 1.0]
    with pytest.raises(ConfigError, match="needs a stop"):
        exit_decisions(entries(1, 1), np.full(2, 100.0), FIXED | {"sizing": "risk"}, lookback=0)


def test_a_signal_with_an_impossible_level_is_dropped():
    made = entries(1, 1, 1, 1, stop_unit=[0.0, NAN, 1.0, np.inf])
    got = exit_decisions(
        made, np.full(4, 9.0), FIXED | {"atr_multiplier_sl": 1.0, "risk_reward_ratio": 2.0}, lookback=0
    )
    assert np.isnan(got.target).tolist() == [True, True, False, True]
    bad_take = entries(1, 1, stop_base=[1.0, 1.0], take_base=[-1.0, 2.0])
    got = exit_decisions(bad_take, np.full(2, 9.0), FIXED, lookback=0)
    assert np.isnan(got.target).tolist() == [True, False]


def test_a_rule_may_have_no_stop_and_no_take():
    got = exit_decisions(entries(0, 1, -1), np.full(3, 9.0), FIXED | {"max_holding_periods": 5}, lookback=1)
    assert got.target[0] == 0.0
    assert got.target.tolist()[1:] == [1.0, -1.0]
    assert got.hold.tolist() == [0, 5, 5]
    assert np.isnan(got.stop).all() and np.isnan(got.take).all()


@pytest.mark.parametrize("name", [n for n, rule in all_rules().items() if not rule.state])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_thresholds_and_exits_only_filter_what_was_computed_once(name, data):
    """Setups of one structural set answer for any thresholds as the rule asked afresh does."""
    rule, bars = all_rules()[name], lively(500, seed=3)
    base = rule.resolve({"htf": "4h", "swing_lookback_periods": 10} if name == "htf_sweep" else {})
    once = rule.setups(bars, base)
    drawn = {n: p.default for n, p in rule.thresholds.items()}
    for n, p in rule.thresholds.items():
        if p.default is not None:
            drawn[n] = data.draw(st.floats(0.2, 1.5), label=n) * p.default
    values = {**base, **drawn}
    lookback = rule.lookback(values, "1h")
    assert np.array_equal(rule.select_entries(once, values, lookback=lookback).side, rule.entries(bars, values).side)
    loose = rule.select_entries(once, {**base, **{n: None for n in drawn}}, lookback=0)
    strict = once.condition(rule.thresholds, values)
    held = sum(s.hold.astype(int) for s in once.sides.values())
    assert (held[strict != 0] > 0).all()
    assert len(loose) == len(bars)


def test_where_shorts_are_not_allowed_their_condition_silences_nothing():
    long, short = side([1, 1, 0, 1], [9] * 4, [0] * 4), side([0, 1, 1, 0], [9] * 4, [0] * 4)
    values = {"deep": 1.0, "calm": None}
    assert Setups(long, short).entries(THRESHOLDS, values).side.tolist() == [1, 0, -1, 1]
    assert Setups(long, short).without_shorts().entries(THRESHOLDS, values).side.tolist() == [1, 1, 0, 1]
    with pytest.raises(TrainError, match="only sells short"):
        Setups(None, short).without_shorts()


def test_a_rule_without_thresholds_may_give_entries():
    @strategy("plain", {"w": Structural(3), "max_holding_periods": Exit(4)}, lookback=3, two_sided=True, sizing="fixed")
    def plain(bars, *, w):
        move = np.sign(bars.close - np.r_[bars.close[:w], bars.close[:-w]])
        return Entries(move.astype(np.int8))

    bars = lively(50)
    made = plain.decisions(bars, plain.resolve())
    assert set(made.target[3:].tolist()) - {1.0, -1.0} <= {NAN} or np.isnan(made.target[3:]).any()
    assert not made.target[:3].any()
    rise = np.flatnonzero(bars.close[3:] > bars.close[:-3]) + 3
    assert (made.target[rise] == 1.0).all()
    assert isinstance(plain.parameters["allow_short"], ExitKind)


@pytest.mark.parametrize(
    ("found", "match"),
    [
        (lambda n: Setups(Side(np.zeros(n - 1, bool), {"k": np.zeros(n)})), "long.hold"),
        (lambda n: Setups(Side(np.zeros(n), {"k": np.zeros(n)})), "long.hold"),
        (lambda n: Setups(Side(np.zeros(n, bool))), "columns"),
        (lambda n: Setups(Side(np.zeros(n, bool), {"k": np.zeros(n), "j": np.zeros(n)})), "columns"),
        (lambda n: Setups(Side(np.zeros(n, bool), {"k": np.zeros((n, 2))})), "long.k"),
        (lambda n: Setups(None, Side(np.zeros(n, bool), {"k": np.zeros(n)}, stop_base=[1])), "short.stop_base"),
        (lambda n: Setups(None), "neither a long nor a short"),
        (lambda n: 7, "gave 7"),
    ],
)
def test_what_a_rule_gives_is_checked(found, match):
    @strategy("odd", {"k": Threshold(1.0)}, lookback=0)
    def odd(bars):
        return found(len(bars))

    with pytest.raises(TrainError, match=match) as caught:
        odd.entries(lively(30), odd.resolve())
    assert caught.value.code == "TRAIN_STRATEGY"
