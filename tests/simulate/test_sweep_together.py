"""Many threshold sets and exits replayed together, against each of them alone and against the single backtest."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.simulate.accumulators import EXITS, SHORT_BY
from assay.simulate.engine import simulate
from assay.simulate.sweep import Exits, Side, decisions, scheduler, sweep_picks, sweep_product, tally_of
from tests.simulate.sweeps import NAN, candidates, costs, exits, market

SEEDS = st.integers(0, 2**32 - 1)
SETS, WAYS = 9, 11
SCALES = (0.002, 0.01, 0.2, 1.5)


def orderly(side, close, g, scale):
    """The same side with levels that are whole at every row, or none at all."""
    unit = scale * close * g.uniform(0.3, 2, len(close)) if g.random() < 0.8 else None
    taken = np.where(g.random(len(close)) < 0.5, 0.02 * close, NAN) if g.random() < 0.2 else None
    return side and Side(side.holds, side.columns, None, unit, taken)


def case(seed):
    g = np.random.default_rng(seed)
    n, columns = int(g.integers(5, 600)), int(g.integers(0, 3))
    bars, paid = market(n, g, wild=bool(g.random() < 0.3)), costs(g)
    setup, rules = candidates(n, columns, bars, g), exits(WAYS, g)
    if g.random() < 0.8:
        close, scale = bars.close[setup.rows], g.choice(SCALES)
        setup = replace(setup, **{name: orderly(getattr(setup, name), close, g, scale) for name in ("long", "short")})
    if g.random() < 0.8:
        rules = replace(rules, stop_multiple=np.maximum(rules.stop_multiple, 0.3))
    thresholds = np.where(g.random((SETS, columns)) < 0.1, NAN, g.uniform(0, 0.9, (SETS, columns)))
    return g, bars, setup, thresholds, rules, paid, int(g.integers(0, min(40, n)))


def alone(bars, setup, thresholds, rules, paid, start, equity=1.0):
    """The sums of all combinations, each a pick of its own."""
    t, e = (places.ravel() for places in np.indices((len(thresholds), len(rules))))
    chosen = Exits(*(getattr(rules, f.name)[e] for f in fields(Exits)))
    which = np.zeros(len(t), np.int64)
    found = sweep_picks(bars, [setup], which, thresholds[t], chosen, paid, start=start, equity=equity, threads=1)
    return found.values.reshape(1, len(thresholds), len(rules), -1)


@given(SEEDS)
@settings(max_examples=150, deadline=None)
def test_together_is_each_alone_bit_for_bit(seed):
    _, bars, setup, thresholds, rules, paid, start = case(seed)
    with np.errstate(all="ignore"):
        wanted = alone(bars, setup, thresholds, rules, paid, start, 977.7)
        found = sweep_product(bars, [setup], thresholds, rules, paid, start=start, equity=977.7, threads=1)
        two = sweep_product(bars, [setup, setup], thresholds, rules, paid, start=start, equity=977.7, threads=2)
    np.testing.assert_array_equal(found.values, wanted)
    np.testing.assert_array_equal(two.values, np.concatenate([wanted, wanted]))


@given(SEEDS)
@settings(max_examples=25, deadline=None)
def test_together_is_the_single_backtest_bit_for_bit(seed):
    g, bars, setup, thresholds, rules, paid, start = case(seed)
    with np.errstate(all="ignore"):
        found = sweep_product(bars, [setup], thresholds, rules, paid, start=start)
        for _ in range(6):
            t, e = int(g.integers(SETS)), int(g.integers(WAYS))
            record = simulate(bars, decisions(bars, setup, thresholds[t], rules, e, start=start), paid, start=start)
            np.testing.assert_array_equal(found.values[0, t, e], tally_of(record), err_msg=f"{t} {e}")


def test_most_of_the_random_cases_hold_together_and_all_that_can_happen_happens(monkeypatch):
    sound = []

    def watched(*given):
        sound.append(sweep_pool_replay(*given))
        return sound[-1]

    sweep_pool_replay = scheduler.replay_together
    monkeypatch.setattr(scheduler, "replay_together", watched)
    sums = []
    for seed in range(60):
        _, bars, setup, thresholds, rules, paid, start = case(seed)
        with np.errstate(all="ignore"):
            values = sweep_product(bars, [setup], thresholds, rules, paid, start=start, threads=1).values
        sums.append((values[0], np.zeros((SETS, WAYS), np.bool_)))
        order = scheduler.by_length(rules.matrix)
        at = 0
        for block in sound:
            sums[-1][1][:, order[at : at + block.shape[1]]] = block
            at += block.shape[1]
        sound.clear()
    values, held = (np.concatenate(part) for part in zip(*sums, strict=True))
    assert 0.4 < held.mean() < 0.95  # the rest is replayed alone, and both ways are seen
    assert (values[held][:, EXITS : EXITS + 5].sum(axis=0) > 100).all()  # every reason, turns among them
    assert values[held][:, SHORT_BY].sum() == 0 < values[~held][:, SHORT_BY].sum()


@pytest.mark.parametrize(("n", "every"), [(4_000, 1), (4_000, 3), (9_000, 2_000)])
def test_more_trades_and_longer_ones_than_are_held_at_once(n, every):
    g = np.random.default_rng(n + every)
    bars, paid = market(n, g), costs(g)
    rows = np.arange(0, n - 2, every, dtype=np.int32)
    held = Side(np.ones(len(rows), np.bool_), g.random((1, len(rows))), None, 0.02 * bars.close[rows])
    setup = replace(candidates(n, 1, bars, g), rows=rows, long=held, short=None, allowed=None, edge=False)
    thresholds = np.linspace(0, 0.5, SETS)[:, np.newaxis]
    hold = np.array([0.0, 1, 1, 2, 2, 3, 4, 1500, 700, 1, 5]) if every < 9 else np.r_[np.zeros(6), np.full(5, 1_900)]
    rules = Exits.of(stop_multiple=np.full(WAYS, 1.0 if every < 9 else 45.0), take_multiple=50.0, hold=hold)
    found = sweep_product(bars, [setup], thresholds, rules, paid, threads=1)
    np.testing.assert_array_equal(found.values, alone(bars, setup, thresholds, rules, paid, 0))
