"""Build the panel of a training from stored candles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.features import FeatureFile, Table, check_own_columns, own_names, training_table
from assay.kernel.bars import USABLE, Bars
from assay.kernel.errors import ConfigError, DataError
from assay.kernel.panel import Panel, Window
from assay.kernel.spec import TrainSpec
from assay.targets import label_bars, parse_target
from assay.validate import MIN_ROWS

_FLAT = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """A panel without warm-up rows, and what it was made of.

    bars:     all stored candles, by symbol; `panel` windows are these from row `warm_up` on.
    warm_up:  rows at the start of each window that the features need.
    absent:   reason by name for the features that the data cannot give.
    horizon:  most bars that a label looks ahead.
    own:      the user's file of features that the columns were computed with; None without one.
    """

    panel: Panel
    bars: Mapping[str, Bars]
    warm_up: int
    absent: Mapping[str, str]
    horizon: int
    own: FeatureFile | None = None

    @property
    def own_columns(self) -> tuple[str, ...]:
        """Names of the panel's columns that the user's file declares, lags and relative forms of them included."""
        return own_names(next(iter(self.panel.windows.values())).names, self.own)


def load_history(spec: TrainSpec, bars: Sequence[Bars], own: FeatureFile | None = None) -> History:
    """Features and labels for every instrument of a spec.

    own: the user's file that the spec names. A feature that one instrument lacks is left out for all, and named.
    Raises DataError ``DATA_TOO_FEW`` with the arithmetic, ``DATA_FLAT``; ConfigError ``CONFIG_FEATURE`` for a column of
    the user's that is infinite, has no number, or writes into the bars; and what `training_table` and `targets` raise.
    """
    target = parse_target(spec.target.name, spec.target.params)
    for each in bars:
        _refuse_flat(each)
    tables = [_columns_of(spec, each, own) for each in bars]
    names = tuple(n for n in tables[0].names if all(n in t.names for t in tables))
    warm_up = max(t.lookback for t in tables)
    windows = []
    for each, features in zip(bars, tables, strict=True):
        labels = label_bars(each, target, costs=spec.costs)
        if USABLE in each.columns:
            labels = labels.only(each.columns[USABLE] == 1)
        _refuse_few(each, warm_up, labels.horizon, tables)
        windows.append(Window(each, _columns(features, names), names, labels)[warm_up:])
    absent = {n: why for t in tables for n, why in t.absent.items()}
    horizon = max(w.labels.horizon for w in windows if w.labels is not None)
    return History(Panel.of(*windows), {b.instrument.symbol: b for b in bars}, warm_up, absent, horizon, own)


def _columns_of(spec: TrainSpec, bars: Bars, own: FeatureFile | None) -> Table:
    if own is None:
        return training_table(spec, bars)
    before = bars.digest()
    made = training_table(spec, bars, own)
    if bars.digest() != before:
        raise ConfigError(
            f"{own.title}: one of {', '.join(own.columns)} writes into the bars that it is given",
            code="CONFIG_FEATURE",
            hint="assay audit --features-file names it.",
            file=own.name,
        )
    check_own_columns(made, bars, own)
    return made


def bare(bars: Sequence[Bars]) -> History:
    """Candles alone, for learners that read no feature and no label."""
    return History(Panel.of(*map(Window.of_bars, bars)), {b.instrument.symbol: b for b in bars}, 0, {}, 0)


def _columns(features: Table, names: tuple[str, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    if features.names == names:
        return features.values
    return np.ascontiguousarray(features.values[:, [features.names.index(n) for n in names]])


def _refuse_few(bars: Bars, warm_up: int, horizon: int, tables: Sequence[Table]) -> None:
    usable = len(bars) - warm_up - horizon - 1
    if usable < MIN_ROWS:
        raise DataError(
            f"{bars.instrument}: {max(usable, 0)} usable rows, {MIN_ROWS} needed: {len(bars)} bars less {warm_up} of "
            f"warm-up ({_longest(tables)} reads so many) less {horizon + 1} whose label is not known yet",
            code="DATA_TOO_FEW",
            hint="Import more history, or choose a feature set with a shorter warm-up (mini5 needs 9 bars).",
            have=usable,
            need=MIN_ROWS,
        )


def _longest(tables: Sequence[Table]) -> str:
    """The name of the column that looks back furthest."""
    rows = {n: rows for t in tables for n, rows in zip(t.names, t.lookbacks, strict=True)}
    return max(rows, key=lambda name: rows[name], default="no column")


def _refuse_flat(bars: Bars) -> None:
    share = float((np.diff(bars.close) == 0).mean()) if len(bars) > 1 else 0.0
    if share > _FLAT:
        raise DataError(
            f"{bars.instrument}: {share:.0%} of the bars close where the one before did, at most {_FLAT:.0%} may be",
            code="DATA_FLAT",
            share=share,
        )
