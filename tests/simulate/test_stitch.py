"""Folds as one account, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from assay.simulate.engine import simulate
from assay.simulate.result import BacktestResult, combine_in_sequence
from tests.simulate.candles import FREE, HOUR, decide, flat_candles

near = lambda value: pytest.approx(value, rel=1e-12)  # noqa: E731


def later(record: BacktestResult, hours: int) -> BacktestResult:
    trades = record.trades
    moved = {name: getattr(trades, name) + hours * HOUR for name in ("entry_time", "exit_time")}
    return replace(record, timestamp=record.timestamp + hours * HOUR, trades=replace(trades, **moved))


def test_a_fold_trades_what_the_folds_before_it_left():
    half = simulate(flat_candles(10, 10, 5, 5), decide(4, r0=1.0), FREE)
    double = later(simulate(flat_candles(10, 10, 20, 20), decide(4, r0=1.0), FREE), 4)
    whole = combine_in_sequence([half, double], offsets=[0, 4])
    assert whole.equity == near([1, 1, 0.5, 0.5, 0.5, 0.5, 1, 1])
    assert whole.trades.quantity == near([0.1, 0.05]) and whole.trades.pnl == near([-0.5, 0.5])
    assert list(whole.trades.entry_row) == [1, 5]


def test_a_ruined_account_has_no_further_trades():
    ruined = simulate(flat_candles(10, 10, 25, 10), decide(4, r0=-1.0), FREE)
    after = later(simulate(flat_candles(10, 10, 20, 20), decide(4, r0=1.0), FREE), 4)
    whole = combine_in_sequence([ruined, after], offsets=[0, 4])
    assert list(whole.equity) == [1, 1, 0, 0, 0, 0, 0, 0]
    assert len(whole.trades) == 1 and (whole.trades.quantity > 0).all()
    np.testing.assert_array_equal(whole.returns[4:], after.returns)  # each fold's numbers stand for themselves
