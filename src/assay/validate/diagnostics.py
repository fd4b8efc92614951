"""Diagnostics of a verdict: costs, fills, benchmarks, forecasts. They inform and decide nothing.

Nothing here decides. The bootstrap runs on returns summed over spans of bars: it asks for the mean, which a sum keeps,
and draws blocks anyway.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite, nan, sqrt

import numpy as np
from scipy.special import ndtr, ndtri

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.panel import Labels, Panel
from assay.market import VolumeUnit
from assay.validate._walk_forward import FoldResult
from assay.validate.statistics import Moments, expected_max_sharpe, superior_predictive_ability
from assay.validate.statistics import probabilistic_sharpe_ratio as psr
from assay.validate.statistics.sharpe import HalfSpread

SPANS, DRAWS = 500, 500


def span_sums(returns: FloatArray) -> FloatArray:
    """``(m, …)`` sums of ``(n, …)`` per-bar returns over m = min(n, 500) spans as even as they can be."""
    n = len(returns)
    if n <= SPANS:
        return returns
    return np.add.reduceat(returns, np.arange(SPANS) * n // SPANS, axis=0)


def holding_returns(bars: Bars, start: int = 0) -> FloatArray:
    """``(n - start,)`` per-bar returns of who buys at the open of row ``start + 1`` and keeps it, without costs."""
    result = np.zeros(len(bars) - start)
    result[1:2] = bars.close[start + 1 : start + 2] / bars.open[start + 1 : start + 2] - 1.0
    result[2:] = bars.close[start + 2 :] / bars.close[start + 1 : -1] - 1.0
    return result


def superiority_p_values(returns: FloatArray, holding: FloatArray, *, seed: int) -> dict[str, object]:
    """p-values of "none of these configurations beats the benchmark", by Hansen's test, on `span_sums`.

    returns: ``(m, k)``, of k configurations.   holding: ``(m,)``, of buying and holding.   cash: against nothing at
    all. ``{configurations, cash, buy_and_hold}``, the last two ``{lower, consistent, upper}``, NaN where undefined.
    Source: see `superior_predictive_ability`.
    """

    def against(benchmark: FloatArray | None) -> dict[str, float]:
        if len(returns) < 2:
            return {"lower": nan, "consistent": nan, "upper": nan}
        return asdict(superior_predictive_ability(returns, benchmark, reps=DRAWS, seed=seed))

    return {"configurations": returns.shape[1], "cash": against(None), "buy_and_hold": against(holding)}


def deflated_by_spread(m: Moments, n_trials: float, trials_variance: float) -> Mapping[str, float]:
    """What the paper makes of a Sharpe ratio after so many trials; by this nothing is judged.

    deflated_by_spread, luck_by_spread: the deflated Sharpe ratio with the variance between trials, and its benchmark;
    NaN where the spread or the Sharpe ratio is not known. deflated: the same with the sampling variance 1/(n - 1).
    haircut: share of the Sharpe ratio that Bonferroni's correction for the trials takes.
    Source: Bailey & López de Prado 2014; Harvey & Liu 2015, see `haircut_sharpe`.
    """
    luck = expected_max_sharpe(n_trials, trials_variance) if isfinite(trials_variance) else nan
    sampled = expected_max_sharpe(n_trials, 1 / (m.n - 1)) if m.n > 1 else nan
    return {
        "luck_by_spread": luck,
        "deflated_by_spread": psr(m.sharpe, m.n, m.skew, m.kurtosis, luck),
        "deflated": psr(m.sharpe, m.n, m.skew, m.kurtosis, sampled),
        "haircut": _haircut(m, n_trials),
    }


def _haircut(m: Moments, n_trials: float) -> float:
    """As `haircut_sharpe` of one ratio, in closed form: a family of millions of trials is never laid out."""
    if not m.n > 1 or not isfinite(m.sharpe) or m.sharpe == 0:
        return nan
    adjusted = min(1.0, n_trials * 2 * float(ndtr(-abs(m.sharpe) * sqrt(m.n))))
    return 1.0 - min(float(-ndtri(adjusted / 2)) / sqrt(m.n), abs(m.sharpe)) / abs(m.sharpe)


_BASIS_POINT = 1e-4
_MOST = 1024.0  # multiples of the costs that are looked at
_STEPS = 14
_REFERENCE = 5 * _BASIS_POINT  # a side, where no costs were assumed and there is nothing to multiply


@dataclass(frozen=True, slots=True)
class CostSides:
    """What one side of a trade costs, as fractions of its notional.

    assumed:  fee, slippage and half the assumed spread.
    shown:    the same with slippage and spread at least the half-spread that the candles show.
    stressed: what the check `cost` asks the record to survive.
    half_spread: at least, by the candles; NaN where they are too few to tell.
    """

    assumed: float
    shown: float
    stressed: float
    half_spread: float


def cost_sides(costs: Costs, spread: HalfSpread, *, cost_factor: float, min_cost: float) -> CostSides:
    """The sides of one instrument. min_cost: basis points that are asked whatever was assumed."""
    low = spread.low if isfinite(spread.low) else 0.0
    assumed = costs.fee + costs.price_share
    shown = costs.fee + max(costs.price_share, low)
    stressed = max(cost_factor * assumed, shown, min_cost * _BASIS_POINT)
    return CostSides(assumed, shown, stressed, spread.low)


def at_side(costs: Costs, side: float, *, factor: float = 1.0) -> Costs:
    """The costs, all times `factor`, with slippage raised until one side costs `side`; never below what they cost."""
    times = costs.times(factor)
    missing = max(0.0, side - times.fee - times.price_share)
    return replace(times, slippage_bps=times.slippage_bps + missing / _BASIS_POINT)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """How dear trading may become until a record earns nothing.

    multiple: of all assumed costs; NaN where none were assumed, and where `side` is.   side: costs of one side there, a
    fraction; 0 for a record that earns nothing without costs, infinite for one that trades too little to tell.
    """

    multiple: float
    side: float


def break_even(costs: Costs, mean_at: Callable[[Costs], float]) -> BreakEven:
    """The largest multiple of the costs at which the mean net return is above 0, by bisection to 0.1 %.

    mean_at: the mean net return of the same decisions at other costs; NaN or <= 0 counts as no profit. About 20 calls.
    Without assumed costs a reference of 5 basis points a side is multiplied, and only the side is said.
    """
    assumed = costs.fee + costs.price_share
    base = costs if assumed > 0 else at_side(costs, _REFERENCE)
    unit = base.fee + base.price_share
    most = min(_MOST, 0.98 / max(base.fee, base.price_share))

    def earns(multiple: float) -> bool:
        return mean_at(base.times(multiple)) > 0

    multiple = _largest(earns, most)
    return BreakEven(multiple if assumed > 0 else nan, multiple * unit)


def _largest(earns: Callable[[float], bool], most: float) -> float:
    if not earns(0.0):
        return 0.0
    low, high = 0.0, min(1.0, most)
    while earns(high):
        if high >= most:
            return float("inf")
        low, high = high, min(2 * high, most)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if earns(middle) else (low, middle)
        if high - low <= 1e-3 * high:
            break
    return low


MOST_OF_BAR = 0.10  # of a bar's traded value that one account may be
CAPACITY_OF_BAR, CAPACITY_FILLS = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Fills:
    """Where the notional of a record was filled, as shares of all that it traded; NaN where nothing was traded.

    silent:   on bars whose volume is 0.   flat: on bars of one price whose volume is unknown.
    large:    beyond `MOST_OF_BAR` of the bar's traded value; NaN where the volume's unit does not tell a value.
    doubtful: any of these.
    capacity: account in quote currency at which `CAPACITY_FILLS` of the fills exceed `CAPACITY_OF_BAR` of their bar's
              traded value; NaN as `large`.
    """

    silent: float
    flat: float
    large: float
    doubtful: float
    capacity: float


@dataclass(frozen=True, slots=True, eq=False)
class BarFills:
    """One instrument's fills bar by bar.

    traded: ``(n,)`` notional of the fills over the account's equity.   volume: ``(n,)``, NaN unknown.
    flat:   ``(n,)`` whether the bar has one price.   value: ``(n,)`` traded in the whole bar, quote currency; NaN
    unknown.
    """

    traded: FloatArray
    volume: FloatArray
    flat: BoolArray
    value: FloatArray


def bar_fills(traded: FloatArray, bars: Bars, unit: VolumeUnit) -> BarFills:
    """What was traded beside the bars in which it was. Both ``(n,)``."""
    volume = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    flat = (bars.open == bars.high) & (bars.high == bars.low) & (bars.low == bars.close)
    price = {"base": bars.close, "quote": np.ones(len(bars))}.get(unit)
    return BarFills(traded, volume, flat, np.full(len(bars), np.nan) if price is None else volume * price)


def summarize_fills(parts: Sequence[BarFills], *, capital: float) -> Fills:
    """The fills of all instruments of a record. capital: quote currency that trades, without compounding."""
    traded, volume, flat, value = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("traded", "volume", "flat", "value")
    )
    total = float(traded.sum())
    if not total > 0:
        return Fills(nan, nan, nan, nan, nan)
    silent, still = volume == 0, np.isnan(volume) & flat
    money = traded * capital
    with np.errstate(invalid="ignore"):
        over = np.where(np.isfinite(value), np.maximum(0.0, money - MOST_OF_BAR * value), 0.0) / capital
    valued = bool(np.isfinite(value[traded > 0]).any())
    dead = np.where(silent | still, traded, 0.0)
    return Fills(
        silent=float(traded[silent].sum()) / total,
        flat=float(traded[still].sum()) / total,
        large=float(over.sum()) / total if valued else nan,
        doubtful=float(np.maximum(dead, over).sum()) / total,
        capacity=_capacity(traded, value) if valued else nan,
    )


def _capacity(traded: FloatArray, value: FloatArray) -> float:
    """Each fill allows an account of `CAPACITY_OF_BAR` of its bar's value over its share of the account."""
    used = (traded > 0) & np.isfinite(value)
    return float(np.quantile(CAPACITY_OF_BAR * value[used] / traded[used], CAPACITY_FILLS))


