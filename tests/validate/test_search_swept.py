"""A search of a rule through the sweep scores what walking each candidate would score, and counts every one."""

import io
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import USABLE
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, DataError, TrainError
from assay.kernel.panel import Panel, Window
from assay.learn.rules import RuleTrainer
from assay.learn.strategies import Entries, Range, Structural, all_strategies, strategy
from assay.validate._walk_forward import judge_model
from assay.validate.search.objective import bars_per_year, candidate_metrics
from assay.validate.search.optuna_sampler import Bayesian
from assay.validate.search.sampler import Grid, Random
from assay.validate.search.search import Search
from assay.validate.search.space import Space
from assay.validate.search.sweep_evaluator import RuleSweep
from tests.learn.strategy_bars import lively

RULES = all_strategies()
SMALL = {  # what makes these rules trade on 700 lively bars
    "divergence_capitulation": {"ema_fast": 5, "ema_slow": 30, "take_profit_ema": 20},
    "htf_sweep": {"htf": "4h"},
}


def made(rule, *, space=None, base=None, method=None, regime="", **more):
    base = rule.resolve(SMALL.get(rule.name, {}) | (base or {}))
    space = Space.of(space, names=rule.parameters, fixed=base) if space else Space.of_strategy(rule)
    space = replace(space, constraints=rule.constraints, fixed=base)
    return Search(
        make=lambda p: RuleTrainer(rule, {**base, **p}, regime=regime),
        space=space,
        costs=Costs(),
        sweep=RuleSweep(rule, base, regime),
        method=method or Random(),
        min_trades=more.pop("min_trades", 0),
        **more,
    )


def learning(bars, first):
    panel = Panel.of(Window.of_bars(bars))
    return panel.train_view(np.arange(first, len(bars)))


def walked(search, train, point):
    """The candidate as any trainer: fitted, then decided and traded on all instants that may be learnt from."""
    model = search.make(point).fit(train, seed=1, report=NullReport())
    rows = np.flatnonzero(train.times >= train.since)
    tested = judge_model(model, train, rows, search.costs)
    return next(iter(tested.values())).record


@pytest.mark.parametrize("name", RULES)
@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_a_score_is_that_of_the_candidate_walked_alone(name, data):
    bars = lively(900 if name != "divergence_capitulation" else 700, seed=data.draw(st.integers(0, 3), label="seed"))
    if data.draw(st.booleans(), label="marked"):
        usable = (np.random.default_rng(0).random(len(bars)) < 0.8).astype(float)
        bars = replace(bars, columns={**bars.columns, USABLE: usable})
    first = data.draw(st.sampled_from([1, 250, 600]), label="first")
    regime = data.draw(st.sampled_from(["", "sideways"]), label="regime")
    method = data.draw(st.sampled_from([Random(), Bayesian()]), label="method")
    search = made(RULES[name], method=method, regime=regime, trials=12, batch=6)
    train = learning(bars, first)
    try:
        result = search.search(train, seed=3, report=NullReport())
    except TrainError as error:
        assert error.code == "TRAIN_NO_VALID_TRIAL"
        return
    for row in result.rows:
        record = walked(search, train, row.parameters)
        wanted = candidate_metrics(record, bars_per_year=bars_per_year(train))
        assert row.trades == len(record.trades)
        for metric, value in row.metrics.items():
            np.testing.assert_array_equal(value, wanted.get(metric, value), err_msg=f"{metric} {row.parameters}")
    assert result.best_metrics == pytest.approx(
        candidate_metrics(walked(search, train, result.best_parameters), bars_per_year=bars_per_year(train)),
        nan_ok=True,
    )


GRID = {"fast": [5, 10, 20], "slow": [8, 20, 50, 100], "share": [0.5, 1.0]}


def test_a_grid_is_the_product_in_declared_order_under_its_constraints():
    search = made(RULES["sma_cross"], space=GRID, method=Grid())
    result = search.search(learning(lively(700), 100), seed=1, report=NullReport())
    points = [*search.space.grid()]
    assert [row.parameters for row in result.rows] == points
    assert len(points) == 9 * 2
    one_by_one = made(RULES["sma_cross"], space=GRID, method=Random(), trials=1000)
    other = one_by_one.search(learning(lively(700), 100), seed=1, report=NullReport())
    scores = {repr(sorted(row.parameters.items())): row.score for row in other.rows}
    assert {repr(sorted(row.parameters.items())): row.score for row in result.rows} == scores
    types = {name: type(value) for name, value in result.best_parameters.items()}
    assert types == {"fast": int, "slow": int, "share": float}


def test_a_large_grid_is_cut_into_chunks_without_a_seam(monkeypatch):
    rule = RULES["range_sweep"]
    space = {"N": [5, 10], "p": [0.0001, 0.0005, 0.001], "k": [0.5, 1.0], "max_holding_periods": [5, 10, 20]}
    train = learning(lively(700), 100)
    whole = made(rule, space=space, method=Grid()).search(train, seed=1, report=NullReport())
    for together in (1, 7, 20):
        monkeypatch.setattr("assay.learn.strategies.batch_evaluator._TOGETHER", together)
        cut = made(rule, space=space, method=Grid()).search(train, seed=1, report=NullReport())
        np.testing.assert_array_equal(cut.trials.score, whole.trials.score)
        np.testing.assert_array_equal(cut.trials.trades, whole.trials.trades)


