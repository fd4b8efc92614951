"""Result of a search, and its trials as a table."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.spec import canonical
from assay.validate.search.objective import REASONS
from assay.validate.search.sampler import Row

if TYPE_CHECKING:
    import polars as pl


Column = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """n candidates in the order of asking.

    parameters: ``(n,)`` a searched parameter: float64, int64, bool, or objects where they are mixed.
    score:      ``(n,)`` of the objective, NaN unless valid.   reason: ``(n,)`` int8, place in `REASONS`, 0 is valid.
    trades:     ``(n,)`` int64 closed trades.   metrics: ``(n,)`` a name.
    ledger_id:  ``(n,)`` int64, number of the ledger's row that counts it.
    """

    parameters: Mapping[str, Column]
    score: FloatArray
    reason: NDArray[np.int8]
    trades: IntArray
    metrics: Mapping[str, FloatArray]
    ledger_id: IntArray

    def __len__(self) -> int:
        return len(self.score)

    @property
    def valid(self) -> BoolArray:
        """``(n,)``: not rejected."""
        valid: BoolArray = self.reason == 0
        return valid

    @property
    def best(self) -> int | None:
        """The highest score; of equal ones more trades, then asked earlier. None where none is valid."""
        places = np.flatnonzero(self.valid)
        if not places.size:
            return None
        ranked = np.lexsort((-places, self.trades[places], self.score[places]))
        return int(places[ranked[-1]])

    def row(self, number: int) -> Row:
        """One candidate."""
        reason = REASONS[self.reason[number]]
        return Row(
            number,
            self.point(number),
            float(self.score[number]),
            not reason,
            reason,
            int(self.trades[number]),
            {name: float(values[number]) for name, values in self.metrics.items()},
            int(self.ledger_id[number]),
        )

    def point(self, number: int) -> dict[str, object]:
        """The searched parameters of one candidate, as plain values."""
        return {name: _plain_values(values[number]) for name, values in self.parameters.items()}

    @property
    def best_so_far(self) -> FloatArray:
        """``(n,)`` best score up to each trial; NaN until the first valid one."""
        best = np.maximum.accumulate(np.where(self.valid, self.score, -np.inf))
        return np.where(np.isfinite(best), best, np.nan)

    def with_ledger_id(self, ledger_id: int) -> "Trials":
        """The same, counted by one row of the ledger."""
        numbers = np.full(len(self), ledger_id, np.int64)
        return Trials(self.parameters, self.score, self.reason, self.trades, self.metrics, numbers)

    def block(self) -> bytes:
        """Parquet of what the ledger keeps of each: parameters, score, state, trades and the moments of its returns."""
        import polars as pl

        columns: dict[str, object] = {f"p_{name}": _series(values) for name, values in self.parameters.items()}
        columns |= {
            "score": self.score,
            "failed": ~self.valid,
            "trades": self.trades.astype(np.int32),
            "sharpe": self.metrics["sharpe"],
            "skew": self.metrics["skew"].astype(np.float32),
            "kurtosis": self.metrics["kurtosis"].astype(np.float32),
        }
        out = io.BytesIO()
        pl.DataFrame(columns, strict=False).write_parquet(out, compression="zstd", compression_level=1)
        return out.getvalue()

    def table(self, rows: IntArray, metrics: Sequence[str]) -> "pl.DataFrame":
        """These candidates for people: number, ``p_`` + each parameter, score, valid, reason, trades and metrics."""
        import polars as pl

        columns: dict[str, object] = {"number": rows.astype(np.int64)}
        columns |= {f"p_{name}": _series(values[rows]) for name, values in self.parameters.items()}
        columns |= {
            "score": pl.Series(self.score[rows], nan_to_null=True),
            "valid": self.valid[rows],
            "reason": np.array(REASONS)[self.reason[rows]],
            "trades": self.trades[rows],
        }
        missing = np.full(len(self), np.nan)
        columns |= {name: self.metrics.get(name, missing)[rows] for name in metrics}
        return pl.DataFrame(columns, strict=False)

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Trials":
        """From rows, in their order; a metric that a row lacks is NaN."""
        names = list(dict.fromkeys(name for row in rows for name in row.metrics))
        searched = list(rows[0].parameters) if rows else []
        return cls(
            {name: column([row.parameters[name] for row in rows]) for name in searched},
            np.array([row.score for row in rows], np.float64),
            np.array([REASONS.index(row.reason) for row in rows], np.int8),
            np.array([row.trades for row in rows], np.int64),
            {name: np.array([row.metrics.get(name, np.nan) for row in rows], np.float64) for name in names},
            np.array([row.ledger_id for row in rows], np.int64),
        )

    @classmethod
    def concatenate(cls, parts: "Sequence[Trials]") -> "Trials":
        """One after the other; all have the same columns."""
        if len(parts) == 1:
            return parts[0]
        names, measured = parts[0].parameters, parts[0].metrics
        return cls(
            {name: np.concatenate([part.parameters[name] for part in parts]) for name in names},
            np.concatenate([part.score for part in parts]),
            np.concatenate([part.reason for part in parts]),
            np.concatenate([part.trades for part in parts]),
            {name: np.concatenate([part.metrics[name] for part in parts]) for name in measured},
            np.concatenate([part.ledger_id for part in parts]),
        )


def column(values: Sequence[object]) -> Column:
    """Plain values as an array of their type; mixed ones as objects, so that each stays what it is."""
    kinds = {type(value) for value in values}
    if len(kinds) == 1 and kinds <= {int, float, bool}:
        return np.array(values)
    out = np.empty(len(values), object)
    out[:] = values
    return out


def _plain_values(value: object) -> object:
    return value.item() if isinstance(value, np.generic) else value


def _series(values: Column) -> object:
    """Objects of several types have no Parquet type: numbers as float64, others as their JSON."""
    if values.dtype != object:
        return values
    plain = values.tolist()
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in plain):
        return np.array(plain, np.float64)
    return [value if isinstance(value, str) else canonical(value) for value in plain]


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
    def best_parameters(self) -> dict[str, object]:
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
    def all_results(self) -> list[dict[str, object]]:
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
    def search_stats(self) -> dict[str, object]:
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

    def as_dict(self) -> dict[str, object]:
        """Plain document of everything; an undefined number is None."""
        document: dict[str, object] = _plain(
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


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
