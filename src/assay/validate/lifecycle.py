"""Lifecycle of a configuration: stages, confidence, position size, circuit breakers.

Everything is judged on out-of-sample numbers; what only live trading can know counts where it was measured and is
otherwise None, which never passes and never fails a rule. Stages from low to high: PAPER, DISCOVERY, VALIDATION,
MATURE; DECAY is for what once was higher and is reached by monitoring alone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, Literal

from assay.kernel.contracts import State
from assay.kernel.errors import ConfigError, did_you_mean, printable

if TYPE_CHECKING:
    from assay.validate.gate import VerdictName
    from assay.validate.stability import OverfitVerdict


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


def circuit_breakers(stage: Stage) -> dict[str, object]:
    """Breakers of a stage and triggers of the account under their names in the V3 document."""
    return asdict(BREAKERS[stage]) | {t.key: t.limit for t in ACCOUNT_TRIGGERS}


@dataclass(frozen=True, slots=True)
class StageRule:
    """What a stage allows.

    position_multiplier: scale on a bot's own sizing.   max_allocation_pct: of capital, in percent.
    base:                share of capital of a position sized by `position_size`; it already holds the stage.
    exposure:            most share of capital in all positions of the stage.
    """

    position_multiplier: float
    max_allocation_pct: float
    base: float
    exposure: float


STAGES: Mapping[Stage, StageRule] = {
    "PAPER": StageRule(0.0, 0.0, 0.0, 0.0),
    "DISCOVERY": StageRule(0.25, 2.0, 0.02, 0.05),
    "VALIDATION": StageRule(0.5, 5.0, 0.05, 0.15),
    "MATURE": StageRule(1.0, 10.0, 0.10, 0.30),
    "DECAY": StageRule(0.0, 3.0, 0.03, 0.10),
}
MIN_TRADES, MATURE_TRADES = 30, 100
MAX_P_VALUE = 0.05
MIN_SHARPE, MATURE_SHARPE = 0.5, 1.5
MIN_FILL_RATE = 0.7
ROLLING_KEPT = 0.5
MOST_DEGRADED = -0.2
DEATHS = 2
ADVERSE, MATURE_ADVERSE, LIVE_TRADES = 0.6, 0.3, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What only live trading or monitoring can know; None is not measured. Annual Sharpe ratios, fractions, counts."""

    fill_rate: float | None = None
    adverse_selection_score: float | None = None
    live_trades: int | None = None
    rolling_30d_sharpe: float | None = None
    lifetime_sharpe_ratio: float | None = None
    performance_degradation: float | None = None
    death_signal_count: int | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One rule: what it looked at (`value`) against what it asks (`limit`); None where there is no value."""

    code: str
    state: State
    text: str
    value: float | str | None
    limit: float | str | None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a configuration stands.

    eligible_for:        MATURE where only a person's approval is missing, else None.
    position_multiplier: of the stage, halved under adverse selection on few live trades.
    max_allocation_pct:  percent of capital.   reasons: every rule that was asked, in order.
    alerts:              what a person should look at, though no rule fails.
    """

    stage: Stage
    eligible_for: Literal["MATURE"] | None
    position_multiplier: float
    max_allocation_pct: float
    reasons: tuple[Reason, ...]
    alerts: tuple[str, ...] = ()


NEEDED = ("net_profit", "sharpe_annual", "total_trades", "p_value")


