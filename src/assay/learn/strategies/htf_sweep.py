"""A stop run on the higher timeframe, confirmed on the traded one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.kernel.timeframe import TIMEFRAMES, Timeframe
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import compiled
from assay.learn.strategies.parameters import Exit, Range, Structural, Threshold
from assay.learn.strategies.setups import Setups, Side

_FIXED = tuple(name for name in TIMEFRAMES if name != "1M")  # months are of no one length
_USUAL = {
    **dict.fromkeys(("1m", "3m", "5m"), "1h"),
    **dict.fromkeys(("15m", "30m"), "4h"),
    **dict.fromkeys(("1h", "2h", "4h"), "1d"),
}


def higher(htf: str | None, bar: Timeframe) -> Timeframe:
    """The higher timeframe: the one given, else the usual one for bars of this length.

    Raises ConfigError ``CONFIG_TIMEFRAME`` unless it is a whole multiple, above 1, of the bar's length.
    """
    name = htf or _USUAL.get(bar.name)
    if name is None:
        raise ConfigError(
            f"htf_sweep on {bar} bars has no usual higher timeframe; give htf", code="CONFIG_TIMEFRAME", field="htf"
        )
    result = Timeframe(name)
    if bar.name == "1M" or result.ms % bar.ms or result.ms <= bar.ms:
        raise ConfigError(
            f"htf is {result}, must be a whole multiple of the bars' {bar}, above 1",
            code="CONFIG_TIMEFRAME",
            field="htf",
        )
    return result


def _lookback(values: Mapping[str, Any], bar: Timeframe) -> int:
    return (values["swing_lookback_periods"] + 2) * int(higher(values["htf"], bar).ms // bar.ms)


@compiled
def _swing(low: FloatArray, k: int, window: int) -> int:
    """Newest j in k-window+1..k-2 below both its neighbours; -1 if none."""
    for j in range(k - 2, max(0, k - window), -1):
        if low[j] < low[j - 1] and low[j] < low[j + 1]:
            return j
    return -1


@compiled
def _sweeps(
    low: FloatArray,
    high: FloatArray,
    last: FloatArray,
    close: FloatArray,
    available: IntArray,
    window: int,
    confirm: bool,
) -> tuple[BoolArray, FloatArray, FloatArray]:
    """One side, in prices where it is the long one; at most one row a bucket. Buckets: low, high, last; rows: close."""
    n = len(close)
    hold = np.zeros(n, np.bool_)
    depth, stop = np.full(n, np.nan), np.full(n, np.nan)
    before, level, used = -1, -1, True
    for t in range(n):
        k = available[t]
        if k != before:
            before = k
            level = _swing(low, k, window) if k >= window else -1
            used = level < 0 or not (low[k] < low[level] < last[k])
        if not used and (not confirm or close[t] > high[k]):
            used = True
            hold[t] = True
            depth[t] = abs(1.0 - low[k] / low[level])
            stop[t] = close[t] - low[k]
    return hold, depth, stop


@strategy(
    "htf_sweep",
    {
        "htf": Structural(None, options=_FIXED, unit="timeframe"),
        "swing_lookback_periods": Structural(20, search=(10, 15, 20, 30), unit="higher bars"),
        "min_sweep_percentage": Threshold(0.001, search=Range(0.0005, 0.005), unit="fraction of the swing"),
        "structure_shift_confirmation": Structural(True, search=(True, False)),
        "risk_reward_ratio": Exit(2.5, search=Range(1.5, 4.0), unit="× stop"),
        "max_holding_periods": Exit(0, search=(0, 48, 96, 192), unit="bars", zero=True),
    },
    lookback=_lookback,
    needs_volume=False,
    two_sided=True,
)
def htf_sweep(
    bars: Bars, *, htf: str | None, swing_lookback_periods: int, structure_shift_confirmation: bool
) -> Setups:
    """Fade a higher bar that pierced the newest swing and closed back inside, once the traded bars turn.

    A higher bar is made of the stored bars in it and is known when its whole length has passed. Confirmed: the first
    close beyond its other end before the next one is known. Without: the first row at which it is known. The stop
    lies at its extreme.
    """
    long_bar = higher(htf, bars.instrument.bar)
    opens, first = np.unique(long_bar.floor(bars.timestamp), return_index=True)
    high, low = np.maximum.reduceat(bars.high, first), np.minimum.reduceat(bars.low, first)
    last = bars.close[np.r_[first[1:], len(bars)] - 1]
    available = np.searchsorted(opens + long_bar.ms, bars.known_at, side="right") - 1
    sides = []
    for sign, near, far in ((1.0, low, high), (-1.0, high, low)):
        hold, depth, stop = _sweeps(
            sign * near, sign * far, sign * last, sign * bars.close, available, swing_lookback_periods,
            structure_shift_confirmation,
        )  # fmt: skip
        # Strictly deeper than the threshold: the next smaller number must reach it.
        columns = {"min_sweep_percentage": np.nextafter(depth, -np.inf)}
        sides.append(Side(hold, columns, stop_base=stop, confidence=0.85))
    return Setups(long=sides[0], short=sides[1])
