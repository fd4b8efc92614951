"""The audit's arithmetic, its budget and its manners; what it finds is in test_audit_planted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from assay.kernel.contracts import Report, Trainer
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError
from assay.kernel.panel import Panel
from assay.kernel.spec import SplitSpec, TargetChoice, TrainSpec
from assay.learn.rules import RuleTrainer
from assay.learn.strategies.registry import strategy_named
from assay.market.sources.synthetic import synthetic
from assay.targets import parse_target
from assay.testing.trainers import TinyModel, TinyTrainer, correlations, label_panel, tiny
from assay.validate.audit import AuditReport, Columns, Pipeline, Questions, audit_trainer
from assay.validate.audit.perturbations import CUT_OFF, SHUFFLED, STILL, first_change, first_changed_decision, perturb
from assay.validate.audit.pipeline import per_symbol
from assay.validate.splits import WalkForward

BARS = synthetic(bars=500, seed=4)
NAN = float("nan")


def moves(bars):  # type: ignore[no-untyped-def]
    n = len(bars)
    parts = [np.r_[np.full(min(k, n), np.nan), bars.close[k:] / bars.close[:-k] - 1] for k in (1, 3)]
    return Columns(np.column_stack(parts), ("move_1", "move_3"), 3)


HONEST = Pipeline(
    features=per_symbol(moves),
    plan=lambda panel: WalkForward(150, 60),
    label=lambda bars: parse_target("direction", horizon=4).label(bars, HONEST.costs),
)


SOME = Questions(cuts=20, warm_ups=5, refits=2, replays=60, recomputed=10)


def asked(trainer: Trainer, pipeline: Pipeline = HONEST, **more: Any) -> AuditReport:
    return audit_trainer(trainer, BARS, spec=pipeline, seed=5, **{"questions": SOME, **more})


def test_an_honest_pipeline_passes_and_every_kind_of_question_was_asked() -> None:
    report = asked(TinyTrainer())
    assert report.passed and report.violations == () and report.notes == ()
    assert report.checks == {
        "repeat": 1, "truncate": 20, "scramble": 20, "label": 20, "decide": 40, "replay": 60, "simulate": 20,
        "fit": 2, "warm-up": 10,
    }  # fmt: skip


def test_the_same_audit_says_the_same() -> None:
    assert asked(TinyTrainer()) == asked(TinyTrainer())


def test_a_spec_is_audited_as_its_training_walks() -> None:
    spec = TrainSpec(
        exchange="synthetic", symbols=("GOLD/USDT",), timeframe="1h", features="mini5",
        target=TargetChoice(name="direction", params={"horizon": 4}), folds=SplitSpec(train_bars=150, test_bars=60),
    )  # fmt: skip
    assert audit_trainer(TinyTrainer(), BARS, spec=spec, seed=5, questions=SOME).passed
    rules = replace(spec, learner="rules", features=(), target=TargetChoice())
    report = audit_trainer(RuleTrainer(strategy_named("sma_cross")), [BARS], spec=rules, seed=5)
    assert report.passed and "label" not in report.checks and report.checks["fit"] == 4


def test_fewer_cuts_and_refits_can_be_asked_for_and_no_more_fits_are_made() -> None:
    made: list[int] = []

    @dataclass(frozen=True)
    class Counted(TinyTrainer):
        def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
            made.append(seed)
            return super().fit(train, seed=seed, report=report)

    few = Questions(cuts=4, warm_ups=1, refits=1, replays=8, recomputed=0)
    report = asked(Counted(), questions=few, scrambles=1)
    folds = 5  # the audit walks them itself; one fit under another future is added
    assert report.passed and report.checks["truncate"] == 4 and len(made) == folds + 1
    made.clear()
    assert asked(Counted()).passed and len(made) == folds + 1 + 2  # the newest fold's own, and two other futures


def test_the_clock_changes_no_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a slow machine nor a fast one asks fewer questions."""
    import time

    calm = asked(TinyTrainer())
    hours = iter(range(10**6))
    for name in ("monotonic", "time", "perf_counter"):
        monkeypatch.setattr(time, name, lambda: 3600.0 * next(hours))
    assert asked(TinyTrainer()) == calm


@dataclass(frozen=True)
class Restless:
    """Adds noise of nobody's seed: to its files alone, or to its weights too."""

    name: ClassVar[str] = "restless"
    decides_alike: bool
    state: list[int]

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        x, y = label_panel(train)
        self.state.append(0)
        honest = tiny(x, *correlations(x, y), keep=2)
        if self.decides_alike:  # twice the weight has the same sign
            return replace(honest, weight=honest.weight * 2 ** len(self.state))
        return replace(honest, weight=honest.weight * len(self.state) * (-1) ** len(self.state))


def test_a_fit_that_does_not_repeat_itself_ends_the_questions_about_it() -> None:
    report = asked(Restless(False, []))
    assert not report.complete and not report.passed and report.violations == ()
    assert report.notes[0].startswith("LEAK_UNREPEATABLE: two fits of fold 2 with one seed decided otherwise")


def test_a_fit_without_stable_bytes_is_compared_by_what_it_decides() -> None:
    report = asked(Restless(True, []))
    assert report.passed and report.checks["fit"] == 2


@dataclass(frozen=True)
class Large(TinyTrainer):
    """Offers a smaller self."""

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        raise AssertionError("the audit must take the small one")

    def for_audit(self) -> Trainer:
        return TinyTrainer()


def test_a_trainer_that_offers_a_small_self_is_audited_with_it() -> None:
    assert asked(Large()).passed


