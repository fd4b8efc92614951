"""Protocols of trainer, model and training report; folds and trials as they are passed between packages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, LeakError
from assay.kernel.panel import Panel, Window

State = Literal["PASS", "FAIL", "UNKNOWN"]
"""What a check came to; UNKNOWN where there is too little to tell."""


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


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """Rows to learn from and rows to be judged on.

    train, test: int64 row positions, increasing, not empty, without a row in common.
    decided_at, known_at: ``(n,)`` int64 of one unit, full length: the closed label interval of every row.

    Raises LeakError ``LEAK_FOLD`` if the label interval of any train row shares an instant with that of any test row
    (López de Prado 2018, *Advances in Financial Machine Learning*, 7.4.1, inclusive); ConfigError ``CONFIG_FOLDS`` for
    empty, unordered or overlapping sets and for a row known before it is decided. Cost: O(n log n).
    """

    train: IntArray
    test: IntArray
    decided_at: IntArray
    known_at: IntArray

    def __post_init__(self) -> None:
        if len(self.decided_at) != len(self.known_at):
            raise ConfigError("decided_at and known_at need one length", code="CONFIG_FOLDS")
        _check_rows("train", self.train, len(self.decided_at))
        _check_rows("test", self.test, len(self.decided_at))
        if np.any(self.known_at < self.decided_at):
            row = int(np.argmax(self.known_at < self.decided_at))
            raise ConfigError(
                f"row {row} is known at {self.known_at[row]}, before it is decided at {self.decided_at[row]}",
                code="CONFIG_FOLDS",
            )
        if np.intersect1d(self.train, self.test).size:
            raise ConfigError("train and test share rows", code="CONFIG_FOLDS")
        wrong = conflicts(self.train, self.test, self.decided_at, self.known_at)
        if wrong.any():
            row = int(self.train[np.argmax(wrong)])
            begins, ends = self.decided_at[self.test], self.known_at[self.test]
            meets = (begins <= self.known_at[row]) & (ends >= self.decided_at[row])
            other = int(self.test[np.argmax(meets)])
            raise LeakError(
                f"train row {row} is decided at {self.decided_at[row]} and known at {self.known_at[row]}, "
                f"but test row {other} decides at {self.decided_at[other]}",
                code="LEAK_FOLD",
                hint="Widen the gap between train and test, or shorten the target's horizon.",
                train_row=row,
                test_row=other,
                known_at=int(self.known_at[row]),
                decided_at=int(self.decided_at[other]),
            )


def conflicts(rows: IntArray, test: IntArray, decided_at: IntArray, known_at: IntArray) -> BoolArray:
    """``(len(rows),)``: which rows' label intervals ``[decided_at, known_at]`` share an instant with a test row's.

    Row against row, not against the hull of the test set: labels of varying length leave holes that may be used.
    """
    order = np.argsort(decided_at[test], kind="stable")
    begins = decided_at[test][order]
    latest = np.maximum.accumulate(known_at[test][order])
    before = np.searchsorted(begins, known_at[rows], side="right") - 1
    met: BoolArray = (before >= 0) & (latest[np.maximum(before, 0)] >= decided_at[rows])
    return met


def _check_rows(name: str, rows: IntArray, n: int) -> None:
    if rows.size == 0:
        raise ConfigError(f"fold: {name} is empty", code="CONFIG_FOLDS")
    if np.any(np.diff(rows) <= 0) or rows[0] < 0 or rows[-1] >= n:
        raise ConfigError(f"fold: {name} rows must increase and lie in 0..{n - 1}", code="CONFIG_FOLDS")
