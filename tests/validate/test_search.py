"""The trainer of trainers: what it judges on, what it counts, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.contracts import NullReport, Trainer, Trial
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError
from assay.learn.rules import RuleTrainer
from assay.simulate.metrics import return_metrics
from assay.testing.trainers import TinyTrainer
from assay.validate._walk_forward import walk_forward
from assay.validate.search.objective import Objective
from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.result import SearchResult, Trials
from assay.validate.search.sampler import Grid, Method, Random, Row
from assay.validate.search.space import Space
from assay.validate.search.successive_halving import Halving
from assay.validate.splits import WalkForward
from assay.validate.statistics import deflated_sharpe_ratio
from tests.learn.markets import market
from tests.validate.search_killed import RULE, SEED, panel, search
from tests.validate.searches import PLAN, found, tiny


@pytest.mark.parametrize("method", [Grid(), Random(), Bayesian()])
def test_workers_change_nothing(method: Method) -> None:
    space = Space.of_strategy(RULE, {"fast": [5, 10, 20, 30], "slow": [40, 60, 80, 100, 120]})
    one, two, again = (found(search(None, method=method, space=space, trials=18, workers=w)) for w in (1, 2, 1))
    assert one.as_dict() == two.as_dict() == again.as_dict()
    assert one.total_evaluations == (20 if method.name == "grid" else 18)
    other = found(search(None, method=Random(), space=space, trials=18), seed=SEED + 1)
    assert other.all_results[0]["parameters"] != found(search(None, space=space, method=Random())).rows[0].parameters


def test_the_best_is_scored_on_inner_test_bars_as_a_walk_scores_it() -> None:
    result = found(search(None, method=Random(), trials=12))
    outcomes = list(
        walk_forward(
            RuleTrainer(RULE, result.best_parameters), panel(), PLAN, costs=Costs(), seed=0, report=NullReport()
        )
    )
    returns = np.concatenate([o.tested["GOLD/USDT"].record.returns for o in outcomes])
    assert len(returns) == 400
    assert result.best_score == return_metrics(returns, bars_per_year=8760.0)["sharpe_annual"]
    trades = sum(len(o.tested["GOLD/USDT"].record.trades) for o in outcomes)
    assert result.best.trades == trades == result.best_metrics["total_trades"]
    valid = [row for row in result.rows if row.valid]
    assert result.best_score == max(row.score for row in valid)


@pytest.mark.parametrize(
    ("objective", "metric"),
    [
        ("sharpe_ratio", "sharpe_annual"), ("net_profit", "net_profit"), ("sortino", "sortino_annual"),
        ("calmar", "calmar"), ("profit_factor", "profit_factor"),
    ],
)  # fmt: skip
def test_objectives(objective: str, metric: str) -> None:
    result = found(search(None, method=Random(), trials=8, objective=objective))
    assert all(row.score == row.metrics[metric] for row in result.rows if row.valid)
    assert result.as_dict()["objective"] == objective


def test_deflated_takes_the_same_number_of_trials_for_every_candidate() -> None:
    result = found(search(None, method=Random(), trials=8, objective="deflated", counted=100))
    for row in result.rows:
        m = row.metrics
        wanted = deflated_sharpe_ratio(m["sharpe"], 400, m["skew"], m["kurtosis"], 108, 1 / 399)
        assert row.score == wanted or not row.valid
    more = found(search(None, method=Random(), trials=8, objective="deflated", counted=10_000))
    assert more.best_score < result.best_score
    with pytest.raises(ConfigError, match="must be one of"):
        Objective("sharp")


class Counting(NullReport):
    """Keeps trials, and fails at one."""

    def __init__(self, fail_at: int = 0) -> None:
        super().__init__()
        self.fail_at = fail_at

    def trial(self, trial: Trial) -> int:
        if len(self.trials) + 1 == self.fail_at:
            raise RuntimeError("the ledger is full")
        return super().trial(trial) + 500


def test_every_trial_is_counted_before_its_score_is_used() -> None:
    report = Counting()
    result = found(search(None, method=Random(), trials=20, min_trades=9, strategy="sma_cross"), report=report)
    assert len(report.trials) == result.total_evaluations == 20
    assert result.ledger_trial_ids == tuple(range(501, 521))
    assert 0 < result.valid_evaluations < 20
    for row, trial in zip(result.rows, report.trials, strict=True):
        assert dict(trial.params) == dict(row.parameters)
        assert (trial.state, len(trial.returns)) == (("complete", 400) if row.valid else ("failed", 0))
        assert trial.market_key == "synthetic|GOLD/USDT|1h"
        assert (trial.learner, trial.strategy, trial.tuning_method) == ("rules", "sma_cross", "random")
        assert math.isnan(trial.score) != row.valid
        assert row.reason == ("" if row.valid else "rejected: too_few_trades")
        assert row.valid == (row.trades >= 9)
    with pytest.raises(RuntimeError, match="the ledger is full"):
        found(search(None, method=Random(), trials=20), report=Counting(fail_at=7))


def test_ties_go_to_more_trades_then_to_the_first() -> None:
    def row(number: int, score: float, trades: int) -> Row:
        return Row(number, {}, score, True, "", trades, {}, 0)

    rows = [row(0, 1.0, 9), row(1, 2.0, 5), row(2, 2.0, 7), row(3, 2.0, 7)]
    assert Trials.of(rows).best == 2
    twins = tiny(make=lambda p: TinyTrainer(2), method=Grid())
    assert found(twins, market(400)).best.number == 0


def test_the_result_in_numbers() -> None:
    scores = [math.nan, 1.0, 3.0, 2.0]
    rows = tuple(
        Row(i, {"a": i}, s, s == s, "" if s == s else "rejected: too_few_trades", 9, {"sharpe": s}, i)
        for i, s in enumerate(scores)
    )
    result = SearchResult(Trials.of(rows), rows[2], "random", "net_profit", 42, 4)
    stats = result.search_stats
    assert math.isnan(stats.pop("convergence_curve")[0])
    assert result.search_stats["convergence_curve"][1:] == [1.0, 3.0, 3.0]
    assert stats == {
        "total_iterations": 4, "valid_configurations": 3, "best": 3.0, "worst": 1.0, "mean": 2.0, "median": 2.0,
        "std": 1.0, "top_10_pct_threshold": 2.8, "configurations_above_threshold": 1,
    }  # fmt: skip
    assert (result.best_parameters, result.valid_evaluations) == ({"a": 2}, 3)
    assert result.as_dict()["all_results"][0] == {
        "trial": 0, "parameters": {"a": 0}, "score": None, "valid": False, "reason": "rejected: too_few_trades",
        "ledger_id": 0, "metric_sharpe": None,
    }  # fmt: skip


def test_settings_are_checked_at_the_door() -> None:
    for name, value in (("workers", 0), ("batch", 0), ("min_trades", -1), ("trials", 0)):
        with pytest.raises(ConfigError, match=name):
            tiny(**{name: value})
    with pytest.raises(ConfigError, match="objective"):
        tiny(objective="sharpe")
    with pytest.raises(ConfigError, match=r"1e12"):
        tiny(method=Grid(), space=Space.of({"a": (1, 10**6), "b": (1, 10**6)}))
    trainers: list[Trainer] = [tiny()]
    assert trainers[0].name == "search"


def test_halving_drops_the_worst_early_counts_all_and_finds_what_a_whole_search_finds() -> None:
    space = Space.of({"keep": (1, 9)})
    whole = tiny(space=space, method=Grid(), trials=9)
    report = NullReport()
    halved = replace(whole, halving=Halving(3))
    result = found(halved, market(700), report=report)
    full = found(whole, market(700))
    folds = len([*WalkForward(120, 60).folds(market(700).known_at, market(700).times)])
    assert folds > 3 and len(result.trials) == len(report.trials) == 9
    states = [trial.state for trial in report.trials]
    assert states.count("pruned") == 9 - 3 + (2 if folds > 3 else 0)
    by_point = {row.parameters["keep"]: row for row in full.rows}
    stayed = [row for row in result.rows if row.valid]
    assert stayed and all(row.score == by_point[row.parameters["keep"]].score for row in stayed)
    assert all(math.isnan(row.score) and row.reason == "pruned" for row in result.rows if not row.valid)
    assert result.best_score == max(row.score for row in stayed)
    side_by_side = found(replace(halved, workers=3), market(700))
    np.testing.assert_array_equal(side_by_side.trials.score, result.trials.score)


def test_halving_needs_a_search_that_it_can_halve() -> None:
    with pytest.raises(ConfigError, match="bayesian search learns from scores"):
        tiny(halving=Halving(2), method=Bayesian())
