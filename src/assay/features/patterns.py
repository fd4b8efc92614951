"""Swing-event pattern columns: their names, and their values stamped on the bar that confirms them.

Base columns are candidates for y and never enter X; their lags may.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from assay.features import kernels
from assay.features.kernels import compiled
from assay.features.registry import Feature
from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError, printable

if TYPE_CHECKING:
    from assay.features.compute import FeatureContext

PATTERN_EVENTS = ("high_breakout", "high_reversion", "low_breakout", "low_reversion")
WINDOWS = (10, 20, 30, 50)
DEVIATIONS = tuple(Decimal(s) for s in ("1.0", "1.5", "2.0", "2.5"))
_TAIL = rf"w([1-9]\d*)_s(\d+(?:\.\d+)?)_({'|'.join(PATTERN_EVENTS)})(?:_t(\d+(?:\.\d+)?))?(_since)?"
_BASE = re.compile(f"base_{_TAIL}")
_LAG = re.compile(rf"{_TAIL}_lag_([1-9]\d*)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern column, as its name says; equal if their numbers are.

    window, std_dev: of the band. event: one of `PATTERN_EVENTS`. threshold: b and r. since: the counter, not the flag.
    lag: rows, 0 for a base column.
    """

    window: int
    std_dev: Decimal
    event: str
    threshold: Decimal = Decimal(1)
    since: bool = False
    lag: int = 0

    @property
    def name(self) -> str:
        """The column's name, numbers in their shortest form (``2.0``, ``1.05``)."""
        threshold = "" if self.threshold == 1 else f"_t{format_number(self.threshold)}"
        body = f"w{self.window}_s{format_number(self.std_dev)}_{self.event}{threshold}{'_since' if self.since else ''}"
        return f"{body}_lag_{self.lag}" if self.lag else f"base_{body}"

    @property
    def lookback(self) -> int:
        """Rows before t that row t reads."""
        return (6 if self.since else 2) * self.window + 1 + self.lag

    @property
    def base(self) -> "Pattern":
        """The column without its lag."""
        return replace(self, lag=0)


def format_number(number: Decimal) -> str:
    """Fewest digits, but at least one decimal.

    >>> format_number(Decimal("2")), format_number(Decimal("1.050"))
    ('2.0', '1.05')
    """
    text = f"{number.normalize():f}"
    return text if "." in text else f"{text}.0"


def parse_name(name: str) -> Pattern | None:
    """What a pattern column's name says, base or lag; None for any other name."""
    base, lag = _BASE.fullmatch(name), _LAG.fullmatch(name)
    result = base or lag
    if result is None:
        return None
    window, deviation, event, threshold, since = result.groups()[:5]
    rows = int(lag[6]) if lag is not None else 0
    pattern = Pattern(int(window), Decimal(deviation), event, Decimal(threshold or 1), since is not None, rows)
    return pattern if pattern.window > 1 and pattern.std_dev > 0 and pattern.threshold > 0 else None


def refuse_twins(names: Iterable[str]) -> None:
    """Raise ConfigError ``CONFIG_FEATURE_DUPLICATE`` if two pattern names say the same (``s2`` and ``s2.0``)."""
    seen: dict[Pattern, str] = {}
    for name in names:
        pattern = parse_name(name)
        if pattern is not None and seen.setdefault(pattern, name) != name:
            raise ConfigError(
                f"columns {printable(seen[pattern])} and {printable(name)} say the same",
                code="CONFIG_FEATURE_DUPLICATE",
            )


def base_columns(windows: Iterable[int] = WINDOWS, deviations: Iterable[Decimal] = DEVIATIONS) -> tuple[Pattern, ...]:
    """The flags of all events for these windows and deviations."""
    deviations = tuple(deviations)
    return tuple(Pattern(w, s, event) for w in windows for s in deviations for event in PATTERN_EVENTS)


