"""Protocols of trainer, model and training report."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from assay.kernel.arrays import FloatArray
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window
from assay.kernel.trial import Trial


class Report(Protocol):
    """A fit's only way out."""

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        """Say how far the work is (0..1, never falling) and what it measures. May raise to cancel."""
        ...

    def trial(self, trial: Trial) -> int:
        """Count a scored configuration in the ledger *before* its score is used. Returns its number in the chain."""
        ...


@runtime_checkable
class Model(Protocol):
    """Turns history into decisions."""

    @property
    def lookback(self) -> int:
        """Rows of history needed before the first decision."""
        ...

    def decide(self, panel: Panel) -> Mapping[str, Decisions]:
        """Decisions by symbol, one row for each row of that symbol's window.

        Row t may use rows <= t of the panel. Rows before `lookback` are flat (target 0, no levels). A window with no
        more than `lookback` rows gives flat decisions, no error.
        """
        ...

    def save(self, folder: Path) -> None:
        """Write the model into an empty folder, in formats that cannot run code when read."""
        ...


@runtime_checkable
class Forecaster(Protocol):
    """A model that forecasts and then sizes; `Model.decide` is `size` of `forecast`. Its forecasts are judged too.

    ``forecast``: ``(n, k)`` by symbol, one column a class of the target, NaN where it cannot say.
    """

    def forecast(self, panel: Panel) -> Mapping[str, FloatArray]:
        """Forecasts by symbol, one row for each row of that symbol's window; row t may use rows <= t."""
        ...

    def size(self, forecast: FloatArray, window: Window) -> Decisions:
        """Decisions of one instrument from its forecast."""
        ...


@runtime_checkable
class Trainer(Protocol):
    """Turns a panel of history into a model."""

    name: ClassVar[str]

    def fit(self, train: Panel, *, seed: int, report: Report) -> Model:
        """Learn from the rows of ``train`` that have a label, and from nothing else.

        Same panel and seed: same decisions. Does not change its input. Ends with ``report.progress(1.0, …)``.
        """
        ...


class NullReport:
    """A report that listens to nobody and counts its trials for itself. For tests and scripts."""

    def __init__(self) -> None:
        self.trials: list[Trial] = []

    def progress(self, share_done: float, metrics: Mapping[str, float]) -> None:
        """Hear and forget."""

    def trial(self, trial: Trial) -> int:
        """Keep the trial; its number is its place, from 1."""
        self.trials.append(trial)
        return len(self.trials)
