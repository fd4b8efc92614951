"""The sweep against the single backtest: every combination, trade for trade, bit for bit."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.instrument import Instrument
from assay.simulate.engine import run
from assay.simulate.metrics import metrics
from assay.simulate.sweep import Candidates, Exits, Side, decisions, sweep, tally_of
from tests.simulate.candles import HOUR

SEEDS = st.integers(0, 2**32 - 1)
NAN = np.nan
SOME = settings(max_examples=60, deadline=None)


def market(n, g, *, wild=False):
    """Candles with gaps, jumps, flat bars and bars without volume; wild ones can ruin a short."""
    size = 0.25 if wild else 0.01
    close = 100 * np.exp(np.cumsum(g.normal(0, size, n)))
    opens = np.r_[100.0, close[:-1]] * np.where(g.random(n) < 0.2, np.exp(g.normal(0, 3 * size, n)), 1.0)
    high = np.maximum(opens, close) * (1 + np.abs(g.normal(0, size / 2, n)))
    low = np.minimum(opens, close) / (1 + np.abs(g.normal(0, size / 2, n)))
    volume = None if g.random() < 0.2 else np.where(g.random(n) < 0.1, 0.0, g.uniform(0.5, 50, n))
    return Bars(Instrument("binance", "BTC/USDT", "1h"), np.arange(n) * HOUR, opens, high, low, close, volume)


def side(m, columns, close, g):
    """A side with any mixture of levels, some of them unusable."""

    def level(share, scale):
        values = np.where(
            g.random(m) < share, g.uniform(0.2, 2, m) * scale * close, g.choice([NAN, 0.0, -1.0, np.inf], m)
        )
        return None if g.random() < 0.25 else values

    taken = None if g.random() < 0.6 else np.where(g.random(m) < 0.5, 0.02 * close, NAN)
    held = g.random(m) < g.choice([0.1, 0.5, 0.95])
    values = np.where(g.random((columns, m)) < 0.05, NAN, g.random((columns, m)))
    return Side(held, values, level(0.9, 0.01), level(0.9, 0.01), taken)


def candidates(n, columns, bars, g):
    rows = np.flatnonzero(g.random(n) < g.choice([0.05, 0.4, 0.9])).astype(np.int32)
    sides = [side(len(rows), columns, bars.close[rows], g) if g.random() < 0.7 else None for _ in range(2)]
    if sides == [None, None]:
        sides[g.integers(2)] = side(len(rows), columns, bars.close[rows], g)
    return Candidates(rows, *sides, g.random(columns) < 0.5, bool(g.random() < 0.5), int(g.integers(0, 30)))


def exits(count, g):
    def maybe(low, high):
        return np.where(g.random(count) < 0.5, g.uniform(low, high, count), NAN)

    hold = np.where(g.random(count) < 0.5, g.integers(1, 25, count), 0)
    stop = np.where(g.random(count) < 0.2, 0.0, g.uniform(0.3, 3, count))
    return Exits.of(
        stop_multiple=stop,
        take_multiple=maybe(0.5, 4),
        reward_ratio=maybe(0.3, 3),
        hold=hold.astype(float),
        share=np.where(g.random(count) < 0.5, 1.0, g.uniform(0.1, 1, count)),
        risk=maybe(0.001, 0.05),
    )


def costs(g):
    return Costs(
        fee=g.choice([0.0, 0.001, 0.01]), slippage_bps=g.choice([0.0, 5.0, 300.0]), spread_bps=g.choice([0.0, 3.0])
    )


def same(found, bars, setups, thresholds, rules, paid, start, equity):
    """Each row of sums and each metric is that of the single backtest, to the last bit."""
    named = found.metrics(bars_per_year=8760)
    trades = 0
    for s, t, e in np.ndindex(found.values.shape[:3]):
        decided = decisions(bars, setups[s], thresholds[t], rules, e, start=start)
        record = run(bars, decided, paid, start=start, equity=equity)
        np.testing.assert_array_equal(found.values[s, t, e], tally_of(record), err_msg=f"{s} {t} {e}")
        wanted = metrics(record, bars_per_year=8760)
        for name, values in named.items():
            np.testing.assert_array_equal(values[s, t, e], wanted[name], err_msg=f"{s} {t} {e} {name}")
        trades += len(record.trades)
    return trades


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
    found = sweep(bars, setups, thresholds, rules, paid, start=start, equity=equity, threads=1)
    same(found, bars, setups, thresholds, rules, paid, start, equity)
    two = sweep(bars, [lambda s=s: s for s in setups], thresholds, rules, paid, start=start, equity=equity, threads=2)
    np.testing.assert_array_equal(found.values, two.values)
