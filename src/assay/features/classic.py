"""Two small sets of finite windows: classic12 and mini5."""

from collections.abc import Callable

import numpy as np

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import true_range
from assay.features.registry import Feature, Unit, add
from assay.features.technical import ranges, still_closes
from assay.features.volume import NEEDS, green_ratio, volume_of
from assay.kernel.arrays import FloatArray


def _return(study: FeatureContext) -> FloatArray:
    return study.once("return", lambda: kernels.change(study.bars.close, 1, 1.0))


def _simple_atr(study: FeatureContext) -> FloatArray:
    bars = study.bars
    return study.once("simple atr", lambda: kernels.mean(true_range(bars.high, bars.low, bars.close), 14))


def _atr_cv(study: FeatureContext) -> FloatArray:
    center, spread = kernels.moments(_simple_atr(study), 20)
    return kernels.ratio(np.sqrt(spread / 19), center)


def _rsi_unit(study: FeatureContext) -> FloatArray:
    steps = study.bars.close - kernels.later(study.bars.close, 1)
    rises, falls = kernels.mean(np.maximum(steps, 0.0), 14), kernels.mean(np.maximum(-steps, 0.0), 14)
    return kernels.blank_still(kernels.ratio(rises, rises + falls), still_closes(study), 15)


def _range(study: FeatureContext) -> FloatArray:
    top, bottom = ranges(study, 5)
    return kernels.ratio(top - bottom, study.bars.close)


def _own_ratio(w: int) -> Callable[[FeatureContext], FloatArray]:
    return lambda study: kernels.ratio(volume_of(study), kernels.mean(volume_of(study), w))


_COLUMNS: dict[str, tuple[int, Unit, Callable[[FeatureContext], FloatArray]]] = {
    "body_pct": (0, "ratio", lambda s: kernels.relative(s.bars.close, s.bars.open)),
    "range_close": (0, "ratio", lambda s: kernels.ratio(s.bars.high - s.bars.low, s.bars.close)),
    "momentum_5": (5, "ratio", lambda s: kernels.change(s.bars.close, 5, 1.0)),
    "momentum_20": (20, "ratio", lambda s: kernels.change(s.bars.close, 20, 1.0)),
    "volume_sma20": (19, "ratio", _own_ratio(20)),
    "vol5_vol20": (
        20,
        "ratio",
        lambda s: kernels.ratio(kernels.deviation(_return(s), 5, 1), kernels.deviation(_return(s), 20, 1)),
    ),
    "atr_close": (14, "ratio", lambda s: kernels.ratio(_simple_atr(s), s.bars.close)),
    "atr_cv": (33, "ratio", _atr_cv),
    "rsi_unit": (14, "unit", _rsi_unit),
    "dist_sma20": (19, "ratio", lambda s: kernels.relative(s.bars.close, kernels.mean(s.bars.close, 20))),
    "green_5": (4, "unit", lambda s: green_ratio(s, 5)),
    "range_5": (4, "ratio", _range),
    "latest_return": (1, "ratio", _return),
    "mean_return_5": (5, "ratio", lambda s: kernels.mean(_return(s), 5)),
    "volatility_5": (5, "ratio", lambda s: kernels.deviation(_return(s), 5, 1)),
    "sma_ratio_5": (4, "ratio", lambda s: kernels.ratio(s.bars.close, kernels.mean(s.bars.close, 5))),
    "volume_ratio_10": (9, "ratio", _own_ratio(10)),
}
_OF_VOLUME = {"volume_sma20", "volume_ratio_10"}
for _name, (_rows, _unit, _values) in _COLUMNS.items():
    add(Feature(_name, "classic", _rows, _unit, _values, needs=NEEDS if _name in _OF_VOLUME else ()))
