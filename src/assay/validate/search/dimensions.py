"""Dimensions of a search space."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import exp, floor, log, log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.spec import canonical
from assay.learn import Range

POINTS = 5
MOST_POINTS = 1_000_000
MOST = 1e15  # beyond it neighbouring integers are not told apart as floats
_KEYS = {
    "float": ("type", "low", "high", "step", "log", "points"),
    "int": ("type", "low", "high", "step", "log", "points"),
    "choice": ("type", "values"),
}


@dataclass(frozen=True, slots=True)
class Categorical:
    """One of these values: choices as they stand, or the steps of a range, both ends included where steps reach them.

    ordered: whether the values rise, so that neighbours are alike.
    """

    values: tuple[Any, ...]
    ordered: bool

    @property
    def count(self) -> int:
        """How many values there are."""
        return len(self.values)

    def nth(self, index: int) -> object:
        """The value of this number."""
        return self.values[index]

    def at(self, share: float) -> object:
        """The value at a share in [0, 1) of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def grid(self) -> tuple[object, ...]:
        """Every value, in order."""
        return self.values

    @property
    def ends(self) -> tuple[object, ...]:
        """Values that bound the others: all of them."""
        return self.values

    def positions(self, values: NDArray[Any]) -> FloatArray:
        """``(n,)`` 0..1: the place of each value in the list."""
        places = {canonical(value): place for place, value in enumerate(self.values)}
        result = np.array([places[canonical(value)] for value in values.tolist()], np.float64)
        return result / max(len(self.values) - 1, 1)


@dataclass(frozen=True, slots=True)
class IntRange:
    """Every integer from low to high, both included; `points` of them on a grid, None is all."""

    low: int
    high: int
    log: bool = False
    points: int | None = None

    @property
    def count(self) -> int:
        """How many values there are."""
        return self.high - self.low + 1

    def nth(self, index: int) -> int:
        """The value of this number."""
        return self.low + index

    def at(self, share: float) -> int:
        """The value at a share in [0, 1): even in the number, or in its logarithm."""
        if not self.log:
            return self.low + min(int(share * self.count), self.count - 1)
        return min(max(round(_between(self.low - 0.5, self.high + 0.5, share, log_scale=True)), self.low), self.high)

    def grid(self) -> "range | tuple[int, ...]":
        """All values, or `points` of them, spread evenly."""
        if self.points is None:
            return range(self.low, self.high + 1)
        shares = _shares(self.points)
        return tuple(sorted({round(_between(self.low, self.high, s, log_scale=self.log)) for s in shares}))

    @property
    def ends(self) -> tuple[int, int]:
        """Values that bound the others."""
        return self.low, self.high

    def positions(self, values: NDArray[Any]) -> FloatArray:
        """``(n,)`` 0..1 between the ends, or between their logarithms."""
        return _positions(values, self.low, self.high, log_scale=self.log)


@dataclass(frozen=True, slots=True)
class FloatRange:
    """Any number from low to high, rounded to 6 decimals; more where the whole range is smaller than 0.001."""

    low: float
    high: float
    log: bool = False
    points: int = POINTS

    @property
    def count(self) -> None:
        """There is no number of values."""
        return None

    def nth(self, index: int) -> float:
        """A continuous range has no number of values: TypeError."""
        raise TypeError("a continuous range has no values to count")

    @property
    def decimals(self) -> int:
        """Decimals that are kept."""
        scale = min(self.high - self.low, self.low) if self.log else self.high - self.low
        return 6 if scale >= 1e-3 else 3 - floor(log10(scale))

    def round_value(self, value: float) -> float:
        """The value with the decimals that are kept, within the ends."""
        return min(max(round(float(value), self.decimals), self.low), self.high)

    def at(self, share: float) -> float:
        """The value at a share in [0, 1]: even in the number, or in its logarithm."""
        return self.round_value(_between(self.low, self.high, share, log_scale=self.log))

    def grid(self) -> tuple[float, ...]:
        """`points` values, both ends included."""
        return tuple(dict.fromkeys(self.at(share) for share in _shares(self.points)))

    @property
    def ends(self) -> tuple[float, float]:
        """Values that bound the others."""
        return self.low, self.high

    def positions(self, values: NDArray[Any]) -> FloatArray:
        """``(n,)`` 0..1 between the ends, or between their logarithms."""
        return _positions(values, self.low, self.high, log_scale=self.log)


Dimension = Categorical | IntRange | FloatRange


def dimension(name: str, value: Any) -> Dimension:
    """A dimension from what a person writes.

    ``(low, high)`` of floats or integers, `Range`, a list of choices, or a table
    ``{"type": "float" | "int" | "choice", "low", "high", "step", "log", "points", "values"}``.
    Raises ConfigError ``CONFIG_SPACE`` naming the parameter.
    """
    if isinstance(value, Mapping):
        return _of_table(name, value)
    if isinstance(value, Range):
        return _of_range(name, value, None)
    if isinstance(value, list):
        return choices(name, tuple(value))
    if isinstance(value, tuple) and len(value) == 2:
        return _of_range(name, _range(name, *value), None)
    raise _wrong(name, f"is {printable(value)}, must be (low, high), a list of choices, or a table with a type")


