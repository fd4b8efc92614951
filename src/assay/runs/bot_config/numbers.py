"""Numbers of a configuration: what it earned out of sample, by regime, and how sure that is."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, isfinite, nan
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtri

from assay.features import REGIME_LOOKBACK, REGIME_NAMES, regime_codes
from assay.kernel.arrays import IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.market import check_multiple, resample
from assay.runs.run_artifacts import RunArtifacts
from assay.simulate import START_CAPITAL, moments
from assay.validate import best_of_many_p_value, expected_max_sharpe, metric_value, sharpe_p_value
from assay.validate import probabilistic_sharpe_ratio as psr

_SHARED_BARS = 30
_USED = (
    "net_profit", "sharpe_annual", "sortino_annual", "calmar", "total_trades", "win_rate", "gross_win_rate", "fees",
    "slippage", "p_value_single", "monte_carlo_var", "drawdown_duration", "trade_clustering", "rolling_30d_sharpe",
    "lifetime_sharpe_ratio", "kelly_fraction", "var_95", "cvar_95",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Numbers:
    """Out-of-sample numbers; all undefined (NaN) for a search that judged nothing on bars that it had not seen.

    metrics: those of the run, and ``p_value``: that of the check ``edge``, after all looks that the ledger counts.
    avg_win, avg_loss: mean result of winning and of losing trades in quote currency, on a capital of 10,000.
    """

    judged: bool
    metrics: Mapping[str, float]
    deflated_sharpe: float
    z_score: float
    avg_win: float
    avg_loss: float


def numbers(evidence: RunArtifacts) -> Numbers:
    """Raises ConfigError ``CONFIG_METRIC`` for a metric that the run does not carry."""
    document = evidence.document
    if not any(w["test"] for w in document["windows"]):
        return Numbers(False, dict.fromkeys((*_USED, "p_value"), nan), nan, nan, nan, nan)
    result = {name: metric_value(document["metrics"], name) for name in _USED}
    deflated, p_value, z = _judged(evidence, _trials(document))
    first = evidence.account.row(0, named=True)
    scale = START_CAPITAL * (1.0 + first["return"]) / first["equity"] if first["equity"] else START_CAPITAL
    pnl = evidence.trades["pnl"].to_numpy() * scale
    return Numbers(
        True, result | {"p_value": p_value}, deflated, z, avg_win=_mean(pnl[pnl > 0]), avg_loss=_mean(pnl[pnl < 0])
    )


def performance(n: Numbers) -> dict[str, object]:
    """The block of that name: quote currency on 10,000."""
    m = n.metrics
    return {
        "gross_WR": m["gross_win_rate"],
        "avg_win": n.avg_win,
        "avg_loss": n.avg_loss,
        "exchange_fees": m["fees"] * START_CAPITAL,
        "est_slippage": m["slippage"] * START_CAPITAL,
        "actual_slippage": None,
        "NET_PROFIT": m["net_profit"] * START_CAPITAL,
        "sample_size": whole(m["total_trades"]),
    }


def statistical_validation(n: Numbers, stability_score: float | None) -> dict[str, object]:
    """The block of that name: annual ratios of per-bar returns; ``deflated_sharpe`` is a probability."""
    m = n.metrics
    return {
        "sharpe_ratio": m["sharpe_annual"],
        "calmar_ratio": m["calmar"],
        "sortino_ratio": m["sortino_annual"],
        "p_value": m["p_value"],
        "p_value_single": m["p_value_single"],
        "z_score": n.z_score,
        "deflated_sharpe": n.deflated_sharpe,
        "monte_carlo_var": m["monte_carlo_var"],
        "stability_score": stability_score,
        "drawdown_duration": whole(m["drawdown_duration"]),
        "trade_clustering": m["trade_clustering"],
        "rolling_30d_sharpe": m["rolling_30d_sharpe"],
        "lifetime_sharpe_ratio": m["lifetime_sharpe_ratio"],
    }


def risk_allocation(n: Numbers, base: float) -> dict[str, object]:
    """The block of that name; base: share of capital that the stage allows one new position."""
    return {
        "kelly_fraction": n.metrics["kelly_fraction"],
        "correlation_adjusted_weight": None,
        "regime_adjusted_size": None,
        "max_position_size": base * START_CAPITAL,
        "current_allocation": None,
        "var_95": n.metrics["var_95"],
        "cvar_95": n.metrics["cvar_95"],
    }


def microstructure(bars: Bars, judged: pl.Series, taker_fee: float) -> dict[str, object]:
    """The block ``market_microstructure``: means over the judged bars of columns that are stored, else null."""
    rows = np.isin(bars.timestamp, judged.to_numpy())
    share = _column(bars, "book_bid_share", rows)
    return {
        "avg_spread_bps": _column(bars, "spread_bps", rows),
        "book_depth_ratio": None,
        "book_imbalance": None if share is None else 2.0 * share - 1.0,
        "tick_size_impact": None,
        "maker_rebate": None,
        "taker_fee": taker_fee,
        "level2_depth_score": None,
        "microstructure_noise": None,
    }


def correlations(own: pl.DataFrame, others: Mapping[str, pl.DataFrame]) -> dict[str, float]:
    """Correlation of per-bar returns with each other account over the bars that both judged, 30 of them or more."""
    result = {}
    for name, other in sorted(others.items()):
        both = own.select("timestamp", "return").join(other.select("timestamp", "return"), on="timestamp")
        r = both.select("return", "return_right").to_numpy()
        if len(r) >= _SHARED_BARS and (r.std(axis=0) > 0).all():
            result[name] = float(np.clip(np.corrcoef(r.T)[0, 1], -1.0, 1.0))
    return result


def whole(value: float) -> int | None:
    """A count, or days begun; None where undefined."""
    return ceil(value) if isfinite(value) else None


def _trials(document: Mapping[str, Any]) -> float:
    """Those that the gate's check ``edge`` counted."""
    used = document.get("evidence") or {}
    return float(used.get("effective_trials", document["n_trials"]))


