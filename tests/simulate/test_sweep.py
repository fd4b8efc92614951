"""The sweep against the single backtest: every combination, trade for trade, bit for bit."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Joined
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError
from assay.simulate.accumulators import SHORT_BY
from assay.simulate.engine import simulate
from assay.simulate.sweep import Candidates, Exits, Side, States, decisions, sweep_picks, sweep_product, tally_of
from tests.simulate.candles import FREE, HOUR, candles, flat_candles
from tests.simulate.sweeps import NAN, candidates, costs, exits, market, same, side

SEEDS = st.integers(0, 2**32 - 1)
SOME = settings(max_examples=60, deadline=None)


@given(SEEDS)
@SOME
def test_every_combination_is_the_single_backtest_bit_for_bit(seed):
    g = np.random.default_rng(seed)
    n, columns = int(g.integers(5, 250)), int(g.integers(0, 3))
    bars = market(n, g, wild=bool(g.random() < 0.3))
    setups = [candidates(n, columns, bars, g) for _ in range(2)]
    thresholds = np.where(g.random((3, columns)) < 0.1, NAN, g.uniform(0, 0.9, (3, columns)))
    rules, paid = exits(4, g), costs(g)
    start, equity = int(g.integers(0, min(40, n))), float(g.choice([1.0, 977.7]))
    found = sweep_product(bars, setups, thresholds, rules, paid, start=start, equity=equity, threads=1)
    same(found, bars, setups, thresholds, rules, paid, start, equity)
    two = sweep_product(
        bars, [lambda s=s: s for s in setups], thresholds, rules, paid, start=start, equity=equity, threads=2
    )
    np.testing.assert_array_equal(found.values, two.values)


@given(SEEDS, st.booleans())
@settings(max_examples=25, deadline=None)
def test_picks_are_combinations_of_the_product(seed, funded):
    g = np.random.default_rng(seed)
    n, columns = int(g.integers(5, 150)), int(g.integers(0, 3))
    bars, paid = market(n, g), costs(g)
    paid = replace(paid, borrow_rate=0.1) if funded else paid
    setups = [candidates(n, columns, bars, g) for _ in range(3)]
    thresholds, rules = g.uniform(0, 0.9, (3, columns)), exits(4, g)
    start = int(g.integers(0, min(40, n)))
    whole = sweep_product(bars, setups, thresholds, rules, paid, start=start)
    which, t, e = (g.integers(0, k, 9) for k in (3, 3, 4))
    chosen = Exits(*(getattr(rules, f.name)[e] for f in fields(Exits)))
    found = sweep_picks(bars, setups, which, thresholds[t], chosen, paid, start=start, threads=2)
    np.testing.assert_array_equal(found.values, whole.values[which, t, e])
    measured, wanted = found.metrics(bars_per_year=8760), whole.metrics(bars_per_year=8760)
    for name, values in measured.items():
        np.testing.assert_array_equal(values, wanted[name][which, t, e])


def test_a_pick_needs_one_of_each():
    setup = long_at([2], 20)
    with pytest.raises(ConfigError, match="2 setups, 1 threshold sets and 1 exits"):
        sweep_picks(flat_candles(20), [setup], np.array([0, 0]), np.empty((1, 0)), Exits.of(), FREE)


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_state_rule_is_the_single_backtest_of_its_weights(seed):
    g = np.random.default_rng(seed)
    n = int(g.integers(5, 200))
    bars = market(n, g, wild=bool(g.random() < 0.3))
    start, lookback = int(g.integers(0, min(40, n))), int(g.integers(0, 30))
    sides = [g.choice([-1.0, 0.0, 1.0, NAN], n, p=[0.3, 0.1, 0.3, 0.3]) for _ in range(3)]
    setups = [States.of(s, start=start, lookback=lookback) for s in sides]
    rules, paid = Exits.of(share=np.array([1.0, 0.37]), hold=np.array([0.0, 3.0])), costs(g)
    found = sweep_product(bars, setups, np.empty((1, 0)), rules, paid, start=start)
    for s, e in np.ndindex(3, 2):
        target = sides[s] * rules.share[e]
        target[:lookback] = 0.0
        record = simulate(bars, Decisions.weights(target), paid, start=start)
        np.testing.assert_array_equal(found.values[s, 0, e], tally_of(record))


@given(SEEDS, st.sampled_from(["funding", "borrow", "impact"]))
@settings(max_examples=15, deadline=None)
def test_what_depends_on_more_than_the_trade_is_exact_too(seed, which):
    g = np.random.default_rng(seed)
    n = 120
    bars, paid = market(n, g), costs(g)
    if which == "funding":
        at = np.arange(8, n, 8) * HOUR
        bars = replace(bars, joined={"funding_rate": Joined(at, at, g.normal(0, 1e-3, len(at)))})
    else:
        more = {"borrow": {"borrow_rate": 0.3}, "impact": {"impact_coefficient": 0.05}}[which]
        paid = replace(paid, **more)
    setups, thresholds, rules = [candidates(n, 1, bars, g)], g.uniform(0, 0.5, (2, 1)), exits(2, g)
    found = sweep_product(bars, setups, thresholds, rules, paid)
    same(found, bars, setups, thresholds, rules, paid, 0, 1.0)


def long_at(rows, n, columns=(), **more):
    """Candidates that are all long, with a stop unit of 1."""
    table = np.array(columns, float).reshape(len(columns), len(rows))
    side = Side(np.ones(len(rows), np.bool_), table, None, np.ones(len(rows)))
    return Candidates(np.array(rows, np.int32), side, None, np.ones(len(columns), np.bool_), **more)


class TestByHand:
    def test_threshold_exit_and_sums(self):
        # signals in rows 0 and 3; the second has a column value of 2, so a threshold of 1.5 leaves only that one
        bars = candles(
            (10, 10, 10, 10),
            (10, 13, 9.5, 12),
            (12, 12, 12, 12),
            (12, 12, 12, 12),
            (12, 12.5, 10.5, 11),
            (11, 11, 11, 11),
        )
        setup = long_at([0, 3], 6, [[1.0, 2.0]])
        rules = Exits.of(stop_multiple=1.0, take_multiple=np.array([2.0, 50.0]), hold=np.array([0.0, 2.0]))
        found = sweep_product(bars, [setup], np.array([[1.0], [1.5]]), rules, FREE)
        m = found.metrics(bars_per_year=8760)
        # 10 -> 12 take, 12 -> 11 stop: 1.2 * 11 / 12 = 1.1. With hold 2: out at row 3's open for 12, then the stop
        assert m["net_profit"][0] == pytest.approx(np.array([[0.1, 0.1], [-1 / 12, -1 / 12]]))
        assert m["exit_tp"][0].tolist() == [[1, 0], [0, 0]] and m["exit_max_hold"][0].tolist() == [[0, 1], [0, 0]]
        assert m["exit_sl"][0].tolist() == [[1, 1], [1, 1]]
        # bars held: row 1 and row 4; with hold 2 rows 1, 2 and 4
        assert m["exposure"][0] * 6 == pytest.approx(np.array([[2, 3], [1, 1]]))
        assert m["max_drawdown"][0, 0, 0] == pytest.approx(-1 / 12)

    def test_both_sides_at_once_are_silent_and_the_edge_rule_comes_after(self):
        # long holds in rows 1 2 3 4, short in row 2: +, 0, +, + -> signals in rows 1 and 3
        rows, n = np.arange(1, 5, dtype=np.int32), 8
        none = np.empty((0, 4))
        long = Side(np.ones(4, np.bool_), none, None, np.ones(4))
        short = Side(rows == 2, none, None, np.ones(4))
        bars = flat_candles(*[10.0] * n)
        setup = Candidates(rows, long, short, np.empty(0, np.bool_), edge=True)
        rules = Exits.of(stop_multiple=1.0, hold=1.0)
        decided = decisions(bars, setup, np.empty(0), rules, 0)
        assert np.flatnonzero(~np.isnan(decided.target)).tolist() == [1, 3]
        found = sweep_product(bars, [setup, replace(setup, edge=False)], np.empty((1, 0)), rules, FREE)
        assert found.metrics(bars_per_year=8760)["total_trades"].ravel().tolist() == [2, 3]

    def test_a_row_before_the_lookback_silences_the_edge_but_is_no_signal(self):
        bars = flat_candles(*[10.0] * 8)
        for edge, trades in ((True, 0), (False, 1)):
            setup = long_at([2, 3], 8, edge=edge, lookback=3)
            found = sweep_product(bars, [setup], np.empty((1, 0)), Exits.of(stop_multiple=1.0, hold=1.0), FREE)
            assert found.metrics(bars_per_year=8760)["total_trades"].item() == trades

    def test_ruin_is_written_off_and_ends_the_trading(self):
        # short at 10, next bar opens at 25: the account owes half of what it had, and trades no more
        bars = candles(
            (10, 10, 10, 10), (10, 10, 10, 10), (25, 25, 25, 25), (25, 25, 25, 25), (9, 9, 9, 9), (9, 9, 9, 9)
        )
        rows, none = np.array([0, 3], np.int32), np.empty((0, 2))
        short = Side(np.ones(2, np.bool_), none, np.full(2, 100.0))
        setup = Candidates(rows, None, short, np.empty(0, np.bool_))
        found = sweep_product(bars, [setup], np.empty((1, 0)), Exits.of(), FREE)
        same(found, bars, [setup], np.empty((1, 0)), Exits.of(), FREE, 0, 1.0)
        m = found.metrics(bars_per_year=8760)
        assert (m["net_profit"].item(), m["total_trades"].item(), m["max_drawdown"].item()) == (-1.0, 1.0, -1.0)
        assert found.values[..., SHORT_BY].item() == pytest.approx(0.5)

    def test_no_signal_leaves_nothing_and_undefined_is_nan(self):
        found = sweep_product(
            flat_candles(10, 11, 12), [long_at([], 3)], np.empty((1, 0)), Exits.of(stop_multiple=1.0), FREE
        )
        m = found.metrics(bars_per_year=8760)
        assert m["net_profit"].item() == 0 and m["total_trades"].item() == 0
        assert np.isnan([m[name].item() for name in ("sharpe", "win_rate", "largest_win", "avg_drawdown")]).all()


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_a_short_list_says_what_all_bars_say(seed):
    g = np.random.default_rng(seed)
    n, columns = 150, 2
    bars = market(n, g)
    long, short = side(n, columns, bars.close, g), side(n, columns, bars.close, g)
    thresholds, at_least = g.uniform(0, 1, (4, columns)), g.random(columns) < 0.5
    edge, rules, paid = bool(g.random() < 0.5), exits(3, g), costs(g)
    whole = Candidates(np.arange(n, dtype=np.int32), long, short, at_least, edge, 5)
    listed = Candidates.shortlist(long, short, thresholds=thresholds, at_least=at_least, edge=edge, lookback=5)
    assert len(listed.rows) <= n
    a, b = (sweep_product(bars, [s], thresholds, rules, paid).values for s in (whole, listed))
    np.testing.assert_array_equal(a, b)


class TestBadInput:
    bars = flat_candles(*[10.0] * 6)
    rules = Exits.of(stop_multiple=1.0)

    def refused(self, words, work):
        with pytest.raises(ConfigError, match=words) as caught:
            work()
        assert caught.value.code == "CONFIG_PARAMETER"

    def test_rows_must_increase_be_int32_and_stand_in_the_bars(self):
        self.refused("increasing", lambda: long_at([2, 2], 6))
        self.refused("int64", lambda: replace(long_at([1], 6), rows=np.array([1])))
        self.refused("first row is -1", lambda: long_at([-1], 6))
        self.refused(
            "row 6 is a candidate",
            lambda: sweep_product(self.bars, [long_at([6], 6)], np.empty((1, 0)), self.rules, FREE),
        )

    def test_shapes(self):
        self.refused("holds has shape", lambda: replace(long_at([1], 6), rows=np.array([1, 2], np.int32)))
        self.refused("columns have shape", lambda: replace(long_at([1], 6), at_least=np.ones(1, np.bool_)))
        self.refused("neither", lambda: replace(long_at([1], 6), long=None))
        one = long_at([1], 6, [[1.0]])
        self.refused("1 columns", lambda: sweep_product(self.bars, [one], np.empty((1, 0)), self.rules, FREE))
        self.refused(r"\(T, K\)", lambda: sweep_product(self.bars, [one], np.empty(1), self.rules, FREE))

    def test_metrics_by_name(self):
        found = sweep_product(self.bars, [long_at([1], 6)], np.empty((1, 0)), self.rules, FREE)
        assert list(found.metrics(bars_per_year=8760, names=("calmar", "sharpe"))) == ["calmar", "sharpe"]
        self.refused("sharp", lambda: found.metrics(bars_per_year=8760, names=["sharp"]))

    def test_nothing_to_do_and_nobody_to_do_it(self):
        one, none = long_at([1], 6), np.empty((1, 0))
        self.refused("0 structural sets", lambda: sweep_product(self.bars, [], none, self.rules, FREE))
        self.refused("0 threshold sets", lambda: sweep_product(self.bars, [one], none[:0], self.rules, FREE))
        self.refused("threads is 0", lambda: sweep_product(self.bars, [one], none, self.rules, FREE, threads=0))

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("stop_multiple", -1.0),
            ("take_multiple", 0.0),
            ("reward_ratio", np.inf),
            ("hold", 1.5),
            ("share", 1.1),
            ("risk", 0.0),
        ],
    )
    def test_exits(self, field, value):
        self.refused(f"{field} of set 1 is {value}", lambda: Exits.of(**{field: np.array([1.0, value])}))

    def test_a_failing_setup_is_the_users_own_error(self):
        def broken():
            raise ZeroDivisionError("mine")

        with pytest.raises(ZeroDivisionError, match="mine"):
            sweep_product(self.bars, [broken, long_at([1], 6)], np.empty((1, 0)), self.rules, FREE)
