"""Every rule of the execution, by hand."""

import numpy as np
import pytest

from assay.kernel.bars import Joined
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import ConfigError, DataError
from assay.simulate.engine import simulate
from assay.simulate.step import alone
from tests.simulate.candles import FREE, HOUR, candles, decide, flat_candles

near = lambda value: pytest.approx(value, rel=1e-12)  # noqa: E731


def only(record):
    """The only trade: rows, prices to 12 digits (they are notional over quantity), reason."""
    assert len(record.trades) == 1
    t = record.trades
    paid, got = (float(f"{price:.12g}") for price in (t.entry_price[0], t.exit_price[0]))
    return t.entry_row[0], t.exit_row[0], paid, got, t.reasons[0]


class TestFillsAndLevels:
    def test_decided_at_close_filled_at_next_open(self):
        bars = candles((10, 10, 10, 10), (11, 13, 11, 12), (12, 15, 12, 15))
        record = simulate(bars, decide(3, r0=1.0), FREE)
        # bought at 11, marked at 12 then 15, closed at 15
        assert only(record) == (1, 2, 11, 15, "END_OF_DATA")
        assert record.equity == near([1, 12 / 11, 15 / 11])
        assert record.returns == near([0, 1 / 11, 15 / 12 - 1])
        assert list(record.exposed) == [False, True, True]
        assert record.position == near([0, 1, 0])

    def test_last_decision_is_never_traded(self):
        record = simulate(flat_candles(10, 11), decide(2, r1=1.0), FREE)
        assert len(record.trades) == 0 and list(record.equity) == [1, 1]

    def test_stop_on_the_entry_bar(self):
        bars = candles((10, 10, 10, 10), (10, 10.5, 8.9, 10.2), (10.2, 10.3, 10.1, 10.2))
        record = simulate(bars, decide(3, r0=(1.0, 1.0)), FREE)
        # stop 10 - 1 = 9, low 8.9: out at 9 on the entry bar
        assert only(record) == (1, 1, 10, 9, "SL")
        assert record.equity == near([1, 0.9, 0.9])
        assert list(record.exposed) == [False, True, False]

    def test_touch_is_enough(self):
        bars = candles((10, 10, 10, 10), (10, 11, 10, 10.5))
        assert only(simulate(bars, decide(2, r0=(1.0, None, 1.0)), FREE)) == (1, 1, 10, 11, "TP")

    def test_gap_through_the_stop_fills_at_the_open(self):
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (8, 9.5, 7, 9))
        assert only(simulate(bars, decide(3, r0=(1.0, 1.0)), FREE)) == (1, 2, 10, 8, "SL")

    def test_gap_through_the_take_fills_at_the_open_even_if_the_stop_is_touched_later(self):
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (13, 13, 8, 9))
        assert only(simulate(bars, decide(3, r0=(1.0, 1.0, 2.0)), FREE)) == (1, 2, 10, 13, "TP")

    def test_both_inside_one_bar_takes_the_stop(self):
        bars = candles((10, 10, 10, 10), (10, 13, 8, 12))
        assert only(simulate(bars, decide(2, r0=(1.0, 1.0, 2.0)), FREE)) == (1, 1, 10, 9, "SL")

    def test_short_levels_are_mirrored(self):
        bars = candles((10, 10, 10, 10), (10, 10.5, 9.5, 10), (10, 10.2, 7.5, 8))
        # short at 10, take 10 - 2 = 8
        record = simulate(bars, decide(3, r0=(-1.0, 1.0, 2.0)), FREE)
        assert only(record) == (1, 2, 10, 8, "TP")
        assert record.trades.side[0] == -1 and record.equity[-1] == near(1.2)
        up = candles((10, 10, 10, 10), (10, 10.5, 9.5, 10), (11.5, 12, 7.5, 8))
        assert only(simulate(up, decide(3, r0=(-1.0, 1.0, 2.0)), FREE)) == (1, 2, 10, 11.5, "SL")

    def test_levels_are_measured_from_the_fill_after_slippage(self):
        # slippage 1 %: bought at 10.1, stop 9.1, left at 9.1 * 0.99 = 9.009
        bars = candles((10, 10, 10, 10), (10, 10, 9.05, 9.5))
        record = simulate(bars, decide(2, r0=(1.0, 1.0)), Costs(fee=0, slippage_bps=100))
        assert only(record) == (1, 1, near(10.1), near(9.009), "SL")

    def test_a_stop_inside_the_slippage_is_hit_at_the_open(self):
        # bought at 10.1, stop 10.05 > open 10: a gap, left at 10 * 0.99
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10))
        record = simulate(bars, decide(2, r0=(1.0, 0.05)), Costs(fee=0, slippage_bps=100))
        assert only(record) == (1, 1, near(10.1), near(9.9), "SL")