@pytest.mark.parametrize(("method", "entries"), [(Grid(), 1), (Random(), 1), (Bayesian(), 3)])
def test_every_candidate_is_counted_once_before_it_is_told(method, entries):
    rule = RULES["range_sweep"]
    space = {"p": [0.0001, 0.0005, 0.001], "k": [0.5, 1.0, 2.0], "max_holding_periods": [5, 10, 20]}
    report = NullReport()
    result = made(rule, space=space, method=method, trials=27, batch=10).search(
        learning(lively(700), 100), seed=1, report=report
    )
    assert len(report.trials) == entries
    assert sum(trial.n_configs for trial in report.trials) == len(result.trials) == 27
    rows = [pl.read_parquet(io.BytesIO(trial.block)) for trial in report.trials]
    assert np.concatenate([r["score"].to_numpy() for r in rows]).tolist() == pytest.approx(
        result.trials.score.tolist(), nan_ok=True
    )
    assert rows[0].columns == [
        "p_p", "p_k", "p_max_holding_periods", "score", "failed", "trades", "sharpe", "skew", "kurtosis",
    ]  # fmt: skip
    best = max(report.trials, key=lambda trial: trial.score)
    assert best.score == result.best_score
    assert best.total_trades == result.best.trades
    assert best.n_obs == 600
    assert best.metrics["sharpe_annual"] == result.best_score


def test_returns_of_the_best_are_kept_where_they_cost_little():
    space = {"p": [0.0001, 0.0005], "k": [0.5, 1.0], "max_holding_periods": [*range(1, 41)]}
    report = NullReport()
    result = made(RULES["range_sweep"], space=space, method=Grid()).search(
        learning(lively(700), 100), seed=1, report=report
    )
    (trial,) = report.trials
    assert len(result.trials) == 160 and len(trial.returns) == trial.n_obs == 600
    assert trial.returns.mean() / trial.returns.std(ddof=1) == pytest.approx(trial.metrics["sharpe"])


def test_equal_searches_count_as_one_configuration():
    first, second = (NullReport(), NullReport())
    for report in (first, second):
        made(RULES["range_sweep"], trials=20).search(learning(lively(700), 100), seed=1, report=report)
    assert [t.params for t in first.trials] == [t.params for t in second.trials]


def test_nothing_before_the_window_is_judged_and_nothing_after_is_seen():
    bars = lively(900)
    changed = replace(bars, close=np.r_[bars.close[:700], bars.close[700:] * 2], high=bars.high * 2)
    search = made(RULES["sma_cross"], trials=20)
    whole = Panel.of(Window.of_bars(bars))
    one = search.search(whole.train_view(np.arange(300, 700)), seed=1, report=NullReport())
    other = replace(bars, close=np.r_[bars.close[:700], changed.close[700:]])
    other = replace(other, high=np.maximum(other.high, other.close))
    two = search.search(Panel.of(Window.of_bars(other)).train_view(np.arange(300, 700)), seed=1, report=NullReport())
    np.testing.assert_array_equal(one.trials.score, two.trials.score)
    assert one.span == (int(bars.known_at[300]), int(bars.known_at[699]))


def test_no_valid_candidate_says_how_many_trades_there_were():
    search = made(RULES["range_sweep"], trials=20, min_trades=100_000)
    with pytest.raises(TrainError, match="0 of 20 trials had ≥ 100,000 trades; most had") as caught:
        search.search(learning(lively(700), 100), seed=1, report=NullReport())
    assert caught.value.code == "TRAIN_NO_VALID_TRIAL"
    assert caught.value.facts["reasons"] == {"too_few_trades": 20}


def test_what_a_rule_raises_ends_the_search_with_its_parameters():
    @strategy("broken", {"window": Structural(5, search=Range(1, 9))}, lookback=10)
    def broken(bars, *, window):
        raise ZeroDivisionError(f"at {window}")

    with pytest.raises(TrainError, match=r"broken failed in line \d+: ZeroDivisionError: at \d.*candidate window = \d"):
        made(broken, trials=5).search(learning(lively(200), 20), seed=1, report=NullReport())


def test_what_cannot_be_searched_is_refused():
    rule = RULES["range_sweep"]
    silent = replace(lively(700), volume=None)
    with pytest.raises(DataError, match="needs volume"):
        made(rule).search(learning(silent, 100), seed=1, report=NullReport())
    with pytest.raises(DataError, match="needs 21 bars, there are 15") as caught:
        made(rule).search(learning(lively(15), 2), seed=1, report=NullReport())
    assert caught.value.code == "DATA_TOO_FEW"
    with pytest.raises(ConfigError, match="plan of inner folds"):
        Search(make=RuleTrainer, space=Space.of_strategy(rule), costs=Costs())
    with pytest.raises(ConfigError, match="regime 'sidewards' is unknown"):
        RuleTrainer(rule, regime="sidewards")


def test_a_best_that_never_traded_is_no_second_answer():
    """Its Sharpe ratio is undefined both times."""
    search = made(RULES["range_sweep"], space={"p": [0.5, 0.6]}, method=Grid(), objective="net_profit")
    result = search.search(learning(lively(700), 100), seed=1, report=NullReport())
    assert result.best_score == 0.0 and result.best.trades == 0 and np.isnan(result.best_metrics["sharpe"])


def test_a_rule_that_draws_lots_is_not_believed():
    draws = np.random.default_rng(0)

    @strategy("dice", {"w": Structural(5, search=Range(1, 9))}, lookback=2, needs_volume=False, sizing="fixed")
    def dice(bars, *, w):
        return Entries((draws.random(len(bars)) < 0.02).astype(np.int8))

    with pytest.raises(TrainError, match="strategy dice gave two answers to the same bars"):
        made(dice, trials=5, objective="net_profit").search(learning(lively(200), 20), seed=1, report=NullReport())
