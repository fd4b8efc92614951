"""Circuit breakers of a configuration by its stage, and limits of the account."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

Stage = Literal["PAPER", "DISCOVERY", "VALIDATION", "MATURE", "DECAY"]


@dataclass(frozen=True, slots=True)
class Breakers:
    """When a bot stops trading one configuration; ``_pct`` in percent of equity, the Sharpe over rolling 30 days."""

    max_daily_loss_pct: float
    max_position_size_pct: float
    max_drawdown_pct: float
    max_consecutive_losses: int
    daily_trade_limit: int
    cooldown_after_loss_minutes: int
    min_sharpe_ratio: float


@dataclass(frozen=True, slots=True)
class Trigger:
    """One limit of the whole account and what a bot does beyond it; `key` is its name in the V3 document."""

    code: str
    key: str
    limit: float
    measure: str
    action: str


_CAREFUL, _OPEN = Breakers(1.0, 2.0, 5.0, 3, 5, 60, 1.0), Breakers(3.0, 10.0, 15.0, 7, 20, 15, 0.5)
BREAKERS: Mapping[Stage, Breakers] = {
    "PAPER": _CAREFUL,
    "DISCOVERY": _CAREFUL,
    "VALIDATION": Breakers(2.0, 5.0, 10.0, 5, 10, 30, 0.8),
    "MATURE": _OPEN,
    "DECAY": _OPEN,
}
ACCOUNT_TRIGGERS: tuple[Trigger, ...] = (
    Trigger(
        "MAX_DAILY_LOSS", "max_daily_loss", 0.02, "loss of equity since 00:00 UTC", "pause all until the next 00:00 UTC"
    ),
    Trigger(
        "CORRELATION_SPIKE", "max_correlation_spike", 0.8,
        "30-day return correlation of two active configurations", "deactivate the newer",
    ),
    Trigger(
        "UNUSUAL_MARKET", "unusual_market_threshold", 3.0,
        "z of the 30-day volatility in its 365-day history", "pause entries",
    ),
    Trigger("HIGH_LATENCY", "latency_threshold_ms", 500, "milliseconds", "pause entries"),
    Trigger("LOSS_STREAK", "consecutive_losses_limit", 5, "losses in a row", "pause and alert"),
    Trigger(
        "ADVERSE_SELECTION", "max_adverse_selection", 0.6,
        "share of trades whose price is against entry a minute later", "halve; from 30 live trades on, DECAY",
    ),
    Trigger("REGIME_BREAK", "regime_break_threshold", 0.3, "highest regime probability, below", "halve"),
)  # fmt: skip


def circuit_breakers(stage: Stage) -> dict[str, Any]:
    """Breakers of a stage and triggers of the account under their names in the V3 document."""
    return asdict(BREAKERS[stage]) | {t.key: t.limit for t in ACCOUNT_TRIGGERS}
