"""A search as a trainer: what its candidates may see, what they may raise, and what a walk makes of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from threading import current_thread, main_thread
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.contracts import Model, NullReport, Report
from assay.kernel.decisions import Costs
from assay.kernel.errors import DataError, LeakError, TrainError
from assay.kernel.panel import Panel
from assay.learn.strategies.setups import flat_decisions
from assay.testing.trainers import TRAINER_CHECKS, Cancelled, Check, TinyTrainer, check_fit_sees_no_test_rows
from assay.validate._walk_forward import walk_forward
from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.result import SearchResult
from assay.validate.search.sampler import Grid, Random
from assay.validate.search.search import Search
from assay.validate.search.space import Space
from assay.validate.splits import PurgedKFold, WalkForward
from tests.learn.markets import market, trainer
from tests.validate.search_killed import panel, search
from tests.validate.searches import found, tiny


def test_no_valid_trial_says_why() -> None:
    with pytest.raises(TrainError, match=r"0 of 9 trials had ≥ 500 trades; most had \d+.*widen") as caught:
        found(search(None, method=Random(), trials=9, min_trades=500))
    assert caught.value.code == "TRAIN_NO_VALID_TRIAL"
    assert caught.value.facts["reasons"] == {"too_few_trades": 9}
    with pytest.raises(TrainError, match=r"0 of 3 trials had a defined sharpe_ratio \(3 undefined_score; at most 0"):
        found(tiny(make=lambda p: Idle(), min_trades=0), market(400))


class Idle:
    """Never trades."""

    name: ClassVar[str] = "idle"
    lookback = 0

    def fit(self, train: Panel, *, seed: int, report: Report) -> Any:
        return self

    def decide(self, shown: Panel) -> Mapping[str, Any]:
        return {symbol: flat_decisions(len(window)) for symbol, window in shown}


class Failing:
    """Fails for points whose `keep` is 3."""

    name: ClassVar[str] = "failing"

    def __init__(self, keep: int, error: Callable[[], Exception]) -> None:
        self.keep, self.error = keep, error

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        if self.keep == 3:
            raise self.error()
        return TinyTrainer(self.keep).fit(train, seed=seed, report=report)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_candidate_raises_ends_the_search_with_its_parameters(workers: int) -> None:
    def failing(error: Callable[[], Exception]) -> Search:
        return tiny(make=lambda p: Failing(p["keep"], error), method=Grid(), workers=workers)

    report = NullReport()
    with pytest.raises(TrainError, match=r"keep = 3 failed: ZeroDivisionError: by nought") as caught:
        found(failing(lambda: ZeroDivisionError("by nought")), market(400), report=report)
    assert caught.value.code == "TRAIN_CANDIDATE"
    assert caught.value.facts["parameters"] == {"keep": 3}
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert [dict(t.params) for t in report.trials] == [{"keep": 1}, {"keep": 2}]
    with pytest.raises(DataError, match=r"no volume \(candidate keep = 3\)") as typed:
        found(failing(lambda: DataError("no volume", code="DATA_VOLUME_MISSING", hint="h", a=1)), market(400))
    assert (typed.value.code, typed.value.hint, typed.value.facts["a"]) == ("DATA_VOLUME_MISSING", "h", 1)


@pytest.mark.parametrize("check", TRAINER_CHECKS, ids=lambda c: c.__name__)
def test_it_is_a_trainer(check: Check) -> None:
    check(tiny(method=Bayesian(), workers=2), market(400))


class Stopping(NullReport):
    """Cancels the first time that a worker thread, and so a candidate, tells its progress."""

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        if current_thread() is not main_thread():
            raise Cancelled("stop")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wish_to_cancel_inside_a_candidate_comes_out_as_it_is(workers: int) -> None:
    with pytest.raises(Cancelled, match="stop"):
        found(tiny(workers=workers), market(400), report=Stopping())


def test_no_test_row_of_an_outer_fold_is_seen() -> None:
    check_fit_sees_no_test_rows(tiny(), market(500), WalkForward(250, 60))
    check_fit_sees_no_test_rows(tiny(), market(500), WalkForward(250, 60, expanding=True, embargo=5))
    with pytest.raises(LeakError, match="must not be learnt from"):
        check_fit_sees_no_test_rows(tiny(), market(500), PurgedKFold(5))


class Spy:
    """Remembers the first and last instants that it is shown."""

    name: ClassVar[str] = "spy"

    def __init__(self, seen: list[tuple[int, int]]) -> None:
        self.seen = seen

    def fit(self, train: Panel, *, seed: int, report: Report) -> Any:
        model, seen = TinyTrainer().fit(train, seed=seed, report=report), self.seen

        class Watched:
            lookback = model.lookback

            def decide(self, shown: Panel) -> Mapping[str, Any]:
                seen.append((int(shown.times[0]), int(shown.times[-1])))
                return model.decide(shown)

        seen.append((0, int(train.times[-1])))
        return Watched()


@given(first=st.integers(0, 100), count=st.integers(260, 330))
@settings(max_examples=8, deadline=None)
def test_the_inner_judge_stays_inside_the_train_window(first: int, count: int) -> None:
    whole = market(500)
    train = whole.train_view(np.arange(first, first + count))
    seen: list[tuple[int, int]] = []
    found(tiny(make=lambda p: Spy(seen), trials=2), train)
    assert len(seen) >= 4
    assert max(last for _, last in seen) <= whole.times[first + count - 1]
    judged = [begin for begin, _ in seen if begin]
    assert min(judged) >= whole.times[first + 100], "judged before the train window held a train part"


@pytest.mark.slow
def test_it_tunes_the_ensemble() -> None:
    tuned = tiny(
        make=lambda p: trainer(**p),
        space=Space.of({"leaves": [4, 8], "learning_rate": (0.05, 0.2)}),
        plan=WalkForward(350, 120),
        method=Bayesian(),
    )
    results: list[SearchResult] = []
    panel_ = market(700)
    model = replace(tuned, reported=results.append).fit(panel_, seed=1, report=NullReport())
    (result,) = results
    assert (result.total_evaluations, result.optimizer) == (3, "bayesian")
    assert {row.parameters["leaves"] for row in result.rows} <= {4, 8}
    assert set(model.decide(panel_)) == {"GOLD/USDT"}
    assert found(replace(tuned, workers=2), panel_, seed=1).as_dict() == result.as_dict()


def test_a_walk_searches_each_train_window_afresh() -> None:
    results: list[SearchResult] = []
    made = search(None, method=Random(), trials=5, plan=WalkForward(250, 100), reported=results.append)
    report = NullReport()
    outcomes = list(walk_forward(made, panel(), WalkForward(600, 100), costs=Costs(), seed=1, report=report))
    assert len(outcomes) == len(results) == 3
    assert len(report.trials) == 15
    for outcome, result in zip(outcomes, results, strict=True):
        assert {n: outcome.model.values[n] for n in ("fast", "slow")} == result.best_parameters  # type: ignore[union-attr]
