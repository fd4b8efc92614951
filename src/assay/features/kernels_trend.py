"""Kernels of single indicators; all give ``(n,)`` float64, NaN before their window is full."""

import numpy as np

from assay.features.kernels import compiled, mean, over
from assay.kernel.arrays import FloatArray


@compiled
def money_flow(high: FloatArray, low: FloatArray, close: FloatArray, volume: FloatArray, w: int) -> FloatArray:
    """Money flow index over w changes of the typical price (Quong & Soudack 1989); NaN where no money flowed."""
    n = len(close)
    rising = np.zeros(n)
    falling = np.zeros(n)
    before = 0.0
    for t in range(n):
        typical = (high[t] + low[t] + close[t]) / 3.0
        if t == 0:
            before = typical
        flow = typical * volume[t]
        if typical > before:
            rising[t] = flow
        elif typical < before:
            falling[t] = flow
        else:
            rising[t] = 0.0 * flow
        before = typical
    up, down = mean(rising, w), mean(falling, w)
    for t in range(n):
        up[t] = 100.0 * over(up[t], up[t] + down[t]) if t >= w else np.nan
    return up


@compiled
def slope_t(y: FloatArray, w: int) -> FloatArray:
    """t-value of the slope of the least-squares line through the last w values; NaN where the line fits exactly."""
    n = len(y)
    out = np.full(n, np.nan)
    middle = (w - 1) / 2.0
    sxx = w * (w * w - 1.0) / 12.0
    for t in range(w - 1, n):
        first = y[t - w + 1]
        total = 0.0
        for j in range(w):
            total += y[t - w + 1 + j] - first
        level = total / w
        sxy = 0.0
        syy = 0.0
        for j in range(w):
            gap = y[t - w + 1 + j] - first - level
            sxy += (j - middle) * gap
            syy += gap * gap
        slope = sxy / sxx
        rest = syy - slope * sxy
        # A straight line leaves rounding noise only, and noise must not become a t-value of millions.
        if rest > 1e-13 * syy:
            out[t] = slope / np.sqrt(rest / (w - 2) / sxx)
    return out
