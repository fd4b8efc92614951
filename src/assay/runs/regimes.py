"""Market regimes of judged bars and trades, and metrics by regime."""

import numpy as np

from assay.features import REGIME_NAMES, regime_codes
from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.simulate import BacktestResult, metrics_by_regime
from assay.validate import Thresholds

_ANNUAL = ("annual_return", "annual_volatility", "sharpe_annual", "sortino_annual", "calmar")


def regimes(bars: Bars, record: BacktestResult) -> IntArray:
    """``(n,)`` place in `REGIME_NAMES` of each bar of a record, -1 for none. bars: all candles, known before its
    first.
    """
    labels = regime_codes(bars)
    at = np.minimum(np.searchsorted(bars.timestamp, record.timestamp), len(bars) - 1)
    return np.where(bars.timestamp[at] == record.timestamp, labels[at], -1)


def split_by_regime(bars: Bars, record: BacktestResult) -> dict[str, dict[str, float]]:
    """Metrics of a record by name of the regime; see `assay.simulate.regimes.metrics_by_regime`."""
    labels = regimes(bars, record).astype(np.float64)
    labels[labels < 0] = np.nan
    split = metrics_by_regime(record, labels, bars_per_year=bars.bars_per_year)
    return {REGIME_NAMES[int(label)]: _without_annual(values) for label, values in split.items()}


def _without_annual(values: dict[str, float]) -> dict[str, float]:
    """The same without annual numbers where there are too few bars to speak of a year."""
    if values["n_obs"] >= Thresholds().min_regime_bars:
        return values
    return values | {name: np.nan for name in _ANNUAL if name in values}


def at_entry(bars: Bars, record: BacktestResult) -> list[str | None]:
    """Name of the regime that each trade was decided under: known at the close before its fill. None for none."""
    labels = regime_codes(bars)
    rows = np.searchsorted(bars.timestamp, record.trades.entry_time) - 1
    return [REGIME_NAMES[labels[row]] if row >= 0 and labels[row] >= 0 else None for row in rows.tolist()]
