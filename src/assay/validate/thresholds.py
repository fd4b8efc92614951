"""Thresholds of the gate. Loads nothing heavy: settings are read by every command."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from assay.validate.argument_checks import LARGEST, SMALLEST, check_share, whole, within

LOOSER: Mapping[str, Mapping[str, int]] = {  # by check: its limits, and the way in which each lets more pass; 0: either
    "sample": {"min_trades": -1, "min_bars": -1},
    "edge": {"error": 1},
    "overfitting": {"max_loss_share": 1, "pyrite_share": 1},
    "cost": {"cost_factor": -1, "min_cost": -1},
    "fills": {"max_doubtful_fills": 1, "pyrite_doubtful_fills": 1},
    "regimes": {"min_regime_share": -1, "min_regime_bars": 0},
    "seeds": {"min_seeds": -1, "min_seed_share": -1},
}


_SHARES = (
    "max_loss_share", "pyrite_share", "min_regime_share", "min_seed_share", "max_doubtful_fills",
    "pyrite_doubtful_fills",
)  # fmt: skip
_DIGITS = 12  # of an error that is computed from a confidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """Where the checks draw their lines.

    error:    the chance that the best of all looks is called GOLD when it is judged and none of them has skill.
    min_cost: basis points a side that a record must survive whatever costs were assumed.
    max_doubtful_fills, pyrite_doubtful_fills: shares of the traded notional filled where a market would hardly fill it.

    Raises ConfigError ``CONFIG_PARAMETER`` for a line that nothing or everything would pass: an error outside (0, 1),
    a share outside [0, 1], a count or a cost below 0, a cost factor that is not above 0.
    """

    error: float = 0.01
    min_trades: int = 30
    min_bars: int = 250
    max_loss_share: float = 0.20
    pyrite_share: float = 0.50
    cost_factor: float = 2.0
    min_cost: float = 5.0
    max_doubtful_fills: float = 0.02
    pyrite_doubtful_fills: float = 0.10
    min_regime_bars: int = 100
    min_regime_share: float = 2 / 3
    min_seeds: int = 5
    min_seed_share: float = 0.8
    mature_trades: int = 100
    mature_annual_sharpe: float = 1.5

    def __post_init__(self) -> None:
        for name in ("min_trades", "min_bars", "min_seeds", "mature_trades"):
            whole(name, getattr(self, name), 0)
        whole("min_regime_bars", self.min_regime_bars, 1)
        check_share("error", self.error)
        for name in _SHARES:
            within(name, getattr(self, name), 0.0, 1.0)
        within("cost_factor", self.cost_factor, SMALLEST, LARGEST)
        within("min_cost", self.min_cost, 0.0, LARGEST)
        within("mature_annual_sharpe", self.mature_annual_sharpe, -LARGEST, LARGEST)


def looser_thresholds(values: Mapping[str, object], request: Thresholds, check: str | None = None) -> list[str]:
    """Each limit of `values` that lets more pass than `request` does, in words; of one check only, or of all.

    What `values` lacks is as by default; what it has and no check knows is passed over.
    """
    usual, values = Thresholds(), translate_thresholds(values)
    lines = []
    for name, way in {n: w for c, limits in LOOSER.items() if check in (None, c) for n, w in limits.items()}.items():
        mine, wanted = values.get(name, getattr(usual, name)), getattr(request, name)
        if way * (mine - wanted) > 0:
            lines.append(f"{name} {mine:g}, looser than {wanted:g}")
        elif way == 0 and mine != wanted:  # more bars leave out the regimes that have few, be they the losing ones
            lines.append(f"{name} {mine:g}, other than {wanted:g}")
    return lines


def thresholds_from_document(document: Mapping[str, object]) -> Thresholds:
    """Those that a stored verdict was given by; a document that names none was judged by the defaults.

    One of the gate's first version carries a ``confidence``; see `translate_thresholds`.
    """
    available = {field.name for field in fields(Thresholds)}
    return Thresholds(**{name: value for name, value in translate_thresholds(document).items() if name in available})


def translate_thresholds(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The thresholds of a document with the ``confidence`` of the gate's first version as an ``error``: 1 less it."""
    if "confidence" not in document or "error" in document:
        return document
    return {**document, "error": round(1.0 - document["confidence"], _DIGITS)}
