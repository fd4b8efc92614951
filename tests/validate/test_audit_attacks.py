"""Attacks on the audit: each is found by the few questions of a quick audit, and many need the replay for it."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.panel import Panel, Window
from assay.market.sources.synthetic import synthetic
from assay.testing.pipeline_attacks import Attack, PeekingModel, PeekingTrainer, always, attacks, never
from assay.validate.audit import QUICK, Questions

ATTACKS = attacks()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_found_by_a_quick_audit(attack: Attack) -> None:
    report = attack.report()
    assert report.violations and not report.passed


def test_the_same_models_are_sound_where_they_do_not_peek() -> None:
    for attack in ATTACKS:
        if isinstance(attack.trainer, PeekingTrainer):
            honest = PeekingTrainer(replace(attack.trainer.model, when=never))
            report = replace(attack, trainer=honest).report()
            assert report.passed, (attack.name, report.violations)


def test_without_the_replay_most_of_the_hidden_ones_pass() -> None:
    """The control: what the audit was before, which asked about short stretches only."""
    before = Questions(cuts=20, warm_ups=5, refits=1, replays=0)
    hidden = [attack for attack in ATTACKS if "long" in attack.name or "judged length" in attack.name]
    missed = [attack.name for attack in hidden if attack.report(before).passed]
    assert len(missed) >= 4, missed


def test_a_replay_covers_what_was_gained() -> None:
    report = Attack(name="honest", trainer=PeekingTrainer(PeekingModel(never))).report()
    assert report.coverage is not None
    assert report.coverage.rows_asked == QUICK.replays and report.coverage.rows_judged == 2_000
    assert 0.5 < report.coverage.profit_share <= 1.0
    assert report.coverage.text.startswith("200 of 2,000 judged decisions were made again from earlier bars only")


def test_bars_that_are_copied_lead_to_no_longer_array() -> None:
    bars = synthetic(bars=100, seed=1)
    cut = bars[10:50]
    assert isinstance(cut.close.base, np.ndarray) and len(cut.close.base) == 100
    copied = cut.copy()
    assert copied.digest() == cut.digest()
    for name in ("timestamp", "open", "high", "low", "close", "volume"):
        assert getattr(copied, name).base is None, name


def test_a_model_that_reads_behind_its_panel_gets_its_answer_from_the_whole_series() -> None:
    bars = synthetic(bars=300, seed=1)
    model = PeekingModel(always, ahead=1, through_base=True)
    window = Window.of_bars(bars[50:100])
    (cut,) = model.decide(Panel.of(window)).values()
    (whole,) = model.decide(Panel.of(Window.of_bars(bars))).values()
    assert np.array_equal(cut.target[model.lookback :], whole.target[50:100][model.lookback :])
