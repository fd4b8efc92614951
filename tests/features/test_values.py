"""Columns against hand-computed values, fresh sums, TA-Lib and other timeframes."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from assay import features
from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import autocorrelation, finite_ema, median, shape, slope_t
from assay.features.patterns import Pattern, base_values
from assay.kernel.bars import Bars, Joined
from assay.kernel.instrument import Instrument
from assay.testing.bars import bars_of, random_bars
from tests.features.test_contract import stored

BARS = random_bars(3000, seed=3)


def column(bars: Bars, name: str) -> np.ndarray:
    return features.table(bars, [name], levels=True).column(name)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 10_000),
    w=st.integers(2, 60),
    n=st.integers(1, 200),
    level=st.sampled_from([1.0, 1e5]),
    size=st.sampled_from([1e-4, 1.0, 1e3]),
)
def test_windows_agree_with_fresh_sums(seed: int, w: int, n: int, level: float, size: float) -> None:
    x = level + size * np.random.default_rng(seed).normal(size=n)
    mean, spread = kernels.moments(x, w)
    for t in range(n):
        if t < w - 1:
            assert np.isnan(kernels.mean(x, w)[t])
            continue
        fresh = x[t - w + 1 : t + 1]
        assert kernels.mean(x, w)[t] == pytest.approx(np.sum(fresh) / w, rel=1e-12)
        assert mean[t] == pytest.approx(fresh.mean(), rel=1e-12)
        # Rounding of the inputs' own level bounds what any method can say of the spread.
        assert spread[t] == pytest.approx(((fresh - fresh.mean()) ** 2).sum(), rel=1e-9, abs=w * (1e-15 * level) ** 2)
        assert kernels.rolling_max(x, w)[t] == fresh.max()
        assert kernels.rolling_min(x, w)[t] == fresh.min()


def test_windows_do_not_drift_over_a_million_rows() -> None:
    x = 1e5 + 1e-4 * np.random.default_rng(1).normal(size=1_000_000)
    spread = kernels.moments(x, 20)[1]
    for t in (19, 500_000, 999_999):
        fresh = x[t - 19 : t + 1]
        assert spread[t] == pytest.approx(((fresh - fresh.mean()) ** 2).sum(), rel=1e-9)


def test_nan_spoils_only_the_windows_that_see_it() -> None:
    x = np.arange(100.0)
    x[40] = np.nan
    spoilt = np.flatnonzero(np.isnan(kernels.mean(x, 7)))
    assert spoilt.tolist() == [*range(6), *range(40, 47)]


def test_higher_moments_and_slopes_agree_with_numpy() -> None:
    x = np.diff(np.log(BARS.close))[:300]
    t, w = 250, 50
    part = x[t - w + 1 : t + 1]
    gap = part - part.mean()
    skew, kurt = shape(x, w)
    assert skew[t] == pytest.approx((gap**3).mean() / (gap**2).mean() ** 1.5)
    assert kurt[t] == pytest.approx((gap**4).mean() / (gap**2).mean() ** 2)
    assert autocorrelation(x, w)[t] == pytest.approx(np.corrcoef(part[1:], part[:-1])[0, 1])
    assert median(x, 7)[t] == np.median(x[t - 6 : t + 1])
    assert median(x, 8)[t] == np.median(x[t - 7 : t + 1])
    weights = (1 - 2 / 21) ** np.arange(100)
    assert finite_ema(x, 20, 100)[t] == pytest.approx(weights @ x[t - 99 : t + 1][::-1] / weights.sum())
    line = np.arange(20.0)
    slope, level = np.polyfit(line, part[-20:], 1)
    rest = part[-20:] - slope * line - level
    error = np.sqrt((rest**2).sum() / 18 / ((line - line.mean()) ** 2).sum())
    assert slope_t(x, 20)[t] == pytest.approx(slope / error)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("rsi_14", lambda b: talib.RSI(b.close, 14)),
        ("macd_signal", lambda b: talib.MACD(b.close)[1]),
        ("bb_upper", lambda b: talib.BBANDS(b.close, 20)[0]),
        ("stoch_k", lambda b: talib.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0)[0]),
        ("stoch_d", lambda b: talib.STOCH(b.high, b.low, b.close, 14, 3, 0, 3, 0)[1]),
        ("sma_200", lambda b: talib.SMA(b.close, 200)),
        ("ema_12", lambda b: talib.EMA(b.close, 12)),
        ("cci", lambda b: talib.CCI(b.high, b.low, b.close, 20)),
        ("mfi", lambda b: talib.MFI(b.high, b.low, b.close, b.volume, 14)),
        ("adx", lambda b: talib.ADX(b.high, b.low, b.close, 14)),
        ("willr_14", lambda b: talib.WILLR(b.high, b.low, b.close, 14)),
        ("natr_14", lambda b: talib.NATR(b.high, b.low, b.close, 14) / 100),
        ("roc_10", lambda b: talib.ROC(b.close, 10)),
        ("ppo", lambda b: talib.PPO(b.close, 12, 26, 1)),
    ],
)
def test_standard_indicator_is_talibs(name: str, theirs: object) -> None:
    mine = column(BARS, name)
    there = np.isfinite(mine)
    assert there.sum() > 2500
    np.testing.assert_allclose(mine[there], theirs(BARS)[there], rtol=1e-8, atol=1e-8)  # type: ignore[operator]


def test_volatility_columns_agree_with_their_formulas() -> None:
    t, b = 500, BARS
    o, h, low, c = (np.log(x[t - 19 : t + 1]) for x in (b.open, b.high, b.low, b.close))
    assert column(b, "parkinson_20")[t] == pytest.approx(np.sqrt(((h - low) ** 2).mean() / (4 * np.log(2))))
    terms = 0.5 * (h - low) ** 2 - (2 * np.log(2) - 1) * (c - o) ** 2
    assert column(b, "garman_klass_20")[t] == pytest.approx(np.sqrt(terms.mean()))
    terms = (h - c) * (h - o) + (low - c) * (low - o)
    assert column(b, "rogers_satchell_20")[t] == pytest.approx(np.sqrt(terms.mean()))
    steps = np.diff(np.log(b.close))
    vols = np.array([steps[i - 20 : i].std(ddof=1) for i in range(t - 19, t + 1)])
    assert column(b, "realized_vol_20")[t] == pytest.approx(vols[-1])
    assert column(b, "vol_of_vol_20")[t] == pytest.approx(vols.std(ddof=1) / vols.mean())


def test_volume_columns_agree_with_their_formulas() -> None:
    t, b = 700, BARS
    v = b.volume
    assert v is not None
    assert column(b, "volume_ratio_20")[t] == pytest.approx(v[t] / v[t - 20 : t].mean())
    assert column(b, "volume_ratio_10")[t] == pytest.approx(v[t] / v[t - 9 : t + 1].mean())
    last = v[t - 19 : t + 1]
    assert column(b, "volume_z_20")[t] == pytest.approx((v[t] - last.mean()) / last.std(ddof=1))
    typical = ((b.high + b.low + b.close) / 3)[t - 19 : t + 1]
    assert column(b, "vwap_dist_20")[t] == pytest.approx(b.close[t] / ((typical * last).sum() / last.sum()) - 1)
    r = b.close[1:] / b.close[:-1] - 1
    dollars = (v * b.close)[t - 19 : t + 1]
    assert column(b, "amihud_20")[t] == pytest.approx((np.abs(r[t - 20 : t]) / dollars).mean() * 1e6)
    obv = np.array([(np.sign(r[i - 50 : i]) * v[i - 49 : i + 1]).sum() for i in range(t - 49, t + 1)])
    assert column(b, "obv_z_50")[t] == pytest.approx((obv[-1] - obv.mean()) / obv.std(ddof=1))


def test_calendar_agrees_with_datetime() -> None:
    days = np.arange(0, 40 * 365, 3, dtype=np.int64) * 86_400_000 + 13 * 3_600_000 + 47 * 60_000
    price = np.full(len(days), 10.0)
    bars = Bars(Instrument("test", "BTC/USDT", "1m"), days, price, price, price, price, None)
    names = ["day_of_week", "day_of_month", "week_of_month", "week_of_year", "hour_utc", "minute", "quarter_hour"]
    made = features.table(bars, [*names, "is_month_end", "is_weekend", "is_london_newyork_overlap", "active_count"])
    for t, ms in enumerate(days.tolist()):
        at = datetime.fromtimestamp(ms / 1000, UTC)
        want = [at.weekday(), at.day, (at.day - 1) // 7 + 1, at.isocalendar().week, 13, 47, 3]
        assert made.values[t, :7].tolist() == want, at
        assert made.values[t, 7:].tolist() == [at.day >= 24, at.weekday() >= 5, 1, 2]


def test_sessions_begin_and_end_on_their_hours() -> None:
    bars = random_bars(24)
    names = ["session_tokyo", "is_london_open", "is_ny_open", "session_sydney"]
    made = features.table(bars, names)
    hours = {name: np.flatnonzero(made.column(name)).tolist() for name in names}
    assert hours["session_tokyo"] == list(range(9))
    assert hours["is_london_open"] == list(range(8, 17))
    assert hours["is_ny_open"] == list(range(13, 22))
    assert hours["session_sydney"] == [0, 1, 2, 3, 4, 5, 6, 22, 23]


def test_currencies_rest_at_weekends() -> None:
    week = bars_of(np.arange(1.0, 8.0), timeframe="1d", exchange="fx", symbol="EUR/USD")
    assert column(week, "is_market_open").tolist() == [1, 1, 1, 1, 1, 0, 0]
    assert column(bars_of(np.arange(1.0, 8.0), timeframe="1d"), "is_market_open").tolist() == [1] * 7


EXAMPLE = [100, 101, 100, 99, 100, 101, 103, 102.5, 105, 104, 101, 100.5, 99, 97, 98, 100]


def example_bars(closes: list[float]) -> Bars:
    c = np.array(closes, np.float64)
    flat = bars_of(c)
    return Bars(flat.instrument, flat.timestamp, c.copy(), c + 0.5, c - 0.5, c, None)


def test_pattern_example_of_the_specification() -> None:
    bars = example_bars(EXAMPLE)
    breakout = base_values(FeatureContext(bars), Pattern(4, Decimal("1.0"), "low_breakout"))
    assert np.flatnonzero(breakout == 1.0).tolist() == [12]
    assert np.isnan(breakout[:9]).all()
    assert np.isfinite(breakout[9:]).all()
    high = base_values(FeatureContext(bars), Pattern(4, Decimal("1.0"), "high_breakout"))
    assert np.isnan(high[6])
    # Four more rows of quiet history bring row 5's event out of the warm-up: it is stamped on row 6, not on row 5.
    longer = example_bars([100, 101, 100, 101, *EXAMPLE])
    stamped = base_values(FeatureContext(longer), Pattern(4, Decimal("1.0"), "high_breakout"))
    assert stamped[9:11].tolist() == [0.0, 1.0]
    since = base_values(FeatureContext(longer), Pattern(4, Decimal("1.0"), "high_breakout", since=True))
    assert np.isnan(since).all()


def test_pattern_lag_and_counter() -> None:
    base = base_values(FeatureContext(BARS), Pattern(10, Decimal("1.0"), "high_reversion"))
    lagged = column(BARS, "w10_s1_high_reversion_lag_20")
    np.testing.assert_array_equal(lagged[41:], base[21:-20])
    assert np.isnan(lagged[:41]).all()
    since = base_values(FeatureContext(BARS), Pattern(10, Decimal("1.0"), "high_reversion", since=True))
    assert (since[61:] == 0).sum() == (base[61:] == 1).sum()
    assert np.nanmax(since) <= 40


@pytest.mark.market_data
def test_pattern_rates_on_hourly_bitcoin(market_data: Path) -> None:
    study = FeatureContext(stored(market_data, "binance_BTC-USDT_1h"))

    def rate(w: int, s: str, event: str) -> float:
        return float(np.nanmean(base_values(study, Pattern(w, Decimal(s), event))) * 1000)

    # The specification's figures are rounded and of both sides together.
    for w, s, breakouts, reversions in ((20, "2.0", 11, 37), (10, "1.0", 19, 67), (50, "2.5", 5, 14)):
        assert rate(w, s, "high_breakout") + rate(w, s, "low_breakout") == pytest.approx(2 * breakouts, rel=0.08)
        assert rate(w, s, "high_reversion") + rate(w, s, "low_reversion") == pytest.approx(2 * reversions, rel=0.08)


@pytest.mark.market_data
def test_higher_rsi_is_the_stored_series_shifted_to_its_close(market_data: Path) -> None:
    own, higher = (stored(market_data, f"multitf_binance_BTC-USDT_{tf}_2024") for tf in ("5m", "15m"))
    mine, theirs = column(own, "htf_rsi"), column(higher, "rsi_14")
    newest = np.searchsorted(higher.known_at, own.known_at, side="right") - 1
    want = np.where(newest >= 0, theirs[np.maximum(newest, 0)], np.nan)
    there = np.isfinite(mine)
    assert there.sum() == len(own) - 212 * 3
    np.testing.assert_allclose(mine[there], want[there], rtol=1e-12)


@pytest.mark.market_data
def test_regime_shares_on_hourly_bitcoin(market_data: Path) -> None:
    bars = stored(market_data, "binance_BTC-USDT_1h")
    trend, wild = column(bars, "regime_trend"), column(bars, "regime_volatile")
    assert np.nanmean(trend == 1) == pytest.approx(0.02, abs=0.01)
    assert np.nanmean(trend == -1) == pytest.approx(0.01, abs=0.01)
    assert np.nanmean(wild) == pytest.approx(0.06, abs=0.015)


def test_higher_bar_speaks_only_after_its_close() -> None:
    bars = random_bars(400)
    support = column(bars, "htf_support_level")
    t = 300  # Monday 00:00 + 300 h: four-hour bars close after rows 3, 7, …, 299, 303
    assert support[299] == bars.low[220:300].min()
    assert support[300] == support[301] == support[302] == support[299]
    assert support[t + 3] == bars.low[224:304].min()


def test_joined_series_is_used_from_the_instant_it_was_known() -> None:
    bars = random_bars(6)
    known = bars.known_at
    gdp = Joined(np.array([0, 0, 1], np.int64), np.array([known[1], known[3] - 1, known[3]]), np.array([1.0, 1.5, 2.0]))
    made = column(Bars(bars.instrument, bars.timestamp, *_ohlc(bars), joined={"gdp": gdp}), "gdp_latest")
    np.testing.assert_array_equal(made, [np.nan, 1.0, 1.0, 2.0, 2.0, 2.0])


def test_events_are_known_from_their_publication() -> None:
    bars = random_bars(6)
    known = bars.known_at
    events = Joined(np.array([known[4], known[3]]), np.array([known[0], known[2]]), np.array([3.0, 1.0]))
    made = features.table(
        Bars(bars.instrument, bars.timestamp, *_ohlc(bars), joined={"events": events}),
        ["upcoming_event_minutes", "upcoming_event_impact", "recent_event_minutes"],
    )
    nan = np.nan
    np.testing.assert_array_equal(made.values[:, 0], [240, 180, 60, 60, nan, nan])
    np.testing.assert_array_equal(made.values[:, 1], [3, 3, 1, 3, nan, nan])
    np.testing.assert_array_equal(made.values[:, 2], [nan, nan, nan, 0, 0, 60])


def _ohlc(bars: Bars) -> tuple[np.ndarray, ...]:
    return bars.open, bars.high, bars.low, bars.close