def choices(name: str, values: tuple[object, ...]) -> Categorical:
    """A list of choices: plain values, each once. Raises ConfigError ``CONFIG_SPACE``."""
    if not values:
        raise _wrong(name, "has no values to choose from")
    try:
        keys = [canonical(value) for value in values]
    except (TypeError, ValueError, RecursionError) as error:
        raise _wrong(name, f"has a value that is no plain finite value: {printable(values)}") from error
    if len(set(keys)) < len(keys):
        raise _wrong(name, f"names a value twice: {printable(values)}")
    numbers = [v for v in values if isinstance(v, int | float) and not isinstance(v, bool)]
    rising = len(numbers) == len(values) and all(a < b for a, b in pairwise(numbers))
    return Categorical(values, rising)


def _of_table(name: str, table: Mapping[str, object]) -> Dimension:
    kind = table.get("type")
    if not isinstance(kind, str) or kind not in _KEYS:
        near = did_you_mean(str(kind), _KEYS)
        raise _wrong(name, f"has type {printable(kind)}, must be float, int or choice; {near}".rstrip("; "))
    for key in table:
        if key not in _KEYS[kind]:
            near = did_you_mean(str(key), _KEYS[kind]) or "known: " + ", ".join(_KEYS[kind])
            raise _wrong(name, f"has key {printable(key)}, which {kind} does not know; {near}")
    missing = [key for key in (("values",) if kind == "choice" else ("low", "high")) if key not in table]
    if missing:
        raise _wrong(name, f"lacks {' and '.join(missing)}")
    if kind == "choice":
        if not isinstance(table["values"], list | tuple):
            raise _wrong(name, f"has values {printable(table['values'])}, must be a list")
        return choices(name, tuple(table["values"]))
    return _of_range(name, _table_range(name, kind, table), table.get("points"))


def _table_range(name: str, kind: str, table: Mapping[str, Any]) -> Range:
    low, high, step, scale = table["low"], table["high"], table.get("step"), table.get("log", False)
    if not isinstance(scale, bool):
        raise _wrong(name, f"has log {printable(scale)}, must be true or false")
    result = _range(name, low, high, step, log_scale=scale)
    if kind == "int" and not result.integers:
        raise _wrong(name, f"is of type int, but low {low}, high {high} or step {step} is no integer")
    if kind == "float":
        result = _range(name, float(low), float(high), step, log_scale=scale)
    return result


def _range(name: str, low: Any, high: Any, step: Any = None, *, log_scale: bool = False) -> Range:
    for what, value in (("low", low), ("high", high), *(() if step is None else (("step", step),))):
        if isinstance(value, bool) or not isinstance(value, int | float) or not -MOST <= value <= MOST:
            raise _wrong(name, f"has {what} {printable(value)}, must be a finite number within ±{MOST:g}")
    if not low < high:
        problem = "has no width" if low == high else "is upside down"
        raise _wrong(name, f"{problem}: {low}..{high}, low must lie below high")
    try:
        return Range(low, high, step, log_scale)
    except ConfigError as error:
        raise _wrong(name, f"cannot be searched: {error.message}") from error


def _of_range(name: str, result: Range, points: Any) -> Dimension:
    whole = isinstance(points, int) and not isinstance(points, bool)
    if points is not None and not (whole and 2 <= points <= MOST_POINTS):
        raise _wrong(name, f"has points {printable(points)}, must be an integer from 2 to {MOST_POINTS:,}")
    if result.step is not None:
        return _stepped(name, result, points)
    if result.integers:
        return IntRange(int(result.low), int(result.high), result.log, points)
    return FloatRange(float(result.low), float(result.high), result.log, points or POINTS)


def _stepped(name: str, result: Range, points: int | None) -> Categorical | IntRange:
    step = result.step or 0.0
    if result.log or points is not None:
        raise _wrong(name, "has a step and also log or points; a step leaves no room for them")
    count = (result.high - result.low) / step * (1 + 1e-12) + 1e-9
    if not 1 <= count < MOST_POINTS:
        message = f"{floor(count) + 1:,}" if count < MOST else f"{count:.3g}"
        raise _wrong(
            name, f"has {message} values in {result.low}..{result.high} by {step}, must be 2 to {MOST_POINTS:,}"
        )
    steps = floor(count)
    if result.integers and step == 1:
        return IntRange(int(result.low), int(result.high))
    values = tuple(result.low + k * step for k in range(steps + 1))
    return Categorical(values if result.integers else tuple(round(float(v), 12) for v in values), ordered=True)


def _between(low: float, high: float, share: float, *, log_scale: bool) -> float:
    if log_scale:
        return exp(log(low) + share * (log(high) - log(low)))
    return low + share * (high - low)


def _positions(values: NDArray[Any], low: float, high: float, *, log_scale: bool) -> FloatArray:
    result = np.asarray(values, np.float64)
    if log_scale:
        result, low, high = np.log(result), log(low), log(high)
    return (result - low) / (high - low)


def _shares(points: int) -> list[float]:
    return [k / (points - 1) for k in range(points)]


def _wrong(name: str, problem: str) -> ConfigError:
    return ConfigError(f"{name} {problem}", code="CONFIG_SPACE", field=name[:128])
