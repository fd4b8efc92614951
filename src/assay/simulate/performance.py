"""Performance measures of returns and of trade results.

Time is axis 0: ``(n,)`` gives a float, ``(n, k)`` gives ``(k,)``, one value a column. Returns are simple, net, one a
bar. Undefined is NaN: too few values, zero range, no losing trade, no drawdown, a NaN in the input; never an infinity.
Equity starts at 1 before the first bar; a return <= -1 takes it to 0, where it stays. Scalars broadcast: an array gives
one value an entry of ``(n,)``, or goes with the columns of ``(n, k)``. Wrong shapes, what is no number and periods
<= 0 raise ConfigError ``CONFIG_PARAMETER``. Every function costs O(n).
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from assay.kernel.arrays import BoolArray, FloatArray, numbers
from assay.kernel.errors import ConfigError, printable

Value = Any  # float for (n,), (k,) float64 for (n, k)


class Moments(NamedTuple):
    """Moments of per-bar returns, as the statistics of a Sharpe ratio take them.

    std has ddof 1; skew and kurtosis are the biased population moments, kurtosis non-excess (normal: 3).
    """

    n: int
    mean: Value
    std: Value
    sharpe: Value
    skew: Value
    kurtosis: Value


def sharpe_ratio(returns: ArrayLike, *, periods_per_year: ArrayLike | None = None) -> Value:
    """Mean over standard deviation (ddof 1), per bar; times ``sqrt(periods_per_year)`` where that is given."""
    r = _columns(returns)
    ratio = _over(r.mean(axis=0), _spread(r)) if len(r) else _nan(r)
    return _scaled(ratio, periods_per_year)


def sortino_ratio(returns: ArrayLike, *, minimum: ArrayLike = 0.0, periods_per_year: ArrayLike | None = None) -> Value:
    """Mean excess over the root mean square, over all n, of what falls short (Sortino & van der Meer 1991)."""
    r, least = _against(_columns(returns), "minimum", minimum)
    if not len(r):
        return _scaled(_nan(r), periods_per_year)
    with np.errstate(over="ignore"):
        below = np.sqrt(np.mean(np.minimum(r - least, 0.0) ** 2, axis=0))
    return _scaled(_over(r.mean(axis=0) - least, below), periods_per_year)


def annual_return(returns: ArrayLike, *, periods_per_year: ArrayLike) -> Value:
    """``(prod(1 + r)) ** (periods_per_year / n) - 1``; -1 after total loss."""
    r, periods = _columns(returns), _periods(periods_per_year, np.shape(returns)[1:])
    if not len(r):
        return _out(_nan(r) * periods)
    with np.errstate(over="ignore"):
        grown = _equity(r)[-1] ** (periods / len(r)) - 1.0
    return _out(np.where(np.isfinite(grown), grown, np.nan))


def annual_volatility(returns: ArrayLike, *, periods_per_year: ArrayLike) -> Value:
    """Standard deviation (ddof 1) times ``sqrt(periods_per_year)``; 0 for constant returns."""
    return _scaled(_spread(_columns(returns)), periods_per_year)


def drawdowns(returns: ArrayLike) -> FloatArray:
    """``(n + 1,)`` or ``(n + 1, k)``: equity over its running maximum, minus 1, from before the first bar on."""
    equity = _equity(_columns(returns))
    depth: FloatArray = equity / np.maximum.accumulate(equity, axis=0) - 1.0
    return depth


def max_drawdown(returns: ArrayLike) -> Value:
    """Deepest fall below the running maximum, a fraction <= 0."""
    return _out(drawdowns(returns).min(axis=0)) if len(_columns(returns)) else _out(_nan(_columns(returns)))


def calmar_ratio(returns: ArrayLike, *, periods_per_year: ArrayLike) -> Value:
    """Annual return over the absolute maximum drawdown; NaN without a drawdown."""
    grown = np.asarray(annual_return(returns, periods_per_year=periods_per_year))
    return _out(_over(grown, np.abs(max_drawdown(returns))))


def ulcer_index(returns: ArrayLike) -> Value:
    """Root mean square drawdown over the n + 1 points, a fraction (Martin & McCann 1989)."""
    r = _columns(returns)
    return _out(np.sqrt(np.mean(drawdowns(r) ** 2, axis=0)) if len(r) else _nan(r))


def omega_ratio(returns: ArrayLike, *, threshold: ArrayLike = 0.0) -> Value:
    """Sum of what exceeds the threshold over the sum of what falls short of it (Keating & Shadwick 2002)."""
    r, level = _against(_columns(returns), "threshold", threshold)
    above, below = np.maximum(r - level, 0.0).sum(axis=0), np.maximum(level - r, 0.0).sum(axis=0)
    return _out(_over(above, below))


def profit_factor(pnl: ArrayLike) -> Value:
    """Sum of wins over the absolute sum of losses, over trades; NaN without a loss."""
    return omega_ratio(pnl)


def win_rate(pnl: ArrayLike) -> Value:
    """Share of trades with a result > 0."""
    p = _columns(pnl)
    return _out(_where(p, np.mean(p > 0, axis=0)) if len(p) else _nan(p))


def expectancy(pnl: ArrayLike) -> Value:
    """Mean result a trade."""
    p = _columns(pnl)
    return _out(p.mean(axis=0) if len(p) else _nan(p))


def expectancy_ratio(pnl: ArrayLike) -> Value:
    """``(1 + R) * W - 1``, W the win rate and R the mean win over the absolute mean loss; NaN without either."""
    p = _columns(pnl)
    win = _over(np.maximum(p, 0.0).sum(axis=0), np.sum(p > 0, axis=0))
    loss = _over(np.maximum(-p, 0.0).sum(axis=0), np.sum(p < 0, axis=0))
    return _out((1.0 + _over(win, loss)) * np.asarray(win_rate(p)) - 1.0)


def turnover(target: ArrayLike, drifted: ArrayLike) -> Value:
    """Sum over the last axis of ``abs(target - drifted)``, both sides counted.

    drifted: the old weights after the bar's returns, renormalised. Same shape as target.
    """
    wanted, old = (_finite(numbers(name, x)) for name, x in (("target", target), ("drifted", drifted)))
    if wanted.shape != old.shape or wanted.ndim == 0:
        raise ConfigError(
            f"turnover: target has shape {wanted.shape}, drifted {old.shape}; they must be equal and not scalar",
            code="CONFIG_PARAMETER",
        )
    return _out(np.abs(wanted - old).sum(axis=-1))


def moments(returns: ArrayLike) -> Moments:
    """Count, mean, deviation, per-bar Sharpe, skew and kurtosis of returns; see `Moments`."""
    r = _columns(returns)
    if not len(r):
        nan = _out(_nan(r))
        return Moments(0, nan, nan, nan, nan, nan)
    with np.errstate(over="ignore", invalid="ignore"):
        centred = r - r.mean(axis=0)
        second = np.where(_flat(r), np.nan, np.mean(centred**2, axis=0))
        skew = _over(np.mean(centred**3, axis=0), second**1.5)
        kurtosis = _over(np.mean(centred**4, axis=0), second**2)
    return Moments(len(r), _out(r.mean(axis=0)), _out(_spread(r)), sharpe_ratio(r), _out(skew), _out(kurtosis))


def _columns(values: ArrayLike) -> FloatArray:
    array = numbers("returns", values)
    if array.ndim not in (1, 2):
        raise ConfigError(
            f"returns have shape {array.shape}; (n,) or (n, k) is needed, time first", code="CONFIG_PARAMETER"
        )
    return _finite(array)


def _finite(array: FloatArray) -> FloatArray:
    return np.where(np.isfinite(array), array, np.nan)


def _against(r: FloatArray, name: str, value: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Returns and what they are held against, as columns that go together."""
    level = numbers(name, value)
    _demand_shapes(name, level, r.shape[1:])
    return (r[:, np.newaxis] if r.ndim == 1 and level.ndim else r), level


