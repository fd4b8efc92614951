"""A record's numbers, regime by regime."""

from dataclasses import replace

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ConfigError
from assay.simulate.metrics import return_metrics, trade_metrics
from assay.simulate.result import BacktestResult


def metrics_by_regime(
    record: BacktestResult, labels: FloatArray, *, bars_per_year: float
) -> dict[float, dict[str, float]]:
    """Metrics of each regime: of the bars that carry its label, and of the trades that were decided under it.

    labels: ``(n,)`` beside the record's rows, each known at its bar's close; NaN is no regime and is left out. A bar is
    counted under the label that was known when it opened, hence that of the row before; a trade under that of the row
    that decided it. Returns what `return_metrics` and `trade_metrics` give, and ``n_obs``, by label, ascending.
    Numbers that need the clock or one unbroken account (value at risk, rolling, buy and hold, clustering) are not
    split. Raises ConfigError ``CONFIG_PARAMETER`` for labels of another length.
    """
    if len(labels) != len(record):
        raise ConfigError(f"{len(labels)} regime labels for {len(record)} judged bars", code="CONFIG_PARAMETER")
    available = np.concatenate([[np.nan], np.asarray(labels, np.float64)[:-1]])
    entered = available[np.searchsorted(record.timestamp, record.trades.entry_time)]
    out = {}
    for label in np.unique(available[~np.isnan(available)]):
        part = replace(record, trades=record.trades.only(entered == label))
        numbers = return_metrics(record.returns[available == label], bars_per_year=bars_per_year) | trade_metrics(part)
        del numbers["trade_clustering"]
        out[float(label)] = numbers | {"n_obs": float((available == label).sum())}
    return out
