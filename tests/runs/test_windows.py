"""A walk of searches sees nothing of what comes after: neither what a window finds, nor what it earns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.errors import TrainError
from assay.kernel.panel import Panel, Window
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn.strategies import strategy_named
from assay.runs.evaluation import evaluate_walk
from assay.runs.rule_search import Idle, RuleSearch, Searching, Windows, windows
from assay.runs.run_artifacts import to_jsonable
from assay.runs.run_inputs import bare
from assay.validate._walk_forward import walk_forward
from assay.validate.splits.splitters import split_plan
from tests.learn.strategy_bars import lively
from tests.runs.walked_by_hand import by_hand, cut

HOUR = 3_600_000
SPACES: dict[str, dict[str, Any]] = {
    "sma_cross": {"fast": [5, 10, 20], "slow": [30, 60]},
    "range_sweep": {"p": [0.0005, 0.002], "N": [10, 20], "max_holding_periods": [5, 10]},
}


def searched(bars: Bars, name: str, *, folds: SplitSpec, **params: Any) -> tuple[Windows, Any]:
    """A walk of searches of these bars, and what was judged of it."""
    space = params.pop("space", SPACES[name])
    spec = TrainSpec(
        exchange=bars.instrument.exchange, symbols=(bars.instrument.symbol,), timeframe=bars.instrument.timeframe,
        learner="rules", features=(), folds=folds,
        params={"strategy": name, "method": "grid", "min_trades": 3, "space": space, **params},
    )  # fmt: skip
    asked, past = RuleSearch(spec), bare([bars])
    trainer = Searching(asked.search(spec.costs, counted=0, digest=""), fixed=asked.params.mode == "fixed")
    cuts = split_plan(folds, past.panel, horizon=0)
    outcomes = list(walk_forward(trainer, past.panel, cuts, costs=spec.costs, seed=1, report=NullReport()))
    trainer.demand_some()
    found = evaluate_walk(outcomes, past, spec.costs, seed=1)
    return windows(trainer, outcomes, past.panel, found.folds, spec.costs, seed=1), found


def shaken(bars: Bars, first: int, seed: int) -> Bars:
    """The same candles up to `first`, another market from there on."""
    other = lively(len(bars), seed=seed)
    scale = bars.close[first - 1] / other.close[first - 1]
    prices = {n: np.r_[getattr(bars, n)[:first], getattr(other, n)[first:] * scale] for n in _PRICES}
    volume = np.r_[bars.volume[:first], other.volume[first:] * 3]
    return replace(bars, **prices, volume=volume)


_PRICES = ("open", "high", "low", "close")
DAYS = SplitSpec(train_days=20, test_days=8, gap_days=1)


@pytest.mark.parametrize("mode", ["refit", "fixed"])
@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 1_000), window=st.integers(0, 3), after_test=st.booleans())
@settings(max_examples=6, deadline=None)
def test_what_comes_after_changes_nothing(name: str, mode: str, seed: int, window: int, after_test: bool) -> None:
    bars = lively(24 * 55, seed=seed)
    one, whole = searched(bars, name, folds=DAYS, mode=mode, min_trades=1)
    assert len(one.documents) == 4
    end = one.documents[window]["test_to" if after_test else "train_to"]
    last = int(np.datetime64(end[:-1], "ms").astype(np.int64))
    first = int(np.searchsorted(bars.known_at, last, side="right"))
    two, other = searched(shaken(bars, first, seed + 5_000), name, folds=DAYS, mode=mode, min_trades=1)
    for before, now in zip(one.documents[: window + 1], two.documents[: window + 1], strict=True):
        finding = [n for n in before if n != "test" or before["test_to"] <= end]
        assert to_jsonable({n: before[n] for n in finding}) == to_jsonable({n: now[n] for n in finding})
    rows = [(t.filter(t["window"] <= window)) for t in (one.trials, two.trials)]
    assert rows[0].equals(rows[1])
    if after_test:
        judged_rows = int((whole.whole.timestamp + HOUR <= last).sum())
        np.testing.assert_array_equal(whole.whole.returns[:judged_rows], other.whole.returns[:judged_rows])
        np.testing.assert_array_equal(whole.whole.position[:judged_rows], other.whole.position[:judged_rows])


@pytest.mark.parametrize("name", SPACES)
@given(seed=st.integers(0, 1_000), least=st.sampled_from([1, 6, 12]))
@settings(max_examples=5, deadline=None)
def test_every_window_is_the_walk_by_hand(name: str, seed: int, least: int) -> None:
    import itertools

    bars, rule, space = lively(24 * 55, seed=seed), strategy_named(name), SPACES[name]
    names = [name for name in rule.parameters if name in space]  # of equal points the earlier wins: the search's order
    points = [dict(zip(names, values, strict=True)) for values in itertools.product(*(space[name] for name in names))]
    walked = by_hand(
        bars, rule, points, cut(bars, 20, 8, 1), min_trades=least, base={"allow_short": False} if rule.two_sided else {}
    )
    if all(hand.best is None for hand in walked):
        with pytest.raises(TrainError, match=f"0 of {len(points)} trials had ≥ {least} trades"):
            searched(bars, name, folds=DAYS, min_trades=least)
        return
    found, whole = searched(bars, name, folds=DAYS, min_trades=least)
    for hand, window in zip(walked, found.documents, strict=True):
        assert window["parameters"] == ({} if hand.best is None else points[hand.best])
        assert window["score"] == (None if hand.best is None else hand.score[hand.best])
        assert window["test"]["total_trades"] == len(hand.record.trades)
    np.testing.assert_array_equal(whole.whole.returns, np.concatenate([hand.record.returns for hand in walked]))


def test_equal_scores_go_to_more_trades_and_then_to_the_earlier() -> None:
    """Limits that no trade reaches come to the same; the first of them is taken."""
    bars = lively(24 * 55, seed=3)
    space = {"max_holding_periods": [7, 5, 5_000, 6_000, 4_000], "p": [0.0005], "N": [10]}
    found, _ = searched(bars, "range_sweep", folds=DAYS, space=space, min_trades=1)
    for window in found.documents:
        rows = found.trials.filter(found.trials["window"] == window["number"]).sort("number")
        scores, trades = rows["score"].to_list(), rows["trades"].to_list()
        assert scores[2] == scores[3] == scores[4]
        wanted = max(range(5), key=lambda k: (scores[k], trades[k], -k))
        assert window["parameters"]["max_holding_periods"] == space["max_holding_periods"][wanted]


@pytest.mark.parametrize("expanding", [False, True])
def test_windows_that_grow_from_one_start_are_told_apart(expanding: bool) -> None:
    bars = lively(24 * 55, seed=7)
    found, _ = searched(bars, "sma_cross", folds=replace(DAYS, expanding=expanding))
    starts = {window["train_from"] for window in found.documents}
    assert len(starts) == (1 if expanding else 4)
    rule = strategy_named("sma_cross")
    points = [{"fast": fast, "slow": slow} for fast in (5, 10, 20) for slow in (30, 60)]
    spans = [(np.r_[0 : train[-1] + 1] if expanding else train, test) for train, test in cut(bars, 20, 8, 1)]
    walked = by_hand(bars, rule, points, iter(spans), base={"allow_short": False}, min_trades=3)
    for hand, window in zip(walked, found.documents, strict=True):
        assert hand.best is not None
        assert (window["parameters"], window["score"]) == (points[hand.best], hand.score[hand.best])
        assert window["trials"] == len(points)
    assert len({window["score"] for window in found.documents}) == 4


def test_the_curve_and_the_table_stay_small() -> None:
    bars = lively(24 * 55, seed=7)
    space = {"p": {"type": "float", "low": 0.0001, "high": 0.01, "points": 60},
             "k": {"type": "float", "low": 0.5, "high": 3.0, "points": 60}, "max_holding_periods": [5, 10]}  # fmt: skip
    found, _ = searched(bars, "range_sweep", folds=DAYS, space=space)
    for window in found.documents:
        assert window["trials"] == 7_200 and len(window["curve"]) == 200
        seen = [value for value in window["curve"] if value is not None]
        assert seen == sorted(seen) and seen[-1] == window["score"]
        rows = found.trials.filter(found.trials["window"] == window["number"])
        assert len(rows) == 5_000 and rows["number"].is_sorted() and rows["number"].n_unique() == 5_000
        assert rows["score"].max() == window["score"]
        best = rows["score"].sort(descending=True, nulls_last=True)[:1_000]
        assert best.null_count() == 0 or window["valid_trials"] < 1_000


def test_a_window_that_found_nothing_is_flat_and_is_never_a_model() -> None:
    bars = lively(100)
    decided = Idle().decide(Panel.of(Window.of_bars(bars)))[bars.instrument.symbol]
    assert (decided.target == 0.0).all() and len(decided.target) == 100
    with pytest.raises(TrainError) as caught:
        Idle().save(None)  # type: ignore[arg-type]
    assert caught.value.code == "TRAIN_NO_VALID_TRIAL"


def test_costs_count_in_the_search() -> None:
    bars = lively(24 * 55, seed=7)
    found, _ = searched(bars, "sma_cross", folds=DAYS)
    dear = by_hand(
        bars, strategy_named("sma_cross"), [found.documents[0]["parameters"]], cut(bars, 20, 8, 1),
        base={"allow_short": False}, costs=Costs(fee=0.05), min_trades=3,
    )  # fmt: skip
    assert dear[0].score[0] < found.documents[0]["score"]