def place_stage(
    verdict: "VerdictName",
    metrics: Mapping[str, object],
    overfit: "OverfitVerdict | None",
    *,
    approved: bool = False,
    live: Live | None = None,
    mature_trades: float = MATURE_TRADES,
    mature_sharpe: float = MATURE_SHARPE,
) -> Placement:
    """The stage of a configuration: the first that matches of PAPER, DECAY, DISCOVERY, MATURE, VALIDATION.

    verdict:  the gate's.   overfit: verdict over the windows (`assay.validate.stability`), None where undefined.
    metrics:  out of sample, ``net_profit sharpe_annual total_trades p_value`` (after deflation); NaN and None are
              undefined: an undefined profit or Sharpe ratio is PAPER, an undefined p-value or count is DISCOVERY.
    approved: by a person, for MATURE; without it such a one stays VALIDATION and is eligible.
    mature_trades, mature_sharpe: what MATURE asks for, a year; never less than what is documented.
    Raises ConfigError ``CONFIG_METRIC`` for a metric that is missing, and for an unknown word.
    """
    if verdict not in ("GOLD", "UNPROVEN", "PYRITE"):
        raise ConfigError(f"verdict is {printable(verdict)}, must be GOLD, UNPROVEN or PYRITE", code="CONFIG_METRIC")
    m = {name: metric_value(metrics, name) for name in NEEDED}
    seen = live or Live()
    request: dict[Stage, tuple[Reason, ...]] = {
        "PAPER": tuple(_paper(verdict, m, seen)),
        "DECAY": tuple(_decay(seen)),
        "DISCOVERY": tuple(_discovery(verdict, m)),
        "MATURE": tuple(
            _mature(m, overfit, seen, max(MATURE_TRADES, mature_trades), max(MATURE_SHARPE, mature_sharpe))
        ),
    }
    reasons = [r for rules in request.values() for r in rules]
    for lower in ("PAPER", "DECAY", "DISCOVERY"):
        if any(r.state == "FAIL" for r in request[lower]):
            return _placed(lower, None, reasons, seen)
    if any(r.state == "FAIL" for r in request["MATURE"]):
        return _placed("VALIDATION", None, reasons, seen)
    text = "a person approved it" if approved else "no person has approved it"
    reasons.append(Reason("APPROVAL", "PASS" if approved else "UNKNOWN", text, None, None))
    return _placed("MATURE", None, reasons, seen) if approved else _placed("VALIDATION", "MATURE", reasons, seen)


def confidence_score(metrics: Mapping[str, object], stability_score: float | None) -> float:
    """0..1: ``0.3 min(trades/200, 1) + 0.3 min(max(Sharpe, 0)/3, 1) + 0.2 win rate + 0.2 stability``, to 4 decimals.

    metrics: ``total_trades sharpe_annual win_rate``, out of sample; undefined counts 0, as an undefined stability does.
    """
    trades, sharpe, wins = (_or_zero(metric_value(metrics, n)) for n in ("total_trades", "sharpe_annual", "win_rate"))
    steady = _or_zero(nan if stability_score is None else stability_score)
    return round(0.3 * min(trades / 200, 1) + 0.3 * min(max(sharpe, 0.0) / 3, 1) + 0.2 * wins + 0.2 * steady, 4)


def metric_value(values: Mapping[str, Any], name: str) -> float:
    """A metric as a float, None as NaN. A missing key is ConfigError ``CONFIG_METRIC``: never a silent DISCOVERY."""
    if name not in values:
        near = did_you_mean(name, values)
        raise ConfigError(f"the metrics lack {name}", code="CONFIG_METRIC", hint=near, field=name)
    return nan if values[name] is None else float(values[name])


def _placed(stage: Stage, eligible: Literal["MATURE"] | None, reasons: list[Reason], live: Live) -> Placement:
    rule, alerts, factor = STAGES[stage], [], 1.0
    if live.death_signal_count == 1:
        alerts.append("one death signal is on")
    if _above(live.adverse_selection_score, ADVERSE) and not _many(live):
        alerts.append(f"adverse selection {live.adverse_selection_score:g} on few live trades: half the size")
        factor = 0.5
    return Placement(
        stage, eligible, rule.position_multiplier * factor, rule.max_allocation_pct, tuple(reasons), tuple(alerts)
    )


