"""Position size of a configuration, and limits of the portfolio."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any

from assay.kernel.errors import ConfigError, printable
from assay.validate.lifecycle import STAGES, Stage, metric_value

MAX_EXPOSURE = 0.5
MAX_ASSET = 0.2
MIN_CASH = 0.3
MAX_POSITIONS = 10
MIN_SIZE = 100.0
MAX_DAILY_LOSS = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """What a bot holds now, in quote currency.

    capital:    equity of the account.   cash: of it, not in positions.
    by_stage, by_asset: notional of open positions.
    positions:  how many are open.   daily_loss: fraction of the equity at 00:00 UTC, positive is a loss.
    """

    capital: float
    cash: float
    by_stage: Mapping[str, float] = field(default_factory=dict)
    by_asset: Mapping[str, float] = field(default_factory=dict)
    positions: int = 0
    daily_loss: float = 0.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """The first portfolio limit that a new position would break."""

    code: str
    text: str
    value: float
    limit: float


def position_size(stage: Stage, metrics: Mapping[str, Any], *, capital: float, confidence: float) -> float:
    """Quote units of a new position.

    ``capital * base * clamp(0.6 * min(Sharpe / 2, 1.5) + 0.4 * win rate, 0.5, 1.5) * confidence``, never above
    ``capital * base``, the base of the stage (`STAGES`); 0 in PAPER and DECAY. The base already holds the stage: the
    stage's multiplier is not applied as well. metrics: ``sharpe_annual`` and ``win_rate`` (a fraction), out of sample;
    undefined counts 0. confidence: 0..1. Raises ConfigError ``CONFIG_METRIC``, ``CONFIG_PARAMETER``.
    """
    if not (isfinite(capital) and capital >= 0 and 0 <= confidence <= 1):
        raise ConfigError(
            f"capital is {printable(capital)}, confidence {printable(confidence)}; needs capital >= 0, "
            f"confidence in 0..1",
            code="CONFIG_PARAMETER",
        )
    if stage in ("PAPER", "DECAY"):
        return 0.0
    sharpe, wins = (
        v if isfinite(v) else 0.0 for v in (metric_value(metrics, "sharpe_annual"), metric_value(metrics, "win_rate"))
    )
    worth = min(max(0.6 * min(sharpe / 2, 1.5) + 0.4 * wins, 0.5), 1.5)
    whole = capital * STAGES[stage].base
    return min(whole * worth * confidence, whole)


def refusal(size: float, stage: Stage, asset: str, holding: Portfolio) -> Refusal | None:
    """The first limit that opening `size` quote units would break, or None.

    Asked in this order: the day's loss, exposure (of all positions, of the stage, cash that is left), the asset, the
    least size, PAPER, and the number of positions. Shares are of the capital.
    """
    of = _share(holding.capital)
    total = of(sum(holding.by_stage.values()) + size)
    in_stage, limit = of(holding.by_stage.get(stage, 0.0) + size), STAGES[stage].exposure
    in_asset, cash = of(holding.by_asset.get(asset, 0.0) + size), of(holding.cash - size)
    checks = (
        (holding.daily_loss >= MAX_DAILY_LOSS, "MAX_DAILY_LOSS", "lost today", holding.daily_loss, MAX_DAILY_LOSS),
        (not total <= MAX_EXPOSURE, "EXPOSURE", "in positions", total, MAX_EXPOSURE),
        (stage != "PAPER" and not in_stage <= limit, "STAGE_EXPOSURE", f"in {stage} positions", in_stage, limit),
        (not cash >= MIN_CASH, "CASH", "left in cash", cash, MIN_CASH),
        (not in_asset <= MAX_ASSET, "ASSET", f"in {printable(asset)[1:-1]}", in_asset, MAX_ASSET),
        (not size >= MIN_SIZE, "MIN_SIZE", "quote units", size, MIN_SIZE),
        (stage == "PAPER", "PAPER", "is not traded", size, 0.0),
        (
            holding.positions >= MAX_POSITIONS,
            "POSITIONS",
            "positions open",
            float(holding.positions),
            float(MAX_POSITIONS),
        ),
    )
    return next((Refusal(c, f"{v:g} {t}, the limit is {x:g}", v, x) for broken, c, t, v, x in checks if broken), None)


def _share(capital: float) -> Any:
    return lambda value: value / capital if capital > 0 else nan
