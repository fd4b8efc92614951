"""The protocol of samplers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol

from assay.kernel.errors import ConfigError, printable
from assay.validate.search.space import Point, Space

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
