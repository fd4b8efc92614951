"""Successive halving at work: all candidates on few inner folds, the best of them on more."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.validate.search.candidate_evaluator import pool_of, side_by_side
from assay.validate.search.sampler import Row, Session
from assay.validate.search.space import Point
from assay.validate.search.successive_halving import Halving, survivors
from assay.validate.search.trial_recorder import TrialRecorder
from assay.validate.search.trials import Trials
from assay.validate.search.walk_forward_evaluator import CandidateResult, First, Inner

_Going = list[tuple[int, Point]]


@dataclass(frozen=True, slots=True, eq=False)
class Halved:
    """Judges what a session asks, all at once; the session must not depend on what it is told.

    On a share of the folds a candidate needs that share of `min_trades`. One that is dropped is counted as ``pruned``.
    workers change no result.
    """

    inner: Inner
    counting: TrialRecorder
    workers: int
    halving: Halving

    @property
    def seconds(self) -> float:
        """There is no engine to time."""
        return math.nan

    def evaluate(self, session: Session) -> Trials:
        """Every candidate, in the order of asking."""
        going: _Going = list(enumerate(each.point for request in iter(session.ask, []) for each in request))
        train, count, done = self.inner.train, len(going), 0
        folds = sum(1 for _ in self.inner.plan.folds(train.known_at, train.times))
        plan = self.halving.plan(folds, count)
        work = sum(rung.folds * rung.candidates for rung in plan)
        rows: dict[int, Row] = {}
        with pool_of(self.workers, self.counting) as pool:
            for rung in plan:
                inner = replace(self.inner, plan=First(self.inner.plan, rung.folds))
                result: list[CandidateResult] = []
                for judged in side_by_side(pool, inner, [point for _, point in going]):
                    result.append(judged)
                    done += rung.folds
                    self.counting.tell(count * done // work, math.nan)
                stays = self._stays(going, result, rung.folds / folds)
                for place, ((number, point), judged) in enumerate(zip(going, result, strict=True)):
                    if rung is plan[-1] or place not in stays:
                        rows[number] = self.counting.one(number, point, judged, pruned=rung is not plan[-1])
                going = [going[place] for place in stays]
        return Trials.of([rows[number] for number in range(count)])

    def full(self, row: Row) -> Row:
        """The best with all its metrics, which it has."""
        return row

    def _stays(self, going: _Going, result: Sequence[CandidateResult], share: float) -> list[int]:
        objective = self.counting.objective
        counting = replace(
            self.counting, objective=replace(objective, min_trades=math.ceil(objective.min_trades * share))
        )
        scored = [counting.score(number, point, each) for (number, point), each in zip(going, result, strict=True)]
        return survivors(scored, self.halving.eta)
