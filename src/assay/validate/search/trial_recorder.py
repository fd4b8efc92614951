"""Count every candidate in the report before its score is used."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from assay.kernel.contracts import Trial
from assay.simulate import BacktestResult
from assay.validate.search.objective import PRUNED, TOO_FEW, Objective
from assay.validate.search.result import Trials
from assay.validate.search.sampler import Row
from assay.validate.search.space import Point
from assay.validate.search.walk_forward_evaluator import CandidateResult, ProgressForwarder

_NOBODY = np.empty(0)
_BYTES_A_TRIAL = 40


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrialRecorder:
    """The search as the ledger and whoever listens know it.

    strategy, base, data_digest: see `Search`.   market_key: of the train panel.   recorded: costs, for the ledger's
    hash.
    """

    ears: ProgressForwarder
    objective: Objective
    planned: int
    method: Any
    strategy: str
    base: Mapping[str, Any]
    market_key: str
    seed: int
    data_digest: str
    recorded: Mapping[str, Any]

    def one(self, number: int, point: Point, judged: CandidateResult, *, pruned: bool = False) -> Row:
        """Score one candidate and count it. pruned: it is dropped before it was judged on all folds."""
        row = self.score(number, point, judged)
        params = {**self.base, **point}
        trial = self._trial(judged.learner, params, judged.record, judged.metrics, row.score, row.trades)
        if pruned:
            trial = replace(trial, state="pruned")
            row = replace(row, score=math.nan, valid=False, reason=PRUNED)
        elif row.reason:
            trial = replace(
                trial, state="failed", returns=_NOBODY, window=None, extra={**self.recorded, "reason": row.reason}
            )
        return replace(row, ledger_id=self.ears.trial(trial))

    def score(self, number: int, point: Point, judged: CandidateResult) -> Row:
        """A candidate's row, not counted yet: nobody may use its score but to drop it."""
        record, score, reason = judged.record, math.nan, TOO_FEW
        trades = 0 if record is None else len(record.trades)
        if record is not None:
            score, reason = self.objective.score(judged.metrics, len(record), trades)
        return Row(number, point, score, not reason, reason, trades, judged.metrics, -1)

    def many(
        self, trials: Trials, learner: str, record: BacktestResult, metrics: Mapping[str, float], tops: bytes = b""
    ) -> Trials:
        """Count a block of candidates as one; record and metrics are those of its best, or of its first.

        tops: see `Trial`. The best's returns are told where they cost little beside the block.
        """
        block = trials.block()
        best = trials.best
        point = trials.point(best or 0)
        params = {**self.base, **point, "block": sha256(block).hexdigest()}
        score = math.nan if best is None else float(trials.score[best])
        trial = self._trial(learner, params, record, metrics, score, len(record.trades))
        trial = replace(trial, n_configs=len(trials), block=block, tops=tops, bars=len(record))
        if best is None:
            trial = replace(trial, state="failed", returns=_NOBODY, bars=0)
        elif record.returns.nbytes > _BYTES_A_TRIAL * len(trials):
            trial = replace(trial, returns=_NOBODY)
        return trials.with_ledger_id(self.ears.trial(trial))

    def tell(self, done: int, best: float) -> None:
        """How many candidates were judged, and the best score so far."""
        self.ears.tell(min(1.0, done / self.planned), {"trials": float(done), "best_score": best})

    def _trial(
        self,
        learner: str,
        params: Mapping[str, Any],
        record: BacktestResult | None,
        metrics: Mapping[str, float],
        score: float,
        trades: int,
    ) -> Trial:
        return Trial(
            market_key=self.market_key,
            learner=learner,
            strategy=self.strategy or learner,
            params=params,
            returns=_NOBODY if record is None else record.returns,
            metrics=metrics,
            objective=self.objective.name,
            score=score,
            total_trades=trades,
            window=None if record is None else (int(record.timestamp[0]), int(record.timestamp[-1])),
            tuning_method=self.method,
            seed=self.seed,
            data_digest=self.data_digest,
            extra=dict(self.recorded),
        )
