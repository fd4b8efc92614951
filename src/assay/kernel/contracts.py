"""Protocols of trainer, model and training report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.decisions import Decisions
from assay.kernel.panel import Panel, Window


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A scored configuration, as the ledger counts it.

    market_key:  ``exchange|symbol|timeframe``; of a panel the sorted keys joined by ``+``.
    learner:     ``ensemble``, ``lstm``, ``ppo`` or ``rules``.
    strategy:    the rule's or recipe's name.
    params:      everything that tells this configuration from another one.
    returns:     ``(n,)`` net out-of-sample return per bar, the bars that it was scored on; empty when it failed.
    tops:        of many configurations a Parquet file with the returns of the distinct best ones, a column each that is
                 named by its row in `block`; empty for one.
    bars:        so many returns the score rests on, where `returns` does not hold them; None where it does.
    metrics:     fractions, per bar unless the name says annual; undefined is NaN.
    window:      ``(first, last)`` int ms of the out-of-sample span; None when it failed.
    n_configs:   configurations that this entry stands for: of a sweep many, and all else is that of its best.
    block:       of many configurations a Parquet file with a row for each; empty for one.
    identity:    SHA-256 of what is judged: the spec without the end of its bars, the code, files of one's own; empty
                 where it is not known. All trials of one identity are one look for itself.
    recipe:      SHA-256 of the spec without its market: the same idea on several markets; empty where not known.
    intervals:   ``[first, last]`` int ms bar opens of each stretch that was scored (test folds); empty is `window`.
    active:      ``(n,)`` active returns, see `validate`; empty where they are not known.
    times:       ``(n,)`` int64 ms bar opens of `active`; empty where that is.
    mean_exposure: by symbol the mean notional over equity; empty where it is not known.
    """

    market_key: str
    learner: str
    strategy: str
    params: Mapping[str, Any]
    returns: FloatArray
    metrics: Mapping[str, float]
    objective: str = "sharpe"
    score: float = float("nan")
    total_trades: int = 0
    window: tuple[int, int] | None = None
    state: Literal["complete", "pruned", "failed"] = "complete"
    tuning_method: Literal["none", "grid", "random", "bayesian", "sweep", "manual"] = "none"
    seed: int = 0
    data_digest: str = ""
    duration_seconds: float = 0.0
    n_configs: int = 1
    block: bytes = b""
    tops: bytes = b""
    bars: int | None = None
    identity: str = ""
    recipe: str = ""
    intervals: tuple[tuple[int, int], ...] = ()
    active: FloatArray = field(default_factory=lambda: np.empty(0))
    times: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    mean_exposure: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_obs(self) -> int:
        """Return observations that the score rests on."""
        return int(np.isfinite(self.returns).sum()) if self.bars is None else self.bars


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
