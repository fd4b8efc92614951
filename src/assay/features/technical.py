"""The classic indicators: TA-Lib's values, and NaN where a window is flat."""

from collections.abc import Callable

import numpy as np
import talib

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import money_flow, slope_t
from assay.features.registry import Feature, Unit, family, feature
from assay.features.volume import volume_of
from assay.kernel.arrays import FloatArray, IntArray

Values = Callable[[FeatureContext], FloatArray]


def still_closes(study: FeatureContext) -> IntArray:
    """``(n,)`` int64: equal closes in a row, up to t."""
    close = study.bars.close
    return study.once("still closes", lambda: kernels.still(close, close))


def still_bars(study: FeatureContext) -> IntArray:
    """``(n,)`` int64: bars in a row on one single price, up to t."""
    return study.once("still bars", lambda: kernels.still(study.bars.high, study.bars.low))


def ranges(study: FeatureContext, w: int) -> tuple[FloatArray, FloatArray]:
    """Highest high and lowest low of the last w bars."""
    bars = study.bars
    return study.once(f"ranges {w}", lambda: (kernels.rolling_max(bars.high, w), kernels.rolling_min(bars.low, w)))


def _wilder(p: int, factor: int, unit: Unit, values: Values) -> Feature:
    return Feature("", "technical", factor * p, unit, values, windowed=False)


def _window(rows: int, unit: Unit, values: Values, *, level: bool = True) -> Feature:
    return Feature("", "technical", rows, unit, values, level=level)


def _rsi(p: int) -> Feature:
    return _wilder(p, 15, "hundred", lambda s: kernels.blank_still(talib.RSI(s.bars.close, p), still_closes(s), p + 1))


def _cmo(p: int) -> Feature:
    return _wilder(p, 15, "hundred", lambda s: kernels.blank_still(talib.CMO(s.bars.close, p), still_closes(s), p + 1))


def _bars_of(study: FeatureContext) -> tuple[FloatArray, FloatArray, FloatArray]:
    return study.bars.high, study.bars.low, study.bars.close


def _directional(p: int, factor: int, indicator: Callable[..., FloatArray]) -> Feature:
    return _wilder(p, factor, "hundred", lambda s: kernels.blank_still(indicator(*_bars_of(s), p), still_bars(s), p))


family("rsi_{}", _rsi, {"rsi_14": (14,)})


def _macd_part(part: int) -> Callable[[int, int, int], Feature]:
    def build(fast: int, slow: int, signal: int) -> Feature:
        def values(study: FeatureContext) -> FloatArray:
            parts = study.once(f"macd {fast} {slow} {signal}", lambda: talib.MACD(study.bars.close, fast, slow, signal))
            chosen: FloatArray = parts[part]
            return chosen

        rows = 7 * (max(fast, slow) + 1) + 7 * (signal + 1)
        return Feature("", "technical", rows, "quote", values, windowed=False, level=False)

    return build


for _part, _name in enumerate(("macd", "macd_signal", "macd_histogram")):
    family(f"{_name}_{{}}_{{}}_{{}}", _macd_part(_part), {_name: (12, 26, 9)})


def _band(study: FeatureContext, w: int, widths: int) -> tuple[FloatArray, FloatArray]:
    """Middle and half width."""

    def compute() -> tuple[FloatArray, FloatArray]:
        middle, spread = kernels.moments(study.bars.close, w)
        return middle, widths * np.sqrt(spread / w)

    return study.once(f"bands {w} {widths}", compute)


def _band_line(sign: int) -> Callable[[int, int], Feature]:
    def values(study: FeatureContext, w: int, widths: int) -> FloatArray:
        middle, half = _band(study, w, widths)
        return middle + sign * half

    return lambda w, widths: _window(w - 1, "quote", lambda s: values(s, w, widths))


for _sign, _name in ((1, "bb_upper"), (0, "bb_middle"), (-1, "bb_lower")):
    family(f"{_name}_{{}}_{{}}", _band_line(_sign), {_name: (20, 2)})


