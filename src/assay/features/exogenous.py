"""Features of data other than candles: spread, trades, funding, and series joined by the time they were known."""

from collections.abc import Callable

import numpy as np

from assay.features import kernels
from assay.features.compute import FeatureContext
from assay.features.kernels import compiled
from assay.features.registry import Feature, add, feature
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Joined


def _stored(name: str) -> Callable[[FeatureContext], FloatArray]:
    return lambda study: study.bars.columns[name]


for _name in ("avg_spread", "max_spread", "min_spread"):
    add(Feature(_name, "spread", 0, "quote", _stored(_name), needs=(f"column:{_name}",), level=False))
add(Feature("tick_count", "trades", 0, "count", _stored("tick_count"), needs=("column:tick_count",)))


@feature(lookback=19, unit="ratio", group="spread", needs=("column:avg_spread",))
def volatility_spread_ratio(study: FeatureContext) -> FloatArray:
    """price_rolling_std_20 / avg_spread."""
    return kernels.ratio(study.column("price_rolling_std_20"), study.bars.columns["avg_spread"])


def as_of(series: Joined, known_at: IntArray, values: FloatArray) -> FloatArray:
    """``(n,)``: of `values`, one a row of the series, the newest known at each instant; NaN before the first."""
    row = np.searchsorted(series.known_at, known_at, side="right") - 1
    if not len(values):
        return np.full(len(known_at), np.nan)
    return np.where(row >= 0, values[np.maximum(row, 0)], np.nan)


def _latest(source: str, of: Callable[[FloatArray], FloatArray]) -> Callable[[FeatureContext], FloatArray]:
    def values(study: FeatureContext) -> FloatArray:
        series = study.bars.joined[source]
        return as_of(series, study.bars.known_at, of(np.ascontiguousarray(series.value, np.float64)))

    return values


def _same(values: FloatArray) -> FloatArray:
    return values


def _step(values: FloatArray) -> FloatArray:
    return kernels.change(values, 1, 100.0)


_SERIES = {
    "funding_rate": ("funding_rate", _same),
    "funding_mean_8": ("funding_rate", lambda x: kernels.mean(x, 8)),
    "funding_z_90": ("funding_rate", lambda x: kernels.zscore(x, 90)),
    "gdp_latest": ("gdp", _same),
    "unemployment_latest": ("unemployment", _same),
    "cpi_latest": ("cpi", _same),
    "interest_rate_latest": ("interest_rate", _same),
    "gold_price": ("gold", _same),
    "oil_price": ("oil", _same),
    "gold_change_pct": ("gold", _step),
    "oil_change_pct": ("oil", _step),
}
for _name, (_source, _of) in _SERIES.items():
    _group = "funding" if _source == "funding_rate" else "external"
    add(Feature(_name, _group, 0, "other", _latest(_source, _of), needs=(f"joined:{_source}",)))


@compiled
def _around(now: IntArray, published: IntArray, due: IntArray, impact: FloatArray) -> FloatArray:
    """``(3, n)``: minutes to the next event known of, its impact, minutes since the last one; else NaN."""
    out = np.full((3, len(now)), np.nan)
    times = np.empty(len(due), np.int64)  # of the events known so far, ordered; first `available` entries count
    weights = np.empty(len(due))
    available = 0
    for t in range(len(now)):
        while available < len(published) and published[available] <= now[t]:
            at = np.searchsorted(times[:available], due[available], side="right")
            for j in range(available, at, -1):
                times[j], weights[j] = times[j - 1], weights[j - 1]
            times[at], weights[at] = due[available], impact[available]
            available += 1
        after = np.searchsorted(times[:available], now[t], side="right")
        if after < available:
            out[0, t] = (times[after] - now[t]) / 60_000.0
            out[1, t] = weights[after]
        if after > 0:
            out[2, t] = (now[t] - times[after - 1]) / 60_000.0
    return out


def _event(row: int) -> Callable[[FeatureContext], FloatArray]:
    def values(study: FeatureContext) -> FloatArray:
        events = study.bars.joined["events"]
        result = study.once(
            "events",
            lambda: _around(study.bars.known_at, events.known_at, events.value_time, events.value.astype(np.float64)),
        )
        chosen: FloatArray = result[row]
        return chosen

    return values


for _row, _name in enumerate(("upcoming_event_minutes", "upcoming_event_impact", "recent_event_minutes")):
    add(Feature(_name, "external", 0, "other", _event(_row), needs=("joined:events",)))
