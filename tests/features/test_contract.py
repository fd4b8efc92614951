"""Every column keeps the contract of the testing kit, and the kit catches those that do not."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.patterns import PATTERN_EVENTS, Pattern, base_columns, lag_columns
from assay.features.registry import Feature, add, feature_registry, unregister_feature
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument
from assay.testing import features as contract

_LAGS = ("close_lag_1", "close_lag_10", "rsi_lag_2", "macd_lag_1", "return_lag_3", "volume_lag_2", "spread_lag_1")
_PATTERNS = tuple(name for base in base_columns((10, 20))[::5] for name in lag_columns(base)[::3])
_SINCE = tuple(Pattern(10, base_columns()[0].std_dev, event, since=True, lag=10).name for event in PATTERN_EVENTS)
_OTHERS = ("rsi_21", "realized_vol_30", "macd_8_17_5", "bb_position_50_2", "sma_50_rel_lag_3", "htf_rsi_lag_2")
COLUMNS = (*feature_registry(), *_LAGS, *_PATTERNS, *_SINCE, *_OTHERS)
_BARS = contract.equipped_bars()
_LOWER = contract.lower_bars(_BARS)


@pytest.mark.parametrize("name", COLUMNS)
def test_column_sees_no_future(name: str) -> None:
    contract.sees_no_future([name], _BARS, lower=_LOWER)


@pytest.mark.parametrize("name", COLUMNS)
def test_lookback_is_enough(name: str) -> None:
    contract.lookback_is_enough([name], _BARS, lower=_LOWER)


@pytest.mark.parametrize(
    "hold",
    [
        contract.lookback_is_honest,
        contract.stands_constant_prices,
        contract.stands_missing_volume,
        contract.stands_short_histories,
        contract.keeps_its_unit,
        contract.minds_no_gap,
        contract.is_pure,
    ],
    ids=lambda check: check.__name__,
)
def test_all_columns_together(hold: Callable[[tuple[str, ...], Bars], None]) -> None:
    hold(COLUMNS, _BARS)


def stored(folder: Path, name: str, rows: int | None = None) -> Bars:
    frame = pq.read_table(folder / f"{name}.parquet").to_pydict()
    cut = slice(0, rows)
    columns = {c: np.array(frame[c][cut], np.float64) for c in ("open", "high", "low", "close")}
    volume = None if frame["volume"][0] is None else np.array(frame["volume"][cut], np.float64)
    instrument = Instrument(frame["exchange"][0], frame["symbol"][0], frame["timeframe"][0])
    return Bars(instrument, np.array(frame["timestamp"][cut], np.int64), volume=volume, **columns)


@pytest.mark.market_data
@pytest.mark.parametrize(
    ("name", "rows"),
    [("binance_BTC-USDT_1h", 6000), ("multitf_binance_BTC-USDT_5m_2024", 5000), ("fx_EUR-USD_1h_novolume", 4000)],
)
def test_real_bars(market_data: Path, name: str, rows: int) -> None:
    bars = stored(market_data, name, rows)
    contract.sees_no_future(COLUMNS, bars)
    contract.lookback_is_enough(COLUMNS, bars)
    contract.stands_missing_volume(COLUMNS, bars)
    contract.is_pure(COLUMNS, bars)


def _tomorrow(study: FeatureContext) -> FloatArray:
    return np.r_[study.bars.close[1:], np.nan]


def _whole_series(study: FeatureContext) -> FloatArray:
    return study.bars.close - study.bars.close.mean()


def _centred(study: FeatureContext) -> FloatArray:
    return np.convolve(study.bars.close, np.ones(5) / 5)[2:-2]


def _backfilled(study: FeatureContext) -> FloatArray:
    assert study.bars.volume is not None
    filled = study.bars.volume.copy()
    for t in range(len(filled) - 2, -1, -1):
        filled[t] = filled[t + 1] if np.isnan(filled[t]) else filled[t]
    return filled


def _higher_at_its_open(study: FeatureContext) -> FloatArray:
    hour = study.bars.timestamp // 3_600_000
    last = np.searchsorted(hour, hour, side="right") - 1
    return study.bars.close[last]


@pytest.fixture
def planted(request: pytest.FixtureRequest) -> Iterator[str]:
    add(Feature("planted", "test", 0, "other", request.param))
    yield "planted"
    unregister_feature("planted")


@pytest.mark.parametrize(
    "planted", [_tomorrow, _whole_series, _centred, _backfilled, _higher_at_its_open], indirect=True
)
def test_planted_leak_is_caught(planted: str) -> None:
    holed = _BARS.volume.copy() if _BARS.volume is not None else np.empty(0)
    holed[[200, 700, 1500]] = np.nan
    bars = Bars(_BARS.instrument, _BARS.timestamp, _BARS.open, _BARS.high, _BARS.low, _BARS.close, holed)
    with pytest.raises(AssertionError, match="planted: row"):
        contract.sees_no_future([planted], bars)


@pytest.mark.parametrize("planted", [lambda s: kernels.later(s.bars.close, 9)], indirect=True)
def test_short_lookback_is_caught(planted: str) -> None:
    with pytest.raises(AssertionError, match="from 0 rows before"):
        contract.lookback_is_enough([planted], _BARS)


def test_long_lookback_is_caught() -> None:
    add(Feature("planted", "test", 5, "other", lambda s: kernels.later(s.bars.close, 4)))
    try:
        with pytest.raises(AssertionError, match="declares 5 rows, reads only 4"):
            contract.lookback_is_honest(["planted"], _BARS)
    finally:
        unregister_feature("planted")


def test_wrong_unit_is_caught() -> None:
    add(Feature("planted", "test", 0, "ratio", lambda s: s.bars.close))
    try:
        with pytest.raises(AssertionError, match="does not scale as ratio"):
            contract.keeps_its_unit(["planted"], _BARS)
    finally:
        unregister_feature("planted")
