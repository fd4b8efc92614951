"""Numba kernels of rolling sums, moments, extremes and trends, in O(n) and without cancelling subtractions.

A window of w rows that ends at t is the tail of one block of w rows and the head of the next. Tails and heads are
accumulated apart and merged (van Herk 1992; moments: Chan, Golub & LeVeque 1983). So a result depends on the rows of
its window only, a NaN spoils exactly the windows that see it, a constant window has a spread of exactly 0, and prices
of 1e5 with a range of 1e-4 lose nothing. All give ``(n,)`` float64, NaN in the first w-1 rows.
"""

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray

compiled = njit(cache=True, nogil=True, error_model="numpy")


@compiled
def over(a: float, b: float) -> float:
    """a / b, NaN where b is 0."""
    return np.nan if b == 0.0 else a / b


@compiled
def mean(x: FloatArray, w: int) -> FloatArray:
    """Mean of the last w rows."""
    n = len(x)
    out = np.full(n, np.nan)
    tail = np.zeros(w)
    for start in range(0, n, w):
        head = 0.0
        for j in range(min(w, n - start)):
            t = start + j
            head += x[t]
            if t >= w - 1:
                out[t] = (head + (tail[j + 1] if j + 1 < w else 0.0)) / w
        total = 0.0
        for j in range(min(w, n - start) - 1, -1, -1):
            total += x[start + j]
            tail[j] = total
    return out


@compiled
def _first_finite(x: FloatArray, start: int, stop: int) -> float:
    for t in range(start, stop):
        if np.isfinite(x[t]):
            return x[t]
    return 0.0


@compiled
def moments(x: FloatArray, w: int) -> tuple[FloatArray, FloatArray]:
    """Mean and sum of squared deviations of the last w rows."""
    n = len(x)
    center = np.full(n, np.nan)
    spread = np.full(n, np.nan)
    tail_mean = np.zeros(w + 1)
    tail_m2 = np.zeros(w + 1)
    part = np.empty(w + 1)
    for k in range(w + 1):
        part[k] = 1.0 / max(k, 1)
    tail_level = 0.0
    for start in range(0, n, w):
        mu = 0.0
        m2 = 0.0
        rows = min(w, n - start)
        # Deviations from a value of the block itself keep their digits, however high the level.
        level = _first_finite(x, start, start + rows)
        for j in range(rows):
            t = start + j
            value = x[t] - level
            step = value - mu
            mu += step * part[j + 1]
            m2 += step * (value - mu)
            if t >= w - 1:
                rest = w - j - 1
                gap = tail_level - level + (tail_mean[j + 1] - mu)
                share = rest * part[w]
                if rest == 0:
                    center[t] = level + mu
                    spread[t] = m2
                else:
                    center[t] = level + (mu + gap * share)
                    spread[t] = m2 + tail_m2[j + 1] + gap * gap * share * (j + 1)
        mu = 0.0
        m2 = 0.0
        for j in range(rows - 1, -1, -1):
            value = x[start + j] - level
            step = value - mu
            mu += step * part[rows - j]
            m2 += step * (value - mu)
            tail_mean[j] = mu
            tail_m2[j] = m2
        tail_level = level
    return center, spread


@compiled
def deviation(x: FloatArray, w: int, ddof: int) -> FloatArray:
    """Standard deviation of the last w rows, divisor w - ddof."""
    _, spread = moments(x, w)
    for t in range(len(x)):
        spread[t] = np.sqrt(spread[t] / (w - ddof))
    return spread


@compiled
def zscore(x: FloatArray, w: int) -> FloatArray:
    """(x - mean) / std (ddof 1) over the last w rows, this one included; NaN where they are all equal."""
    center, spread = moments(x, w)
    for t in range(len(x)):
        spread[t] = over(x[t] - center[t], np.sqrt(spread[t] / (w - 1)))
    return spread