def lag_columns(base: Pattern) -> tuple[str, ...]:
    """Names of a base column's usual lags: 1 to 4 windows."""
    return tuple(replace(base, lag=base.window * m).name for m in (1, 2, 3, 4))


def base_values(study: "FeatureContext", pattern: Pattern) -> FloatArray:
    """``(n,)``: the base column (without lag), NaN in its first `lookback` rows."""
    key = f"pattern {pattern.base.name}"
    return study.once(key, lambda: _base_values(study, pattern.base))


def _base_values(study: "FeatureContext", pattern: Pattern) -> FloatArray:
    if pattern.since:
        flags = base_values(study, replace(pattern, since=False))
        values = _since(np.nan_to_num(flags), 4 * pattern.window)
    else:
        side = 0 if pattern.event.startswith("high") else 2
        row = side + (1 if pattern.event.endswith("reversion") else 0)
        values = _of_threshold(study, pattern)[row].copy()
    values[: pattern.lookback] = np.nan
    return values


def _of_threshold(study: "FeatureContext", pattern: Pattern) -> FloatArray:
    bars, w = study.bars, pattern.window

    def find() -> FloatArray:
        mean, spread = study.once(f"pattern band {w}", lambda: kernels.moments(bars.close, w))
        s, x = float(pattern.std_dev), float(pattern.threshold)
        return _events(bars.high, bars.low, bars.close, mean, np.sqrt(spread / w), w, s, x)

    return study.once(f"pattern events {w} {pattern.std_dev.normalize()} {pattern.threshold.normalize()}", find)


@compiled
def _events(
    high: FloatArray, low: FloatArray, close: FloatArray, mean: FloatArray, sd: FloatArray, w: int, s: float, x: float
) -> FloatArray:
    """``(4, n)`` flags, in the order of `PATTERN_EVENTS`; mean and sd of rows t-w+1..t, so the band of t is row t-1 of
    them.
    """
    n = len(close)
    out = np.zeros((4, n))
    for e in range(w + 1, n):
        now, before = sd[e - 1], sd[e - 2]
        if now == 0.0 or before == 0.0:
            continue
        top, top_before = mean[e - 1] + s * now, mean[e - 2] + s * before
        if high[e] > top and high[e - 1] <= top_before:
            _decide(out[0], out[1], close, e, w, high[e] + x * now, high[e] - x * now, 1.0)
        bottom, bottom_before = mean[e - 1] - s * now, mean[e - 2] - s * before
        if low[e] < bottom and low[e - 1] >= bottom_before:
            _decide(out[2], out[3], close, e, w, low[e] - x * now, low[e] + x * now, -1.0)
    return out


@compiled
def _decide(
    breakout: FloatArray, reversion: FloatArray, close: FloatArray, e: int, w: int, out: float, back: float, sign: float
) -> None:
    """Stamp the first close of rows e+1..e+w at or beyond either line."""
    for t in range(e + 1, min(e + w, len(close) - 1) + 1):
        if sign * close[t] >= sign * out:
            breakout[t] = 1.0
            return
        if sign * close[t] <= sign * back:
            reversion[t] = 1.0
            return


@compiled
def _since(flags: FloatArray, limit: int) -> FloatArray:
    """Rows since the last flag, 0 on it, at most the limit."""
    out = np.empty(len(flags))
    count = limit
    for t in range(len(flags)):
        count = 0 if flags[t] == 1.0 else min(count + 1, limit)
        out[t] = count
    return out


def pattern_feature(name: str) -> Feature | None:
    """The lag column of that name; None for base columns, which are no features, and for other names."""
    pattern = parse_name(name)
    if pattern is None or not pattern.lag:
        return None
    unit = "count" if pattern.since else "flag"
    return Feature(
        name,
        "pattern",
        pattern.lookback,
        unit,  # type: ignore[arg-type]
        lambda study: kernels.later(base_values(study, pattern), pattern.lag),
    )