_EDGE = 1e-15


def forecast_quality(outcomes: Sequence[FoldResult], panel: Panel) -> dict[str, float]:
    """Numbers of all labelled test rows; empty for models that do not forecast, NaN where undefined.

    ``auc`` (one against rest, mean over classes, weighted by count), ``log_loss`` (nats), ``base_log_loss`` (of the
    test rows' own class shares), ``brier`` (mean squared distance to the truth), ``accuracy``, ``forecast_rows``.
    """
    result = list(forecasts(outcomes, panel))
    if not result:
        return {}
    classes = result[0][2]
    p = np.concatenate([f for f, _, _ in result])
    y = np.concatenate([c for _, c, _ in result])
    if not len(y):
        return {"forecast_rows": 0.0}
    hit = np.eye(len(classes))[y]
    share = hit.mean(axis=0)
    seen = share[share > 0]
    return {
        "auc": _auc(p, y, share),
        "log_loss": float(-np.log(np.maximum(p[np.arange(len(y)), y], _EDGE)).mean()),
        "base_log_loss": float(-(seen * np.log(seen)).sum()),
        "brier": float(((p - hit) ** 2).sum(axis=1).mean()),
        "accuracy": float((p.argmax(axis=1) == y).mean()),
        "forecast_rows": float(len(y)),
    }


