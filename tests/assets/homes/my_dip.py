"""A rule of one's own: buy a fall."""

import numpy as np

from assay.learn.strategies import Exit, Range, Setups, Side, Structural, Threshold, strategy


@strategy(
    "my_dip",
    {
        "w": Structural(24, search=Range(6, 72), unit="bars"),
        "depth": Threshold(0.02, search=Range(0.005, 0.05), unit="fraction"),
        "risk_reward_ratio": Exit(2.0, search=Range(1.0, 4.0), unit="x stop"),
    },
    lookback=lambda values, timeframe: values["w"] + 1,
    needs_volume=False,
)
def my_dip(bars, *, w):
    """Buy a fall of `depth` over the last `w` bars."""
    fall = np.full(len(bars), np.nan)
    fall[w:] = 1 - bars.close[w:] / bars.close[:-w]
    return Setups(long=Side(hold=fall > 0, columns={"depth": fall}, stop_base=0.02 * bars.close), edge=True)
