"""Every trainer keeps the contract, and a fit that peeks is caught."""

from collections.abc import Callable

import numpy as np
import pytest

from assay.kernel.contracts import NullReport, Trainer
from assay.kernel.decisions import Costs
from assay.kernel.panel import Panel
from assay.kernel.spec import SizingChoice
from assay.targets import label_bars, parse_target
from assay.testing.bars import random_bars
from assay.testing.features import check_known_at_is_true, check_rows_know_no_later_bar
from assay.testing.leaky_pipelines import (
    FEATURE_LEAKS,
    ScalerOnAll,
    SelectorOnAll,
    StopsOnTest,
    too_long_lookback,
    too_short_lookback,
)
from assay.testing.trainers import (
    TRAINER_CHECKS,
    Check,
    TinyModel,
    TinyTrainer,
    check_does_not_see_the_future,
    check_fit_sees_no_test_rows,
    check_lookback_is_enough,
)
from assay.validate.splits import PurgedKFold, WalkForward
from tests.learn.markets import market, trainer

TRAINERS: dict[str, Callable[[], Trainer]] = {
    "tiny": TinyTrainer,
    "ensemble": trainer,
    "ensemble, proportional": lambda: trainer(SizingChoice(name="proportional")),
    "ensemble, volatility target": lambda: trainer(SizingChoice(name="volatility_target")),
    "ensemble, forest on two threads": lambda: trainer(num_threads=2, calibration="isotonic", scale="robust"),
}
PLANS = [WalkForward(300, 100), PurgedKFold(4)]


@pytest.mark.parametrize("check", TRAINER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", TRAINERS)
def test_contract(name: str, check: Check) -> None:
    check(TRAINERS[name](), market(symbols=2))


@pytest.mark.parametrize("plan", PLANS, ids=["walk-forward", "k-fold"])
@pytest.mark.parametrize("made", [TinyTrainer, trainer, lambda: trainer(max_features=3)], ids=["tiny", "all", "chosen"])
def test_honest_fits_see_no_test_rows(made: Callable[[], Trainer], plan: WalkForward | PurgedKFold) -> None:
    check_fit_sees_no_test_rows(made(), market(symbols=2), plan, folds=2)


@pytest.mark.parametrize("leak", [ScalerOnAll, SelectorOnAll, StopsOnTest])
def test_a_fit_on_all_rows_is_caught(leak: Callable[[Panel], Trainer]) -> None:
    with pytest.raises(AssertionError, match="the fit changed with rows that it must not see"):
        check_fit_sees_no_test_rows(lambda whole: leak(whole), market(), WalkForward(300, 100), folds=3)


def test_a_scaler_on_unlabelled_rows_is_caught_between_folds() -> None:
    with pytest.raises(AssertionError, match="the fit changed"):
        check_fit_sees_no_test_rows(ScalerOnAll(), market(), PurgedKFold(4))


class Peeking(TinyModel):
    """Sells at the top of the whole window; remembers one row more than it says."""

    def decide(self, panel: Panel):  # type: ignore[no-untyped-def]
        made = super().decide(panel)
        for symbol, window in panel:
            made[symbol].target[window.bars.close >= np.median(window.bars.close)] = -1.0
        return made


class PeekingTrainer(TinyTrainer):
    def fit(self, train: Panel, *, seed: int, report: NullReport) -> Peeking:  # type: ignore[override]
        honest = super().fit(train, seed=seed, report=report)
        return Peeking(honest.weight, honest.centre, honest.spread)


@pytest.mark.parametrize("check", [check_does_not_see_the_future, check_lookback_is_enough])
def test_a_model_that_peeks_is_caught(check: Check) -> None:
    with pytest.raises(AssertionError):
        check(PeekingTrainer(), market())


@pytest.mark.parametrize("leak", FEATURE_LEAKS, ids=lambda leak: leak.__name__)
def test_leaks_in_features_are_caught(leak: Callable[..., np.ndarray]) -> None:
    with pytest.raises(AssertionError, match="a value at or before row"):
        check_rows_know_no_later_bar(leak, random_bars(200))


def test_an_honest_feature_is_not() -> None:
    check_rows_know_no_later_bar(lambda bars: np.r_[np.nan, np.diff(np.log(bars.close))], random_bars(200))


TARGETS = [
    ("direction", {"horizon": 3}),
    ("direction", {"horizon": 3, "price": "close"}),
    ("profitable", {"horizon": 1}),
    ("forward_return", {"horizon": 5}),
    ("triple_barrier", {"horizon": 6}),
]


@pytest.mark.parametrize(("name", "params"), TARGETS)
def test_targets_say_truly_when_they_are_known(name: str, params: dict[str, object]) -> None:
    def honest(bars):  # type: ignore[no-untyped-def]
        return label_bars(bars, parse_target(name, params), costs=Costs())

    bars = random_bars(300, seed=3)
    check_known_at_is_true(honest, bars)
    with pytest.raises(AssertionError, match="says it is known at"):
        check_known_at_is_true(too_short_lookback(honest), bars)
    with pytest.raises(AssertionError, match="overstated"):
        check_known_at_is_true(too_long_lookback(honest), bars)
