"""Fit the ensemble: gather, split, prepare, fit each member, calibrate."""

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import ClassVar

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.contracts import Report
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.panel import Panel
from assay.kernel.spec import SizingChoice
from assay.learn.ensemble.calibrate import fit_calibration
from assay.learn.ensemble.model import FITS, EnsembleModel, Learning, Member
from assay.learn.ensemble.params import EnsembleParams
from assay.learn.ensemble.preprocessing import Columns, Samples, demand_classes, fit_columns, gather, inner_split
from assay.learn.sizing import sizing_rule

_AUDITED = 20  # trees of each member where an audit fits
_PREPARING = Lock()  # while rows are prepared there are two copies of them: one fold of a walk at a time


@dataclass(frozen=True, slots=True)
class EnsembleTrainer:
    """Soft-voting classifier over the panel's features. Implements `assay.kernel.contracts.Trainer`.

    params: see `EnsembleParams`.   choice: how forecasts are sized.   short: may positions be short.
    """

    name: ClassVar[str] = "ensemble"
    params: EnsembleParams = field(default_factory=EnsembleParams)
    choice: SizingChoice = field(default_factory=SizingChoice)
    short: bool = True

    def fit(self, train: Panel, *, seed: int, report: Report) -> EnsembleModel:
        """See `Trainer`. Scaler, screen, selector, stopping round and calibration come from the train rows alone.

        Raises DataError ``DATA_DEGENERATE`` (one class, no usable column), ``DATA_TOO_FEW``; ConfigError
        ``CONFIG_TARGET`` for a target without classes; LeakError ``LEAK_SUSPECT`` from the screen.
        """
        classes, side = _classes(train)
        names = _names(train)
        with _PREPARING:
            columns, learning = self._prepare(train, names, classes, seed)
        members = self._members(learning, report)
        votes = sum(
            (self.params.votes[n] * m.vote(learning.vx) for n, m in members.items()),
            np.zeros((len(learning.vy), len(classes))),
        )
        model = EnsembleModel(
            members=members,
            votes=self.params.votes,
            columns=columns,
            calibration=fit_calibration(self.params.calibration, votes, learning.vy, learning.vplain),
            classes=classes,
            side=side,
            short=self.short,
            sizing=sizing_rule(self.choice),
            sizing_name=self.choice.name,
        )
        report.progress(1.0, {})
        return model

    def for_audit(self) -> "EnsembleTrainer":
        """The same code path with few trees: what a causality audit refits."""
        p = self.params
        few = replace(p, trees=min(p.trees, _AUDITED), forest_trees=min(p.forest_trees, _AUDITED))
        return replace(self, params=few)

    def _prepare(
        self, train: Panel, names: tuple[str, ...], classes: tuple[float, ...], seed: int
    ) -> tuple[Columns, Learning]:
        """Rows gathered, split, checked, screened and scaled; what was only a step on the way is let go on return."""
        samples = gather(train, classes, weigh=self.params.uniqueness)
        older, newest = inner_split(samples, self.params.validation_share)
        if not len(older):
            raise DataError(
                f"{len(samples)} labelled rows leave none to fit: the newest {self.params.validation_share:.0%} "
                "validate and the labels of all others end after the first of these",
                code="DATA_TOO_FEW",
                hint="Give more train rows (--train-bars, or more history), or a target with a nearer horizon.",
            )
        demand_classes(older, classes, what="train")
        demand_classes(newest, classes, what="validation")
        columns = fit_columns(older, names, self.params, seed=seed)
        return columns, Learning(
            x=columns.apply(older.x),
            y=older.y,
            weight=_balanced(older, len(classes), on=self.params.balance),
            vx=columns.apply(newest.x),
            vy=newest.y,
            vweight=_balanced(newest, len(classes), on=self.params.balance),
            vplain=newest.weight,
            n_classes=len(classes),
            params=self.params,
            seed=seed,
            tick=lambda: None,
        )

    def _members(self, learning: Learning, report: Report) -> dict[str, Member]:
        count = len(self.params.members)
        members: dict[str, Member] = {}
        for done, name in enumerate(self.params.members):
            members[name] = FITS[name](_ticking(learning, report, done / count))
        return members


def _ticking(learning: Learning, report: Report, share: float) -> Learning:
    """The same task, reporting (and so cancelling) after every boosting round."""
    return replace(learning, tick=lambda: report.progress(share, {}))


def _classes(train: Panel) -> tuple[tuple[float, ...], int]:
    labels = [window.labels for _, window in train if window.labels is not None]
    if not labels or not labels[0].classes:
        name = labels[0].name if labels else "none"
        raise ConfigError(
            f"the ensemble learns classes, target {name} has none; use profitable, direction or a pattern",
            code="CONFIG_TARGET",
        )
    if any((each.classes, each.side) != (labels[0].classes, labels[0].side) for each in labels):
        raise ConfigError("one model needs one target for all symbols", code="CONFIG_TARGET")
    return labels[0].classes, labels[0].side


def _names(train: Panel) -> tuple[str, ...]:
    first, *others = (window for _, window in train)
    for window in others:
        if window.names != first.names:
            raise DataError(
                f"{window.bars.instrument} has other columns than {first.bars.instrument}, or in another order",
                code="DATA_FEATURES",
            )
    return first.names


def _balanced(samples: Samples, n_classes: int, *, on: bool) -> FloatArray:
    """Sample weights under which each class that occurs weighs the same; mean 1."""
    if not on:
        return samples.weight
    totals = np.bincount(samples.y, weights=samples.weight, minlength=n_classes)
    factor = np.divide(
        samples.weight.sum() / max(1, (totals > 0).sum()), totals, where=totals > 0, out=np.zeros(n_classes)
    )
    return samples.weight * factor[samples.y]
