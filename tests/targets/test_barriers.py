"""Which barrier is met first, and what a primary rule's trade earns."""

import numpy as np
import pytest

from assay import targets
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import ConfigError
from assay.kernel.panel import Labels
from assay.targets.sample_weights import average_uniqueness
from assay.targets.trend_scanning import strongest_slope
from assay.targets.triple_barrier import first_touch, volatility
from assay.testing.bars import bars_of, random_bars

CLOSES = np.array([100, 101, 99.5, 102.1, 103, 98, 97, 99, 100.5, 101.2, 100.9, 100.8])
FREE = Costs(fee=0.0, slippage_bps=0.0)


def test_worked_example_close_to_close() -> None:
    rows = np.arange(12)
    side, end, _ = first_touch(CLOSES, CLOSES, CLOSES, CLOSES, CLOSES * 1.02, CLOSES * 0.98, rows + 1, rows + 4)
    assert end[:8].tolist() == [3, 5, 3, 5, 5, 8, 7, 9]
    assert side[:8].tolist() == [1, -1, 1, -1, -1, 1, 1, 1]
    assert np.isnan(side[8:]).all()
    covering = [sum(i <= b <= end[i] for i in range(8)) for b in range(12)]
    assert covering == [1, 2, 3, 4, 3, 4, 2, 3, 2, 1, 0, 0], "ends included"


def test_uniqueness_of_the_worked_example() -> None:
    end = np.array([3, 5, 3, 5, 5, 8, 7, 9])
    # Bars start..end of the example are rows i+1..end_i for labels that begin one row earlier.
    y = np.full(13, np.nan)
    y[:8] = 1.0
    ends = np.arange(13)
    ends[:8] = end + 1
    unique = average_uniqueness(Labels(y, np.arange(13), ends, "example", 4))
    want = [0.520833, 0.333333, 0.291667, 0.277778, 0.291667, 0.395833, 0.416667, 0.611111]
    np.testing.assert_allclose(unique[:8], want, atol=5e-7)


def candle(open_: list[float], high: list[float], low: list[float], close: list[float]) -> Bars:
    flat = bars_of(close)
    return Bars(flat.instrument, flat.timestamp, *(np.array(x, np.float64) for x in (open_, high, low, close)))


def touch(upper: float, lower: float, bars: Bars, last: int) -> tuple[float, int, float]:
    n = len(bars)
    up, down = np.full(n, np.nan), np.full(n, np.nan)
    up[0], down[0] = upper, lower
    rows = np.arange(n)
    side, end, price = first_touch(bars.open, bars.high, bars.low, bars.close, up, down, rows + 1, np.full(n, last))
    return float(side[0]), int(end[0]), float(price[0])


def test_gaps_both_barriers_and_the_vertical_one() -> None:
    bars = candle([100, 100, 104, 100], [100, 101, 105, 100], [100, 99, 103, 95], [100, 100, 104, 96])
    assert touch(103, 90, bars, 3) == (1, 2, 104), "a gap counts at the open"
    assert touch(101, 99, bars, 3) == (-1, 1, 99), "both in one bar: the lower"
    assert touch(120, 80, bars, 2) == (0, 2, 104), "vertical"
    assert touch(120, 97, bars, 3) == (-1, 3, 97)
    side, end, _ = touch(101, 80, bars, 4)
    assert np.isnan(side), "bars that are not there could have met the other barrier"
    assert end == 0


