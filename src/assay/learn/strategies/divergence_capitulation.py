"""A heavy-volume low with a higher RSI low, inside a downtrend."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import compiled, ema, rsi, volume_ratio
from assay.learn.strategies.parameters import Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side


@compiled
def _two_lows(low: FloatArray, window: int) -> tuple[IntArray, IntArray]:
    """The newest and the second newest local low in rows t-window+2..t-1; -1 where there are not two."""
    n = len(low)
    newest, second = np.full(n, -1), np.full(n, -1)
    last, before = -1, -1
    for t in range(2, n):
        if low[t - 1] < low[t - 2] and low[t - 1] < low[t]:
            before, last = last, t - 1
        if before >= t - window + 2 and before > 0:
            newest[t], second[t] = last, before
    return newest, second


@strategy(
    "divergence_capitulation",
    {
        "rsi_period": Structural(14, unit="bars"),
        "ema_fast": Structural(50, unit="bars"),
        "ema_slow": Structural(200, unit="bars"),
        "volume_spike_multiplier": Threshold(3.0, search=Range(2.0, 4.0), unit="× prior mean volume"),
        "volume_sma_period": Structural(20, unit="bars"),
        "divergence_lookback": Structural(20, search=(10, 20, 30, 50), unit="bars"),
        "take_profit_ema": Structural(50, search=(20, 50), unit="bars"),
        "stop_buffer": Structural(0.01, unit="fraction of the low"),
        "min_reward_risk": Threshold(1.5, search=Range(1.0, 2.0), unit="×"),
        "max_holding_periods": Exit(0, search=(0, 50, 100), unit="bars", zero=True),
    },
    lookback=lambda values, timeframe: max(
        4 * max(values["ema_slow"], values["take_profit_ema"]),
        values["divergence_lookback"] + max(values["rsi_period"], values["volume_sma_period"]),
    ),
    constraints=("ema_fast < ema_slow",),
    min_trades=3,
)
def divergence_capitulation(
    bars: Bars,
    *,
    rsi_period: int,
    ema_fast: int,
    ema_slow: int,
    volume_sma_period: int,
    divergence_lookback: int,
    take_profit_ema: int,
    stop_buffer: float,
) -> Setups:
    """Long on a bullish bar below a falling trend, after a lower low on heavy volume that the RSI did not confirm.

    The stop lies `stop_buffer` under the newest low, the take at the mean `take_profit_ema`. Long only, edge rule.
    """
    newest, second = _two_lows(bars.low, divergence_lookback)
    strength, goal = rsi(bars, rsi_period), ema(bars, take_profit_ema)
    stop = bars.close - (1.0 - stop_buffer) * bars.low[newest]
    gain = goal - bars.close
    hold: BoolArray = (newest >= 0) & (ema(bars, ema_fast) < ema(bars, ema_slow)) & (bars.close > bars.open)
    hold &= (bars.low[newest] < bars.low[second]) & (strength[newest] > strength[second]) & (stop > 0) & (gain > 0)
    # Strictly more than the multiplier: the next smaller number must reach it.
    spike = np.nextafter(volume_ratio(bars, volume_sma_period)[newest], -np.inf)
    ratio = np.divide(gain, stop, out=np.full(len(bars), np.nan), where=hold)
    columns = {"volume_spike_multiplier": spike, "min_reward_risk": ratio}
    return Setups(Side(hold, columns, stop_base=stop, take_base=gain, confidence=0.85), edge=True)
