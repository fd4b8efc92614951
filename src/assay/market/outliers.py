"""One price in another unit than its neighbours."""

import numpy as np
import polars as pl

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import PRICES
from assay.market.raw_rows import Rows

FACTOR = 50.0
EDGE_FACTOR = 1000.0
_SIDE = 5
_LOW = PRICES.index("low")


def outliers(rows: Rows) -> BoolArray:
    """``(n,)`` rows of which a price is 50 times its neighbours' close, or a fiftieth, and which return to the level.

    The neighbours' level is the median close of the 11 rows around (sorted, each time once). A stretch of up to five
    such rows counts when normal rows stand on both sides of it; at either end of the data, where no return can be
    seen, only from 1000 times on. A shift that lasts (split, crash) moves the median with it and is left alone.
    A low alone that falls out is left to the report (`breaks.odd_prices`): markets print such lows (Coinbase BTC-USD,
    2017-04-15, 0.06), and a wrong unit moves other prices too.
    Fewer than three rows, or prices that are not positive, tell nothing.
    """
    n = len(rows)
    stack = np.stack([rows.values[name] for name in PRICES])
    if n < 3 or (stack <= 0).any():
        return np.zeros(n, np.bool_)
    signed = np.log(stack / level(rows.values["close"]))
    signed[_LOW] = np.maximum(signed[_LOW], 0.0)
    off = np.abs(signed).max(axis=0)
    flagged = off > np.log(FACTOR)
    inside = flagged.copy()
    normal = np.flatnonzero(~flagged)
    if not len(normal):
        return np.zeros(n, np.bool_)
    inside[: normal[0]] = off[: normal[0]] > np.log(EDGE_FACTOR)
    inside[normal[-1] + 1 :] = off[normal[-1] + 1 :] > np.log(EDGE_FACTOR)
    return inside


def level(close: FloatArray) -> FloatArray:
    """``(n,)`` median close of the 11 rows around each row; the windows at the ends are whole ones, moved inside."""
    size = min(2 * _SIDE + 1, len(close))
    if size % 2 == 0:
        size -= 1
    medians = pl.Series(close).rolling_median(size).to_numpy()
    at = np.clip(np.arange(len(close)) + size // 2, size - 1, len(close) - 1)
    around: FloatArray = medians[at]
    return around


def tell(rows: Rows, at: int) -> str:
    """The price, its neighbours' level and the power of ten between them."""
    around = float(level(rows.values["close"])[at])
    name = max(PRICES, key=lambda p: (abs(np.log(rows.values[p][at] / around)), p == "close"))
    value = float(rows.values[name][at])
    ratio = value / around
    ten = 10 ** round(abs(np.log10(ratio)))
    times = f"about {ten} times" if ratio > 1 else f"about 1/{ten} of"
    return f"{name} {value:.12g} is {times} the level of its neighbours ({around:.12g}): another unit?"
