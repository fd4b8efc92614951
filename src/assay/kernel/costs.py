"""Trading costs."""

from dataclasses import dataclass, fields, replace
from math import isfinite

from assay.kernel.errors import ConfigError


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
