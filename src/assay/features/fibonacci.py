"""Levels between the lowest low and the highest high of 50 bars."""

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.registry import Feature, add, feature
from assay.features.technical import ranges
from assay.kernel.arrays import FloatArray

_W = 50
LEVELS = {
    "fib_0": 0.0,
    "fib_236": 0.236,
    "fib_382": 0.382,
    "fib_50": 0.5,
    "fib_618": 0.618,
    "fib_786": 0.786,
    "fib_100": 1.0,
}


def _level(name: str, share: float) -> Feature:
    def values(study: FeatureContext) -> FloatArray:
        top, bottom = ranges(study, _W)
        if share in (0.0, 1.0):
            return top if share else bottom
        return bottom + share * (top - bottom)

    return Feature(name, "fibonacci", _W - 1, "quote", values)


for _name, _share in LEVELS.items():
    add(_level(_name, _share))


@feature(lookback=_W - 1, unit="unit", group="fibonacci")
def fib_position(study: FeatureContext) -> FloatArray:
    """Where the close lies between the lowest low (0) and the highest high (1)."""
    top, bottom = ranges(study, _W)
    return kernels.ratio(study.bars.close - bottom, top - bottom)
