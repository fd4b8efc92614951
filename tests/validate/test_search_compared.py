"""What a search tried is compared by the returns of each, drawn without regard to how it fared."""

import numpy as np

from assay.kernel.contracts import NullReport
from assay.validate import statistics as s
from assay.validate.search import search as module
from assay.validate.search.sampler import Grid
from assay.validate.search.search import MOST, compare_configurations
from tests.learn.strategy_bars import lively
from tests.validate.test_search_swept import RULES, learning, made

SPACE = {"p": [0.0005, 0.002, 0.004], "max_holding_periods": [5, 20]}


def searched(space=None, **more):
    search = made(RULES["range_sweep"], space=space or SPACE, objective="net_profit", min_trades=1, **more)
    train = learning(lively(900), 100)
    return search, search.search(train, seed=1, report=NullReport()), train


def test_few_are_all_compared_by_their_own_returns() -> None:
    search, result, train = searched(method=Grid())
    ground = search.sweep.on(train, search.space, search.costs)
    returns = [ground.record(result.trials.point(k)).returns for k in range(6)]
    found = compare_configurations(search, result, train, seed=1)
    want = s.probability_of_backtest_overfitting(np.column_stack(returns))
    np.testing.assert_array_equal(found.logits, want.logits)
    assert (found.pbo, found.loss_share) == (want.pbo, want.loss_share)


def test_of_many_a_hundred_are_drawn_by_the_seed(monkeypatch) -> None:
    wide = {"p": np.linspace(0.0005, 0.004, 20).tolist(), "max_holding_periods": [5, 10, 15, 20, 25, 30]}
    search, result, train = searched(wide, method=Grid())
    drawn: list[list[float]] = []
    real = module.overfitting_of

    def seen(series, blocks):
        kept = [*series]
        drawn.append([float(each.sum()) for each in kept])
        return real(kept, blocks)

    monkeypatch.setattr(module, "overfitting_of", seen)
    one, again, other = (compare_configurations(search, result, train, seed=seed) for seed in (1, 1, 2))
    assert len(result.trials) == 120 and len(drawn[0]) == MOST
    assert drawn[0] == drawn[1] != drawn[2] and one.pbo == again.pbo and len(other.logits) == 12_870


def test_one_configuration_has_nothing_to_be_compared_with() -> None:
    search, result, train = searched({"p": [0.0005], "max_holding_periods": [5]}, method=Grid())
    assert compare_configurations(search, result, train, seed=1) is None
