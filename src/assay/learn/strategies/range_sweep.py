"""The benchmark rule: a dip through the low of a range that is bought back within the bar."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import atr, compiled, rolling_min, volume_ratio
from assay.learn.strategies.parameters import Exit, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side


@compiled
def _dips(low: FloatArray, close: FloatArray, floor: FloatArray) -> tuple[BoolArray, FloatArray]:
    hold = np.zeros(len(low), np.bool_)
    depth = np.full(len(low), np.nan)
    for t in range(1, len(low)):
        level = floor[t - 1]
        if close[t] > level and low[t] <= level:
            hold[t] = True
            depth[t] = 1.0 - low[t] / level
    return hold, depth


@strategy(
    "range_sweep",
    {
        "N": Structural(20, search=(10, 20, 40, 60), unit="bars"),
        "p": Threshold(0.0005, search=(0.0002, 0.0005, 0.001), unit="fraction of the low"),
        "k": Threshold(1.5, search=(1.0, 1.5), unit="× prior mean volume"),
        "atr_period": Structural(14, unit="bars"),
        "volume_sma_period": Structural(20, unit="bars"),
        "atr_multiplier_sl": Exit(2.0, search=(1.0, 2.0), unit="ATR"),
        "atr_multiplier_tp": Exit(3.0, search=(2.0, 3.0), unit="ATR"),
        "max_holding_periods": Exit(30, search=(30, 60), unit="bars", zero=True),
    },
    lookback=lambda values, timeframe: max(values["N"], values["volume_sma_period"], values["atr_period"]),
    sizing="fixed",
)
def range_sweep(bars: Bars, *, N: int, atr_period: int, volume_sma_period: int) -> Setups:
    """Long where the low falls `p` below the lowest of the `N` lows before and the close returns above it, on volume.

    Stop and take are multiples of the ATR. Every bar counts, there is no edge rule.
    """
    hold, depth = _dips(bars.low, bars.close, rolling_min(bars.low, N))
    columns = {"p": depth, "k": volume_ratio(bars, volume_sma_period)}
    return Setups(Side(hold, columns, stop_unit=atr(bars, atr_period)))
