"""Names for the arrays that travel through the house, and the door by which numbers come in."""

import numpy as np
from numpy.typing import NDArray

from assay.kernel.errors import ConfigError, printable

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def numbers(name: str, value: object) -> FloatArray:
    """The value as float64. Raises ConfigError ``CONFIG_PARAMETER`` for text, complex numbers and ragged lists."""
    try:
        array = np.asarray(value)
        if value is None or array.dtype.kind not in "biufO":
            raise TypeError(array.dtype)
        return np.asarray(array, np.float64)
    except (TypeError, ValueError, OverflowError) as wrong:
        raise ConfigError(
            f"{name} is {printable(value)}: numbers are needed, all rows of one length",
            code="CONFIG_PARAMETER",
            field=name,
        ) from wrong
