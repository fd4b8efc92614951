"""Each rule against the document's words, written once more as slow loops: the same bars, sides and stops."""

import numpy as np
import pytest

from assay.learn.strategies import strategy_named
from tests.learn import strategy_references as words
from tests.learn.strategy_bars import lively

LOOSE = {
    "range_sweep": [{}, {"N": 10, "p": 0.0002, "k": 1.0}, {"N": 60, "k": 0.5}],
    "liquidity_sweep": [
        {"min_level_touches": 2, "pierce_depth": 0.0005, "volume_spike_threshold": 1.2,
         "min_distance_from_level": 0.003},
        {"reversal_candles": 1, "key_level_lookback": 50, "min_level_touches": 2, "volume_spike_threshold": 1.0},
        {"reversal_candles": 3, "min_level_touches": 2, "pierce_depth": 0.001, "reversal_body_atr": 0.5,
         "volume_spike_threshold": 1.0},
    ],
    "capitulation_reversal": [
        {"recovery_volume_threshold": 0.8},
        {"recovery_volume_threshold": 0.5, "panic_score_minimum": 0.3, "consecutive_panic_candles": 3,
         "panic_window": 8},
    ],
    "failed_breakdown": [
        {"recovery_volume_threshold": 1.0, "breakdown_volume_threshold": 0.9, "breakdown_depth": 0.001},
        {"range_lookback_periods": 21, "recovery_volume_threshold": 0.8, "breakdown_volume_threshold": 1.5,
         "breakdown_depth": 0.002, "accumulation_score_minimum": 0.6, "volume_decline": 1.0},
    ],
    "volume_breakout": [
        {"volume_multiplier": 1.5},
        {"consolidation_period": 5, "volume_multiplier": 1.2, "atr_multiplier": 2.0},
    ],
    "divergence_capitulation": [
        {"ema_fast": 5, "ema_slow": 20, "take_profit_ema": 20, "volume_spike_multiplier": 0.6, "min_reward_risk": 0.1,
         "stop_buffer": 0.001},
        {"ema_fast": 3, "ema_slow": 9, "take_profit_ema": 12, "volume_spike_multiplier": 0.5, "min_reward_risk": 0.1,
         "divergence_lookback": 50},
    ],
}  # fmt: skip
CASES = [(name, given, seed) for name, sets in LOOSE.items() for given in sets for seed in (1, 2)]
_seen: dict[str, int] = {}


@pytest.mark.parametrize(("name", "given", "seed"), CASES, ids=lambda x: x if isinstance(x, str) else "")
def test_a_rule_does_what_the_document_says(name, given, seed):
    rule, bars = strategy_named(name), lively(seed=seed)
    values = rule.resolve(given)
    first = rule.lookback(values, "1h")
    agrees(rule, bars, values, getattr(words, name)(bars, values, first), least=2)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("confirm", [True, False])
def test_htf_sweep_does_what_the_document_says(seed, confirm):
    rule, bars = strategy_named("htf_sweep"), lively(seed=seed)
    gaps = np.random.default_rng(seed).random(len(bars)) < 0.93  # some bars are missing
    bars = type(bars)(
        bars.instrument, *(getattr(bars, n)[gaps] for n in ("timestamp", "open", "high", "low", "close", "volume"))
    )
    values = rule.resolve({"htf": "4h", "swing_lookback_periods": 10, "structure_shift_confirmation": confirm})
    said = words.htf_sweep(bars, values, rule.lookback(values, "1h"), 4 * 3_600_000)
    assert {s for s, _ in said.values()} == {1, -1}
    agrees(rule, bars, values, said, least=3)


def agrees(rule, bars, values, said, *, least):
    made = rule.entries(bars, values)
    stop = rule.decisions(bars, values).stop
    assert {int(t): int(made.side[t]) for t in np.flatnonzero(made.side)} == {t: x[0] for t, x in said.items()}
    assert len(said) >= least, "too few signals to compare"
    for t, (_, expected, *more) in said.items():
        assert stop[t] == pytest.approx(expected, rel=1e-9)
        if more:
            level = made.take_base if rule.name == "divergence_capitulation" else made.confidence
            assert level[t] == pytest.approx(more[0], rel=1e-9)
