"""Samplers: the protocol, grid and random."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from math import prod
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from assay.kernel.errors import ConfigError, printable
from assay.kernel.seeding import generator
from assay.validate.search.space import Point, Space, key

TRIALS = 1_000_000
STARTS = 10  # random points before a sampler has something to learn from
TRIES = 1_000


@dataclass(frozen=True, slots=True)
class Row:
    """One judged trial.

    number: place in the order of asking, from 0.   score: of the objective, NaN unless valid.   trades: closed ones.
    reason: ``rejected: …``, empty where valid.   ledger_id: what the report said when the trial was counted.
    """

    number: int
    parameters: Mapping[str, Any]
    score: float
    valid: bool
    reason: str
    trades: int
    metrics: Mapping[str, float]
    ledger_id: int


@dataclass(frozen=True, slots=True)
class ProposedBatch:
    """A point to judge; `row` is what a journal already knows of it."""

    point: Point
    row: Row | None = None


class Session(Protocol):
    """One search under way."""

    @property
    def note(self) -> str:
        """Why the points ended before the wanted number was reached; empty if they did not."""
        ...

    def pin_count(self, count: int) -> int:
        """Trials that the ledger held when the search first began: what a journal remembers, else `count`."""
        ...

    def ask(self) -> list[ProposedBatch]:
        """The next points, at most a batch; none when it is over. All of one batch are told before the next."""
        ...

    def tell(self, row: Row) -> None:
        """What the next point was worth, in the order in which they were asked."""
        ...


class Method(Protocol):
    """A way to choose points."""

    @property
    def name(self) -> Literal["grid", "random", "bayesian"]:
        """What the ledger calls it."""
        ...

    def count_points(self, space: Space, trials: int) -> int:
        """Most points that it will ask for. Raises ConfigError ``CONFIG_SPACE`` where that is beyond reason."""
        ...

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> Session:
        """Begin. identity: equal for equal searches, by which a journal knows its own."""
        ...


class Streamed:
    """A session over points that do not depend on what was told."""

    def __init__(self, points: Iterator[Point], batch: int) -> None:
        self._points, self._batch = points, batch
        self.note = ""

    def pin_count(self, count: int) -> int:
        """See `Session`."""
        return count

    def ask(self) -> list[ProposedBatch]:
        """See `Session`."""
        return [ProposedBatch(point) for point in islice(self._points, self._batch)]

    def tell(self, row: Row) -> None:
        """Points do not depend on it."""


def demand_trials(trials: int) -> None:
    """Raise ConfigError ``CONFIG_SPACE`` unless 1 <= trials <= 1,000,000."""
    whole = isinstance(trials, int) and not isinstance(trials, bool)
    if not whole or not 1 <= trials <= TRIALS:
        raise ConfigError(
            f"trials is {printable(trials)}, must be an integer from 1 to {TRIALS:,}",
            code="CONFIG_SPACE",
            field="trials",
        )


log = logging.getLogger(__name__)
_MANY = 10_000


@dataclass(frozen=True, slots=True)
class Grid:
    """The whole product, in declared order, last name fastest; floats by their step, or by `points` values (5).

    max_points: how many points may be judged; None is 1,000,000. More than 10,000 are logged as a warning.
    Points that break a constraint are left out, but count for these limits, which are checked before a point is built.
    """

    name: ClassVar[Literal["grid"]] = "grid"
    max_points: int | None = None

    def __post_init__(self) -> None:
        most = self.max_points
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise ConfigError(
                f"max_points is {printable(most)}, must be an integer >= 1", code="CONFIG_SPACE", field="max_points"
            )

    def count_points(self, space: Space, trials: int) -> int:
        """See `Method`: the product of the grid; `trials` does not bound it."""
        sizes = space.grid_sizes()
        count, most = prod(sizes.values()), self.max_points or TRIALS
        arithmetic = " × ".join(f"{size} {name}" for name, size in sizes.items())
        if count > most:
            raise ConfigError(
                f"the grid has {short(count)} points ({arithmetic}), more than {short(most)}; "
                "use random, fewer points, or max_points",
                code="CONFIG_SPACE",
                hint="search it with method random",
                points=count,
            )
        if count > _MANY:
            log.warning("the grid has %s points (%s); random or bayesian need fewer", short(count), arithmetic)
        return count

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> Streamed:
        """See `Method`. Raises ConfigError ``CONFIG_SPACE`` where no point satisfies the constraints."""
        points = space.grid()
        if next(points, None) is None:
            raise space.refusal(prod(space.grid_sizes().values()))
        return Streamed(space.grid(), batch)


def short(count: int) -> str:
    """A count as people say it.

    >>> short(1_200_000_000_000), short(1_000_000), short(12_345)
    ('1.2e12', '1e6', '12,345')
    """
    if count < 1_000_000:
        return f"{count:,}"
    mantissa, _, exponent = f"{count:.2e}".partition("e")
    return f"{float(mantissa):g}e{int(exponent)}"


LISTED = 100_000


class Draws:
    """Draws without repetition from a space, under its constraints.

    A point is drawn until it is new and allowed. When 1,000 draws in a row were not, a space of at most 100,000 points
    is gone through in random order, so that it is exhausted exactly; a larger one counts as exhausted.
    """

    def __init__(self, space: Space, rng: np.random.Generator, seen: set[str]) -> None:
        self._space, self._rng, self.seen = space, rng, seen
        self._rest: Iterator[int] | None = None

    def draw(self) -> Point | None:
        """A point that is not in `seen`, which it joins; None when there are no more.

        Raises ConfigError ``CONFIG_SPACE`` where the constraints refused them all and nothing was ever drawn.
        """
        for point in self._candidates():
            if self._space.holds(point) and key(point) not in self.seen:
                self.seen.add(key(point))
                return point
        if not self.seen:
            raise self._space.refusal(TRIES)
        return None

    def _candidates(self) -> Iterator[Point]:
        width, count = len(self._space.dimensions), self._space.count
        if self._rest is None:
            for _ in range(TRIES):
                yield self._space.at(self._rng.random(width))
            listed = count if count is not None and count <= LISTED else 0
            self._rest = iter(self._rng.permutation(listed).tolist())
        for index in self._rest:
            yield self._space.point_at(index)


@dataclass(frozen=True, slots=True)
class Random:
    """Distinct points, uniform in each dimension (or in its logarithm)."""

    name: ClassVar[Literal["random"]] = "random"

    def count_points(self, space: Space, trials: int) -> int:
        """See `Method`."""
        demand_trials(trials)
        return trials if space.count is None else min(trials, space.count)

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> Streamed:
        """See `Method`."""
        return _Drawn(space, trials, batch, seed)


class _Drawn(Streamed):
    def __init__(self, space: Space, trials: int, batch: int, seed: int) -> None:
        super().__init__(islice(self._stream(space, seed), trials), batch)
        self._trials = trials

    def _stream(self, space: Space, seed: int) -> Iterator[Point]:
        draws = Draws(space, generator(seed, "search random"), set())
        while (point := draws.draw()) is not None:
            yield point
        self.note = exhausted_text(len(draws.seen), self._trials)


def exhausted_text(drawn: int, trials: int) -> str:
    """What a search says that ended early."""
    return f"the space is exhausted: {drawn:,} distinct points of {trials:,} trials"
