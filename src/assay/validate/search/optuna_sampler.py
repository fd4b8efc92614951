"""Bayesian sampling with Optuna in fixed batches."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from assay.kernel.errors import ConfigError, printable
from assay.kernel.seeding import generator, integer
from assay.validate.search.journal import SearchJournal, row_of
from assay.validate.search.random_sampler import Draws, exhausted_text
from assay.validate.search.sampler import STARTS, ProposedBatch, Row, demand_trials
from assay.validate.search.space import Point, Space, key

if TYPE_CHECKING:
    from assay.validate.search.optuna_proposals import Proposals


@dataclass(frozen=True, slots=True)
class Bayesian:
    """Ten random points, then a sampler that is told in batches. No point is asked for twice.

    sampler: ``tpe`` (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization", in its multivariate form) or
             ``gp``, a Gaussian process with expected improvement (needs torch; a trial costs some hundred times more).
    journal: file that a killed search goes on from, to the same answer; several searches may share it. A trial is one
             line, a batch one sync to disk.
    Raises ConfigError ``CONFIG_METHOD`` for another sampler, and with an install hint for ``gp`` without torch.
    """

    name: ClassVar[Literal["bayesian"]] = "bayesian"
    sampler: Literal["tpe", "gp"] = "tpe"
    journal: Path | None = None

    def __post_init__(self) -> None:
        if self.sampler not in ("tpe", "gp"):
            raise ConfigError(
                f"sampler is {printable(self.sampler)}, must be tpe or gp", code="CONFIG_METHOD", field="sampler"
            )
        if self.sampler == "gp" and find_spec("torch") is None:
            raise ConfigError(
                "sampler gp (Gaussian process) needs torch, which is not installed; tpe does without",
                code="CONFIG_METHOD",
                hint="pip install 'assay[deep]'",
                field="sampler",
            )

    def count_points(self, space: Space, trials: int) -> int:
        """See `Method`."""
        demand_trials(trials)
        return trials if space.count is None else min(trials, space.count)

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> "_Batches":
        """See `Method`. Raises ArtifactError ``ARTIFACT_CORRUPT`` for a journal that cannot be read."""
        from assay.validate.search.optuna_proposals import Proposals

        stored = SearchJournal.open(self.journal, identity)
        return _Batches(stored, Proposals(space, self.sampler), space, trials, batch, seed)


class _Batches:
    """A search under way. What a batch asks follows from the seed and from what was told before it."""

    def __init__(
        self, journal: SearchJournal, proposals: "Proposals", space: Space, trials: int, batch: int, seed: int
    ) -> None:
        self._journal, self._proposals, self._space = journal, proposals, space
        self._trials, self._batch, self._seed = trials, batch, seed
        self._seen: set[str] = set()
        self._open: list[int] = []
        self._pending = self._number = 0
        self.note = ""

    def pin_count(self, count: int) -> int:
        """See `Session`."""
        return self._journal.pin_count(count)

    def ask(self) -> list[ProposedBatch]:
        """See `Session`. The journal's batches come first, with what is known of their points."""
        wanted = min(self._batch if self._number else STARTS, self._trials - self._pending)
        if wanted < 1 or self.note:
            return []
        result = self._resumed() if self._number in self._journal.batches else self._fresh(wanted)
        self._number += 1
        self._pending += len(result)
        if len(result) < wanted:
            self.note = exhausted_text(self._pending, self._trials)
        return result

    def tell(self, row: Row) -> None:
        """See `Session`. A trial that is not valid is told as failed."""
        number = self._open.pop(0)
        self._journal.record_score(self._number - 1, row, last=not self._open)
        self._proposals.tell(number, row)

    def _fresh(self, wanted: int) -> list[ProposedBatch]:
        self._proposals.begin(integer(self._seed, f"search batch {self._number}"))
        draws = Draws(self._space, generator(self._seed, f"search fill {self._number}"), self._seen)
        named: list[list[Any]] = []
        while len(named) < wanted:
            proposed = self._proposals.propose(self._wanted) or self._drawn(draws)
            if proposed is None:
                break
            number, raw = proposed
            self._open.append(number)
            self._seen.add(key(self._proposals.point(raw)))
            named.append(raw)
        self._journal.record_batch(self._number, named)
        return [ProposedBatch(self._proposals.point(raw)) for raw in named]

    def _wanted(self, point: Point) -> bool:
        return self._space.holds(point) and key(point) not in self._seen

    def _drawn(self, draws: Draws) -> tuple[int, list[Any]] | None:
        point = draws.draw()
        if point is None:
            return None
        raw = self._proposals.raw(point)
        return self._proposals.put(raw), raw

    def _resumed(self) -> list[ProposedBatch]:
        batch = self._journal.batches.pop(self._number)
        result = []
        for place, raw in enumerate(batch.points):
            point, number = self._proposals.point(raw), self._proposals.put(raw)
            self._seen.add(key(point))
            row = row_of(batch.rows[place], point) if place < len(batch.rows) else None
            if row is None:
                self._open.append(number)
            else:
                self._proposals.tell(number, row)
            result.append(ProposedBatch(point, row))
        return result
