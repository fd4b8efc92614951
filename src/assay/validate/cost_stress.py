"""Cost stress: multiples of the assumed costs, and costs that the candles show."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite, nan

from assay.kernel.costs import Costs
from assay.validate.statistics.spread import HalfSpread

_BASIS_POINT = 1e-4
_MOST = 1024.0  # multiples of the costs that are looked at
_STEPS = 14
_REFERENCE = 5 * _BASIS_POINT  # a side, where no costs were assumed and there is nothing to multiply


@dataclass(frozen=True, slots=True)
class CostSides:
    """What one side of a trade costs, as fractions of its notional.

    assumed:  fee, slippage and half the assumed spread.
    shown:    the same with slippage and spread at least the half-spread that the candles show.
    stressed: what the check `cost` asks the record to survive.
    half_spread: at least, by the candles; NaN where they are too few to tell.
    """

    assumed: float
    shown: float
    stressed: float
    half_spread: float


def cost_sides(costs: Costs, spread: HalfSpread, *, cost_factor: float, min_cost: float) -> CostSides:
    """The sides of one instrument. min_cost: basis points that are asked whatever was assumed."""
    low = spread.low if isfinite(spread.low) else 0.0
    assumed = costs.fee + costs.price_share
    shown = costs.fee + max(costs.price_share, low)
    stressed = max(cost_factor * assumed, shown, min_cost * _BASIS_POINT)
    return CostSides(assumed, shown, stressed, spread.low)


def at_side(costs: Costs, side: float, *, factor: float = 1.0) -> Costs:
    """The costs, all times `factor`, with slippage raised until one side costs `side`; never below what they cost."""
    times = costs.times(factor)
    missing = max(0.0, side - times.fee - times.price_share)
    return replace(times, slippage_bps=times.slippage_bps + missing / _BASIS_POINT)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """How dear trading may become until a record earns nothing.

    multiple: of all assumed costs; NaN where none were assumed, and where `side` is.   side: costs of one side there, a
    fraction; 0 for a record that earns nothing without costs, infinite for one that trades too little to tell.
    """

    multiple: float
    side: float


def break_even(costs: Costs, mean_at: Callable[[Costs], float]) -> BreakEven:
    """The largest multiple of the costs at which the mean net return is above 0, by bisection to 0.1 %.

    mean_at: the mean net return of the same decisions at other costs; NaN or <= 0 counts as no profit. About 20 calls.
    Without assumed costs a reference of 5 basis points a side is multiplied, and only the side is said.
    """
    assumed = costs.fee + costs.price_share
    base = costs if assumed > 0 else at_side(costs, _REFERENCE)
    unit = base.fee + base.price_share
    most = min(_MOST, 0.98 / max(base.fee, base.price_share))

    def earns(multiple: float) -> bool:
        return mean_at(base.times(multiple)) > 0

    multiple = _largest(earns, most)
    return BreakEven(multiple if assumed > 0 else nan, multiple * unit)


def _largest(earns: Callable[[float], bool], most: float) -> float:
    if not earns(0.0):
        return 0.0
    low, high = 0.0, min(1.0, most)
    while earns(high):
        if high >= most:
            return float("inf")
        low, high = high, min(2 * high, most)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if earns(middle) else (low, middle)
        if high - low <= 1e-3 * high:
            break
    return low
