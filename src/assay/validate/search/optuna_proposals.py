"""Proposals of Optuna: study, samplers, and the encoding of points."""

import math
from collections.abc import Callable, Container, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, GPSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState, create_trial

from assay.validate.search.dimensions import Categorical, Dimension, FloatRange, IntRange
from assay.validate.search.objective import PRUNED
from assay.validate.search.sampler import STARTS, Row
from assay.validate.search.space import Point, Space

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

    def propose(self, wanted: Callable[[Point], bool]) -> tuple[int, list[Any]] | None:
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

    def put(self, raw: Sequence[Any]) -> int:
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

    def point(self, raw: Sequence[Any]) -> Point:
        """The point that Optuna names so."""
        return {n: _value(each, value) for (n, each), value in zip(self._dimensions.items(), raw, strict=True)}

    def raw(self, point: Point) -> list[Any]:
        """How Optuna names the point."""
        return [_raw(each, point[name]) for name, each in self._dimensions.items()]


class OneBatch(TPESampler):
    """TPE for a single batch: within it nothing is told, so that its two densities are built once.

    The method is Optuna's own matter; where a release calls it no more, a trial costs a third more and is the same.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(seed=seed, n_startup_trials=STARTS, n_ei_candidates=_CANDIDATES, constant_liar=False)
        self._built: dict[tuple[Any, ...], Any] = {}

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


def _value(each: Dimension, raw: Any) -> Any:
    if isinstance(each, FloatRange):
        return each.round_value(raw)
    return each.nth(int(raw)) if isinstance(each, Categorical) else int(raw)


def _raw(each: Dimension, value: Any) -> Any:
    return each.values.index(value) if isinstance(each, Categorical) else value


def _sampler(name: str, seed: int) -> BaseSampler:
    return GPSampler(seed=seed, n_startup_trials=STARTS) if name == "gp" else OneBatch(seed)
