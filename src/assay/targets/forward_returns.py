"""Targets over a fixed number of bars ahead."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, printable
from assay.kernel.panel import Labels
from assay.targets.horizon import ahead, bars_ahead, check_horizon, labels, reach

Price = Literal["open", "close"]
Side = Literal["long", "short", "both"]


def _one_of(field: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(
            f"{field} is {printable(value)}, must be one of {', '.join(allowed)}", code="CONFIG_PARAMETER", field=field
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardReturn:
    """y = open[i+1+h] / open[i+1] - 1, known at the open of bar i+1+h.

    horizon: h, bars, or a length of time ("1h").
    price:   ``close`` gives close[i+h] / close[i] - 1, known at the close of bar i+h: for forecast quality only.
    Raises as `check_horizon`; ConfigError ``CONFIG_PARAMETER`` for another price.
    """

    horizon: int | str
    price: Price = "open"

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        _one_of("price", self.price, ("open", "close"))

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        h = bars_ahead(self.horizon, bars.instrument.bar)
        end, available = _label_ends(bars, h, self.price)
        return labels(bars, _returns(bars, h, self.price), end, available, str(self), h + (self.price == "open"))

    def __str__(self) -> str:
        return f"forward_return(horizon={self.horizon}, price={self.price})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """y = +1 where the forward return exceeds `band`, -1 where it lies below -band, else 0. Known as that return.

    band: fraction >= 0. Raises as `ForwardReturn`, and ConfigError ``CONFIG_PARAMETER`` for the band.
    """

    horizon: int | str
    band: float = 0.0015
    price: Price = "open"

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        _one_of("price", self.price, ("open", "close"))
        check_number("band", self.band, zero=True)

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        h = bars_ahead(self.horizon, bars.instrument.bar)
        r = _returns(bars, h, self.price)
        y = np.where(np.isnan(r), np.nan, (r > self.band).astype(np.float64) - (r < -self.band))
        end, available = _label_ends(bars, h, self.price)
        return labels(bars, y, end, available, str(self), h + (self.price == "open"), classes=(-1.0, 0.0, 1.0))

    def __str__(self) -> str:
        return f"direction(horizon={self.horizon}, band={self.band}, price={self.price})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profitable:
    """Whether a trade from open i+1 to open i+1+h earns anything after the run's fee and slippage on both sides.

    side: ``long`` or ``short``: y is 1 or 0, and `Labels.side` says which; ``both``: +1 if the long trade earns, -1 if
          the short one does, 0 if neither (both cannot).
    Raises as `check_horizon`; ConfigError ``CONFIG_PARAMETER`` for another side.
    """

    horizon: int | str
    side: Side = "both"

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        _one_of("side", self.side, ("long", "short", "both"))

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument under these costs."""
        h = bars_ahead(self.horizon, bars.instrument.bar)
        first, last = ahead(bars.open, 1), ahead(bars.open, 1 + h)
        sold = (1 - costs.price_share) * (1 - costs.fee)
        bought = (1 + costs.price_share) * (1 + costs.fee)
        long = (last * sold > first * bought).astype(np.float64)
        short = (first * sold > last * bought).astype(np.float64)
        y = {"long": long, "short": short, "both": long - short}[self.side]
        y[np.isnan(last)] = np.nan
        end, available = _label_ends(bars, h, "open")
        classes = (-1.0, 0.0, 1.0) if self.side == "both" else (0.0, 1.0)
        side = -1 if self.side == "short" else 1
        return labels(bars, y, end, available, str(self), h + 1, classes=classes, side=side)

    def __str__(self) -> str:
        return f"profitable(horizon={self.horizon}, side={self.side})"


def check_number(field: str, value: object, *, zero: bool = False) -> None:
    """Raise ConfigError ``CONFIG_PARAMETER`` unless the value is a finite number > 0 (>= 0 where `zero`)."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    if not good or value < 0 or (value == 0 and not zero):  # type: ignore[operator]  # `good` has seen to it
        raise ConfigError(
            f"{field} is {printable(value)}, must be a finite number {'>=' if zero else '>'} 0",
            code="CONFIG_PARAMETER",
            field=field,
        )


def _returns(bars: Bars, h: int, price: Price) -> FloatArray:
    if price == "close":
        return ahead(bars.close, h) / bars.close - 1.0
    return ahead(bars.open, 1 + h) / ahead(bars.open, 1) - 1.0


def _label_ends(bars: Bars, h: int, price: Price) -> tuple[IntArray, IntArray]:
    """The row that ends each label's future, and when it does: an open is known as soon as its bar begins."""
    if price == "close":
        end = reach(bars, h)
        return end, bars.known_at[end]
    end = reach(bars, h + 1)
    return end, bars.timestamp[end]
