"""Result of a search."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.validate.search.sampler import Row
from assay.validate.search.trials import Trials


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """A search that has a best.

    trials:    in the order of asking, rejected ones too.
    best:      the valid one with the highest score; of equal ones more trades, then asked earlier. Its metrics are all
               that `assay.simulate.metrics` gives but for the resampled and daily risks.
    optimizer: grid, random or bayesian.
    note:      why fewer points were judged than wanted; empty if not.
    planned:   points that were to be judged at most.
    span:      first and last instant (ms) of the train window that was searched.
    engine_seconds: of a rule that were spent in the sweep, indicators included; NaN of a search one by one.
    """

    trials: Trials
    best: Row
    optimizer: str
    objective: str
    seed: int
    planned: int
    note: str = ""
    span: tuple[int, int] = (0, 0)
    engine_seconds: float = math.nan

    @property
    def rows(self) -> list[Row]:
        """One a trial; for searches of a size to look at."""
        return [self.trials.row(number) for number in range(len(self.trials))]

    @property
    def best_parameters(self) -> dict[str, Any]:
        """Parameters of the best row."""
        return dict(self.best.parameters)

    @property
    def best_score(self) -> float:
        """Objective of the best row."""
        return self.best.score

    @property
    def best_metrics(self) -> dict[str, float]:
        """Metrics of the best row on the inner test bars: fractions."""
        return dict(self.best.metrics)

    @property
    def total_evaluations(self) -> int:
        """Trials judged, rejected ones too."""
        return len(self.trials)

    @property
    def valid_evaluations(self) -> int:
        """Trials that were not rejected."""
        return int(self.trials.valid.sum())

    @property
    def ledger_trial_ids(self) -> tuple[int, ...]:
        """Numbers of the trials in the ledger, in the order of asking."""
        return tuple(self.trials.ledger_id.tolist())

    @property
    def all_results(self) -> list[dict[str, Any]]:
        """One plain row a trial: number, parameters, score, valid, reason, ledger_id, ``metric_*``."""
        return [
            {
                "trial": row.number,
                "parameters": dict(row.parameters),
                "score": row.score,
                "valid": row.valid,
                "reason": row.reason,
                "ledger_id": row.ledger_id,
                **{f"metric_{name}": value for name, value in row.metrics.items()},
            }
            for row in self.rows
        ]

    @property
    def search_stats(self) -> dict[str, Any]:
        """Counts, spread of the objective over valid trials (std has ddof 1), and the best so far after each trial.

        top_10_pct_threshold is the 90 % quantile; the curve is NaN until the first valid trial.
        """
        scores = self.trials.score[self.trials.valid]
        threshold = float(np.quantile(scores, 0.9))
        return {
            "total_iterations": len(self.trials),
            "valid_configurations": len(scores),
            "best": float(scores.max()),
            "worst": float(scores.min()),
            "mean": float(scores.mean()),
            "median": float(np.median(scores)),
            "std": float(scores.std(ddof=1)) if len(scores) > 1 else math.nan,
            "top_10_pct_threshold": threshold,
            "configurations_above_threshold": int((scores >= threshold).sum()),
            "convergence_curve": self.trials.best_so_far.tolist(),
        }

    def as_dict(self) -> dict[str, Any]:
        """Plain document of everything; an undefined number is None."""
        document: dict[str, Any] = _plain(
            {
                "best_parameters": self.best_parameters,
                "best_score": self.best_score,
                "best_metrics": self.best_metrics,
                "all_results": self.all_results,
                "search_stats": self.search_stats,
                "optimizer": self.optimizer,
                "objective": self.objective,
                "seed": self.seed,
                "planned": self.planned,
                "total_evaluations": self.total_evaluations,
                "valid_evaluations": self.valid_evaluations,
                "ledger_trial_ids": list(self.ledger_trial_ids),
                "note": self.note,
            }
        )
        return document


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