def test_triple_barrier_counts_rows_without_volatility() -> None:
    moving = 100 * np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.01, 60)))
    bars = bars_of(np.r_[np.full(40, 100.0), moving])
    labels = targets.label_bars(bars, targets.parse_target("triple_barrier", horizon=5, vol_window=10), costs=FREE)
    assert dict(labels.dropped) == {"tail": 5, "warm_up": 10, "nan": 30}
    sig = np.diff(np.log(bars.close))[50:60].std(ddof=1)
    assert volatility(bars.close, 10)[60] == pytest.approx(sig)
    i, width = 60, sig * np.sqrt(5)
    upper, lower = bars.open[i + 1] * (1 + 2 * width), bars.open[i + 1] * (1 - 2 * width)
    met = [-1 if bars.low[t] <= lower else 1 if bars.high[t] >= upper else 0 for t in range(i + 1, i + 6)]
    assert labels.y[i] == next((m for m in met if m), 0)


def test_vertical_barrier_may_give_the_sign() -> None:
    bars = random_bars(300)
    wide = {"horizon": 5, "up": 50.0, "down": 50.0}
    zero = targets.label_bars(bars, targets.parse_target("triple_barrier", wide), costs=FREE)
    sign = targets.label_bars(bars, targets.parse_target("triple_barrier", wide, vertical="sign"), costs=FREE)
    there = np.isfinite(zero.y)
    assert set(zero.y[there]) == {0.0}
    rows = np.flatnonzero(there)
    np.testing.assert_array_equal(sign.y[rows], np.sign(bars.close[rows + 5] - bars.open[rows + 1]))


def signals(n: int, row: int, side: float, stop: float, take: float, hold: int = 0) -> Decisions:
    nan = np.full(n, np.nan)
    target, stops, takes, holds = nan.copy(), nan.copy(), nan.copy(), np.zeros(n, np.int32)
    target[row], stops[row], takes[row], holds[row] = side, stop, take, hold
    return Decisions(target, stops, takes, holds)


@pytest.mark.parametrize(
    ("side", "stop", "take", "costs", "want", "end"),
    [
        (1.0, 5.0, 3.5, FREE, 1.0, 2),
        (1.0, 5.0, 3.5, Costs(fee=0.03, slippage_bps=0), 0.0, 2),
        (-1.0, 3.5, 5.0, FREE, 0.0, 2),
        (-1.0, 50.0, 4.0, FREE, 1.0, 3),
        (1.0, 1.0, 50.0, FREE, 0.0, 1),
    ],
)
def test_meta_label_is_whether_the_trade_earns(
    side: float, stop: float, take: float, costs: Costs, want: float, end: int
) -> None:
    bars = candle([100, 100, 104, 100], [100, 101, 105, 100], [100, 99, 103, 95], [100, 100, 104, 96])
    target = targets.parse_target("meta_label", horizon=3, signals=signals(4, 0, side, stop, take), vol_window=2)
    labels = targets.label_bars(bars, target, costs=costs)
    assert labels.y[0] == want
    assert labels.end[0] == end
    assert labels.known_at[0] == bars.known_at[end]
    assert np.isnan(labels.y[1:]).all()


def test_meta_label_needs_signals_of_these_bars() -> None:
    target = targets.parse_target("meta_label", horizon=3, signals=signals(5, 0, 1.0, 1.0, 1.0))
    with pytest.raises(ConfigError, match="5 rows for 4 bars"):
        targets.label_bars(bars_of([1.0, 2, 3, 4]), target, costs=FREE)


def test_trend_scan_takes_the_surest_line() -> None:
    y = np.log(random_bars(80).close)
    found = strongest_slope(y, 5, 20)
    best = 0.0
    for length in range(5, 21):
        x = np.arange(length + 1.0)
        slope, level = np.polyfit(x, y[30 : 31 + length], 1)
        rest = y[30 : 31 + length] - slope * x - level
        t = slope / np.sqrt((rest**2).sum() / (length - 1) / ((x - x.mean()) ** 2).sum())
        best = t if abs(t) > abs(best) else best
    assert found[30] == pytest.approx(best)
    assert np.isnan(found[60:]).all()
    labels = targets.label_bars(random_bars(80), targets.parse_target("trend_scan"), costs=FREE)
    assert labels.y[30] == np.sign(best)
    assert labels.end[30] == 50
