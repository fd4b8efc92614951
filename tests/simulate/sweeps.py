"""Random candidates and exits, and what they mean, by the words of the specification."""

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.instrument import Instrument
from assay.simulate.engine import simulate
from assay.simulate.metrics import performance_metrics
from assay.simulate.sweep import Candidates, Exits, Side, tally_of
from tests.simulate.candles import HOUR

NAN = np.nan


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
    allowed = None if g.random() < 0.5 else g.random(len(rows)) < 0.7
    return Candidates(rows, *sides, g.random(columns) < 0.5, bool(g.random() < 0.5), int(g.integers(0, 30)), allowed)


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


def plain(bars, setup, values, rules, e):
    """The decisions of one combination by the words of the specification, one row at a time."""
    n, sides = len(bars), {1: setup.long, -1: setup.short}
    signal = spoken(n, setup, values)
    stopped = any(s.stop_base is not None or s.stop_unit is not None for s in setup.sides)
    taken = any(s.take_base is not None for s in setup.sides)
    taken |= not (np.isnan(rules.take_multiple[e]) and np.isnan(rules.reward_ratio[e]))
    target, stop, take, hold = np.full(n, NAN), np.full(n, NAN), np.full(n, NAN), np.zeros(n, np.int32)
    for t in np.flatnonzero(signal):
        away, goal = levels(sides[signal[t]], np.searchsorted(setup.rows, t), rules, e)
        away = away if stopped else NAN
        size = rules.share[e]
        if not np.isnan(rules.risk[e]):
            size = np.minimum(size, rules.risk[e] * bars.close[t] / away)
        sound = (not stopped or 0 < away < np.inf) and (not taken or 0 < goal < np.inf)
        if t >= setup.lookback and sound and size > 0:
            target[t], stop[t], take[t], hold[t] = signal[t] * size, away, goal, rules.hold[e]
    target[: setup.lookback] = 0.0
    return Decisions(target, stop, take, hold)


def spoken(n, setup, values):
    """Side of each bar's signal."""
    condition = np.zeros(n, int)
    for sign, one in {1: setup.long, -1: setup.short}.items():
        if one is not None:
            passed = one.holds.copy()
            for column, up, value in zip(one.columns, setup.at_least, values, strict=True):
                passed &= np.isnan(value) | (column >= value if up else column <= value)
            condition[setup.rows] += sign * passed
    signal = condition.copy()
    if setup.edge:
        signal[1:][condition[1:] == condition[:-1]] = 0
    if setup.allowed is not None:
        signal[setup.rows[~setup.allowed]] = 0
    return signal


def levels(side, c, rules, e):
    """Stop and take of candidate c."""
    base, unit = (0.0 if v is None else v[c] for v in (side.stop_base, side.stop_unit))
    scaled = rules.stop_multiple[e] * unit if rules.stop_multiple[e] else 0.0
    stop = base + scaled
    if side.take_base is not None and np.isfinite(side.take_base[c]):
        return stop, side.take_base[c]
    multiple = rules.take_multiple[e]
    if not np.isnan(multiple):
        return stop, multiple * unit
    return stop, rules.reward_ratio[e] * stop


def same(found, bars, setups, thresholds, rules, paid, start, equity):
    """Each row of sums and each metric is that of the single backtest, to the last bit."""
    named = found.metrics(bars_per_year=8760)
    for s, t, e in np.ndindex(found.values.shape[:3]):
        with np.errstate(all="ignore"):
            record = simulate(bars, plain(bars, setups[s], thresholds[t], rules, e), paid, start=start, equity=equity)
        np.testing.assert_array_equal(found.values[s, t, e], tally_of(record), err_msg=f"{s} {t} {e}")
        wanted = performance_metrics(record, bars_per_year=8760)
        for name, values in named.items():
            np.testing.assert_array_equal(values[s, t, e], wanted[name], err_msg=f"{s} {t} {e} {name}")
