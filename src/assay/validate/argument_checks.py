"""Argument checks of the statistics: shapes and ranges."""

from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray, numbers
from assay.kernel.errors import ConfigError, printable

SMALLEST = float(np.finfo(np.float64).tiny)
LARGEST = float(np.finfo(np.float64).max)


def together(**values: object) -> tuple[FloatArray, ...]:
    """The values as float64, in their order. Raises ConfigError if their shapes cannot be broadcast together."""
    arrays = tuple(numbers(name, value) for name, value in values.items())
    try:
        np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as wrong:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(values, arrays, strict=True))
        raise ConfigError(f"shapes do not go together: {shapes}", code="CONFIG_PARAMETER") from wrong
    return arrays


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """The value as an int. Raises ConfigError unless it is a whole number (no bool) in least..most."""
    sound = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= least
    if not sound or (most is not None and value > most):
        within = f">= {least}" if most is None else f"in {least}..{most}"
        raise ConfigError(
            f"{name} is {printable(value)}, must be a whole number {within}", code="CONFIG_PARAMETER", field=name
        )
    return int(value)


def check_share(name: str, value: Any) -> float:
    """The value as a float. Raises ConfigError unless it lies between 0 and 1, both excluded."""
    result = numbers(name, value)
    if result.ndim or not 0 < result < 1:
        raise ConfigError(f"{name} is {printable(value)}, must be in (0, 1)", code="CONFIG_PARAMETER", field=name)
    return float(result)


def within(name: str, value: object, least: float, most: float) -> None:
    """Raise ConfigError unless the value is one number in least..most; `SMALLEST` says > 0, `LARGEST` finite."""
    result = numbers(name, value)
    if result.ndim or not least <= result <= most:
        message = (
            "> 0 and finite" if least == SMALLEST else f">= {least:g} and finite" if most == LARGEST else "in 0..1"
        )
        raise ConfigError(f"{name} is {printable(value)}, must be {message}", code="CONFIG_PARAMETER", field=name)


def plain(x: Any) -> Any:
    """A float for what has no axis, NaN for what is not finite."""
    finite = np.where(np.isfinite(x), x, np.nan)
    return float(finite) if finite.ndim == 0 else finite
