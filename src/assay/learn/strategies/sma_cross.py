"""The baseline: hold the side of the faster mean."""

from assay.kernel.bars import Bars
from assay.learn.strategies.declaration import strategy
from assay.learn.strategies.indicators import sma
from assay.learn.strategies.parameters import Range, Structural
from assay.learn.strategies.setups import State

_EQUAL = 1e-12  # relative; means of equal prices differ by less


@strategy(
    "sma_cross",
    {
        "fast": Structural(10, search=Range(5, 50), unit="bars"),
        "slow": Structural(40, search=Range(20, 200), unit="bars"),
    },
    lookback=lambda values, timeframe: values["slow"] - 1,
    constraints=("fast < slow",),
    needs_volume=False,
    two_sided=True,
    state=True,
    sizing="fixed",
)
def sma_cross(bars: Bars, *, fast: int, slow: int) -> State:
    """Long while the mean of the last `fast` closes lies above that of the last `slow`, short while below.

    Equal means (to 1e-12 of their value) keep what is held. No stop, take or hold.
    """
    return State.above(sma(bars, fast), sma(bars, slow), equal=_EQUAL)