def test_an_overstated_horizon_is_a_note_and_no_leak() -> None:
    def late(bars):  # type: ignore[no-untyped-def]
        honest = parse_target("direction", horizon=4).label(bars, HONEST.costs)
        return replace(honest, y=np.where(np.isfinite(honest.y), np.sign(bars.close - bars.open), np.nan))

    report = asked(TinyTrainer(), replace(HONEST, label=late))
    assert report.passed and report.notes == (
        "no label changed with a bar before its known_at: the horizon is overstated, which is safe",
    )


@dataclass(frozen=True)
class Forgetful:
    """Reads 40 rows, says that it needs 5."""

    name: ClassVar[str] = "forgetful"
    lookback: int = 5

    def fit(self, train: Panel, *, seed: int, report: Report) -> "Forgetful":
        return self

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        out = {}
        for symbol, window in panel:
            close, n = window.bars.close, len(window)
            means = [close[max(0, i - 39) : i + 1].mean() for i in range(n)]
            out[symbol] = Decisions.weights(np.clip(close / np.array(means) - 1, -1, 1))
        return out

    def save(self, folder: Path) -> None:
        (folder / "nothing.json").write_text("{}")


def test_a_model_that_declares_too_short_a_lookback_is_told_how_many_rows_would_do() -> None:
    report = asked(Forgetful())
    (found,) = report.violations
    assert (found.probe, found.name) == ("warm-up", "forgetful")
    assert found.text.startswith("LEAK_WARMUP: decision of 'forgetful' at row ")
    assert "history began 5 rows before; 40 rows would do" in found.text


def test_the_text_names_column_row_cut_and_change() -> None:
    def leaking(bars):  # type: ignore[no-untyped-def]
        honest = moves(bars)
        z = (bars.close - bars.close.mean()) / bars.close.std()
        return Columns(np.column_stack([honest.values, z]), (*honest.names, "zscore_all"), 3)

    found = asked(TinyTrainer(), replace(HONEST, features=per_symbol(leaking))).violations[0]
    assert found.name == "zscore_all" and found.row == 0 and found.row <= found.cut < len(BARS)
    assert found.text.startswith(
        f"feature 'zscore_all' at row 0 changed by {found.change:.3g} when bars after {found.cut} were cut off"
    )
    assert "(GOLD/USDT, bar of 2020-01-01T00:00" in found.text


def test_of_two_symbols_the_right_one_is_named() -> None:
    def second_peeks(bars: Sequence) -> list[Columns]:  # type: ignore[type-arg]
        honest = [moves(each) for each in bars]
        ahead = np.r_[bars[1].close[1:], np.nan] / bars[1].close
        return [honest[0], replace(honest[1], values=np.column_stack([honest[1].values[:, 0], ahead]))]

    pair = [BARS, synthetic(bars=500, seed=6, symbol="SILVER/USDT")]
    report = audit_trainer(TinyTrainer(), pair, spec=replace(HONEST, features=second_peeks), seed=5, questions=SOME)
    assert report.violations[0].name == "move_3" and "SILVER/USDT" in report.violations[0].text


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"questions": {"cuts": 0}}, "cuts is 0, must be in 1..10,000"),
        ({"questions": {"refits": 0}}, "refits is 0, must be in 1..1,000"),
        ({"questions": {"replays": -1}}, "replays is -1, must be in 0..1,000,000"),
        ({"scrambles": 4}, "scrambles is 4, must be in 1..3"),
        ({"probes": ["fits"]}, "probe 'fits' is unknown"),
    ],
)
def test_numbers_that_make_no_audit_are_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        asked(TinyTrainer(), **{k: Questions(**v) if k == "questions" else v for k, v in wrong.items()})
    assert caught.value.code == "CONFIG_AUDIT" and told in str(caught.value)


@pytest.mark.parametrize("how", [CUT_OFF, SHUFFLED, STILL])
def test_another_future_leaves_the_past_and_the_next_open(how: str) -> None:
    (other,) = perturb([BARS], int(BARS.known_at[99]), how, seed=1)
    assert np.array_equal(other.close[:100], BARS.close[:100]) and np.array_equal(other.high[:100], BARS.high[:100])
    assert len(other) == (100 if how == CUT_OFF else 500)
    if how != CUT_OFF:
        assert other.open[100] == BARS.open[100] and not np.array_equal(other.close[100:], BARS.close[100:])
    if how == STILL:
        assert set(other.close[100:]) == set(other.low[100:]) == {BARS.open[100]}


def test_a_change_is_a_share_of_the_scale_and_nan_equals_nan() -> None:
    was = np.array([[NAN, 1.0, 5.0], [100.0, 2.0, np.inf]])
    now = np.array([[NAN, NAN, 5.0], [100.0 + 1e-9, 2.0, np.inf]])
    scale = np.array([100.0, 2.0, 5.0])
    (found,) = first_change(("a", "b", "c"), was, now, tolerance=1e-9, scale=scale)
    assert (found.name, found.row) == ("b", 0) and np.isnan(found.change)
    exact = first_change(("a", "b", "c"), was, now, tolerance=0.0)
    assert [(d.name, d.row) for d in exact] == [("a", 1), ("b", 0)]
    zero = first_change(("z",), np.zeros((2, 1)), np.array([[0.0], [1e-12]]), tolerance=1e-9, scale=np.zeros(1))
    assert zero[0].row == 1


def test_decisions_differ_from_the_first_row_on() -> None:
    one = Decisions.weights(np.array([0.0, 0.5, NAN, 1.0]))
    other = Decisions.weights(np.array([0.0, 0.5, 0.25, 0.0]))
    found = first_changed_decision(one, other, tolerance=0.0)
    assert found is not None and (found.name, found.row) == ("target", 2)
    assert first_changed_decision(one, one, tolerance=0.0) is None
