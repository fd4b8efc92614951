"""`Feature`, the registry of all features, and the named feature sets."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError, printable

if TYPE_CHECKING:
    from assay.features.compute import FeatureContext


Compute = Callable[["FeatureContext"], FloatArray]
Clock = Literal["own", "higher", "next"]
Unit = Literal["quote", "ratio", "percent", "unit", "hundred", "z", "count", "flag", "category", "base", "log", "other"]

_NAME = re.compile(r"[a-z][a-z0-9_.]{0,79}")
LAG = re.compile(r"(.+)_lag_([1-9]\d{0,5})")
FORBIDDEN = re.compile(r"(?:future|target|base)_")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """One column: a function of bars that knows nothing after row t.

    lookback: rows strictly before t that row t reads, counted on `clock`; rows before it are NaN in every table.
    unit:     ``quote`` is a price; ``percent``, ``hundred`` (0..100), ``unit`` (0..1), ``base`` (volume) …
    windowed: True if row t is an exact function of its lookback; False for a recursion whose forgotten rest is < 1e-6.
    needs:    what must be there: ``volume``, ``higher``, ``next``, ``lower``, ``column:NAME``, ``joined:NAME``.
    level:    a ``quote`` column that stands for a price (relative form X/close - 1), not for a difference (X/close).
    clock:    the bars that `lookback` counts: own, of the higher, or of the next higher timeframe.
    delay:    own rows on top of it, of a lag.
    calendar: whether it may hold dates: then the same bars in other years may give other values.
    compute:  gives ``(n,)`` float64 for a `FeatureContext`; what it says before `lookback` does not matter.
    """

    name: str
    group: str
    lookback: int
    unit: Unit
    compute: Compute
    windowed: bool = True
    needs: tuple[str, ...] = ()
    level: bool = True
    clock: Clock = "own"
    delay: int = 0
    calendar: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Columns that differ by whole numbers in their name, such as ``return_{}``."""

    template: str
    build: Callable[..., Feature]

    def match(self, name: str) -> Feature | None:
        """The column of that name, None if it is no member."""
        pattern = re.escape(self.template).replace(r"\{\}", r"([1-9]\d{0,4})")
        result = re.fullmatch(pattern, name)
        return replace(self.build(*map(int, result.groups())), name=name) if result else None


_FEATURES: dict[str, Feature] = {}
_FAMILIES: list[Family] = []


def add(entry: Feature) -> Feature:
    """Enter a column. ConfigError ``CONFIG_FEATURE`` for a bad name, ``CONFIG_FEATURE_DUPLICATE`` for a taken one."""
    if not _NAME.fullmatch(entry.name) or FORBIDDEN.match(entry.name) or LAG.fullmatch(entry.name):
        raise ConfigError(
            f"feature name {printable(entry.name)} will not do: small letters, digits and '_', not beginning with "
            "future_, target_ or base_, not ending with _lag_K",
            code="CONFIG_FEATURE",
        )
    if entry.lookback < 0:
        raise ConfigError(f"feature {entry.name}: lookback is {entry.lookback}, must be >= 0", code="CONFIG_FEATURE")
    if entry.name in _FEATURES:
        raise ConfigError(f"feature {entry.name} is there already", code="CONFIG_FEATURE_DUPLICATE")
    _FEATURES[entry.name] = entry
    return entry


def feature(
    *,
    lookback: int,
    unit: Unit,
    name: str = "",
    group: str = "own",
    windowed: bool = True,
    needs: tuple[str, ...] = (),
    level: bool = True,
    clock: Clock = "own",
    calendar: bool = False,
) -> Callable[[Compute], Compute]:
    """Make a function of a `FeatureContext` a column of every table that names it; the name is the function's unless
    given.

    >>> @feature(lookback=1, unit="ratio")
    ... def doctest_open_jump(study):
    ...     return study.bars.open / study.column("close_lag_1") - 1

    Check it with ``assay.testing.features.check``: that it sees no future is a promise, not a consequence.
    Raises ConfigError ``CONFIG_FEATURE`` or ``CONFIG_FEATURE_DUPLICATE``.
    """

    def enter(compute: Compute) -> Compute:
        own = name or getattr(compute, "__name__", "")
        add(Feature(own, group, lookback, unit, compute, windowed, needs, level, clock, calendar=calendar))
        return compute

    return enter


def family(template: str, build: Callable[..., Feature], names: Mapping[str, tuple[int, ...]]) -> None:
    """Enter the named members; any other member is built when it is asked for."""
    for name, numbers in names.items():
        add(replace(build(*numbers), name=name))
    _FAMILIES.append(Family(template, build))