class TestOrdersAndWeights:
    def test_hold_expires_at_the_open_of_entry_plus_hold(self):
        bars = candles(*[(10 + i, 10.5 + i, 9.5 + i, 10 + i) for i in range(6)])
        record = simulate(bars, decide(6, r0=(1.0, None, None, 2)), FREE)
        # in at the open of row 1 (11), out at the open of row 3 (13)
        assert only(record) == (1, 3, 11, 13, "MAX_HOLD")
        assert record.trades.bars_held[0] == 2
        assert list(record.exposed) == [False, True, True, False, False, False]

    def test_an_order_on_the_expiry_row_opens_anew(self):
        record = simulate(flat_candles(10, 11, 12, 13, 14, 15), decide(6, r0=(1.0, None, None, 2), r2=(1.0, 5.0)), FREE)
        t = record.trades
        # out at the open of row 3, and row 2's order in at the same open
        assert list(t.entry_row) == [1, 3] and list(t.exit_row) == [3, 5]
        assert t.reasons == ("MAX_HOLD", "END_OF_DATA")

    def test_same_side_order_is_ignored_and_the_levels_stay(self):
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 8.5, 9), (9, 9, 9, 9))
        record = simulate(bars, decide(4, r0=(1.0, 1.0), r1=(0.5, 5.0, 9.0, 1)), FREE)
        assert only(record) == (1, 2, 10, 9, "SL")

    def test_opposite_order_flips_with_its_own_levels(self):
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (12, 12, 12, 12), (12, 12.6, 12, 12), (12, 12, 12, 12))
        record = simulate(bars, decide(5, r0=(1.0, 3.0), r1=(-1.0, 0.5)), FREE)
        t = record.trades
        # long 10 -> 12; short at 12 with stop 12.5
        assert t.reasons == ("SIGNAL", "SL") and list(t.side) == [1, -1]
        assert list(t.entry_price) == near([10, 12]) and list(t.exit_price) == near([12, 12.5])
        # equity 1.2 at the flip, 0.1 units short lose 0.5 each
        assert record.equity[-1] == near(1.2 - 1.2 / 12 * 0.5)

    def test_target_zero_closes(self):
        record = simulate(flat_candles(10, 10, 12, 14), decide(4, r0=(1.0, 5.0), r1=0.0), FREE)
        assert only(record) == (1, 2, 10, 12, "SIGNAL")

    def test_after_a_stop_out_flat_until_a_later_row(self):
        bars = candles((10, 10, 10, 10), (10, 10, 8, 10), (10, 10, 10, 10), (10, 10, 10, 10), (11, 11, 11, 11))
        record = simulate(bars, decide(5, r0=(1.0, 1.0), r2=(1.0, 1.0)), FREE)
        t = record.trades
        assert t.reasons == ("SL", "END_OF_DATA") and list(t.entry_row) == [1, 3]
        assert list(record.position[1:3]) == [0, 0]

    def test_order_of_the_row_that_gaps_out_does_not_reopen(self):
        # row 1's same-side order meets an open position; the position then leaves at that very open
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (8, 8, 8, 8), (8, 8, 8, 8))
        record = simulate(bars, decide(4, r0=(1.0, 1.0), r1=(1.0, 1.0)), FREE)
        assert only(record) == (1, 2, 10, 8, "SL")

    def test_equal_weights_do_not_rebalance_drift(self):
        record = simulate(flat_candles(10, 10, 20, 20, 20), decide(5, r0=0.5, r1=0.5, r2=0.5), FREE)
        # 0.05 units for ever
        assert record.trades.quantity[0] == near(0.05)
        assert record.turnover == near(0.5 + 0.05 * 20 / 1.5)

    def test_a_new_weight_rebalances_within_one_trade(self):
        record = simulate(flat_candles(10, 10, 20, 25, 30), decide(5, r0=0.5, r1=0.8, r2=0.2), FREE)
        # row 1: 0.05 units at 10. row 2: equity 1.5, 0.8 -> 0.06 units, 0.01 bought at 20.
        # row 3: equity 1.5 + 0.06*5 = 1.8, 0.2 -> 0.0144 units, 0.0456 sold at 25. row 4: 0.0144 sold at 30
        t = record.trades
        assert only(record)[:2] == (1, 4)
        assert t.quantity[0] == near(0.06)
        assert t.entry_price[0] == near((0.05 * 10 + 0.01 * 20) / 0.06)
        assert t.exit_price[0] == near((0.0456 * 25 + 0.0144 * 30) / 0.06)
        assert t.pnl[0] == near(0.0456 * 25 + 0.0144 * 30 - 0.7)
        assert record.equity == near([1, 1, 1.5, 1.8, 1.8 + 0.0144 * 5])

    def test_weight_of_the_other_sign_is_a_new_trade(self):
        record = simulate(flat_candles(10, 10, 12, 12, 9), decide(5, r0=1.0, r1=-0.5), FREE)
        assert list(record.trades.side) == [1, -1]
        # 1.2 at the flip; 0.05 units short gain 3 each
        assert record.equity[-1] == near(1.2 + 0.05 * 3)

    def test_a_weight_keeps_the_levels_of_an_order(self):
        bars = candles((10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 10, 10), (10, 10, 8, 10))
        record = simulate(bars, decide(4, r0=(1.0, 1.0), r1=0.5), FREE)
        assert only(record) == (1, 3, 10, near((10 + 9) / 2), "SL")

    def test_a_share_whose_square_is_nothing_is_a_share(self):
        bars = flat_candles(10, 10, 12, 9, 9, 8)
        trades = simulate(bars, decide(6, r0=1e-200, r1=1e-200, r2=-1e-200), FREE).trades
        assert trades.entry_row.tolist() == [1, 3] and trades.exit_row.tolist() == [3, 5]
        assert trades.return_net.tolist() == [near(-0.1), near(1 / 9)]

    def test_a_position_of_no_units_is_none(self):
        record = simulate(flat_candles(10, 10, 12, volume=[0.0] * 3), decide(3, r0=5e-324), FREE)
        assert len(record.trades) == record.zero_volume_fills == 0 and not record.exposed.any()

    def test_weight_equal_to_the_order_that_is_open_does_nothing(self):
        record = simulate(flat_candles(10, 10, 12, 12), decide(4, r0=(1.0, 5.0), r1=1.0), FREE)
        assert record.turnover == near(1 + 1)


