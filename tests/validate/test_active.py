"""Holding earns nothing beyond holding, by hand and through the simulator."""

import numpy as np
import pytest

from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError
from assay.simulate.engine import simulate
from assay.simulate.result import combine_in_sequence
from assay.validate.active import active_returns, market_returns
from tests.simulate.candles import FREE, candles, decide, random_candles

NAN = np.nan


def test_the_mean_position_is_taken_out_by_hand() -> None:
    returns, exposure = np.array([0.0, 0.02, -0.01, 0.03]), np.array([0.0, 1.0, 0.0, 0.5])
    market = np.array([NAN, 0.02, -0.04, 0.06])
    found = active_returns(returns, exposure, market)
    assert found.mean_exposure.tolist() == [0.5]  # of the three bars that could be traded
    assert found.returns == pytest.approx([0.0, 0.01, 0.01, 0.0])


def test_each_instrument_has_its_own_mean() -> None:
    exposure = np.array([[0.0, 0.0], [0.5, -0.5], [0.5, 0.0]])
    market = np.array([[NAN, NAN], [0.1, 0.2], [-0.1, NAN]])
    found = active_returns(np.array([0.0, -0.05, -0.05]), exposure, market)
    assert found.mean_exposure.tolist() == [0.5, -0.5]
    assert found.returns == pytest.approx([0.0, 0.0, 0.0])


def test_the_first_tradable_bar_of_a_fold_is_open_to_close() -> None:
    bars = candles((10, 10, 10, 10), (20, 25, 20, 25), (50, 50, 50, 50))
    assert market_returns(bars) == pytest.approx([NAN, 0.25, 1.0], nan_ok=True)
    assert np.isnan(market_returns(bars[:1])).all() and len(market_returns(bars[:0])) == 0


@pytest.mark.parametrize("weight", [1.0, 0.0])
def test_holding_for_whole_folds_is_worth_exactly_nothing(weight: float) -> None:
    bars = random_candles(600, 3)
    folds = [bars[a : a + 200] for a in (0, 200, 400)]
    records = [simulate(fold, decide(200, r0=weight), FREE) for fold in folds]
    whole = combine_in_sequence(records, offsets=[0, 200, 400])
    found = active_returns(whole.returns, whole.exposure, np.concatenate([market_returns(f) for f in folds]))
    assert found.mean_exposure == pytest.approx([weight], abs=1e-12)
    assert np.abs(found.returns).max() < 1e-12


def test_with_costs_holding_loses_just_them() -> None:
    bars = random_candles(200, 3)
    record = simulate(bars, decide(200, r0=1.0), Costs(fee=0.001, slippage_bps=0.0))
    found = active_returns(record.returns, record.exposure, market_returns(bars)).returns
    paid = np.flatnonzero(np.abs(found) > 1e-5)
    assert paid.tolist() == [1, 199]  # entry and exit
    assert found[paid] == pytest.approx([-0.001, -0.001], rel=0.05)  # of what the bar made of it


def test_a_half_position_is_nearly_nothing_whatever_the_drift() -> None:
    g = np.random.default_rng(1)
    close = 100 * np.exp(np.cumsum(g.normal(0.002, 0.01, 2000)))
    bars = candles(*[(p, p, p, p) for p in close])
    rows = {f"r{t}": 0.5 + 1e-6 * (t % 2) for t in range(1999)}  # brought back to a half at every open
    record = simulate(bars, decide(2000, **rows), FREE)
    found = active_returns(record.returns, record.exposure, market_returns(bars)).returns
    assert record.returns.mean() > 9e-4 and abs(found.mean()) < 3e-5


def test_shapes_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="one row a bar"):
        active_returns(np.zeros(3), np.zeros(3), np.zeros(2))
    with pytest.raises(ConfigError, match="one row a bar"):
        active_returns(np.zeros(2), np.zeros((3, 1)), np.zeros((3, 1)))
