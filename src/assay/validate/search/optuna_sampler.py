"""Bayesian sampling with Optuna: proposals in fixed batches."""

import math
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from assay.kernel.errors import ConfigError, printable
from assay.kernel.seeding import generator, integer
from assay.validate.search.dimensions import Categorical, Dimension, FloatRange, IntRange
from assay.validate.search.journal import SearchJournal, row_of
from assay.validate.search.objective import PRUNED
from assay.validate.search.sampler import STARTS, Draws, ProposedBatch, Row, demand_trials, exhausted_text
from assay.validate.search.space import Point, Space, key


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
        named: list[list[object]] = []
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

    def _drawn(self, draws: Draws) -> tuple[int, list[object]] | None:
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


SEEN, BEST = 250, 25
_CANDIDATES = 4  # Optuna's 24 exploit so hard that 300 trials of a noisy objective hardly beat chance
_TRIES = 16  # proposals that are refused before the sampler is given up on for the rest of a batch

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Proposals:
    """A study in memory. What it proposes follows from a batch's seed and from what was told before that batch.

    The sampler sees at most 250 told trials, the best 25 and the newest others, so that a trial costs the same however
    many there were. TPE's good trials are the best 25 in any case; only its picture of the bad ones is of the newest.
    """

    def __init__(self, space: Space, sampler: str) -> None:
        self._dimensions, self._name = space.dimensions, sampler
        self._distributions = {name: _distribution(each) for name, each in space.dimensions.items()}
        self._storage = _Window()
        self._study = optuna.create_study(storage=self._storage, direction="maximize")
        self._reported: list[tuple[float, int]] = []
        self._spent = False

    def begin(self, seed: int) -> None:
        """Begin a batch, on what was told so far."""
        self._study.sampler = _sampler(self._name, seed)
        self._spent = False
        document = self._reported
        if len(document) > SEEN:
            best = sorted(document, key=lambda each: (-each[0], each[1]))[:BEST]
            document = sorted({*document[BEST - SEEN :], *best}, key=lambda each: each[1])
        self._storage.see([number for _, number in document])

    def propose(self, wanted: Callable[[Point], bool]) -> tuple[int, list[object]] | None:
        """The sampler's next point that is wanted: its number, and its values as Optuna names them.

        None where the sampler does not find one, and from then on until the next batch.
        """
        for _ in range(0 if self._spent else _TRIES):
            trial = self._study.ask(self._distributions)
            raw = [trial.params[name] for name in self._dimensions]
            if wanted(self.point(raw)):
                return trial.number, raw
            self._study.tell(trial, state=TrialState.FAIL)
        self._spent = True
        return None

    def put(self, raw: Sequence[object]) -> int:
        """Take in a point from elsewhere as one that is being judged; its number."""
        params = dict(zip(self._dimensions, raw, strict=True))
        self._study.add_trial(create_trial(state=TrialState.RUNNING, params=params, distributions=self._distributions))
        return self._storage.count - 1

    def tell(self, number: int, row: Row) -> None:
        """What a point was worth: a rejected one is told as failed, a pruned one as pruned, which TPE counts as bad."""
        if row.valid:
            self._study.tell(number, row.score)
            self._reported.append((row.score, number))
        elif row.reason == PRUNED:
            self._study.tell(number, state=TrialState.PRUNED)
            self._reported.append((-math.inf, number))
        else:
            self._study.tell(number, state=TrialState.FAIL)

    def point(self, raw: Sequence[object]) -> Point:
        """The point that Optuna names so."""
        return {n: _value(each, value) for (n, each), value in zip(self._dimensions.items(), raw, strict=True)}

    def raw(self, point: Point) -> list[object]:
        """How Optuna names the point."""
        return [_raw(each, point[name]) for name, each in self._dimensions.items()]


class OneBatch(TPESampler):
    """TPE for a single batch: within it nothing is told, so that its two densities are built once.

    The method is Optuna's own matter; where a release calls it no more, a trial costs a third more and is the same.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=STARTS, n_ei_candidates=_CANDIDATES, constant_liar=False)
        self._built: dict[tuple[object, ...], object] = {}

    def _build_parzen_estimator(
        self,
        study: optuna.Study,
        search_space: dict[str, BaseDistribution],
        trials: list[FrozenTrial],
        handle_below: bool,
    ) -> Any:
        key = (handle_below, len(trials), *search_space)
        if key not in self._built:
            self._built[key] = super()._build_parzen_estimator(study, search_space, trials, handle_below)
        return self._built[key]


class _Window(InMemoryStorage):
    """Trials in memory, of which only some are shown, and those since."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self._shown: list[int] = []
        self._since = 0

    def see(self, shown: list[int]) -> None:
        """Show these, and all that come from now on."""
        self._shown, self._since = shown, self.count

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        self.count += 1
        return super().create_new_trial(study_id, template_trial)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        trials = super().get_all_trials(study_id, deepcopy=False)
        trials = [trials[number] for number in self._shown] + trials[self._since :]
        return trials if states is None else [trial for trial in trials if trial.state in states]


def _distribution(each: Dimension) -> BaseDistribution:
    """Listed values by their place: as a number where they rise, else as a category."""
    if isinstance(each, FloatRange):
        return FloatDistribution(each.low, each.high, log=each.log)
    if isinstance(each, IntRange):
        return IntDistribution(each.low, each.high, log=each.log)
    if each.ordered:
        return IntDistribution(0, each.count - 1)
    return CategoricalDistribution(list(range(each.count)))


def _value(each: Dimension, raw: Any) -> object:
    if isinstance(each, FloatRange):
        return each.round_value(raw)
    return each.nth(int(raw)) if isinstance(each, Categorical) else int(raw)


def _raw(each: Dimension, value: object) -> object:
    return each.values.index(value) if isinstance(each, Categorical) else value


def _sampler(name: str, seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=STARTS) if name == "gp" else OneBatch(seed)