class TestCosts:
    def test_fee_and_slippage(self):
        costs = Costs(fee=0.001, slippage_bps=50, spread_bps=100)  # 0.5 % + half of 1 % a side
        record = simulate(flat_candles(100, 100, 110), decide(3, r0=1.0), costs)
        # in at 101, 1/101 units, fee 0.001; out at 110 * 0.99 = 108.9
        units = 1 / 101
        fees = 0.001 * (1 + units * 108.9)
        t = record.trades
        assert only(record)[2:4] == (near(101), near(108.9))
        assert t.fees[0] == near(fees) and t.slippage_cost[0] == near(units * (1 + 1.1))
        assert t.pnl[0] == near(units * 7.9 - fees) and t.pnl_gross[0] == near(units * 10)
        assert t.return_net[0] == near(units * 7.9 - fees)
        assert record.equity == near([1, 1 - 0.001 + units * -1, 1 + t.pnl[0]])
        assert (record.fees, record.slippage) == (near(fees), near(units * 2.1))

    def test_short_pays_borrow_by_the_length_of_the_bar(self):
        record = simulate(
            flat_candles(10, 10, 8, 8), decide(4, r0=-1.0), Costs(fee=0, slippage_bps=0, borrow_rate=0.365)
        )
        # 0.1 units short; an hour costs 0.365 / 8760 of the notional at the close: 1, 0.8, 0.8
        rate = 0.365 / 8760
        assert record.borrow == near(rate * 2.6)
        assert record.equity == near([1, 1 - rate, 1.2 - 1.8 * rate, 1.2 - 2.6 * rate])
        assert simulate(flat_candles(10, 10, 8), decide(3, r0=1.0), Costs(borrow_rate=0.365)).borrow == 0

    def test_funding_is_paid_at_the_close_of_its_bar(self):
        # paid at 1h = close of row 0 (flat), 2h = close of row 1, 2h + 1 ms = row 2
        paid = [(HOUR, 0.5), (2 * HOUR, 0.01), (2 * HOUR + 1, 0.002), (9 * HOUR, 0.9)]
        bars = flat_candles(10, 10, 12, 12, funding=paid)
        record = simulate(bars, decide(4, r0=1.0), FREE)
        # 0.1 units: 0.1*10*0.01, then 0.1*12*0.002; shorts receive the same
        assert record.funding == near(0.01 + 0.0024)
        assert record.equity == near([1, 0.99, 1.19 - 0.0024, 1.19 - 0.0024])
        assert simulate(bars, decide(4, r0=-1.0), FREE).funding == near(-0.0124)
        assert simulate(bars, decide(4, r0=1.0), Costs(fee=0, slippage_bps=0, funding=False)).funding == 0

    def test_funding_paid_in_a_gap_belongs_to_the_bar_after_it_and_revisions_replace(self):
        bars = flat_candles(10, 10, 10, 10)
        times = np.array([0, 1, 5, 6]) * HOUR
        at = np.array([3, 3], np.int64) * HOUR
        series = Joined(at, at + np.array([0, 5]), np.array([0.5, 0.01]))
        gapped = type(bars)(
            bars.instrument, times, bars.open, bars.high, bars.low, bars.close, joined={"funding_rate": series}
        )
        assert simulate(gapped, decide(4, r0=1.0), FREE).funding == near(0.01)
        # flat at its start: what was paid before the first judged bar opened is not ours
        assert simulate(gapped, decide(4, r2=1.0), FREE, start=2).funding == 0

    def test_nan_funding_is_refused(self):
        bars = flat_candles(10, 10, funding=[(2 * HOUR, np.nan)])
        with pytest.raises(DataError) as raised:
            simulate(bars, decide(2, r0=1.0), FREE)
        assert raised.value.code == "DATA_NAN"

    def test_zero_volume_fills_are_counted(self):
        bars = flat_candles(10, 10, 10, volume=[0, 0, 5])
        assert simulate(bars, decide(3, r0=1.0), FREE).zero_volume_fills == 1
        assert simulate(flat_candles(10, 10, 10), decide(3, r0=1.0), FREE).zero_volume_fills == 0

    def test_impact_is_that_of_the_quantity_sized_without_it(self):
        costs = Costs(fee=0, slippage_bps=0, impact_coefficient=0.1, impact_exponent=0.5)
        bars = flat_candles(10, 10, 10, volume=[1, 2.5, 0.05])
        record = simulate(bars, decide(3, r0=1.0), costs)
        # 0.1 units of 2.5: 0.1 * sqrt(0.04) = 2 %: in at 10.2, 1/10.2 units;
        # out on volume 0.05: 0.1 * sqrt(1/10.2/0.05) = 14 %
        units = 1 / 10.2
        assert only(record)[2:4] == (near(10.2), near(10 * (1 - 0.1 * np.sqrt(units / 0.05))))
        dry = flat_candles(10, 10, 10, volume=[1, 0, np.nan])
        assert simulate(dry, decide(3, r0=1.0), costs).slippage == 0


