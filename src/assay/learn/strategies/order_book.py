"""Order-book columns: optional, known at the bar's close, never estimated from candles."""

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars


def book_column(bars: Bars, column: str, *, absent: float) -> FloatArray:
    """``(n,)``: the column, and `absent` (a value that passes) where it is not there or not finite."""
    result = bars.columns.get(column)
    if result is None:
        everywhere: FloatArray = np.broadcast_to(np.float64(absent), (len(bars),))
        return everywhere
    return np.where(np.isfinite(result), result, absent)
