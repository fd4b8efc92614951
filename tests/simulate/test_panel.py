"""Several instruments on one account, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from assay.kernel.errors import ConfigError, DataError
from assay.simulate.engine import run_panel
from tests.simulate.candles import FREE, HOUR, decide, flat_candles

A, B = "BTC/USDT", "ETH/USDT"
near = lambda value: pytest.approx(value, rel=1e-12)  # noqa: E731


def test_orders_of_one_instant_are_sized_by_the_same_equity():
    bars = {A: flat_candles(10, 10, 20, 20), B: flat_candles(5, 5, 5, 10, symbol=B)}
    record = run_panel(bars, {A: decide(4, r0=0.5, r1=0.0), B: decide(4, r1=0.5)}, FREE)
    # A: 0.05 at 10, sold at 20: equity at that open 1 + 0.5 = 1.5; B: 0.75 / 5 = 0.15 units, then at 10
    assert record.equity == near([1, 1, 1.5, 2.25])
    assert record.position[2] == near([0, 0.5])
    assert list(record.trades.symbol) == [0, 1] and record.trades.symbols == (A, B)
    assert record.buy_and_hold == near((1.0 + 1.0) / 2)


def test_an_instrument_without_a_bar_waits_and_is_valued_at_its_last_close():
    b = flat_candles(5, 5, 8, 8, symbol=B)
    b = replace(b, timestamp=np.array([0, 1, 3, 4]) * HOUR)  # no bar at 2 h
    record = run_panel({A: flat_candles(10, 10, 10, 10, 10), B: b}, {A: decide(5), B: decide(4, r0=0.5, r1=0.0)}, FREE)
    # B: 0.1 units at 5; row 1 says close: done at its next bar, 3 h, at 8
    assert record.equity == near([1, 1, 1, 1.3, 1.3])
    assert record.position[2] == near([0, 0.5])
    assert record.trades.exit_time[0] == 3 * HOUR and record.trades.exit_row[0] == 2
    assert list(record.exposed) == [False, True, True, False, False]


def test_an_instrument_that_ends_early_is_closed_there():
    bars = {A: flat_candles(10, 10, 10, 10), B: flat_candles(5, 5, 6, symbol=B)}
    record = run_panel(bars, {A: decide(4), B: decide(3, r0=1.0)}, FREE)
    assert record.trades.reasons == ("END_OF_DATA",) and record.trades.exit_time[0] == 2 * HOUR
    assert record.equity == near([1, 1, 1.2, 1.2])


def test_ruin_closes_everything():
    bars = {A: flat_candles(10, 10, 40, 10), B: flat_candles(5, 5, 5, 9, symbol=B)}
    record = run_panel(bars, {A: decide(4, r0=-0.5), B: decide(4, r0=0.5)}, FREE)
    # A: 0.05 short loses 1.5
    assert list(record.equity) == [1, 1, 0, 0] and record.shortfall == near(0.5)
    assert record.trades.reasons == ("SL", "SL")


def test_since_is_the_first_instant_that_decides():
    bars = {A: flat_candles(10, 10, 10, 20), B: flat_candles(5, 5, 5, 5, symbol=B)[:2]}
    record = run_panel(bars, {A: decide(4, r0=1.0, r2=1.0), B: decide(2, r0=1.0)}, FREE, since=3 * HOUR)
    # B has no bar that is known at 3 h or later
    assert list(record.timestamp) == [2 * HOUR, 3 * HOUR] and record.trades.symbols == (A,)
    assert list(record.trades.entry_row) == [3]


def test_refuses():
    a, b = flat_candles(10, 10), flat_candles(5, 5, symbol=B)
    with pytest.raises(ConfigError, match="'ETH/USDT' is only in one"):
        run_panel({A: a}, {A: decide(2), B: decide(2)}, FREE)
    daily = flat_candles(5, 5, symbol=B, timeframe="2h")
    with pytest.raises(ConfigError) as raised:
        run_panel({A: a, B: daily}, {A: decide(2), B: decide(2)}, FREE)
    assert raised.value.code == "CONFIG_TIMEFRAME"
    with pytest.raises(DataError) as empty:
        run_panel({A: a, B: b}, {A: decide(2), B: decide(2)}, FREE, since=9 * HOUR)
    assert empty.value.code == "DATA_TOO_FEW"