def unregister_feature(name: str) -> None:
    """Take a column of one's own out of the book again, for tests and notebooks."""
    _FEATURES.pop(name, None)


def restore_features(entries: Mapping[str, Feature]) -> None:
    """Put columns back that were taken out of the book with `unregister_feature`."""
    _FEATURES.update(entries)


def feature_registry() -> Mapping[str, Feature]:
    """All columns that have a name of their own, in the order of their entry."""
    _load()
    return _FEATURES


def families() -> tuple[Family, ...]:
    """All families of columns that differ by a number."""
    _load()
    return tuple(_FAMILIES)


@cache
def _load() -> None:
    """Import every group once."""
    for group in GROUPS:
        import_module(f"assay.features.{group}")


_PRICE = ("open", "high", "low", "close", "volume")
_SESSION = (
    "active_count", "is_overlap", "liquidity_level", "is_london_newyork_overlap", "session_tokyo", "session_sydney",
)  # fmt: skip
_CALENDAR = (
    "day_of_week", "day_of_month", "week_of_month", "week_of_year", "is_monday", "is_friday", "is_weekend",
    "is_month_start", "is_month_end",
)  # fmt: skip
_TIME = ("hour_utc", "minute", "quarter_hour", "is_market_open", "is_london_open", "is_ny_open")
_TECHNICAL = (
    "rsi_14", "macd", "macd_signal", "macd_histogram", "bb_upper", "bb_middle", "bb_lower", "stoch_k", "stoch_d",
    "sma_50", "sma_200", "ema_12", "cci", "mfi",
)  # fmt: skip
_FIBONACCI = ("fib_0", "fib_236", "fib_382", "fib_50", "fib_618", "fib_786", "fib_100")
_EXTERNAL = (
    "upcoming_event_minutes", "upcoming_event_impact", "recent_event_minutes", "gdp_latest", "unemployment_latest",
    "cpi_latest", "interest_rate_latest", "gold_price", "oil_price", "gold_change_pct", "oil_change_pct",
)  # fmt: skip
_SPREAD = ("avg_spread", "max_spread", "min_spread")
_LAGGED = (
    "close_lag_1", "close_lag_2", "close_lag_3", "close_lag_5", "close_lag_10", "rsi_lag_1", "rsi_lag_2", "macd_lag_1",
    "return_lag_1", "return_lag_2", "return_lag_3", "volume_lag_1", "volume_lag_2",
)  # fmt: skip
_ROLLING = (
    "price_rolling_mean_10", "price_rolling_mean_20", "price_rolling_mean_50", "price_rolling_std_10",
    "price_rolling_std_20", "price_rolling_max_20", "price_rolling_min_20", "dist_from_rolling_mean_20",
)  # fmt: skip
_HIGHER = (
    "htf_rsi", "htf_macd", "htf_sma_50", "htf_support_level", "htf_resistance_level", "htf_trend_direction",
    "tf_alignment_score", "is_all_tf_aligned",
)  # fmt: skip
_MOMENTUM = ("roc_5", "roc_10", "price_acceleration", "adx", "adx_trend")
_INTERACTIONS = (
    "rsi_volume_interaction", "macd_session_interaction", "price_deviation_volume", "trend_strength_momentum",
)  # fmt: skip
_EXTRA_110 = ("spread_lag_1", "spread_lag_2", "volatility_spread_ratio", "ltf_volatility", "ltf_volume")
_CORE = (*_CALENDAR, *_TIME, *_TECHNICAL, *_FIBONACCI)
_CLASSIC = (
    "body_pct", "range_close", "momentum_5", "momentum_20", "volume_sma20", "vol5_vol20", "atr_close", "atr_cv",
    "rsi_unit", "dist_sma20", "green_5", "range_5",
)  # fmt: skip
_MINI = ("latest_return", "mean_return_5", "volatility_5", "sma_ratio_5", "volume_ratio_10")

FEATURE_SETS: Mapping[str, tuple[str, ...]] = {
    "core72": (*_PRICE, "price_range", "pct_change", *_SESSION, *_CORE),
    "full110": (*_CORE, *_SESSION, *_LAGGED, *_ROLLING, *_HIGHER, *_MOMENTUM, *_INTERACTIONS),
    "classic12": _CLASSIC,
    "mini5": _MINI,
}
"""What each set holds wherever there are candles."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "core72": (*_SPREAD, *_EXTERNAL),
    "full110": (*_EXTRA_110, *_EXTERNAL),
    "classic12": (),
    "mini5": (),
}
"""What each set also holds where its data is there."""


GROUPS = (
    "price", "technical", "volume", "calendar", "rolling", "multi_timeframe", "interactions", "exogenous", "regime",
    "classic",
)  # fmt: skip
