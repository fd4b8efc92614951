"""From a score to a position."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.errors import ConfigError
from assay.kernel.spec import SizingChoice
from assay.learn.sizing import SIZINGS, Proportional, Threshold, VolatilityTarget, sizing_rule
from assay.testing.bars import bars_of, random_bars

NAN = float("nan")
FLAT = bars_of([1.0] * 7)
SCORE = np.array([0.2, 0.1, 0.05, -0.1, -0.15, NAN, 0.15])


def test_threshold_with_its_dead_band() -> None:
    made = Threshold(enter=0.15, leave=0.05).decide(SCORE, FLAT, short=True)
    np.testing.assert_array_equal(made.target, [1, NAN, 0, NAN, -1, 0, 1])
    made = Threshold(enter=0.15, leave=0.05, share=0.5).decide(SCORE, FLAT, short=False)
    np.testing.assert_array_equal(made.target, [0.5, NAN, 0, NAN, 0, 0, 0.5])
    assert np.isnan(made.stop).all() and not made.hold.any()


def test_proportional_rounds_towards_nought() -> None:
    rule = Proportional(scale=2.0, step=0.25)
    made = rule.decide(np.array([0.2, 0.125, 0.12, -0.2, -0.9, NAN, 0.5]), FLAT, short=True)
    np.testing.assert_allclose(made.target, [0.25, 0.25, 0, -0.25, -1, 0, 1])
    made = rule.decide(np.array([0.2, 0.125, 0.12, -0.2, -0.9, NAN, 0.5]), FLAT, short=False)
    np.testing.assert_allclose(made.target, [0.25, 0.25, 0, 0, 0, 0, 1])


def test_volatility_target_by_hand() -> None:
    close = 100 * np.exp(np.cumsum([0.0, 0.01, -0.01, 0.02, 0.0]))
    made = VolatilityTarget(enter=0.1, annual=0.5, window=2, step=0.01).decide(
        np.array([1.0, 1.0, 1.0, -1.0, 0.05]), bars_of(close), short=True
    )
    a_year = np.sqrt(8760)
    two, three = (np.std(moves, ddof=1) * a_year for moves in ([0.01, -0.01], [-0.01, 0.02]))
    want = [0, 0, np.floor(50 / two) / 100, -np.floor(50 / three) / 100, 0]
    np.testing.assert_allclose(made.target, want)


def test_sessions_are_annualised_by_the_bars_that_they_have() -> None:
    """The same moves on 5 days of 7: fewer bars a year, less volatility a year, a larger position."""
    from dataclasses import replace

    whole = random_bars(700, timeframe="1d", volatility=0.02)
    days = whole.timestamp[0] + 86_400_000 * (np.arange(700) // 5 * 7 + np.arange(700) % 5)
    rule = VolatilityTarget(annual=0.2, window=50, step=1e-9)
    score = np.ones(700)
    every = rule.decide(score, whole, short=True).target[60:]
    some = rule.decide(score, replace(whole, timestamp=days), short=True).target[60:]
    assert (every < 1).all()
    np.testing.assert_allclose(some / every, np.sqrt(7 / 5), rtol=0.02)


RULES = [
    SizingChoice(name=name, params=params)
    for name, params in (
        ("threshold", {}),
        ("proportional", {"step": 0.1}),
        ("volatility_target", {"window": 10}),
        ("volatility_target", {"window": 2, "annual": 2.0}),
    )
]


@pytest.mark.parametrize("choice", RULES, ids=lambda c: f"{c.name} {dict(c.params)}")
@settings(deadline=None)
@given(st.integers(0, 150), st.booleans(), st.integers(0, 5))
def test_what_stands_before_the_lookback_is_never_read(
    choice: SizingChoice, start: int, short: bool, seed: int
) -> None:
    rule = sizing_rule(choice)
    bars = random_bars(160, seed=seed)
    score = np.random.default_rng(seed).uniform(-1, 1, 160)
    whole = rule.decide(score, bars, short=short)
    start = max(start, rule.lookback)
    cut = slice(start - rule.lookback, None)
    part = rule.decide(score[cut], bars[cut], short=short)
    np.testing.assert_array_equal(part.target[rule.lookback :], whole.target[start:])
    assert short or not (whole.target < 0).any()
    assert (np.abs(whole.target[~np.isnan(whole.target)]) <= 1).all()


def test_a_long_history_is_measured_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    bars, score = random_bars(500), np.ones(500)
    rule = VolatilityTarget(window=20, annual=0.1)
    whole = rule.decide(score, bars, short=True)
    monkeypatch.setattr("assay.learn.sizing._CHUNK", 7)
    np.testing.assert_array_equal(rule.decide(score, bars, short=True).target, whole.target)


def test_no_volatility_is_no_position() -> None:
    made = VolatilityTarget(window=3).decide(np.ones(7), FLAT, short=True)
    assert not made.target.any()


@pytest.mark.parametrize(
    ("name", "params", "text"),
    [
        ("treshold", {}, r"sizing.name 'treshold' is unknown; did you mean threshold\?"),
        ("zzz", {}, "known: threshold, proportional, volatility_target"),
        ("threshold", {"entr": 0.2}, r"did you mean enter\?"),
        ("threshold", {"enter": 0.0}, r"sizing.enter is 0.0, must be in \(0, 1\]"),
        ("threshold", {"enter": 1.1}, "sizing.enter is 1.1"),
        ("threshold", {"enter": 0.1, "leave": 0.2}, "sizing.leave is 0.2"),
        ("threshold", {"share": "1"}, "sizing.params.share must be a finite number"),
        ("proportional", {"step": 0}, "sizing.step is 0"),
        ("proportional", {"scale": NAN}, "sizing.params.scale must be a finite number"),
        ("volatility_target", {"window": 1}, "sizing.window is 1"),
        ("volatility_target", {"window": 20.0}, "must be an integer"),
    ],
)
def test_what_is_refused(name: str, params: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text) as caught:
        sizing_rule(SizingChoice(name=name, params=params))
    assert caught.value.code == "CONFIG_PARAMETER"
    assert set(SIZINGS) == {"threshold", "proportional", "volatility_target"}