def _periods(value: ArrayLike, columns: tuple[int, ...]) -> FloatArray:
    periods = numbers("periods_per_year", value)
    if not np.all((periods > 0) & np.isfinite(periods)):
        raise ConfigError(
            f"periods_per_year is {printable(value)}, must be finite and > 0",
            code="CONFIG_PARAMETER",
            field="periods_per_year",
        )
    _demand_shapes("periods_per_year", periods, columns)
    return periods


def _demand_shapes(name: str, value: FloatArray, columns: tuple[int, ...]) -> None:
    if value.ndim > 1 or (columns and value.ndim and value.shape != columns):
        raise ConfigError(
            f"{name} has shape {value.shape} for {columns[0] if columns else 'one'} column; one a column is needed",
            code="CONFIG_PARAMETER",
            field=name,
        )


def _nan(r: FloatArray) -> FloatArray:
    return np.full(r.shape[1:], np.nan)


def _flat(r: FloatArray) -> BoolArray:
    """Whether a column has no range; the range is exact where a computed deviation is not."""
    flat: BoolArray = r.max(axis=0) == r.min(axis=0)
    return flat


def _spread(r: FloatArray) -> FloatArray:
    """Deviation with ddof 1, exactly 0 without range, NaN below two values."""
    if len(r) < 2:
        return _nan(r)
    with np.errstate(over="ignore", invalid="ignore"):
        deviation = np.std(r, axis=0, ddof=1)
    return np.where(_flat(r), 0.0, _finite(deviation))


def _equity(r: FloatArray) -> FloatArray:
    factors = np.where(r <= -1.0, 0.0, 1.0 + r)
    with np.errstate(over="ignore", invalid="ignore"):
        return _finite(np.concatenate([np.ones((1, *r.shape[1:])), np.cumprod(factors, axis=0)]))


def _where(values: FloatArray, result: FloatArray) -> FloatArray:
    return np.where(np.isnan(values).any(axis=0), np.nan, result)


def _over(above: Any, below: Any) -> FloatArray:
    """The quotient; NaN wherever it or its divisor is not finite, a zero divisor included."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        quotient = np.divide(above, below)
    return np.where(np.isfinite(quotient) & np.isfinite(below), quotient, np.nan)


def _scaled(ratio: FloatArray, periods_per_year: ArrayLike | None) -> Value:
    if periods_per_year is None:
        return _out(ratio)
    return _out(ratio * np.sqrt(_periods(periods_per_year, ratio.shape)))


def _out(value: object) -> Value:
    array = np.asarray(value, np.float64)
    return float(array) if array.ndim == 0 else array
