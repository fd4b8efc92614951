"""Points at random, each one once."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import ClassVar, Literal

import numpy as np

from assay.kernel.seeding import generator
from assay.validate.search.sampler import TRIES, Streamed, demand_trials
from assay.validate.search.space import Point, Space, key

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
