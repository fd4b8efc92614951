"""Leave a quiet run upward on heavy volume."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import atr, compiled, volume_ratio
from assay.learn.strategies.parameters import Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side

_SLACK = 5  # rows beyond the period in which the quiet run may lie


@compiled
def _stretch(quiet: BoolArray, first: int, last: int, period: int) -> tuple[int, int]:
    """Latest run of at least `period` quiet rows inside first..last, as far back as it goes; (-1, -1) if none."""
    b = last
    while b >= first + period - 1:
        if not quiet[b]:
            b -= 1
            continue
        a = b
        while a > first and quiet[a - 1]:
            a -= 1
        if b - a + 1 >= period:
            return a, b
        b = a - 1
    return -1, -1


@compiled
def _breaks(
    high: FloatArray, low: FloatArray, close: FloatArray, quiet: BoolArray, period: int
) -> tuple[BoolArray, FloatArray]:
    n = len(close)
    hold = np.zeros(n, np.bool_)
    stop = np.full(n, np.nan)
    for t in range(period + _SLACK, n):
        a, b = _stretch(quiet, t - period - _SLACK, t - 1, period)
        if a < 0:
            continue
        top, bottom = high[a], low[a]
        for i in range(a + 1, b + 1):
            top, bottom = max(top, high[i]), min(bottom, low[i])
        gone = False
        for i in range(b + 1, t):
            gone = gone or close[i] > top
        if close[t] > top and not gone:
            hold[t] = True
            stop[t] = close[t] - (top + bottom) / 2.0
    return hold, stop


@strategy(
    "volume_breakout",
    {
        "consolidation_period": Structural(10, search=Range(5, 20), unit="bars"),
        "volume_multiplier": Threshold(2.5, search=Range(1.8, 3.5), unit="× prior mean volume"),
        "atr_multiplier": Structural(1.5, search=Range(1.2, 2.0), unit="ATR"),
        "atr_period": Structural(20, unit="bars"),
        "volume_sma_period": Structural(20, unit="bars"),
        "risk_reward_ratio": Exit(2.5, search=Range(1.5, 4.0), unit="× stop"),
        "max_holding_periods": Exit(0, search=(0, 24, 48, 96), unit="bars", zero=True),
    },
    lookback=lambda values, timeframe: max(
        values["consolidation_period"] + _SLACK + values["atr_period"], values["volume_sma_period"]
    ),
)
def volume_breakout(
    bars: Bars, *, consolidation_period: int, atr_multiplier: float, atr_period: int, volume_sma_period: int
) -> Setups:
    """Long on the first close above a run of quiet bars, on volume far above its mean.

    A bar is quiet while its range stays below `atr_multiplier` times the ATR of its own row. The stop lies at the
    middle of the run. Long only, no edge rule: only the first close above the run counts.
    """
    with np.errstate(invalid="ignore"):
        quiet = bars.high - bars.low < atr_multiplier * atr(bars, atr_period)
    hold, stop = _breaks(bars.high, bars.low, bars.close, quiet, consolidation_period)
    # Strictly more than the multiplier: the next smaller number must reach it.
    columns = {"volume_multiplier": np.nextafter(volume_ratio(bars, volume_sma_period), -np.inf)}
    return Setups(Side(hold, columns, stop_base=stop, confidence=0.85))
