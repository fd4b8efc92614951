"""A search beside one that was walked by hand: filters, costs and objectives decide what is traded."""

from pathlib import Path

import numpy as np
import pytest

from assay.features.regime import REGIME_NAMES, regime_codes
from assay.kernel.bars import USABLE, Bars
from assay.learn.strategies import strategy_named
from assay.market.data_filter import DataFilter, apply_filter
from assay.runs._optimize import optimize
from assay.runs.context import Context
from assay.runs.run_outputs import evidence_of
from tests.runs.lively_home import POINTS, copied, home_of, lively_bars, spec_of
from tests.runs.walked_by_hand import by_hand

SPLIT = (np.arange(1_400), np.arange(1_400, 2_000))


@pytest.fixture(scope="module")
def bars() -> Bars:
    return lively_bars()


@pytest.fixture(scope="module")
def stocked(bars: Bars, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return home_of(bars, tmp_path_factory.mktemp("optimize"))


@pytest.fixture
def context(stocked: Path, tmp_path: Path) -> Context:
    return copied(stocked, tmp_path)


@pytest.mark.parametrize("regime", ["sideways", "volatile"])
def test_a_regime_is_a_filter_of_entries(regime: str, context: Context, bars: Bars) -> None:
    often = {"k": 0.1, "N": 3}
    found = optimize(spec_of(regime=regime, min_trades=1, fixed=often), context).document
    rule = strategy_named("range_sweep")
    (hand,) = by_hand(bars, rule, POINTS, iter([SPLIT]), min_trades=1, regime=regime, base=often)
    (window,) = found["windows"]
    assert hand.best is not None and found["regime_filter"] == regime
    assert (window["parameters"], window["score"]) == (POINTS[hand.best], hand.score[hand.best])
    assert found["metrics"]["total_trades"] == len(hand.record.trades) > 0
    evidence = evidence_of(found["experiment_id"], context)
    assert evidence is not None
    entered = np.searchsorted(bars.timestamp, evidence.trades["entry_time"].to_numpy())
    assert set(regime_codes(bars)[entered - 1].tolist()) == {REGIME_NAMES.index(regime)}  # decided at the close before
    free = optimize(spec_of(min_trades=1, fixed=often), context).document
    assert free["regime_filter"] is None and free["metrics"]["total_trades"] > found["metrics"]["total_trades"]
    every = [metrics["total_trades"] for metrics in free["by_regime"].values()]
    assert set(free["by_regime"]) > {regime} and sum(every) == free["metrics"]["total_trades"]


@pytest.mark.parametrize("action", ["mark", "drop"])
def test_the_data_filter_decides_what_may_be_traded(action: str, context: Context, bars: Bars) -> None:
    volume = float(np.quantile(bars.volume, 0.4))
    chosen = {"min_volume_threshold": volume, "action": action, "min_price_movement_pct": 0.0}
    found = optimize(spec_of(filter=chosen, min_trades=1), context).document
    filtered = apply_filter(bars, DataFilter(**chosen))
    seen = filtered.bars
    if action == "mark":
        seen = Bars(*(getattr(seen, n) for n in ("instrument", "timestamp", "open", "high", "low", "close", "volume")),
                    {USABLE: filtered.usable.astype(float)})  # fmt: skip
    n, cut = len(seen), int(len(seen) * 0.7)
    (hand,) = by_hand(
        seen, strategy_named("range_sweep"), POINTS, iter([(np.arange(cut), np.arange(cut, n))]), min_trades=1
    )
    (window,) = found["windows"]
    assert hand.best is not None
    assert (window["parameters"], window["score"]) == (POINTS[hand.best], hand.score[hand.best])
    assert window["train"]["sharpe_annual"] == window["score"]  # though bars are missing
    assert found["metrics"]["total_trades"] == len(hand.record.trades)
    report = found["filter"]["BTC/USDT"]
    assert report["removed_count"] > 500 and n == (2_000 if action == "mark" else 2_000 - report["removed_count"])
    evidence = evidence_of(found["experiment_id"], context)
    assert evidence is not None
    entered = np.searchsorted(bars.timestamp, evidence.trades["entry_time"].to_numpy())
    if action == "mark":
        assert (bars.volume[entered - 1] >= volume).all()


def test_costs_fixed_parameters_and_the_newest_bars_count(context: Context, bars: Bars) -> None:
    found = optimize(
        spec_of(costs={"fee": 0.0, "slippage_bps": 0.0}, fixed={"k": 0.5}, bars=1_000, min_trades=1), context
    ).document
    newest = bars[1_000:]
    from assay.kernel.decisions import Costs

    (hand,) = by_hand(
        newest, strategy_named("range_sweep"), POINTS, iter([(np.arange(700), np.arange(700, 1_000))]),
        base={"k": 0.5}, costs=Costs(fee=0.0, slippage_bps=0.0), min_trades=1,
    )  # fmt: skip
    assert hand.best is not None
    assert (found["windows"][0]["score"], found["best_parameters"]["k"]) == (hand.score[hand.best], 0.5)
    assert found["metrics"]["fees"] == 0.0 and found["metrics"]["n_obs"] == 300


@pytest.mark.parametrize("objective", ["net_profit", "sortino", "calmar", "profit_factor"])
def test_each_objective_is_its_metric(objective: str, context: Context, bars: Bars) -> None:
    metric = {"sortino": "sortino_annual"}.get(objective, objective)
    found = optimize(spec_of(objective=objective), context).document
    (hand,) = by_hand(bars, strategy_named("range_sweep"), POINTS, iter([SPLIT]), min_trades=3, metric=metric)
    assert hand.best is not None
    assert found["windows"][0]["parameters"] == POINTS[hand.best]
    assert found["best_score"] == pytest.approx(hand.score[hand.best], rel=1e-12)
    assert found["best_metrics"][metric] == pytest.approx(found["best_score"], rel=1e-12)