def _paper(verdict: "VerdictName", m: Mapping[str, float], live: Live) -> Iterator[Reason]:
    yield _rule("VERDICT", verdict != "PYRITE", f"the gate says {verdict}", verdict, "not PYRITE")
    profit, sharpe = m["net_profit"], m["sharpe_annual"]
    yield _rule("NET_PROFIT", profit >= 0, f"net profit {_number_text(profit, '.2%')} out of sample", profit, 0.0)
    yield _rule("SHARPE", sharpe >= MIN_SHARPE, f"Sharpe {_number_text(sharpe, '.2f')} a year", sharpe, MIN_SHARPE)
    yield _measured("FILL_RATE", live.fill_rate, MIN_FILL_RATE, lambda v, limit: v >= limit)
    rolling, lifetime = live.rolling_30d_sharpe, live.lifetime_sharpe_ratio
    if lifetime is not None and isfinite(lifetime) and lifetime > 0:
        yield _measured("ROLLING_SHARPE", rolling, ROLLING_KEPT * lifetime, lambda v, limit: v >= limit)
    else:
        yield _measured("ROLLING_SHARPE", None, None, lambda v, limit: True)


def _decay(live: Live) -> Iterator[Reason]:
    yield _measured("DEGRADATION", live.performance_degradation, MOST_DEGRADED, lambda v, limit: v >= limit)
    yield _measured("DEATH_SIGNALS", live.death_signal_count, DEATHS, lambda v, limit: v < limit)
    adverse = live.adverse_selection_score if _many(live) else None
    yield _measured("ADVERSE_SELECTION", adverse, ADVERSE, lambda v, limit: v <= limit)


def _discovery(verdict: "VerdictName", m: Mapping[str, float]) -> Iterator[Reason]:
    trades, p = m["total_trades"], m["p_value"]
    yield _rule("PROVEN", verdict == "GOLD", f"the gate says {verdict}", verdict, "GOLD")
    yield _rule("TRADES", trades >= MIN_TRADES, f"{_number_text(trades, ',.0f')} closed trades", trades, MIN_TRADES)
    yield _rule("P_VALUE", p < MAX_P_VALUE, f"p {_number_text(p, '.4f')} after deflation", p, MAX_P_VALUE)


def _mature(
    m: Mapping[str, float], overfit: "OverfitVerdict | None", live: Live, least_trades: float, least_sharpe: float
) -> Iterator[Reason]:
    trades, sharpe = m["total_trades"], m["sharpe_annual"]
    yield _rule(
        "MATURE_TRADES", trades > least_trades, f"{_number_text(trades, ',.0f')} closed trades", trades, least_trades
    )
    text = f"Sharpe {_number_text(sharpe, '.2f')} a year"
    yield _rule("MATURE_SHARPE", sharpe >= least_sharpe, text, sharpe, least_sharpe)
    yield _measured(
        "MATURE_ADVERSE_SELECTION", live.adverse_selection_score, MATURE_ADVERSE, lambda v, limit: v < limit
    )
    text = f"the windows say {overfit or 'nothing: there are too few'}"
    yield _rule("WINDOWS", overfit == "ACCEPT", text, overfit, "ACCEPT")


def _rule(code: str, passes: bool, text: str, value: float | str | None, limit: float | str) -> Reason:
    available = None if isinstance(value, float) and not isfinite(value) else value
    return Reason(code, "PASS" if passes else "FAIL", text, available, limit)


def _measured(code: str, value: float | None, limit: float | None, passes: Any) -> Reason:
    """A rule on something that only live trading knows."""
    what = code.removeprefix("MATURE_").replace("_", " ").lower()
    if value is None or not isfinite(value) or limit is None:
        return Reason(code, "UNKNOWN", f"{what} not measured", None, limit)
    return _rule(code, passes(value, limit), f"{what} {value:g}", float(value), limit)


def _many(live: Live) -> bool:
    return live.live_trades is not None and live.live_trades >= LIVE_TRADES


def _above(value: float | None, limit: float) -> bool:
    return value is not None and value > limit


def _or_zero(value: float) -> float:
    return value if isfinite(value) else 0.0


def _number_text(value: float, form: str) -> str:
    return format(value, form) if isfinite(value) else "undefined"


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


def position_size(stage: Stage, metrics: Mapping[str, object], *, capital: float, confidence: float) -> float:
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