class TestAccount:
    def test_rows_before_start_are_history(self):
        bars = flat_candles(10, 20, 30, 40, 50)
        record = simulate(bars, decide(5, r0=(1.0, 1.0), r1=1.0, r2=0.5), FREE, start=2, equity=100.0)
        # row 2 decides, row 3 fills at 40
        assert only(record) == (3, 4, 40, 50, "END_OF_DATA")
        assert record.equity == near([100, 100, 112.5]) and len(record) == 3
        assert record.trades.entry_time[0] == 3 * HOUR and record.buy_and_hold == near(0.25)

    def test_ruin_leaves_zero_and_says_what_was_owed(self):
        bars = flat_candles(10, 10, 25, 10, 10)
        record = simulate(bars, decide(5, r0=-1.0, r2=1.0, r3=1.0), FREE)
        # 0.1 short, -1.5 at 25: equity 1 - 1.5 = -0.5, closed there
        assert list(record.equity) == [1, 1, 0, 0, 0]
        assert list(record.returns) == [0, 0, -1, 0, 0]
        assert record.shortfall == near(0.5) and record.trades.reasons == ("SL",)
        assert record.initial + record.trades.pnl.sum() + record.shortfall == near(0)

    @pytest.mark.parametrize(
        ("change", "kind", "code"),
        [
            ({"start": 3}, DataError, "DATA_TOO_FEW"),
            ({"start": -1}, ConfigError, "CONFIG_PARAMETER"),
            ({"equity": 0.0}, ConfigError, "CONFIG_PARAMETER"),
            ({"equity": np.inf}, ConfigError, "CONFIG_PARAMETER"),
        ],
    )
    def test_refuses(self, change, kind, code):
        with pytest.raises(kind) as raised:
            simulate(flat_candles(10, 10, 10), decide(3), FREE, **change)
        assert raised.value.code == code

    def test_refuses_lengths_and_prices(self):
        with pytest.raises(ConfigError, match="2 decisions for 3 bars"):
            simulate(flat_candles(10, 10, 10), decide(2), FREE)
        with pytest.raises(DataError, match="row 1") as raised:
            simulate(flat_candles(10, 0, 10), decide(3), FREE)
        assert raised.value.code == "DATA_PRICE"

    def test_read_only_and_strided_arrays_are_the_same_to_the_compiler(self):
        bars = flat_candles(10, 11, 12)
        before = simulate(bars, decide(3, r0=1.0), FREE)
        compiled = len(alone.signatures)
        bars.close.flags.writeable = False
        matrix = np.column_stack([decide(3, r0=1.0).target, np.ones(3)])
        again = simulate(bars, Decisions.weights(matrix[:, 0]), FREE)
        assert list(again.equity) == list(before.equity) and len(alone.signatures) == compiled
