"""The pipeline that an audit probes, the questions that it was asked, and the report."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Protocol

import numpy as np

from assay.features import FeatureFile, training_table
from assay.kernel.arrays import FloatArray
from assay.kernel.bars import USABLE, Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.panel import Labels, Panel, Window
from assay.kernel.spec import TrainSpec
from assay.simulate import BacktestResult, simulate
from assay.targets import label_bars, parse_target
from assay.validate.splits import Splitter
from assay.validate.splits.splitters import split_plan


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Features of one instrument. values ``(n, k)``: row t knows bars <= t.   lookback: rows before the first whole."""

    values: FloatArray
    names: tuple[str, ...]
    lookback: int


class Simulate(Protocol):
    """What trades decisions: `assay.simulate.engine.simulate`, or what stands in for it."""

    def __call__(self, bars: Bars, decisions: Decisions, costs: Costs) -> BacktestResult:
        """One instrument alone, flat before the first row."""
        ...


Features = Callable[[Sequence[Bars]], Sequence[Columns]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """The steps of a training, as functions of candles.

    features: columns of every instrument, in the order of the bars; all have the same names.
    label:    None for learners that read none.   plan: folds over a panel.
    alone:    an instrument's columns are declared to read that instrument only.
    own:      some columns are the user's own code: a replay computes them again for every row that it asks about.
    """

    features: Features
    plan: Callable[[Panel], Splitter]
    label: Callable[[Bars], Labels] | None = None
    costs: Costs = field(default_factory=Costs)
    simulate: Simulate = simulate
    alone: bool = True
    own: bool = False

    def view(self, bars: Sequence[Bars], *, labelled: bool) -> "Seen":
        """Candles through columns and, if asked, labels."""
        columns = tuple(self.features(bars))
        label = self.label if labelled else None
        labels = tuple(None if label is None else _usable(each, label(each)) for each in bars)
        return Seen(tuple(bars), columns, labels)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Candles with all that was made of them; every row of every instrument, warm-up included."""

    bars: tuple[Bars, ...]
    columns: tuple[Columns, ...]
    labels: tuple[Labels | None, ...]

    @property
    def warm_up(self) -> int:
        """Rows at the start of each instrument that no learner sees."""
        return max(c.lookback for c in self.columns)

    def panel(self, warm_up: int) -> Panel:
        """What a learner sees, from row `warm_up` of each instrument on; an instrument with no row left is left out."""
        parts = zip(self.bars, self.columns, self.labels, strict=True)
        windows = [Window(b, c.values, c.names, y)[warm_up:] for b, c, y in parts if len(b) > warm_up]
        return Panel.of(*windows)


def per_symbol(columns: Callable[[Bars], Columns]) -> Features:
    """Columns that read one instrument, for each instrument; names that one lacks are left out for all."""

    def everyone(bars: Sequence[Bars]) -> Sequence[Columns]:
        result = [columns(each) for each in bars]
        names = tuple(n for n in result[0].names if all(n in each.names for each in result))
        return [_only(each, names) for each in result]

    return everyone


def no_columns(bars: Sequence[Bars]) -> Sequence[Columns]:
    """For learners that read candles only."""
    return [Columns(np.empty((len(each), 0)), (), 0) for each in bars]


def _only(columns: Columns, names: tuple[str, ...]) -> Columns:
    if columns.names == names:
        return columns
    stored = [columns.names.index(name) for name in names]
    return Columns(np.ascontiguousarray(columns.values[:, stored]), names, columns.lookback)


def _usable(bars: Bars, labels: Labels) -> Labels:
    return labels.only(bars.columns[USABLE] == 1) if USABLE in bars.columns else labels


_ONLY_CANDLES = "rules"  # the learner that reads no feature and no label


def pipeline_of(spec: TrainSpec, own: FeatureFile | None = None) -> Pipeline:
    """Features, target, folds and costs of a training. Raises what `targets.parse` raises.

    own: the user's file of features that the spec names.
    """

    def folds(panel: Panel) -> Splitter:
        horizons = [window.labels.horizon for _, window in panel if window.labels is not None]
        return split_plan(spec.folds, panel, horizon=max(horizons, default=0))

    there: dict[str, tuple[str, ...]] = {}  # asked again, columns that no bars of the market have are not warned of

    def columns(bars: Bars) -> Columns:
        symbol = bars.instrument.symbol
        made = training_table(spec, bars, own, names=there.get(symbol))
        there.setdefault(symbol, made.names)
        return Columns(made.values, made.names, made.lookback)

    if spec.learner == _ONLY_CANDLES:
        return Pipeline(features=no_columns, plan=folds, costs=spec.costs)
    target = parse_target(spec.target.name, spec.target.params)
    return Pipeline(
        features=per_symbol(columns),
        plan=folds,
        label=lambda bars: label_bars(bars, target, costs=spec.costs),
        costs=spec.costs,
        own=own is not None,
    )


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that knew the future.

    probe: which question found it.   name: the column, target or stage.   cut: the last row that may have been known.
    row:   where the answer changed.   change: by how much.   text: the same as a sentence.
    """

    probe: str
    name: str
    cut: int
    row: int
    change: float
    text: str


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of a judged record was decided again.

    rows_judged: decisions that were judged.   rows_asked: of them decided again from bars that end there.
    profit_share: of all gains between two changes of the position, the share that began at a row that was decided
    again; NaN where nothing was gained.
    """

    rows_judged: int
    rows_asked: int
    profit_share: float

    @property
    def text(self) -> str:
        """As a sentence ends."""
        gains = f" ({self.profit_share:.0%} of the gains began at these)" if isfinite(self.profit_share) else ""
        rows = f"{self.rows_asked:,} of {self.rows_judged:,} judged decisions"
        return f"{rows} were made again from earlier bars only{gains}"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """`complete` unless a fit does not repeat or something could not be asked; `checks` counts questions by probe.

    coverage: of the judged record; None where none was replayed.
    """

    complete: bool
    violations: tuple[Violation, ...]
    checks: Mapping[str, int]
    notes: tuple[str, ...] = ()
    coverage: Coverage | None = None

    @property
    def passed(self) -> bool:
        """Complete, and nothing was found."""
        return self.complete and not self.violations
