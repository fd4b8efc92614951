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


@compiled
def run_lengths(direction: FloatArray, limit: int) -> FloatArray:
    """Rows in a row of one direction (+1, -1), signed, cut at the limit; 0 where the direction is 0."""
    out = np.zeros(len(direction))
    for t in range(len(direction)):
        goes_on = t > 0 and direction[t] == direction[t - 1]
        out[t] = out[t - 1] + direction[t] if goes_on else direction[t]
        out[t] = min(max(out[t], -limit), limit)
    return out


@compiled
def shape(x: FloatArray, w: int) -> tuple[FloatArray, FloatArray]:
    """Skewness m3 / m2^1.5 and (non-excess) kurtosis m4 / m2^2 of the last w values, population moments."""
    n = len(x)
    skew = np.full(n, np.nan)
    kurt = np.full(n, np.nan)
    for t in range(w - 1, n):
        total = 0.0
        for j in range(t - w + 1, t + 1):
            total += x[j]
        level = total / w
        m2 = m3 = m4 = 0.0
        for j in range(t - w + 1, t + 1):
            gap = x[j] - level
            squared = gap * gap
            m2 += squared
            m3 += squared * gap
            m4 += squared * squared
        # Equal values leave rounding noise of the mean; the shape of noise says nothing.
        if m2 / w > 1e-28 * level * level:
            skew[t] = (m3 / w) / (m2 / w) ** 1.5
            kurt[t] = (m4 / w) / (m2 / w) ** 2
    return skew, kurt


@compiled
def autocorrelation(x: FloatArray, w: int) -> FloatArray:
    """Correlation of the last w values but the first with the last w values but the last."""
    n = len(x)
    out = np.full(n, np.nan)
    pairs = w - 1
    for t in range(w - 1, n):
        first = t - w + 1
        early = late = 0.0
        for j in range(first, t):
            early += x[j]
            late += x[j + 1]
        early /= pairs
        late /= pairs
        sxx = syy = sxy = 0.0
        for j in range(first, t):
            a = x[j] - early
            b = x[j + 1] - late
            sxx += a * a
            syy += b * b
            sxy += a * b
        if min(sxx, syy) / pairs > 1e-28 * max(early * early, late * late):
            out[t] = sxy / np.sqrt(sxx * syy)
    return out


@compiled
def true_range(high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """max(high, close[-1]) - min(low, close[-1]); NaN in row 0."""
    out = np.full(len(close), np.nan)
    for t in range(1, len(close)):
        out[t] = max(high[t], close[t - 1]) - min(low[t], close[t - 1])
    return out


@compiled
def finite_ema(x: FloatArray, span: int, rows: int) -> FloatArray:
    """Mean of the last `rows` values with weights q^k, q = 1 - 2/(span + 1); rounding is forgotten alike."""
    n = len(x)
    out = np.full(n, np.nan)
    q = 1.0 - 2.0 / (span + 1.0)
    gone = q**rows
    weight = (1.0 - gone) / (1.0 - q)
    total = 0.0
    for t in range(n):
        total = x[t] + q * total
        if t >= rows:
            total -= gone * x[t - rows]
        if t >= rows - 1:
            out[t] = total / weight
    return out


@compiled
def median(x: FloatArray, w: int) -> FloatArray:
    """Median of the last w values by a sorted window; NaN while it holds a NaN (leading ones only)."""
    n = len(x)
    out = np.full(n, np.nan)
    ordered = np.empty(w)
    holding = 0
    for t in range(n):
        if np.isnan(x[t]):
            holding = 0
            continue
        if holding == w:
            at = np.searchsorted(ordered, x[t - w])
            for j in range(at, w - 1):
                ordered[j] = ordered[j + 1]
            holding -= 1
        at = np.searchsorted(ordered[:holding], x[t])
        for j in range(holding, at, -1):
            ordered[j] = ordered[j - 1]
        ordered[at] = x[t]
        holding += 1
        if holding == w:
            out[t] = 0.5 * (ordered[(w - 1) // 2] + ordered[w // 2])
    return out
