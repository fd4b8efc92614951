"""The one loop: what it leaves out, what it refuses, and that the number of workers changes nothing."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from assay.kernel.contracts import Fold, NullReport, Report
from assay.kernel.decisions import Costs
from assay.kernel.errors import DataError, LeakError
from assay.kernel.panel import Panel, span
from assay.simulate.engine import simulate
from assay.testing.trainers import Cancelled, Listening, TinyModel, TinyTrainer, save_and_load
from assay.validate._walk_forward import FoldResult, walk_forward
from assay.validate.splits import Days, WalkForward
from tests.learn.markets import market, trainer

COSTS = Costs()


def walked(
    made: object, panel: Panel, plan: object, *, workers: int = 1, report: Report | None = None
) -> list[FoldResult]:
    found = walk_forward(made, panel, plan, costs=COSTS, seed=3, report=report or NullReport(), workers=workers)  # type: ignore[arg-type]
    return list(found)


class Degenerate:
    """Refuses the fits whose numbers it is told, in the order in which they come."""

    name: ClassVar[str] = "degenerate"

    def __init__(self, *calls: int, code: str = "DATA_DEGENERATE") -> None:
        self.calls, self.code, self.seen = calls, code, -1

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        self.seen += 1
        if self.seen in self.calls:
            raise DataError("one class only (0: 9, 1: 0)", code=self.code)
        return TinyTrainer().fit(train, seed=seed, report=report)


@pytest.mark.parametrize("plan", [WalkForward(200, 70), WalkForward(200, 70, expanding=True, embargo=9), Days(9, 3)])
def test_each_fold_is_decided_and_traded_alone(plan: object) -> None:
    panel = market(symbols=2)
    outcomes = walked(TinyTrainer(), panel, plan)
    folds = list(plan.folds(panel.known_at, panel.times))  # type: ignore[attr-defined]
    assert [o.number for o in outcomes] == list(range(len(folds)))
    assert len(outcomes) > 3
    for outcome, fold in zip(outcomes, folds, strict=True):
        np.testing.assert_array_equal(outcome.fold.test, fold.test)
        assert outcome.model is not None
        first, last = panel.times[fold.test[0]], panel.times[fold.test[-1]]
        for symbol, tested in outcome.tested.items():
            rows = span(panel[symbol], first, last)
            assert tested.rows == rows
            bars = panel[symbol].bars[slice(*rows)]
            alone = simulate(bars, tested.decisions, COSTS)
            np.testing.assert_array_equal(tested.record.returns, alone.returns)
            np.testing.assert_array_equal(tested.record.timestamp, bars.timestamp)
        present = {s for s, w in panel if np.ptp(span(w, first, last)) > 0}
        assert set(outcome.tested) == present


def test_workers_change_nothing() -> None:
    panel = market(symbols=2)
    one, two = (walked(trainer(), panel, WalkForward(400, 120), workers=w) for w in (1, 2))
    assert len(one) == len(two) > 2
    for a, b in zip(one, two, strict=True):
        assert a.model is not None and b.model is not None
        assert save_and_load(a.model) == save_and_load(b.model)
        for symbol, tested in a.tested.items():
            np.testing.assert_array_equal(tested.record.returns, b.tested[symbol].record.returns)
            assert tested.forecast is not None
            np.testing.assert_array_equal(tested.forecast, b.tested[symbol].forecast)


def test_a_degenerate_fold_is_left_out_and_says_so() -> None:
    outcomes = walked(Degenerate(1), market(), WalkForward(200, 70))
    assert len(outcomes) >= 5
    out = outcomes[1]
    assert (out.model, dict(out.tested)) == (None, {})
    assert out.left_out == "one class only (0: 9, 1: 0)"
    assert all(o.model is not None and not o.left_out for o in outcomes if o.number != 1)


def test_more_than_a_fifth_is_refused_and_all_is_a_constant_target() -> None:
    with pytest.raises(
        DataError, match=r"2 of \d folds are degenerate \(folds 0, 2\), more than 20%: one class"
    ) as caught:
        walked(Degenerate(0, 2), market(), WalkForward(200, 70))
    assert caught.value.code == "DATA_DEGENERATE"
    assert caught.value.facts["folds"] == [0, 2]
    with pytest.raises(DataError, match="all 9 folds") as caught:
        walked(Degenerate(*range(99)), market(), WalkForward(200, 70))
    assert caught.value.code == "DATA_TARGET_CONSTANT"


def test_any_other_failure_ends_the_walk() -> None:
    with pytest.raises(DataError) as caught:
        walked(Degenerate(0, code="DATA_TOO_FEW"), market(), WalkForward(200, 70))
    assert caught.value.code == "DATA_TOO_FEW"


def test_a_real_target_of_one_class() -> None:
    panel = market()
    window = panel.one
    assert window.labels is not None
    flat = replace(window.labels, y=np.where(np.isnan(window.labels.y), np.nan, 1.0))
    with pytest.raises(DataError, match=r"one class only \(-1: 0, 0: 0, 1: \d+\)") as caught:
        walked(trainer(), Panel.of(replace(window, labels=flat)), WalkForward(300, 100))
    assert caught.value.code == "DATA_TARGET_CONSTANT"


def test_columns_without_a_value() -> None:
    panel = market()
    window = panel.one
    barren = np.column_stack([np.full(len(window), np.nan), np.ones(len(window))])
    with pytest.raises(DataError) as caught:
        walked(trainer(), Panel.of(replace(window, features=barren, names=("void", "one"))), WalkForward(300, 100))
    assert caught.value.code in ("DATA_TARGET_CONSTANT", "DATA_TOO_FEW")
    some = np.column_stack([window.features, np.ones(len(window))])
    kept = Panel.of(replace(window, features=some, names=(*window.names, "one")))
    for outcome in walked(trainer(), kept, WalkForward(300, 100)):
        assert outcome.model is not None
        assert outcome.model.columns.dropped["one"].startswith("constant")  # type: ignore[attr-defined]


def test_progress_never_falls_and_cancels() -> None:
    heard = Listening()
    walked(trainer(), market(), WalkForward(300, 100), workers=2, report=heard)
    assert heard.shares == sorted(heard.shares)
    assert heard.shares[-1] == 1.0
    for workers in (1, 2):
        with pytest.raises(Cancelled):
            walked(trainer(), market(), WalkForward(300, 100), workers=workers, report=Listening(cancel_at=0.5))


class Leaky:
    def folds(self, known_at: np.ndarray, decided_at: np.ndarray | None = None) -> object:
        assert decided_at is not None
        yield Fold(np.arange(0, 100), np.arange(100, 200), decided_at, known_at)


def test_a_plan_that_counts_rows_leaks_and_is_refused() -> None:
    with pytest.raises(LeakError) as caught:
        walked(TinyTrainer(), market(), Leaky())
    assert caught.value.code == "LEAK_FOLD"


def test_trials_of_side_by_side_folds_are_all_counted() -> None:
    from assay.kernel.contracts import Trial

    class Counting(TinyTrainer):
        def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
            report.trial(Trial(market_key="a", learner="b", strategy="c", params={}, returns=np.empty(0), metrics={}))
            return super().fit(train, seed=seed, report=report)

    heard = NullReport()
    outcomes = walked(Counting(), market(), WalkForward(200, 70), workers=2, report=heard)
    assert len(heard.trials) == len(outcomes)


class Mute(NullReport):
    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        assert 0.0 <= share_done <= 1.0


def test_shares_stay_between_nought_and_one() -> None:
    walked(TinyTrainer(), market(), WalkForward(200, 70), report=Mute())
