"""What a search found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from assay.validate.search.method import Row


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """A search that has a best.

    rows:      one a trial, in the order of asking, rejected ones too.
    best:      the valid row with the highest score; of equal ones more trades, then asked earlier.
    optimizer: grid, random or bayesian.
    note:      why fewer points were judged than wanted; empty if not.
    planned:   points that were to be judged at most.
    """

    rows: tuple[Row, ...]
    best: Row
    optimizer: str
    objective: str
    seed: int
    planned: int
    note: str = ""

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
        return len(self.rows)

    @property
    def valid_evaluations(self) -> int:
        """Trials that were not rejected."""
        return sum(row.valid for row in self.rows)

    @property
    def ledger_trial_ids(self) -> tuple[int, ...]:
        """Numbers of the trials in the ledger, in the order of asking."""
        return tuple(row.ledger_id for row in self.rows)

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
        scores = np.array([row.score for row in self.rows if row.valid])
        threshold = float(np.quantile(scores, 0.9))
        return {
            "total_iterations": len(self.rows),
            "valid_configurations": len(scores),
            "best": float(scores.max()),
            "worst": float(scores.min()),
            "mean": float(scores.mean()),
            "median": float(np.median(scores)),
            "std": float(scores.std(ddof=1)) if len(scores) > 1 else math.nan,
            "top_10_pct_threshold": threshold,
            "configurations_above_threshold": int((scores >= threshold).sum()),
            "convergence_curve": _best_so_far(self.rows),
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


def _best_so_far(rows: Sequence[Row]) -> list[float]:
    scores = np.array([row.score if row.valid else -math.inf for row in rows])
    best = np.maximum.accumulate(scores)
    return np.where(np.isfinite(best), best, np.nan).tolist()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
