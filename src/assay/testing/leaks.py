"""Planted leaks. A check that lets one of these pass is no check."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Report
from assay.kernel.labels import Labels
from assay.kernel.panel import Panel
from assay.testing.trainers import TinyModel, correlations, labelled, tiny

_BARS_OF_FOUR = 4


def shift_minus_one(bars: Bars) -> FloatArray:
    """The next close as a feature."""
    return np.r_[bars.close[1:], np.nan] / bars.close


def centred_window(bars: Bars) -> FloatArray:
    """A rolling mean that looks as far ahead as back."""
    return np.convolve(bars.close, np.ones(5) / 5, mode="same")


def global_zscore(bars: Bars) -> FloatArray:
    """Mean and deviation of the whole series."""
    return (bars.close - bars.close.mean()) / bars.close.std()


def backfill(bars: Bars) -> FloatArray:
    """Every second value missing, filled from the row after it."""
    values = np.where(np.arange(len(bars)) % 2, np.nan, bars.close)
    return np.where(np.isnan(values), np.r_[values[1:], np.nan], values)


def unclosed_higher_bar(bars: Bars) -> FloatArray:
    """The close of the four-bar candle that a row lies in, from its first row on: a resample filled from the future."""
    last = np.minimum(np.arange(len(bars)) // _BARS_OF_FOUR * _BARS_OF_FOUR + _BARS_OF_FOUR - 1, len(bars) - 1)
    return bars.close[last]


FEATURE_LEAKS: tuple[Callable[[Bars], FloatArray], ...] = (
    shift_minus_one,
    centred_window,
    global_zscore,
    backfill,
    unclosed_higher_bar,
)


def understated(label: Callable[[Bars], Labels], *, bars_early: int = 1) -> Callable[[Bars], Labels]:
    """The same labels, said to be known `bars_early` bars before they are."""

    def early(bars: Bars) -> Labels:
        honest = label(bars)
        known = np.maximum(honest.known_at - bars_early * bars.instrument.bar.ms, bars.known_at)
        return replace(honest, known_at=known)

    return early


def overstated(label: Callable[[Bars], Labels]) -> Callable[[Bars], Labels]:
    """Labels that wait for a future which they do not look at: y is what this bar did."""

    def late(bars: Bars) -> Labels:
        honest = label(bars)
        return replace(honest, y=np.where(np.isnan(honest.y), np.nan, np.sign(bars.close - bars.open)))

    return late


@dataclass(frozen=True, slots=True)
class ScalerOnAll:
    """Scales by every row that it can lay hands on: those of `whole`, or all rows of its panel, labelled or not."""

    name: ClassVar[str] = "scaler_on_all"
    whole: Panel | None = None

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        """See `Trainer`."""
        x, y = labelled(train)
        honest = tiny(x, *correlations(x, y), keep=2)
        rows = np.concatenate([w.features for _, w in self.whole or train])
        report.progress(1.0, {})
        return replace(honest, centre=np.nanmean(rows, axis=0), spread=np.nanstd(rows, axis=0))


@dataclass(frozen=True, slots=True)
class SelectorOnAll:
    """Chooses columns by their correlation with the labels of the whole panel, learns on its train rows."""

    name: ClassVar[str] = "selector_on_all"
    whole: Panel

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        """See `Trainer`."""
        x, y = labelled(train)
        everywhere, _ = correlations(*labelled(self.whole))
        report.progress(1.0, {})
        return tiny(x, everywhere, correlations(x, y)[0], keep=1)


@dataclass(frozen=True, slots=True)
class StopsOnTest:
    """Goes along the honest weights until they fit every row best, test rows included."""

    name: ClassVar[str] = "early_stop_on_test"
    whole: Panel

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        """See `Trainer`."""
        x, y = labelled(train)
        honest = tiny(x, *correlations(x, y), keep=2)
        all_x, all_y = labelled(self.whole)
        score = ((all_x - honest.centre) / honest.spread) @ honest.weight
        report.progress(1.0, {})
        return replace(honest, weight=honest.weight * float(score @ all_y / (score @ score)))
