"""What the bid-ask spread must have been, from candles alone."""

from dataclasses import dataclass
from math import nan, sqrt

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars

BLOCK = 100  # bars that one estimate needs
MOST_BLOCKS = 60
LEAST_BLOCKS = 5  # estimates that a bound needs
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class HalfSpread:
    """Half the bid-ask spread as a fraction of price: mean of `blocks` estimates, and its lower bound at 95 %.

    Both NaN where there are too few bars. `low` is never below 0: noise around no spread costs nothing.
    """

    mean: float
    low: float
    blocks: int


def half_spread(bars: Bars) -> HalfSpread:
    """Half of the spread that opens, highs, lows and closes show, at least.

    The bars are cut into up to `MOST_BLOCKS` blocks of `BLOCK` bars or more, the spread of each is estimated with its
    sign (negative by noise alone), and the bound is that of their mean by Student's t. Blocks without an estimate (no
    bar moves) are left out. O(n).
    Source: Ardia, Guidotti & Kroencke 2024, "Efficient estimation of bid-ask spreads from open, high, low, and close
    prices", J. Financial Economics 161.
    """
    from scipy.special import stdtrit

    count = min(MOST_BLOCKS, len(bars) // BLOCK)
    if count < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    edges = np.linspace(0, len(bars), count + 1).astype(np.int64)
    found = np.array([_signed(bars[a:b]) for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]) / 2
    found = found[np.isfinite(found)]
    if len(found) < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    mean, error = float(found.mean()), float(found.std(ddof=1)) / sqrt(len(found))
    return HalfSpread(mean, max(0.0, mean - float(stdtrit(len(found) - 1, _LEVEL)) * error), len(found))


def _signed(bars: Bars) -> float:
    """Full spread of one block as a fraction, with its sign."""
    from bidask import edge

    columns: list[FloatArray] = [bars.open, bars.high, bars.low, bars.close]
    return float(edge(*columns, sign=True))
