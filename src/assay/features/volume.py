"""Volume, and prices weighted by it. Absent where a market has none."""

import numpy as np

from assay.features.columns import feature
from assay.features.study import Study
from assay.kernel.arrays import FloatArray

NEEDS = ("volume",)


def volume_of(study: Study) -> FloatArray:
    """``(n,)`` base units; only columns that declare ``needs=("volume",)`` may ask."""
    if study.bars.volume is None:
        raise TypeError("a column that reads volume must declare needs=('volume',)")
    return study.bars.volume


@feature(lookback=0, unit="base", group="volume", needs=NEEDS, name="volume")
def _volume(study: Study) -> FloatArray:
    return volume_of(study)


@feature(lookback=0, unit="log", group="volume", needs=NEEDS)
def log_volume(study: Study) -> FloatArray:
    """log(1 + volume)."""
    return np.log1p(volume_of(study))
