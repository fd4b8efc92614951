"""Metrics of a backtest result by name, by market regime, and by Monte Carlo resampling."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numba import njit

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ConfigError
from assay.kernel.seeding import generator
from assay.simulate import accumulators, performance
from assay.simulate.prepare import as_contiguous
from assay.simulate.result import BacktestResult


def final_return_quantile(
    returns: FloatArray, level: float, *, resamples: int = 1000, block: float | None = None, seed: int
) -> float:
    """Quantile `level` of the final return of stationary-bootstrap resamples of ``(n,)`` per-bar returns.

    Blocks of geometric length, wrapped around the end (Politis & Romano 1994, JASA 89). block: mean length in bars,
    default ``max(1, n ** (1/3))``, the order that the paper finds best. NaN for an empty series or a NaN in it.
    Cost: O(n + resamples * n / block).
    """
    n = len(returns)
    if n == 0 or not np.isfinite(returns).all():
        return float("nan")
    ruin = returns <= -1.0
    logs = np.concatenate([[0.0], np.cumsum(np.log1p(np.where(ruin, 0.0, returns)))])
    ruins = np.concatenate([[0], np.cumsum(ruin)])
    mean = max(1.0, n ** (1 / 3)) if block is None else block
    finals = _finals(logs, ruins.astype(np.float64), mean, resamples, generator(seed, "monte_carlo_var"))
    return float(np.quantile(finals, level))


@njit(cache=True, error_model="numpy")
def _finals(logs: FloatArray, ruins: FloatArray, mean: float, resamples: int, rng: np.random.Generator) -> FloatArray:
    """Final returns; sums over a block are differences of the running sums."""
    n = len(logs) - 1
    out = np.empty(resamples)
    shrink = np.log1p(-1.0 / mean) if mean > 1.0 else -np.inf
    for i in range(resamples):
        grown, ruined, left = 0.0, 0.0, n
        while left > 0:
            first = int(rng.random() * n)
            length = 1 + int(np.log1p(-rng.random()) / shrink) if mean > 1.0 else 1
            length = min(length, left)
            left -= length
            end = first + length
            if end > n:
                grown += logs[n] - logs[first] + logs[end - n]
                ruined += ruins[n] - ruins[first] + ruins[end - n]
            else:
                grown += logs[end] - logs[first]
                ruined += ruins[end] - ruins[first]
        out[i] = -1.0 if ruined > 0.0 else np.expm1(grown)
    return out


DAY_MS = 86_400_000
START_CAPITAL = 10_000.0

# name in the export: (name here, factor)
EXPORT_NAMES: Mapping[str, tuple[str, float]] = {
    "net_profit_pct": ("net_profit", 100.0),
    "gross_win_rate": ("gross_win_rate", 1.0),
    "profit_factor": ("profit_factor", 1.0),
    "sharpe_ratio": ("sharpe_annual", 1.0),
    "sortino_ratio": ("sortino_annual", 1.0),
    "calmar_ratio": ("calmar", 1.0),
    "max_drawdown_pct": ("max_drawdown", 100.0),
    "avg_drawdown_pct": ("avg_drawdown", 100.0),
    "total_trades": ("total_trades", 1.0),
    "winning_trades": ("winning_trades", 1.0),
    "losing_trades": ("losing_trades", 1.0),
    "avg_win_pct": ("avg_win", 100.0),
    "avg_loss_pct": ("avg_loss", 100.0),
    "largest_win_pct": ("largest_win", 100.0),
    "largest_loss_pct": ("largest_loss", 100.0),
    "avg_holding_periods": ("avg_holding_bars", 1.0),
    "expectancy": ("expectancy", 1.0),
}


def performance_metrics(
    record: BacktestResult, *, bars_per_year: float, capital: float = START_CAPITAL, seed: int = 0
) -> dict[str, float]:
    """Every number of a record that needs no other trial: fractions; undefined is NaN.

    bars_per_year: of the market (``Bars.bars_per_year``), for what is called annual. capital: quote currency behind
    var_95, cvar_95 and monte_carlo_var (positive: loss). seed: of the resampling.
    fees and slippage are sums over the starting equity, turnover is traded notional over equity, both sides, summed.
    Cost: O(n), and up to a second of resampling on long records.
    """
    return (
        return_metrics(record.returns, bars_per_year=bars_per_year)
        | account_metrics(record, bars_per_year=bars_per_year)
        | of_risk(record, capital=capital, seed=seed)
        | trade_metrics(record)
    )


def export(values: Mapping[str, float]) -> dict[str, float]:
    """The 17 original names of `EXPORT_NAMES`; those that end in ``_pct`` in percent."""
    return {name: values[ours] * factor for name, (ours, factor) in EXPORT_NAMES.items()}


def return_metrics(returns: FloatArray, *, bars_per_year: float) -> dict[str, float]:
    """What per-bar returns ``(n,)`` alone can say."""
    r = np.ascontiguousarray(returns, np.float64)
    flat = np.array([len(r) > 0 and r.min() == r.max()])
    sums = accumulators.bar_measures(accumulators.of_bars(as_contiguous(r))[None], len(r), bars_per_year, flat)
    return {name: float(value[0]) for name, value in sums.items()} | {
        "ulcer_index": performance.ulcer_index(r),
        "omega": performance.omega_ratio(r),
    }


def account_metrics(record: BacktestResult, *, bars_per_year: float) -> dict[str, float]:
    """Costs, exposure and what needs the clock."""
    recent = record.timestamp > record.timestamp[-1] - 30 * DAY_MS
    return {
        "exposure": float(record.exposed.mean()),
        "turnover": record.turnover,
        "fees": record.fees / record.initial,
        "slippage": record.slippage / record.initial,
        "funding": record.funding / record.initial,
        "borrow": record.borrow / record.initial,
        "zero_volume_fills": float(record.zero_volume_fills),
        "buy_and_hold": record.buy_and_hold,
        "drawdown_duration": _longest_drawdown(record),
        "rolling_30d_sharpe": performance.sharpe_ratio(record.returns[recent], periods_per_year=bars_per_year),
        "n_obs": float(len(record)),
    }


def of_risk(record: BacktestResult, *, capital: float, seed: int) -> dict[str, float]:
    """Losses in quote currency on `capital`: 95 % value at risk of a UTC day, the mean beyond it, and of the whole run.

    The last is minus the 5 % quantile of the final return over 1,000 stationary-bootstrap resamples.
    """
    daily = daily_returns(record.timestamp, record.equity, record.initial)
    low = np.quantile(daily, 0.05)
    return {
        "var_95": float(-low * capital),
        "cvar_95": float(-daily[daily <= low].mean() * capital),
        "monte_carlo_var": -final_return_quantile(record.returns, 0.05, seed=seed) * capital,
    }


def trade_metrics(record: BacktestResult) -> dict[str, float]:
    """What the closed trades say; a win has pnl > 0, a loss pnl < 0."""
    t = record.trades
    sums = accumulators.of_trades(
        as_contiguous(t.pnl),
        as_contiguous(t.pnl_gross),
        as_contiguous(t.return_net),
        as_contiguous(t.bars_held, np.int64),
        as_contiguous(t.exit_reason, np.int8),
    )
    values = accumulators.trade_measures(sums[None])
    return {name: float(value[0]) for name, value in values.items()} | {"trade_clustering": _clustering(record)}


def daily_returns(timestamp: IntArray, equity: FloatArray, initial: float) -> FloatArray:
    """``(days,)`` returns by the UTC day in which a bar opens; days without a bar do not exist, after ruin 0."""
    last = np.flatnonzero(np.diff(timestamp // DAY_MS, append=np.iinfo(np.int64).max))
    ends = np.concatenate([[initial], equity[last]])
    alive = ends[:-1] > 0
    return np.divide(ends[1:], ends[:-1], out=np.ones(len(last)), where=alive) - 1.0


def kelly_fraction(win_rate: float, avg_win: float, avg_loss: float) -> float:
    """``max(0, w - (1 - w) * abs(avg_loss) / avg_win)`` (Kelly 1956); NaN without wins or without losses."""
    edge = win_rate - (1.0 - win_rate) * abs(avg_loss) / avg_win
    return max(0.0, edge) if np.isfinite(edge) else float("nan")


def _longest_drawdown(record: BacktestResult) -> float:
    """Days from the last close at a maximum to the first that reaches it again, or to the end; 0 without a drawdown."""
    depth = performance.drawdowns(record.returns)
    clock = np.concatenate([record.timestamp[:1], record.timestamp + record.bar_ms])
    at_top = np.flatnonzero(depth >= 0)
    spans = np.diff(clock[np.append(at_top, len(clock) - 1)])
    under = np.diff(np.append(at_top, len(clock))) > 1
    return float(spans[under].max() / DAY_MS) if under.any() else 0.0


def _clustering(record: BacktestResult) -> float:
    """``max(0, 1 - 1 / F)``, F the variance (ddof 1) over the mean of entries in 20 equal time slices."""
    entries = record.trades.entry_time
    if len(entries) < 20:
        return float("nan")
    span = record.timestamp[-1] + record.bar_ms - record.timestamp[0]
    counts = np.bincount((entries - record.timestamp[0]) * 20 // span, minlength=20)
    dispersion = counts.var(ddof=1) / counts.mean()
    return float(max(0.0, 1.0 - 1.0 / dispersion)) if dispersion > 0 else 0.0


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
