"""Points that earlier ones make promising: Optuna, asked and told in fixed batches."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from assay.kernel.errors import ConfigError, shown
from assay.kernel.seeds import generator, integer
from assay.validate.search.dimensions import Dimension, Listed, Real, Whole
from assay.validate.search.draws import Draws, exhausted
from assay.validate.search.kept import ROW, Kept
from assay.validate.search.method import Asked, Row, demand_trials
from assay.validate.search.space import Point, Space, key

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

STARTS = 10
_DOUBLES = 16  # proposals that are refused or known already before a point is drawn at random instead


@dataclass(frozen=True, slots=True)
class Bayesian:
    """Ten random points, then a sampler that is told in batches. No point is asked for twice.

    sampler: ``tpe`` (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization") or ``gp`` (needs torch).
    journal: file that a killed search goes on from, to the same answer; several searches may share it. Each value
             asked is synced to disk: some 15 syncs a trial with 11 parameters.
    Raises ConfigError ``CONFIG_METHOD`` for another sampler, and with an install hint for ``gp`` without torch.
    """

    name: ClassVar[Literal["bayesian"]] = "bayesian"
    sampler: Literal["tpe", "gp"] = "tpe"
    journal: Path | None = None

    def __post_init__(self) -> None:
        if self.sampler not in ("tpe", "gp"):
            raise ConfigError(
                f"sampler is {shown(self.sampler)}, must be tpe or gp", code="CONFIG_METHOD", field="sampler"
            )
        if self.sampler == "gp" and find_spec("torch") is None:
            raise ConfigError(
                "sampler gp (Gaussian process) needs torch, which is not installed; tpe does without",
                code="CONFIG_METHOD",
                hint="pip install 'assay[deep]'",
                field="sampler",
            )

    def planned(self, space: Space, trials: int) -> int:
        """See `Method`."""
        demand_trials(trials)
        return trials if space.count is None else min(trials, space.count)

    def start(self, space: Space, *, trials: int, batch: int, seed: int, identity: str) -> "_Batches":
        """See `Method`. Raises ArtifactError ``ARTIFACT_CORRUPT`` for a journal that cannot be read."""
        return _Batches(Kept.open(self.journal, identity), space, trials, batch, seed, self.sampler)


class _Batches:
    """One study. The sampler is seeded anew for each batch, so what it asks follows from what it was told."""

    def __init__(self, kept: "Kept", space: Space, trials: int, batch: int, seed: int, sampler: str) -> None:
        self._kept, self._space, self._trials = kept, space, trials
        self._batch, self._seed, self._sampler = batch, seed, sampler
        self._known = kept.batches()
        self._seen: set[str] = set()
        self._open: list[int] = []
        self._asked = self._number = 0
        self._distributions = {name: _distribution(each) for name, each in space.dimensions.items()}
        self.note = ""

    def pinned(self, count: int) -> int:
        """See `Session`."""
        return self._kept.pinned(count)

    def ask(self) -> list[Asked]:
        """See `Session`. The journal's batches come first, with what is known of their points."""
        wanted = min(self._batch if self._number else STARTS, self._trials - self._asked)
        if wanted < 1 or self.note:
            return []
        trials = self._known.pop(self._number, None)
        found = self._fresh(wanted) if trials is None else [self._resumed(trial) for trial in trials]
        self._number += 1
        self._asked += len(found)
        if len(found) < wanted:
            self.note = exhausted(self._asked, self._trials)
        return found

    def tell(self, row: Row) -> None:
        """See `Session`. A trial that is not valid is told as failed."""
        self._kept.tell(self._open.pop(0), row)

    def _fresh(self, wanted: int) -> list[Asked]:
        study = self._kept.study
        study.sampler = _sampler(self._sampler, integer(self._seed, f"search batch {self._number}"))
        draws = Draws(self._space, generator(self._seed, f"search fill {self._number}"), self._seen)
        points, numbers = [], []
        for _ in range(wanted):
            proposed = self._proposed() or self._drawn(draws)
            if proposed is None:
                break
            points.append(Asked(proposed[1]))
            numbers.append(proposed[0])
        self._kept.place(self._number, numbers)
        self._open = numbers
        return points

    def _proposed(self) -> tuple[int, Point] | None:
        """The sampler's next point that is new and allowed; None when it does not find one."""
        study = self._kept.study
        for _ in range(_DOUBLES):
            trial = study.ask(self._distributions)
            point = self._point(trial.params)
            if self._space.holds(point) and key(point) not in self._seen:
                self._seen.add(key(point))
                return trial.number, point
            study.tell(trial, state=_failed())
        return None

    def _drawn(self, draws: Draws) -> tuple[int, Point] | None:
        point = draws.draw()
        if point is None:
            return None
        self._kept.study.enqueue_trial({n: _raw(d, point[n]) for n, d in self._space.dimensions.items()})
        return self._kept.study.ask(self._distributions).number, point

    def _resumed(self, trial: "FrozenTrial") -> Asked:
        point = self._point(trial.params)
        self._seen.add(key(point))
        if ROW in trial.user_attrs:
            return Asked(point, _row(trial.user_attrs[ROW], point))
        self._open.append(trial.number)
        return Asked(point)

    def _point(self, raw: Mapping[str, Any]) -> Point:
        return {name: _value(each, raw[name]) for name, each in self._space.dimensions.items()}


def _distribution(each: Dimension) -> "BaseDistribution":
    """Listed values by their place: as a number where they rise, else as a category."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if isinstance(each, Real):
        return FloatDistribution(each.low, each.high, log=each.log)
    if isinstance(each, Whole):
        return IntDistribution(each.low, each.high, log=each.log)
    if each.ordered:
        return IntDistribution(0, each.count - 1)
    return CategoricalDistribution(list(range(each.count)))


def _value(each: Dimension, raw: Any) -> Any:
    if isinstance(each, Real):
        return each.rounded(raw)
    return each.nth(int(raw)) if isinstance(each, Listed) else int(raw)


def _raw(each: Dimension, value: Any) -> Any:
    return each.values.index(value) if isinstance(each, Listed) else value


def _sampler(name: str, seed: int) -> "BaseSampler":
    from optuna.samplers import GPSampler, TPESampler

    if name == "gp":
        return GPSampler(seed=seed, n_startup_trials=STARTS)
    return TPESampler(seed=seed, n_startup_trials=STARTS)


def _failed() -> Any:
    from optuna.trial import TrialState

    return TrialState.FAIL


def _row(text: str, point: Point) -> Row:
    kept = json.loads(text)
    metrics = {name: math.nan if value is None else value for name, value in kept["metrics"].items()}
    score = math.nan if kept["score"] is None else kept["score"]
    return Row(**(kept | {"parameters": point, "metrics": metrics, "score": score}))