def forecasts(outcomes: Sequence[FoldResult], panel: Panel) -> Iterator[tuple[FloatArray, IntArray, tuple[float, ...]]]:
    """For each fold and instrument: probabilities ``(m, c)``, class index ``(m,)``, the classes, where y is known."""
    for outcome in outcomes:
        for symbol, tested in outcome.tested.items():
            labels = panel[symbol].labels
            if tested.forecast is None or labels is None:
                continue
            yield (*_labelled(tested.forecast, labels, slice(*tested.rows)), labels.classes)


def _labelled(forecast: FloatArray, labels: Labels, rows: slice) -> tuple[FloatArray, IntArray]:
    y = labels.y[rows]
    good = np.isfinite(y) & np.isfinite(forecast).all(axis=1)
    return forecast[good], np.searchsorted(np.asarray(labels.classes), y[good]).astype(np.int64)


def _auc(p: FloatArray, y: IntArray, share: FloatArray) -> float:
    """Area under the ROC curve by the rank sum (Hanley & McNeil 1982), one against rest, weighted by class share."""
    from scipy.stats import rankdata

    total, weight = 0.0, 0.0
    for j in range(p.shape[1]):
        own = y == j
        ones, zeros = int(own.sum()), int((~own).sum())
        if ones and zeros:
            rank_sum = rankdata(p[:, j])[own].sum()
            total += share[j] * (rank_sum - ones * (ones + 1) / 2) / (ones * zeros)
            weight += share[j]
    return float(total / weight) if weight else float("nan")
