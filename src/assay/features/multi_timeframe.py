"""Higher and lower timeframes, built from the bars at hand; a bucket speaks only after its close."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import talib

from assay.features import kernels
from assay.features.compute import FeatureContext, above
from assay.features.kernels import compiled
from assay.features.registry import Clock, Feature, Unit, add, feature
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars

_SUPPORT = 20
_SMA = 50


@dataclass(frozen=True, slots=True, eq=False)
class Buckets:
    """Bars of a higher timeframe and where their values may be read.

    high, low, close: ``(m,)``; a first bucket whose first bar is not stored is left out.
    latest: ``(n,)`` int64, the newest bucket that has closed by the close of each own bar; -1 is none.
    """

    high: FloatArray
    low: FloatArray
    close: FloatArray
    latest: IntArray

    def spread(self, values: FloatArray) -> FloatArray:
        """``(n,)``: a column of the buckets ``(m,)`` as the own bars know it."""
        if not len(values):
            return np.full(len(self.latest), np.nan)
        return np.where(self.latest >= 0, values[np.maximum(self.latest, 0)], np.nan)


@compiled
def _gathered(bucket: IntArray, high: FloatArray, low: FloatArray, close: FloatArray) -> FloatArray:
    """``(3, m)``: highest high, lowest low and last close of each bucket 0..m-1; negative numbers are left out."""
    m = bucket[-1] + 1 if len(bucket) else 0
    out = np.empty((3, max(m, 0)))
    out[0] = -np.inf
    out[1] = np.inf
    for t in range(len(bucket)):
        b = bucket[t]
        if b >= 0:
            out[0, b] = max(out[0, b], high[t])
            out[1, b] = min(out[1, b], low[t])
            out[2, b] = close[t]
    return out


def buckets(study: FeatureContext, clock: Clock) -> Buckets:
    """The bars of that clock; kept."""
    return study.once(f"buckets {clock}", lambda: _buckets(study, clock))


def _buckets(study: FeatureContext, clock: Clock) -> Buckets:
    bars = study.bars
    bar = above(bars.instrument.bar)
    if clock == "next" and bar is not None:
        bar = above(bar)
    if bar is None:
        raise TypeError("a column of a higher timeframe must declare needs=('higher',) or ('next',)")
    opens = bar.floor(bars.timestamp)
    first = np.ones(len(opens), np.bool_)
    first[1:] = opens[1:] != opens[:-1]
    whole_start = len(opens) > 0 and opens[0] == bars.timestamp[0]
    number = np.cumsum(first) - (1 if whole_start else 2)
    high, low, close = _gathered(number, bars.high, bars.low, bars.close)
    closes = bar.close(opens[first])[0 if whole_start else 1 :]
    return Buckets(high, low, close, np.searchsorted(closes, bars.known_at, side="right") - 1)


def _from_buckets(values: Callable[[Buckets], FloatArray]) -> Callable[[FeatureContext], FloatArray]:
    def compute(study: FeatureContext) -> FloatArray:
        higher = buckets(study, "higher")
        return higher.spread(values(higher)) if len(higher.close) else np.full(len(study.bars), np.nan)

    return compute


def _rsi(b: Buckets) -> FloatArray:
    return kernels.blank_still(talib.RSI(b.close, 14), kernels.still(b.close, b.close), 15)


def _macd(b: Buckets) -> FloatArray:
    return talib.MACD(b.close, 12, 26, 9)[0] / b.close


def _trend(b: Buckets) -> FloatArray:
    mean = kernels.mean(b.close, _SMA)
    before = kernels.later(mean, 5)
    up = (b.close > mean) & (mean > before)
    down = (b.close < mean) & (mean < before)
    return np.where(np.isnan(before), np.nan, up.astype(np.float64) - down)


# Two bars more than the indicator reads: the bucket still open at t, and the one that a stretch of bars begins within.
_COLUMNS: dict[str, tuple[int, Unit, Callable[[Buckets], FloatArray], bool]] = {
    "htf_rsi": (210, "hundred", _rsi, False),
    "htf_macd": (259, "ratio", _macd, False),
    "htf_sma_50": (_SMA - 1, "quote", lambda b: kernels.mean(b.close, _SMA), True),
    "htf_support_level": (_SUPPORT - 1, "quote", lambda b: kernels.rolling_min(b.low, _SUPPORT), True),
    "htf_resistance_level": (_SUPPORT - 1, "quote", lambda b: kernels.rolling_max(b.high, _SUPPORT), True),
    "htf_trend_direction": (_SMA + 4, "category", _trend, True),
}
for _name, (_rows, _unit, _values, _windowed) in _COLUMNS.items():
    add(
        Feature(
            _name,
            "multi-timeframe",
            _rows + 2,
            _unit,
            _from_buckets(_values),
            windowed=_windowed,
            needs=("higher",),
            clock="higher",
        )
    )


def _side(close: FloatArray) -> FloatArray:
    return np.sign(close - kernels.mean(close, _SMA))


@feature(lookback=_SMA + 1, unit="unit", group="multi-timeframe", needs=("next",), clock="next")
def tf_alignment_score(study: FeatureContext) -> FloatArray:
    """|sum| / 3 of the sides of their SMA50 on which the own, the higher and the next higher close lie."""
    total = _side(study.bars.close)
    for clock in ("higher", "next"):
        of = buckets(study, clock)
        total = total + of.spread(_side(of.close))
    return np.abs(total) / 3.0


@feature(lookback=_SMA + 1, unit="flag", group="multi-timeframe", needs=("next",), clock="next")
def is_all_tf_aligned(study: FeatureContext) -> FloatArray:
    """1 if all three lie on one side."""
    score = study.column("tf_alignment_score")
    return np.where(np.isnan(score), np.nan, (score == 1.0).astype(np.float64))


def _lower(study: FeatureContext) -> tuple[Bars, IntArray, IntArray]:
    """The lower bars, and of each own bar the first row inside it and the one after the last."""
    lower = study.lower
    if lower is None:
        raise TypeError("a column of lower bars must declare needs=('lower',)")
    own = study.bars
    return lower, np.searchsorted(lower.timestamp, own.timestamp), np.searchsorted(lower.timestamp, own.known_at)


@compiled
def _within(values: FloatArray, start: IntArray, stop: IntArray, spread: bool) -> FloatArray:
    """Mean, or standard deviation (ddof 1), of values[start:stop]; NaN where there are too few."""
    out = np.full(len(start), np.nan)
    for t in range(len(start)):
        count = stop[t] - start[t]
        if count < (2 if spread else 1):
            continue
        level = 0.0
        for j in range(start[t], stop[t]):
            level += values[j]
        level /= count
        squares = 0.0
        for j in range(start[t], stop[t]):
            squares += (values[j] - level) ** 2
        out[t] = np.sqrt(squares / (count - 1)) if spread else level
    return out


@feature(lookback=0, unit="ratio", group="multi-timeframe", needs=("lower",))
def ltf_volatility(study: FeatureContext) -> FloatArray:
    """std (ddof 1) of the log returns between the lower bars inside the bar."""
    lower, start, stop = _lower(study)
    # The first lower bar's return would reach out of this bar.
    return _within(kernels.log_change(lower.close, 1), np.minimum(start + 1, stop), stop, True)


@feature(lookback=0, unit="base", group="multi-timeframe", needs=("ltf_volume",))
def ltf_volume(study: FeatureContext) -> FloatArray:
    """Mean volume of the lower bars inside the bar."""
    lower, start, stop = _lower(study)
    if lower.volume is None:
        raise TypeError("a column of lower volume must declare needs=('ltf_volume',)")
    return _within(lower.volume, start, stop, False)
