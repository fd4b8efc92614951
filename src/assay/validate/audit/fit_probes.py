"""Probes of fits: does a fit know the bars of its test fold?"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol, runtime_checkable

import numpy as np

from assay.kernel.contracts import Model, NullReport, Trainer
from assay.kernel.fold import Fold
from assay.kernel.panel import Panel
from assay.kernel.seeding import integer
from assay.validate._walk_forward import FoldResult
from assay.validate.audit.decision_probes import Acting
from assay.validate.audit.perturbations import first_change, first_changed_decision, perturb
from assay.validate.audit.replay import AuditState, size

LOOSE = {"lstm": 1e-6, "ppo": 1e-6}
"""Trainers whose sums may depend on the machine's libraries; all others repeat themselves to the bit."""
_PROBE_ROWS = 300  # rows of the stored probe that a model without stable bytes decides on
Making = Callable[[Panel], Trainer]


@runtime_checkable
class Auditable(Protocol):
    """A trainer that can be had with a small budget and the same code path."""

    def for_audit(self) -> Trainer:
        """The same trainer, quicker: fewer rounds, fewer candidates."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """One fit of one fold. files: what the model saved, by name."""

    fold: int
    learnt: Panel
    acting: Acting
    files: dict[str, bytes]


class Fits:
    """Fits of an audit. trainer: or what makes one for a whole panel, for trainers that are prepared on one.

    stable: whether two fits with one seed gave the same bytes; else decisions are compared.
    """

    def __init__(self, ground: AuditState, trainer: Trainer | Making) -> None:
        self.ground, self.trainer = ground, trainer
        self.stable = True
        self.count = 0
        self._repeats: dict[int, bool] = {}

    def fit(self, number: int, panel: Panel) -> Fitted:
        """Fold `number` of the unchanged plan, learnt from this panel."""
        trainer = for_audit(self.trainer, panel)
        learnt = panel.train_view(self.ground.folds[number].train)
        model = trainer.fit(learnt, seed=integer(self.ground.seed, f"fold {number}"), report=NullReport())
        self.count += 1
        return Fitted(number, learnt, Acting(model, trainer.name, LOOSE.get(trainer.name, 0.0)), _files(model))

    def of_walk(self, outcome: FoldResult, panel: Panel) -> Fitted | None:
        """A fit that a walk over this panel made, as `fit` would make it; None where an audit fits in another way."""
        trainer = _made(self.trainer, panel)
        if outcome.model is None or isinstance(trainer, Auditable):
            return None
        acting = Acting(outcome.model, trainer.name, LOOSE.get(trainer.name, 0.0))
        return Fitted(outcome.number, panel.train_view(outcome.fold.train), acting, _files(outcome.model))

    def repeats(self, first: Fitted) -> bool:
        """Whether the same fit gives the same model; settles what is compared. Fits once a fold."""
        if first.fold not in self._repeats:
            self._repeats[first.fold] = self._repeated(first)
        return self._repeats[first.fold]

    def _repeated(self, first: Fitted) -> bool:
        again = self.fit(first.fold, self.ground.panel)
        self.stable = self.stable and first.files == again.files
        if first.files == again.files or self._apart(first, again) is None:
            return True
        self.ground.complete = False
        self.ground.notes.append(
            f"LEAK_UNREPEATABLE: two fits of fold {first.fold} with one seed decided otherwise, "
            "so nothing can be said of the fit"
        )
        return False

    def probe(self, first: Fitted, how: str) -> None:
        """The fold's fit is the same when the bars from its test run's first row on are others.

        Where it is not, the unchanged fit is made again: a fit that does not repeat itself says nothing.
        """
        ground = self.ground
        if not all(self._repeats.values()) or not ground.ask("fit"):
            return
        instant = int(ground.panel.times[_test(ground, first.fold)[0]])
        other = ground.pipeline.view(perturb(ground.bars, instant - 1, how, seed=ground.seed), labelled=True)
        again = self.fit(first.fold, other.panel(ground.warm_up))
        where = f"fold {first.fold} when bars from its test run's first row on were {how}"
        if self._inputs_differ(first, again, instant, where) or first.files == again.files or not self.repeats(first):
            return
        name, text = first.acting.name, ""
        change = float("nan")
        if self.stable:
            files = [f for f in sorted(first.files | again.files) if first.files.get(f) != again.files.get(f)]
            text = f"the fit of '{name}' wrote another {files[0]} for {where}"
        elif (change_ := self._apart(first, again)) is not None:
            text, change = f"the fit of '{name}' decided otherwise for {where}", change_
        if text:
            cut = ground.cut_of(0, instant - 1)
            ground.blame("fit", name, text, symbol=0, cut=cut, row=cut + 1, change=change)

    def _inputs_differ(self, first: Fitted, again: Fitted, instant: int, where: str) -> bool:
        """Whether what was learnt from differs already: then the column or the label is named, not the trainer."""
        for symbol, window in first.learnt:
            number = [b.instrument.symbol for b in self.ground.bars].index(symbol)
            other = again.learnt[symbol]
            result = first_change(window.names, window.features, other.features, tolerance=0.0)
            if window.labels is not None and other.labels is not None:
                name = window.labels.name
                pair = window.labels.y[:, None], other.labels.y[:, None]
                result = result + first_change([name], *pair, tolerance=0.0)
            for each in result:
                row = int(np.searchsorted(self.ground.bars[number].timestamp, window.bars.timestamp[each.row]))
                text = f"'{each.name}' at train row {row} {size(each.change)} for {where}"
                cut = self.ground.cut_of(number, instant - 1)
                self.ground.blame("fit", each.name, text, symbol=number, cut=cut, row=row, change=each.change)
            if result:
                return True
        return False

    def _apart(self, first: Fitted, again: Fitted) -> float | None:
        """How far two models' decisions on the first rows of the fold's test run lie apart; None: not at all."""
        rows = _test(self.ground, first.fold)[:_PROBE_ROWS]
        view = self.ground.panel.predict_view(rows, lookback=first.acting.model.lookback)
        made = [f.acting.model.decide(view) for f in (first, again)]
        for symbol, was in made[0].items():
            result = first_changed_decision(was, made[1][symbol], tolerance=first.acting.tolerance)
            if result is not None:
                return result.change
        return None


def for_audit(trainer: Trainer | Making, panel: Panel) -> Trainer:
    """The trainer, or what the function makes for a panel; its smaller self where it offers one."""
    whole = _made(trainer, panel)
    return whole.for_audit() if isinstance(whole, Auditable) else whole


def _made(trainer: Trainer | Making, panel: Panel) -> Trainer:
    if isinstance(trainer, Trainer) and not isinstance(trainer, type):
        return trainer
    return trainer(panel)  # a class has all that a trainer has, and is a maker


def _test(ground: AuditState, number: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    fold: Fold = ground.folds[number]
    return fold.test


def _files(model: Model) -> dict[str, bytes]:
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(Path(folder).rglob("*")) if p.is_file()}
