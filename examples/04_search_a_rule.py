"""A rule learns nothing, so it is searched: many candidates in one call, the best judged on bars that come after.

First the search itself, on one stretch of bars; then the whole of it, window by window, with everything remembered.
"""

import tempfile
from pathlib import Path

from assay.app import context
from assay.kernel.contracts import NullReport
from assay.kernel.decisions import Costs
from assay.kernel.panel import Panel, Window
from assay.kernel.spec import SplitSpec, TrainSpec
from assay.learn import RuleTrainer, strategy_named
from assay.market import synthetic
from assay.runs._optimize import optimize
from assay.validate import Grid, RuleSweep, Search, Space

bars = synthetic(bars=6_000, seed=7, ic=0.1)
rule = strategy_named("sma_cross")
base = rule.resolve({})

search = Search(
    make=lambda point: RuleTrainer(rule, {**base, **point}),
    space=Space.of_strategy(rule, {"fast": [5, 10, 20, 40], "slow": [30, 60, 120]}),
    costs=Costs(fee=0.0005),
    sweep=RuleSweep(rule, base),
    method=Grid(),
)
found = search.search(Panel.of(Window.of_bars(bars[:4_000])), seed=1, report=NullReport())
print(f"{found.valid_evaluations} of {found.total_evaluations} candidates, best {found.best_parameters}")
for row in sorted(found.rows, key=lambda row: -row.score)[:3]:
    print(f"  {row.parameters}: Sharpe {row.score:.2f} a year in-sample, {row.trades} trades")

spec = TrainSpec(
    exchange=bars.instrument.exchange,
    symbols=(bars.instrument.symbol,),
    timeframe=bars.instrument.timeframe,
    learner="rules",
    features=(),
    folds=SplitSpec(train_days=90, test_days=30, gap_days=7),
    costs=Costs(fee=0.0005),
    params={"strategy": "sma_cross", "method": "random", "trials": 50},
)
with tempfile.TemporaryDirectory() as home:
    store, _ = context(home=Path(home))
    store.candles.upsert(bars, source="example")
    document = optimize(spec, store).document
    for window in document["windows"]:
        train, test = window["train"]["sharpe_annual"], window["test"]["sharpe_annual"]
        print(f"  {window['test_from'][:10]} {window['parameters']}: {train:.2f} in-sample, {test:.2f} out of sample")
    print(f"{document['verdict']} after {document['n_trials']} trials; configuration {document['config_id']}")
    print(store.record.configurations.get(document["config_id"])["lifecycle_stage"])