@compiled
def rolling_max(x: FloatArray, w: int) -> FloatArray:
    """Largest of the last w rows; x is finite."""
    n = len(x)
    out = np.full(n, np.nan)
    tail = np.full(w + 1, -np.inf)
    for start in range(0, n, w):
        rows = min(w, n - start)
        head = -np.inf
        for j in range(rows):
            head = max(head, x[start + j])
            if start + j >= w - 1:
                out[start + j] = max(head, tail[j + 1])
        best = -np.inf
        for j in range(rows - 1, -1, -1):
            best = max(best, x[start + j])
            tail[j] = best
    return out


@compiled
def rolling_min(x: FloatArray, w: int) -> FloatArray:
    """Smallest of the last w rows; x is finite."""
    n = len(x)
    out = np.full(n, np.nan)
    tail = np.full(w + 1, np.inf)
    for start in range(0, n, w):
        rows = min(w, n - start)
        head = np.inf
        for j in range(rows):
            head = min(head, x[start + j])
            if start + j >= w - 1:
                out[start + j] = min(head, tail[j + 1])
        best = np.inf
        for j in range(rows - 1, -1, -1):
            best = min(best, x[start + j])
            tail[j] = best
    return out


@compiled
def still(high: FloatArray, low: FloatArray) -> np.ndarray:
    """``(n,)`` int64: how many bars in a row, up to t, lie on one single price."""
    out = np.zeros(len(high), np.int64)
    for t in range(len(high)):
        if high[t] == low[t]:
            out[t] = out[t - 1] + 1 if t > 0 and out[t - 1] > 0 and high[t] == high[t - 1] else 1
    return out


@compiled
def blank_still(x: FloatArray, run: np.ndarray, w: int) -> FloatArray:
    """x with NaN where the last w bars lie on one price."""
    out = x.copy()
    for t in range(len(x)):
        if run[t] >= w:
            out[t] = np.nan
    return out


@compiled
def later(x: FloatArray, k: int) -> FloatArray:
    """x moved k rows down; the first k rows are NaN."""
    out = np.full(len(x), np.nan)
    out[k:] = x[: max(len(x) - k, 0)]
    return out


@compiled
def change(x: FloatArray, k: int, factor: float) -> FloatArray:
    """(x / x[-k] - 1) * factor."""
    out = np.full(len(x), np.nan)
    for t in range(k, len(x)):
        out[t] = over(x[t] - x[t - k], x[t - k]) * factor
    return out


@compiled
def log_change(x: FloatArray, k: int) -> FloatArray:
    """log(x / x[-k])."""
    out = np.full(len(x), np.nan)
    for t in range(k, len(x)):
        out[t] = np.log(over(x[t], x[t - k]))
    return out


@compiled
def ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    """a / b, NaN where b is 0."""
    out = np.empty(len(a))
    for t in range(len(a)):
        out[t] = over(a[t], b[t])
    return out


@compiled
def relative(level: FloatArray, close: FloatArray) -> FloatArray:
    """level / close - 1."""
    out = np.empty(len(level))
    for t in range(len(level)):
        out[t] = over(level[t] - close[t], close[t])
    return out


@compiled
def prior_ratio(x: FloatArray, w: int) -> FloatArray:
    """x over the mean of the w rows before it."""
    out = np.full(len(x), np.nan)
    before = mean(x, w)
    for t in range(w, len(x)):
        out[t] = over(x[t], before[t - 1])
    return out


@compiled
def place(matrix: FloatArray, at: np.ndarray, block: FloatArray, blank: np.ndarray) -> None:
    """Write the rows of block ``(m, n)`` as the columns `at` of the matrix, NaN in each one's first `blank` rows."""
    m, n = block.shape
    for t in range(n):
        for q in range(m):
            matrix[t, at[q]] = block[q, t] if t >= blank[q] else np.nan


@compiled
def count_missing(matrix: FloatArray) -> np.ndarray:
    """``(n,)`` int64: values in each row that are not finite."""
    out = np.zeros(matrix.shape[0], np.int64)
    for t in range(matrix.shape[0]):
        for j in range(matrix.shape[1]):
            out[t] += not np.isfinite(matrix[t, j])
    return out


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
