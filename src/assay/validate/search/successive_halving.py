"""Successive halving: judge many candidates on few folds, and only the best of them on more.

Jamieson & Talwalkar 2016, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", algorithm 1, with
inner folds as the budget: a round multiplies the folds by eta and keeps one candidate in eta, so that each round costs
about as much as the first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from assay.kernel.errors import ConfigError, printable
from assay.validate.search.result import Trials
from assay.validate.search.sampler import Row, Session
from assay.validate.search.space import Point
from assay.validate.search.walk_forward_evaluator import (
    CandidateResult,
    First,
    Inner,
    TrialRecorder,
    pool_of,
    side_by_side,
)


@dataclass(frozen=True, slots=True)
class Rung:
    """One round: how many candidates are judged on how many of the first folds."""

    folds: int
    candidates: int


@dataclass(frozen=True, slots=True)
class Halving:
    """The option of a search to drop candidates early.

    eta: one candidate in so many goes on to the next rung, which has so many times the folds.
    Every candidate that is dropped counts as a trial of state ``pruned``: it was looked at.
    Raises ConfigError ``CONFIG_METHOD`` unless eta is an integer from 2 to 100.
    """

    eta: int = 3

    def __post_init__(self) -> None:
        _demand_eta(self.eta)

    def plan(self, folds: int, candidates: int) -> tuple[Rung, ...]:
        """Every rung of a search of so many candidates, the last on all folds.

        >>> tuple((rung.folds, rung.candidates) for rung in Halving(3).plan(9, 100))
        ((1, 100), (3, 34), (9, 12))
        """
        result = []
        for folds_then in rungs(folds, self.eta):
            result.append(Rung(folds_then, candidates))
            candidates = survivor_count(candidates, self.eta)
        return tuple(result)


def rungs(folds: int, eta: int) -> list[int]:
    """Folds of each rung, rising, the last one all of them; each is the next one's share 1/eta, rounded up.

    >>> rungs(9, 3), rungs(10, 3), rungs(5, 2), rungs(2, 3), rungs(1, 3)
    ([1, 3, 9], [1, 2, 4, 10], [1, 2, 3, 5], [1, 2], [1])

    Raises ConfigError ``CONFIG_METHOD`` for no folds, or an eta that is no integer from 2 to 100.
    """
    _demand_eta(eta)
    if folds < 1:
        raise ConfigError(f"halving needs at least 1 inner fold, has {folds}", code="CONFIG_METHOD", field="folds")
    result = [folds]
    while result[-1] > 1:
        result.append(-(-result[-1] // eta))
    return result[::-1]


def survivor_count(candidates: int, eta: int) -> int:
    """How many of so many go on: one in eta, rounded up.

    >>> survivor_count(100, 3), survivor_count(2, 3), survivor_count(1, 3)
    (34, 1, 1)
    """
    return -(-candidates // eta)


def survivors(rows: Sequence[Row], eta: int) -> list[int]:
    """Places in `rows` of those that go on to the next rung, in the order of `rows`: the best one in eta, rounded up.

    By score, of equal ones more trades, then the earlier place. Rows that are not valid come after all that are, by
    trades and place: with too few trades on few folds a candidate may still have enough on all of them.
    Raises ConfigError ``CONFIG_METHOD`` for an eta that is no integer from 2 to 100.
    """
    _demand_eta(eta)
    order = sorted(range(len(rows)), key=lambda place: _rank(rows[place], place))
    return sorted(order[: survivor_count(len(rows), eta)])


def _rank(row: Row, place: int) -> tuple[bool, float, int, int]:
    return (False, -row.score, -row.trades, place) if row.valid else (True, 0.0, -row.trades, place)


def _demand_eta(eta: int) -> None:
    if isinstance(eta, bool) or not isinstance(eta, int) or not 2 <= eta <= 100:
        raise ConfigError(
            f"eta is {printable(eta)}, must be an integer from 2 to 100", code="CONFIG_METHOD", field="eta"
        )


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