def _bb_position(w: int, widths: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        middle, half = _band(study, w, widths)
        return kernels.ratio(study.bars.close - (middle - half), 2 * half)

    return _window(w - 1, "ratio", values)


def _bb_width(w: int, widths: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        middle, half = _band(study, w, widths)
        return kernels.ratio(2 * half, middle)

    return _window(w - 1, "ratio", values)


family("bb_position_{}_{}", _bb_position, {"bb_position": (20, 2)})
family("bb_width_{}_{}", _bb_width, {"bb_width": (20, 2)})


def _stochastic(study: FeatureContext, w: int, slow: int, signal: int) -> tuple[FloatArray, FloatArray]:
    def compute() -> tuple[FloatArray, FloatArray]:
        top, bottom = ranges(study, w)
        k = kernels.mean(100.0 * kernels.ratio(study.bars.close - bottom, top - bottom), slow)
        return k, kernels.mean(k, signal)

    return study.once(f"stochastic {w} {slow} {signal}", compute)


def _stoch_k(w: int, slow: int, signal: int) -> Feature:
    # The whole indicator's lookback, as the specification has it; %K alone reads two rows less.
    return _window(w + slow + signal - 3, "hundred", lambda s: _stochastic(s, w, slow, signal)[0])


def _stoch_d(w: int, slow: int, signal: int) -> Feature:
    return _window(w + slow + signal - 3, "hundred", lambda s: _stochastic(s, w, slow, signal)[1])


family("stoch_k_{}_{}_{}", _stoch_k, {"stoch_k": (14, 3, 3)})
family("stoch_d_{}_{}_{}", _stoch_d, {"stoch_d": (14, 3, 3)})
family(
    "sma_{}",
    lambda w: _window(w - 1, "quote", lambda s: kernels.mean(s.bars.close, w)),
    {"sma_50": (50,), "sma_200": (200,)},
)
family(
    "ema_{}",
    lambda p: Feature("", "technical", 7 * (p + 1), "quote", lambda s: talib.EMA(s.bars.close, p), windowed=False),
    {"ema_12": (12,)},
)
family(
    "cci_{}",
    lambda w: _window(w - 1, "z", lambda s: kernels.blank_still(talib.CCI(*_bars_of(s), w), still_bars(s), w)),
    {"cci": (20,)},
)


def _mfi(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        return money_flow(*_bars_of(study), volume_of(study), w)

    return Feature("", "technical", w, "hundred", values, needs=("volume",))


family("mfi_{}", _mfi, {"mfi": (14,)})
family("plus_di_{}", lambda p: _directional(p, 15, talib.PLUS_DI), {"plus_di": (14,)})
family("minus_di_{}", lambda p: _directional(p, 15, talib.MINUS_DI), {"minus_di": (14,)})
family("adx_{}", lambda p: _directional(p, 30, talib.ADX), {"adx": (14,)})


@feature(lookback=420, unit="category", group="technical", windowed=False)
def adx_trend(study: FeatureContext) -> FloatArray:
    """0 weak below 20, 1 moderate below 40, 2 strong below 60, 3 very strong."""
    strength = study.column("adx")
    return np.where(np.isnan(strength), np.nan, np.digitize(strength, [20.0, 40.0, 60.0]).astype(np.float64))


family(
    "roc_{}",
    lambda k: _window(k, "percent", lambda s: kernels.change(s.bars.close, k, 100.0)),
    {"roc_5": (5,), "roc_10": (10,)},
)


@feature(lookback=6, unit="percent", group="technical")
def price_acceleration(study: FeatureContext) -> FloatArray:
    """Change of roc_5 from one bar to the next."""
    roc = study.column("roc_5")
    return roc - kernels.later(roc, 1)


def _willr(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        top, bottom = ranges(study, w)
        return -100.0 * kernels.ratio(top - study.bars.close, top - bottom)

    return _window(w - 1, "hundred", values)


family("willr_{}", _willr, {"willr_14": (14,)})
family(
    "aroon_osc_{}",
    lambda w: _window(w, "hundred", lambda s: talib.AROONOSC(s.bars.high, s.bars.low, w)),
    {"aroon_osc_14": (14,)},
)
family("cmo_{}", _cmo, {"cmo_14": (14,)})
family(
    "trix_{}",
    lambda p: Feature("", "technical", 21 * (p + 1), "percent", lambda s: talib.TRIX(s.bars.close, p), windowed=False),
    {"trix_15": (15,)},
)


@feature(lookback=259, unit="percent", group="technical", windowed=False)
def ppo(study: FeatureContext) -> FloatArray:
    """(EMA12 - EMA26) / EMA26 x 100."""
    return talib.PPO(study.bars.close, 12, 26, talib.MA_Type.EMA)  # type: ignore[attr-defined]


@feature(lookback=28, unit="hundred", group="technical")
def ult_osc(study: FeatureContext) -> FloatArray:
    """Ultimate oscillator of 7, 14 and 28 bars."""
    return kernels.blank_still(talib.ULTOSC(*_bars_of(study), 7, 14, 28), still_bars(study), 28)


def _donchian(w: int) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        top, bottom = ranges(study, w)
        return kernels.ratio(study.bars.close - bottom, top - bottom)

    return _window(w - 1, "unit", values)


family("donchian_pos_{}", _donchian, {"donchian_pos_20": (20,)})
family(
    "slope_t_{}",
    lambda w: _window(w - 1, "z", lambda s: slope_t(np.log(s.bars.close), w)),
    {"slope_t_20": (20,)},
)
