"""Walk-forward of LightGBM, 10 folds, 100k bars x core72: ours beside the bare library calls on the same folds.

Both fit the same rows of the same folds with the same parameters, two folds at a time on one thread each. Ours also
screens, fills, scales, calibrates, sizes and trades every test fold. Limit: 1.15 times the bare calls.
"""

import json
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np

from assay.kernel.contracts import Fold, NullReport
from assay.kernel.panel import Panel
from assay.kernel.seeding import integer
from assay.kernel.spec import TrainSpec
from assay.learn import EnsembleParams, EnsembleTrainer, lightgbm_options
from assay.market import synthetic
from assay.runs import load_history
from assay.validate import WalkForward, walk_forward

BARS, FOLDS, REPEATS, WORKERS = 100_000, 10, 5, 2
PARAMS = EnsembleParams(members=("lightgbm",))
COSTS = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h").costs


def bare(panel: Panel, folds: list[Fold]) -> None:
    """What a notebook would do: slice, fit with early stopping on the newest fifth, predict the test rows."""
    window = panel.one
    labels = window.labels
    assert labels is not None
    x = window.features.astype(np.float32)
    y = np.searchsorted(labels.classes, labels.y)

    def one(fold: Fold) -> None:
        rows = fold.train[np.isfinite(labels.y[fold.train])]
        first = window.bars.known_at[rows[int(len(rows) * (1 - PARAMS.validation_share))]]
        older = rows[labels.known_at[rows] < first]
        newer = rows[window.bars.known_at[rows] >= first]
        options = lightgbm_options(3, integer(42, "lightgbm")) | {
            "learning_rate": PARAMS.learning_rate, "num_leaves": PARAMS.leaves, "max_depth": PARAMS.depth,
            "min_data_in_leaf": PARAMS.min_leaf, "bagging_fraction": PARAMS.row_share, "bagging_freq": 1,
            "feature_fraction": PARAMS.column_share,
        }  # fmt: skip
        train = lightgbm.Dataset(x[older], y[older], params=options)
        valid = lightgbm.Dataset(x[newer], y[newer], reference=train, params=options)
        # The same number of rounds as ours: stopping early is not what is compared.
        booster = lightgbm.train(options, train, PARAMS.trees, valid_sets=[valid], callbacks=[lambda _: None])
        booster.predict(x[fold.test], num_threads=1)

    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, folds))


def ours(panel: Panel, plan: WalkForward) -> None:
    trainer = EnsembleTrainer(EnsembleParams(members=("lightgbm",), patience=PARAMS.trees))
    for _ in walk_forward(trainer, panel, plan, costs=COSTS, seed=42, report=NullReport(), workers=WORKERS):
        pass


def main() -> None:
    bars = synthetic(bars=BARS, seed=1, ic=0.1, symbol="GOLD/USDT:USDT")
    spec = TrainSpec(exchange="synthetic", symbols=("GOLD/USDT:USDT",), timeframe="1h")
    panel = load_history(spec, [bars]).panel
    n = len(panel.times)
    plan = WalkForward(n // 3, (n - n // 3 - 30) // FOLDS)
    folds = list(plan.folds(panel.known_at, panel.times))
    ours(panel, plan)  # warm: compiled, imported
    times: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(REPEATS):
        for name, work in (("ours", lambda: ours(panel, plan)), ("bare", lambda: bare(panel, folds))):
            began = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - began)
    found = {name: statistics.median(t) for name, t in times.items()}
    figure = {
        "bench": "walk_forward_lightgbm",
        "bars": BARS,
        "columns": len(panel.one.names),
        "folds": len(folds),
        "ours_s": round(found["ours"], 2),
        "bare_s": round(found["bare"], 2),
        "ratio": round(found["ours"] / found["bare"], 3),
        "limit": 1.15,
    }
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
