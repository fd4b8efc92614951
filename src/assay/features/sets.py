"""The sets that have a name."""

from collections.abc import Mapping

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
