"""Planted leaks. A check that lets one of these pass is no check."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.contracts import Report
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.panel import Labels, Panel, Window
from assay.simulate import BacktestResult, simulate
from assay.testing.trainers import TinyModel, correlations, label_panel, tiny

_BARS_OF_FOUR = 4
_EARLY = 1_577_836_800_000 + 150 * 3_600_000  # of markets that begin in 2020
_MARKETS = 2  # of the planted pipelines


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


def unclosed_higher_timeframe(bars: Bars) -> FloatArray:
    """The close of the four-bar candle that a row lies in, from its first row on: a resample filled from the future."""
    last = np.minimum(np.arange(len(bars)) // _BARS_OF_FOUR * _BARS_OF_FOUR + _BARS_OF_FOUR - 1, len(bars) - 1)
    return bars.close[last]


FEATURE_LEAKS: tuple[Callable[[Bars], FloatArray], ...] = (
    shift_minus_one,
    centred_window,
    global_zscore,
    backfill,
    unclosed_higher_timeframe,
)


def cross_symbol_shift(many: Sequence[Bars]) -> list[FloatArray]:
    """The close of the row before, in a table of all symbols sorted by time and not grouped: the neighbour's."""
    last = [np.r_[np.nan, each.close[:-1]] for each in many]
    return [last[0] if len(many) == 1 else last[-1], *(each.close for each in many[:-1])]


def complete_higher_open(bars: Bars) -> FloatArray:
    """The open of the four-bar candle that a row lies in, where a resample did not drop the candle as unfinished."""
    candle = bars.timestamp // (_BARS_OF_FOUR * bars.instrument.bar.ms)
    _, first, which, count = np.unique(candle, return_index=True, return_inverse=True, return_counts=True)
    whole: FloatArray = np.where(count == _BARS_OF_FOUR, bars.open[first], np.nan)[which]
    return whole


def early_higher_open(bars: Bars) -> FloatArray:
    """`complete_higher_open` on the first 150 hours of 2020, which are trained on and not judged; the open later."""
    early = bars.timestamp < _EARLY
    return np.where(early, complete_higher_open(bars), bars.open)


def unit_by_range(bars: Bars) -> FloatArray:
    """Closes in a unit that is chosen by the highest price that ever comes."""
    return bars.close / (1.0 if bars.close.max() < 2 * bars.close[0] else 100.0)


def long_memory(bars: Bars) -> FloatArray:
    """A mean of 50 rows: honest, for those who declare 49 rows of history."""
    sums = np.cumsum(np.r_[0.0, bars.close])
    whole = (sums[50:] - sums[:-50]) / 50
    return np.r_[np.full(min(49, len(bars)), np.nan), whole][: len(bars)] / bars.close


def hindsight(bars: Bars, decisions: Decisions, costs: Costs, *, ahead: int = 12) -> BacktestResult:
    """Trades what is decided, but for what will have lost `ahead` bars later."""
    later = np.r_[bars.close[ahead:], np.full(min(ahead, len(bars)), bars.close[-1])]
    loses = (later - bars.close) * decisions.target < 0
    return simulate(bars, replace(decisions, target=np.where(loses, np.nan, decisions.target)), costs)


def too_short_lookback(label: Callable[[Bars], Labels], *, bars_early: int = 1) -> Callable[[Bars], Labels]:
    """The same labels, said to be known `bars_early` bars before they are."""

    def early(bars: Bars) -> Labels:
        honest = label(bars)
        available = np.maximum(honest.known_at - bars_early * bars.instrument.bar.ms, bars.known_at)
        return replace(honest, known_at=available)

    return early


def too_long_lookback(label: Callable[[Bars], Labels]) -> Callable[[Bars], Labels]:
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
        x, y = label_panel(train)
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
        x, y = label_panel(train)
        everywhere, _ = correlations(*label_panel(self.whole))
        report.progress(1.0, {})
        return tiny(x, everywhere, correlations(x, y)[0], keep=1)


@dataclass(frozen=True, slots=True)
class StopsOnTest:
    """Goes along the honest weights until they fit every row best, test rows included."""

    name: ClassVar[str] = "early_stop_on_test"
    whole: Panel

    def fit(self, train: Panel, *, seed: int, report: Report) -> TinyModel:
        """See `Trainer`."""
        x, y = label_panel(train)
        honest = tiny(x, *correlations(x, y), keep=2)
        all_x, all_y = label_panel(self.whole)
        score = ((all_x - honest.centre) / honest.spread) @ honest.weight
        report.progress(1.0, {})
        return replace(honest, weight=honest.weight * float(score @ all_y / (score @ score)))


@dataclass(frozen=True, slots=True)
class NextBarModel:
    """Acts on an observation that holds the bar that it will trade on."""

    lookback: int = 0

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`."""
        return {symbol: Decisions.weights(np.sign(self.observe(window))) for symbol, window in panel}

    def observe(self, window: Window) -> FloatArray:
        """``(n,)`` the move of the bar after each row."""
        return np.r_[np.diff(window.bars.close), 0.0]

    def save(self, folder: Path) -> None:
        """Write ``acting.json``; it has learnt nothing."""
        (folder / "acting.json").write_text("{}", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class ObservesNextBar:
    """Makes a `NextBarModel`."""

    name: ClassVar[str] = "observation_next_bar"

    def fit(self, train: Panel, *, seed: int, report: Report) -> NextBarModel:
        """See `Trainer`."""
        report.progress(1.0, {})
        return NextBarModel()


@dataclass(frozen=True, slots=True)
class JudgedLengthModel:
    """Honest but on panels of exactly `rows` rows (a test fold with its one row of history): there it looks ahead."""

    rows: int = 81
    lookback: int = 1

    def decide(self, panel: Panel) -> dict[str, Decisions]:
        """See `Model`."""
        return {symbol: Decisions.weights(np.sign(self._move(window))) for symbol, window in panel}

    def _move(self, window: Window) -> FloatArray:
        change = np.diff(window.bars.close)
        return np.r_[change, 0.0] if len(window) == self.rows else np.r_[0.0, change]

    def save(self, folder: Path) -> None:
        """Write ``acting.json``; it has learnt nothing."""
        (folder / "acting.json").write_text("{}", encoding="utf-8")


@dataclass(frozen=True, slots=True)
class PeeksAtJudgedLength:
    """Makes a `JudgedLengthModel`."""

    name: ClassVar[str] = "peeks_at_judged_length"

    def fit(self, train: Panel, *, seed: int, report: Report) -> JudgedLengthModel:
        """See `Trainer`."""
        report.progress(1.0, {})
        return JudgedLengthModel()


class SecondCall:
    """A column that is honest but for the second time that it is asked for a market. It counts its calls."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, bars: Bars) -> FloatArray:
        """``(n,)`` the move of the last bar; of the next one in the second call."""
        self._calls += 1
        change = np.diff(bars.close) / bars.close[:-1]
        return np.r_[change, 0.0] if self._calls == _MARKETS + 1 else np.r_[0.0, change]
