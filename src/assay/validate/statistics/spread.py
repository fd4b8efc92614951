"""Bid-ask spread estimated from candles."""

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
    sign (negative by noise alone), and the bound is that of their mean by Student's t. Two estimators are asked, and
    the higher bound stays: the first is the sharper one, and blind where every bar opens at the close before. Blocks
    without an estimate (no bar moves) are left out. O(n).
    Source: Ardia, Guidotti & Kroencke 2024, "Efficient estimation of bid-ask spreads from open, high, low, and close
    prices", J. Financial Economics 161; Abdi & Ranaldo 2017, "A Simple Estimation of Bid-Ask Spreads from Daily Close,
    High, and Low Prices", Review of Financial Studies 30(12), eq. 7.
    """
    count = min(MOST_BLOCKS, len(bars) // BLOCK)
    if count < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    edges = np.linspace(0, len(bars), count + 1).astype(np.int64)
    blocks = [bars[a:b] for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)]
    estimates = [_bounded(np.array([estimate(block) for block in blocks])) for estimate in (_of_all_prices, _of_closes)]
    usable = [each for each in estimates if each.blocks]
    return max(usable, key=lambda each: each.low) if usable else HalfSpread(nan, nan, 0)


def _bounded(spreads: FloatArray) -> HalfSpread:
    """Of full spreads, one a block; those that are undefined are left out."""
    from scipy.special import stdtrit

    half = spreads[np.isfinite(spreads)] / 2
    if len(half) < LEAST_BLOCKS:
        return HalfSpread(nan, nan, 0)
    mean, error = float(half.mean()), float(half.std(ddof=1)) / sqrt(len(half))
    return HalfSpread(mean, max(0.0, mean - float(stdtrit(len(half) - 1, _LEVEL)) * error), len(half))


def _of_all_prices(bars: Bars) -> float:
    """Full spread of one block as a fraction, with its sign (Ardia, Guidotti & Kroencke)."""
    from bidask import edge

    columns: list[FloatArray] = [bars.open, bars.high, bars.low, bars.close]
    return float(edge(*columns, sign=True))


def _of_closes(bars: Bars) -> float:
    """The same by closes and the middles of the ranges (Abdi & Ranaldo): ``s² = 4·E[(c - η)(c - η')]``, η' the next."""
    close, middle = np.log(bars.close), (np.log(bars.high) + np.log(bars.low)) / 2
    if not np.ptp(close) > 0:
        return nan
    square = 4 * float(np.mean((close[:-1] - middle[:-1]) * (close[:-1] - middle[1:])))
    return sqrt(square) if square > 0 else -sqrt(-square)
