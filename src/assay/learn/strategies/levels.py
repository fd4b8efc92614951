"""Price levels with several touches, updated as a window slides."""

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.learn.strategies.indicators import compiled


@compiled
def swings(x: FloatArray) -> BoolArray:
    """``(n,)``: rows strictly below the two rows on either side. Known two rows later."""
    n = len(x)
    out = np.zeros(n, np.bool_)
    for j in range(2, n - 2):
        out[j] = x[j] < x[j - 2] and x[j] < x[j - 1] and x[j] < x[j + 1] and x[j] < x[j + 2]
    return out


@compiled
def enter(prices: FloatArray, count: int, price: float) -> int:
    """Put a price into the first `count` sorted ones; gives the new count."""
    i = count
    while i > 0 and prices[i - 1] > price:
        prices[i] = prices[i - 1]
        i -= 1
    prices[i] = price
    return count + 1


@compiled
def leave(prices: FloatArray, count: int, price: float) -> int:
    """Take a price out of the first `count` sorted ones; gives the new count."""
    i = 0
    while prices[i] != price:
        i += 1
    for j in range(i, count - 1):
        prices[j] = prices[j + 1]
    return count - 1


@compiled
def clusters(prices: FloatArray, count: int, width: float, touches: int, out: FloatArray) -> int:
    """Means of the clusters of at least `touches` prices, ascending, into `out`; gives how many.

    Ascending, a price joins the running cluster while it lies at most `width` (a fraction) above its mean so far.
    """
    result, i = 0, 0
    while i < count:
        total, size = prices[i], 1
        i += 1
        while i < count and prices[i] - total / size <= width * (total / size):
            total += prices[i]
            size += 1
            i += 1
        if size >= touches:
            out[result] = total / size
            result += 1
    return result


@compiled
def deepest(result: FloatArray, count: int, close: float, extreme: float, reach: float, sign: float) -> float:
    """Largest pierced fraction among levels within `reach` of the close and reclaimed by it; NaN if there is none."""
    best = np.nan
    for i in range(count):
        level = result[i]
        if abs(level - close) <= reach and sign * (close - level) > 0 and sign * (level - extreme) >= 0:
            depth = abs(1.0 - extreme / level)
            if not best >= depth:
                best = depth
    return best
