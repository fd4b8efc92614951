"""Targets selected from swing-event pattern columns, and what may then stand in X."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from assay.features import PATTERN_EVENTS, FeatureContext, base_values, format_number
from assay.features import Pattern as Column
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, LeakError, did_you_mean, printable
from assay.kernel.panel import Labels
from assay.targets.horizon import ahead, labels, reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """y[i] = base_w{window}_s{std_dev}_{target_type}[i + target_lag], known at the close of bar i + target_lag.

    window:      bars of the band, >= 2.   std_dev: its width, > 0, compared as a number (2 equals 2.0).
    target_lag:  bars ahead, >= 1; no default.
    target_type: one event; None is all four, which `label` refuses (``CONFIG_TARGET_WIDTH``) and `each` splits.
    Raises LeakError ``LEAK_TARGET_LAG``; ConfigError ``CONFIG_PARAMETER``, ``CONFIG_TARGET_UNKNOWN``.
    """

    window: int
    std_dev: float | str
    target_lag: int
    target_type: str | None = None

    def __post_init__(self) -> None:
        _check_lag(self.target_lag)
        if not isinstance(self.window, int) or isinstance(self.window, bool) or self.window < 2:
            raise _wrong("window", self.window, "an integer >= 2")
        _ = self.deviation
        if self.target_type is not None and self.target_type not in PATTERN_EVENTS:
            near = did_you_mean(str(self.target_type), PATTERN_EVENTS)
            raise ConfigError(
                f"target_type is {printable(self.target_type)}, must be one of {', '.join(PATTERN_EVENTS)}",
                code="CONFIG_TARGET_UNKNOWN",
                hint=near,
                field="target_type",
            )

    @property
    def deviation(self) -> Decimal:
        """std_dev as a number."""
        try:
            value = Decimal(str(self.std_dev)) if not isinstance(self.std_dev, bool) else Decimal("NaN")
        except InvalidOperation:
            raise _wrong("std_dev", self.std_dev, "a number > 0") from None
        if not value.is_finite() or value <= 0:
            raise _wrong("std_dev", self.std_dev, "a finite number > 0")
        return value

    def each(self) -> tuple["Pattern", ...]:
        """One target for each event that is asked for."""
        events = PATTERN_EVENTS if self.target_type is None else (self.target_type,)
        return tuple(
            Pattern(window=self.window, std_dev=self.std_dev, target_lag=self.target_lag, target_type=event)
            for event in events
        )

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        if self.target_type is None:
            raise ConfigError(
                "a target_config without target_type names four targets, and a trainer takes one",
                code="CONFIG_TARGET_WIDTH",
                hint=f"Add target_type: one of {', '.join(PATTERN_EVENTS)}.",
            )
        column = Column(self.window, self.deviation, self.target_type)
        values = base_values(FeatureContext(bars), column)
        end = reach(bars, self.target_lag)
        return labels(
            bars,
            ahead(values, self.target_lag),
            end,
            bars.known_at[end],
            str(self),
            self.target_lag,
            classes=(0.0, 1.0),
            side=1 if self.target_type in ("high_breakout", "low_reversion") else -1,
            warm_up=column.lookback,
        )

    def __str__(self) -> str:
        event = f", target_type={self.target_type}" if self.target_type else ""
        deviation = format_number(self.deviation)
        return f"pattern(window={self.window}, std_dev={deviation}, target_lag={self.target_lag}{event})"


def _check_lag(lag: object) -> None:
    if not isinstance(lag, int) or isinstance(lag, bool):
        raise _wrong("target_lag", lag, "an integer >= 1")
    if lag < 1:
        raise LeakError(
            f"target_lag is {lag}, must be an integer >= 1: at 0 the answer is known when it is asked for",
            code="LEAK_TARGET_LAG",
            field="target_lag",
        )


def _wrong(field: str, value: object, right: str) -> ConfigError:
    return ConfigError(f"{field} is {printable(value)}, must be {right}", code="CONFIG_PARAMETER", field=field)
