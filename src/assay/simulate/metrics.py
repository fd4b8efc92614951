"""A record as numbers with names."""

from collections.abc import Mapping

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.simulate import accumulators, performance
from assay.simulate.montecarlo import final_return_quantile
from assay.simulate.prepare import as_contiguous
from assay.simulate.result import BacktestResult

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
