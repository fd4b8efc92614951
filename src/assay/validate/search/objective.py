"""Objective of a candidate: one record of its inner test bars, and one number of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.kernel.panel import Panel
from assay.simulate import (
    BacktestResult,
    account_metrics,
    combine_in_sequence,
    combine_instruments,
    return_metrics,
    trade_metrics,
)
from assay.validate._walk_forward import FoldResult
from assay.validate.statistics import deflated_sharpe_ratio

ObjectiveName = Literal["sharpe_ratio", "net_profit", "sortino", "calmar", "profit_factor", "deflated"]
_METRIC: Mapping[str, str] = {
    "sharpe_ratio": "sharpe_annual",
    "net_profit": "net_profit",
    "sortino": "sortino_annual",
    "calmar": "calmar",
    "profit_factor": "profit_factor",
}
TOO_FEW = "rejected: too_few_trades"
UNDEFINED = "rejected: undefined_score"
PRUNED = "pruned"
REASONS = ("", TOO_FEW, UNDEFINED, PRUNED)


@dataclass(frozen=True, slots=True)
class Objective:
    """What is maximised.

    name:       see `ObjectiveName`; ratios are annual where they have a year in them.
    min_trades: closed trades on inner test bars that a candidate needs.
    n_trials:   of ``deflated``: the ledger's trials and those planned, the same for every candidate.

    The deflated Sharpe probability takes the variance of the trials' Sharpe ratios as that of worthless ones on n bars,
    ``1 / (n - 1)``, so that no candidate's score depends on the others'.
    Raises ConfigError ``CONFIG_OBJECTIVE`` for another name, ``CONFIG_PARAMETER`` for min_trades < 0.
    """

    name: str = "sharpe_ratio"
    min_trades: int = 10
    n_trials: int = 1

    def __post_init__(self) -> None:
        available = get_args(ObjectiveName)
        if self.name not in available:
            near = did_you_mean(str(self.name), available)
            raise ConfigError(
                f"objective is {printable(self.name)}, must be one of {', '.join(available)}",
                code="CONFIG_OBJECTIVE",
                hint=near,
                field="objective",
            )
        if isinstance(self.min_trades, bool) or not isinstance(self.min_trades, int) or self.min_trades < 0:
            raise ConfigError(
                f"min_trades is {printable(self.min_trades)}, must be an integer >= 0",
                code="CONFIG_PARAMETER",
                field="min_trades",
            )

    @property
    def metric(self) -> str:
        """The metric that it reads."""
        return _METRIC.get(self.name, "sharpe")

    def score(self, result: Mapping[str, float], bars: int, trades: int) -> tuple[float, str]:
        """The score, or NaN and why the candidate is rejected."""
        values = {name: np.array([result.get(name, nan)]) for name in (self.metric, "skew", "kurtosis")}
        scores, reasons = self.scores(values, bars, np.array([trades]))
        return float(scores[0]), REASONS[reasons[0]]

    def scores(
        self, result: Mapping[str, FloatArray], bars: int, trades: IntArray
    ) -> tuple[FloatArray, NDArray[np.int8]]:
        """``(n,)`` scores, NaN where rejected, and ``(n,)`` int8 places in `REASONS`; found, trades: ``(n,)`` each."""
        values = result[self.metric]
        if self.name == "deflated":
            values = self._deflated(result, bars)
        few = trades < self.min_trades
        reasons = np.where(few, REASONS.index(TOO_FEW), np.where(np.isfinite(values), 0, REASONS.index(UNDEFINED)))
        return np.where(reasons == 0, values, nan), reasons.astype(np.int8)

    def _deflated(self, result: Mapping[str, FloatArray], bars: int) -> FloatArray:
        if bars < 2:
            return np.full(len(result["sharpe"]), nan)
        luck = self.n_trials, 1.0 / (bars - 1)
        return np.asarray(deflated_sharpe_ratio(result["sharpe"], bars, result["skew"], result["kurtosis"], *luck))


def pool_folds(outcomes: Sequence[FoldResult]) -> BacktestResult | None:
    """All test folds as one account: after each other, instruments side by side; None where no fold was judged."""
    symbols = list(dict.fromkeys(symbol for outcome in outcomes for symbol in outcome.tested))
    records = []
    for symbol in symbols:
        parts = [o.tested[symbol] for o in outcomes if symbol in o.tested]
        records.append(combine_in_sequence([p.record for p in parts], offsets=[p.rows[0] - p.start for p in parts]))
    return combine_instruments(records) if records else None


def candidate_metrics(record: BacktestResult, *, bars_per_year: float) -> dict[str, float]:
    """Metrics of a candidate: all of `assay.simulate.metrics` but the resampled and daily risks."""
    return (
        return_metrics(record.returns, bars_per_year=bars_per_year)
        | account_metrics(record, bars_per_year=bars_per_year)
        | trade_metrics(record)
    )


def bars_per_year(panel: Panel) -> float:
    """Of the panel's market: the mean over its instruments."""
    return float(np.nanmean([window.bars.bars_per_year for _, window in panel]))
