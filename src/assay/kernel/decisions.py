"""Decisions of a model at each close, and the costs that they are executed with."""

from dataclasses import dataclass, fields, replace
from math import isfinite

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError, TrainError


@dataclass(frozen=True, slots=True, eq=False)
class Decisions:
    """What to hold, decided at the close of each bar and traded at the open of the next.

    target: ``(n,)`` share of equity in [-1, 1]; 0 is flat, NaN means "keep what you have".
    stop:   ``(n,)`` distance from the fill price, quote currency, > 0; NaN is none.
    take:   ``(n,)`` distance from the fill price, quote currency, > 0; NaN is none.
    hold:   ``(n,)`` int32, most bars to stay in the position that this row opens; 0 is no limit.

    Raises TrainError ``TRAIN_DECISIONS`` naming field, row and value that break this.
    """

    target: FloatArray
    stop: FloatArray
    take: FloatArray
    hold: NDArray[np.int32]

    def __post_init__(self) -> None:
        n = len(self.target)
        if any(len(a) != n for a in (self.stop, self.take, self.hold)):
            raise TrainError("decisions need four arrays of one length", code="TRAIN_DECISIONS")
        _refuse("target", self.target, np.abs(self.target) > 1.0, "in [-1, 1] or NaN")
        _refuse("stop", self.stop, ~((self.stop > 0) & np.isfinite(self.stop) | np.isnan(self.stop)), "> 0 or NaN")
        _refuse("take", self.take, ~((self.take > 0) & np.isfinite(self.take) | np.isnan(self.take)), "> 0 or NaN")
        _refuse("hold", self.hold, self.hold < 0, ">= 0")

    @classmethod
    def weights(cls, target: FloatArray) -> "Decisions":
        """Decisions that only say how much to hold: no stop, no take, no limit."""
        n = len(target)
        return cls(target, np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int32))

    def __len__(self) -> int:
        return len(self.target)

    def __getitem__(self, rows: slice) -> "Decisions":
        return Decisions(self.target[rows], self.stop[rows], self.take[rows], self.hold[rows])


def _refuse(name: str, values: NDArray[np.generic], wrong: NDArray[np.bool_], rule: str) -> None:
    if wrong.any():
        row = int(np.argmax(wrong))
        raise TrainError(
            f"decisions: {name} in row {row} is {values[row]}, must be {rule}", code="TRAIN_DECISIONS", row=row
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """Costs of every fill and of every bar held; all finite and >= 0.

    fee:                fraction of notional, per side.
    slippage_bps:       basis points of price against the trader, per side.
    spread_bps:         full bid-ask spread in basis points; each side pays half of it.
    borrow_rate:        fraction of a short position's notional per year.
    funding:            whether the market's stored funding payments are charged.
    impact_coefficient: price moves against a fill by ``coefficient * (quantity / bar volume) ** exponent``, a fraction
                        of price; 0 is no impact, and a bar without volume has none.
    impact_exponent:    0.5 is the square-root law (Almgren et al. 2005, "Direct Estimation of Equity Market Impact").
    """

    fee: float = 0.001
    slippage_bps: float = 5.0
    spread_bps: float = 0.0
    borrow_rate: float = 0.0
    funding: bool = True
    impact_coefficient: float = 0.0
    impact_exponent: float = 0.5

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name == "funding":
                continue
            if not (isfinite(value) and value >= 0):
                raise ConfigError(
                    f"costs.{f.name} is {value!r}, must be finite and >= 0", code="CONFIG_PARAMETER", field=f.name
                )
        if self.fee >= 1 or self.price_share >= 1:
            raise ConfigError("costs: fee and slippage must stay below 100 %", code="CONFIG_PARAMETER")

    @property
    def price_share(self) -> float:
        """Slippage and half the spread, as a fraction of price per side."""
        return (self.slippage_bps + self.spread_bps / 2) / 10_000

    def times(self, factor: float) -> "Costs":
        """Every cost multiplied by `factor`, for the cost stress."""
        return replace(
            self,
            fee=self.fee * factor,
            slippage_bps=self.slippage_bps * factor,
            spread_bps=self.spread_bps * factor,
            borrow_rate=self.borrow_rate * factor,
            impact_coefficient=self.impact_coefficient * factor,
        )