def _judged(evidence: RunArtifacts, n_trials: float) -> tuple[float, float, float]:
    """Deflated Sharpe probability of the returns; the p-value of the check ``edge``, and its normal quantile.

    The p-value is that of the active returns, NaN for a run of before these were kept. Its tail keeps its digits, so
    that a very good record has a p-value above 0 and a finite z.
    """
    m, active = moments(evidence.account["return"].to_numpy()), evidence.active_returns
    luck = expected_max_sharpe(n_trials, 1 / (m.n - 1)) if m.n > 1 else nan
    deflated = float(psr(m.sharpe, m.n, m.skew, m.kurtosis, luck))
    if active is None:
        return deflated, nan, nan
    a = moments(active)
    p_value = float(best_of_many_p_value(sharpe_p_value(a.sharpe, a.n, a.skew, a.kurtosis), n_trials))
    z = float(-ndtri(p_value))
    return deflated, p_value, z if isfinite(z) else nan


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else nan


def _column(bars: Bars, name: str, rows: Any) -> float | None:
    if name not in bars.columns:
        return None
    values = bars.columns[name][rows]
    values = values[np.isfinite(values)]
    return float(values.mean()) if values.size else None


_RECENT = 100
_MEMBERS = ("1h", "4h", "1d")
_VOLATILE: int = REGIME_NAMES.index("volatile")


def most_frequent(bars: Bars, judged: IntArray) -> str | None:
    """The label that most of the judged bars carry at their close; None where none of them has a label.

    judged: ``(m,)`` opens in ms. Of equally frequent labels the first of `REGIME_NAMES`.
    """
    if not len(judged):
        return None
    first = max(int(np.searchsorted(bars.timestamp, judged.min())) - REGIME_LOOKBACK, 0)
    result = regime_codes(bars[first:])[np.isin(bars.timestamp[first:], judged)]
    result = result[result >= 0]
    return REGIME_NAMES[int(np.bincount(result).argmax())] if result.size else None


def ensemble(bars: Bars) -> dict[str, object]:
    """The block ``ensemble_regime_classification`` at the last bar.

    A member is the regime rule on bars of 1h, 4h or 1d, made of the traded ones; its prediction is its newest label. It
    weighs as many labels as it has among its last 100 (the rule needs 513 bars before the first), so a member that the
    traded bars cannot be made into, or with too short a history, has weight 0 and predicts null. ``model_volatility``
    is the ATR rule alone on the traded bars; its weight is 0, for every label holds it already.

    Final probabilities are the members' shares of (bull or bear), sideways and volatile among their last 100 labels, by
    weight; null without a member. Transition probability: label changes among the last 100 labels of the traded bars.
    """
    members = {timeframe: _labels(bars, timeframe) for timeframe in _MEMBERS}
    total = sum(len(labels) for labels in members.values())
    own = _recent(bars)
    changes = float(np.mean(own[1:] != own[:-1])) if len(own) > 1 else None
    return {
        "regime_models": {
            **{f"model_{t}": {"timeframe": t, **_member(labels, total)} for t, labels in members.items()},
            "model_volatility": {"type": "atr_ratio", "weight": 0.0, "prediction": _volatility(own)},
        },
        "final_regime_probability": _probability(members, total),
        "regime_transition_probability": changes,
        "regime_stability_score": None if changes is None else 1.0 - changes,
    }


def _labels(bars: Bars, timeframe: str) -> IntArray:
    """The last 100 labels on bars of this length; empty where there are none."""
    if timeframe == bars.instrument.timeframe:
        return _recent(bars)
    try:
        check_multiple(bars.instrument.timeframe, timeframe)
    except ConfigError:
        return np.empty(0, np.int64)
    return _recent(resample(bars, timeframe))


def _recent(bars: Bars) -> IntArray:
    """The last 100 labels of these bars; fewer, or none, where the rule has too little history."""
    return (
        regime_codes(bars[-(REGIME_LOOKBACK + _RECENT) :])[REGIME_LOOKBACK:]
        if len(bars) > REGIME_LOOKBACK
        else np.empty(0, np.int64)
    )


def _member(labels: IntArray, total: int) -> dict[str, object]:
    if not len(labels):
        return {"weight": 0.0, "prediction": None}
    return {"weight": len(labels) / total, "prediction": REGIME_NAMES[labels[-1]]}


def _volatility(own: IntArray) -> str | None:
    if not len(own):
        return None
    return "volatile" if own[-1] == _VOLATILE else "calm"


def _probability(members: dict[str, IntArray], total: int) -> dict[str, float | None]:
    names = ("trending", "ranging", "volatile")
    if not total:
        return dict.fromkeys(names)
    every = np.concatenate(
        list(members.values())
    )  # weights are counts of labels, so the pooled share is the weighted one
    counts = np.bincount(every, minlength=len(REGIME_NAMES))
    sideways, bull, bear, volatile = (
        int(counts[REGIME_NAMES.index(n)]) for n in ("sideways", "bull", "bear", "volatile")
    )
    return dict(zip(names, ((bull + bear) / total, sideways / total, volatile / total), strict=True))
