"""History as a trainer and a model see it, and the labels that belong to it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import DataError


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The answers that a trainer learns from, one a row.

    y:        ``(n,)`` float64; NaN where the row has no label (its future is not complete, or the target cannot say).
    known_at: ``(n,)`` int64 ms, when ``y`` is fully known; the row's own decision time where ``y`` is NaN.
    end:      ``(n,)`` int64 row of the bar that makes ``y`` known; the row itself where ``y`` is NaN.
    name:     the target and its parameters, as it stands in the spec.
    horizon:  most bars that any label looks ahead.
    classes:  the values that ``y`` may take, increasing; empty for a real-valued target.
    side:     +1 if a larger ``y`` speaks for holding the instrument, -1 if it speaks against it.
    dropped:  rows without a label, counted by reason (``tail``, ``warm_up``, ``nan`` …).
    """

    y: FloatArray
    known_at: IntArray
    end: IntArray
    name: str
    horizon: int
    classes: tuple[float, ...] = ()
    side: int = 1
    dropped: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        if not len(self.y) == len(self.known_at) == len(self.end):
            raise DataError(f"{self.name}: y, known_at and end need one length", code="DATA_SCHEMA")

    def __len__(self) -> int:
        return len(self.y)

    def __getitem__(self, rows: slice) -> "Labels":
        """A stretch of rows; a label whose end lies beyond the last row of the stretch is taken away.

        Its `known_at` still says when it would have been known: `Window` puts that right, it has the bars.
        """
        if rows.step not in (None, 1):
            raise IndexError("labels are cut in stretches, without a step")
        start, stop, _ = rows.indices(len(self))
        y, end = self.y[start:stop].copy(), self.end[start:stop] - start
        beyond = end >= stop - start
        y[beyond] = np.nan
        return replace(self, y=y, known_at=self.known_at[start:stop], end=end)

    def only(self, rows: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> "Labels":
        """The same labels with ``y`` NaN outside the mask ``rows`` ``(n,)``."""
        return replace(self, y=np.where(rows, self.y, np.nan))

    def settle(self, decided_at: IntArray) -> "Labels":
        """Rows without a label are known at their own decision and end at themselves, so that they tell nothing.

        decided_at: ``(n,)`` int64 ms. When a barrier would be touched is an answer too.
        """
        there = np.isfinite(self.y)
        return replace(
            self,
            known_at=np.where(there, self.known_at, decided_at),
            end=np.where(there, self.end, np.arange(len(self))),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """One instrument's stretch of history, aligned row by row.

    bars:     the candles, ``n`` rows.
    features: ``(n, k)`` float64, row t knows bars <= t; ``(n, 0)`` for trainers that read bars only.
    names:    the ``k`` feature names, in column order.
    labels:   what came after; None where nothing is to be learnt (deciding).
    """

    bars: Bars
    features: FloatArray
    names: tuple[str, ...] = ()
    labels: Labels | None = None

    def __post_init__(self) -> None:
        n = len(self.bars)
        if self.features.shape != (n, len(self.names)):
            raise DataError(
                f"{self.bars.instrument}: features have shape {self.features.shape}, "
                f"bars and names say {(n, len(self.names))}",
                code="DATA_FEATURES",
            )
        if self.labels is not None and len(self.labels) != n:
            raise DataError(f"{self.bars.instrument}: {len(self.labels)} labels for {n} bars", code="DATA_SCHEMA")

    @classmethod
    def of_bars(cls, bars: Bars) -> "Window":
        """A window that holds candles only."""
        return cls(bars, np.empty((len(bars), 0)))

    def __len__(self) -> int:
        return len(self.bars)

    def __getitem__(self, rows: slice) -> "Window":
        """A stretch of rows, as views; labels that end beyond it are taken away."""
        bars = self.bars[rows]
        labels = None if self.labels is None else self.labels[rows].settle(bars.known_at)
        return Window(bars, self.features[rows], self.names, labels)

    def without_labels(self) -> "Window":
        """The same window without its labels: all that a model may see when it decides."""
        return replace(self, labels=None)


@dataclass(frozen=True, eq=False)
class Panel:
    """One window per instrument, by symbol; a panel of one is the usual case.

    Windows keep their own rows: instruments may begin, end and pause at different times. `times` is the shared clock.

    since: first instant (ms) that may be learnt from; what was decided before is history to look back at. None: all.
    """

    windows: Mapping[str, Window]
    since: int | None = None

    def __post_init__(self) -> None:
        if not self.windows:
            raise DataError("a panel needs at least one window", code="DATA_EMPTY")

    @classmethod
    def of(cls, *windows: Window) -> "Panel":
        """A panel of these windows, by the symbols of their bars. Raises DataError ``DATA_CONFLICT`` for one twice."""
        named = {w.bars.instrument.symbol: w for w in windows}
        if len(named) < len(windows):
            raise DataError("a panel holds one window a symbol, one came twice", code="DATA_CONFLICT")
        return cls(named)

    def __iter__(self) -> Iterator[tuple[str, Window]]:
        return iter(self.windows.items())

    def __getitem__(self, symbol: str) -> Window:
        return self.windows[symbol]

    def __len__(self) -> int:
        return len(self.windows)

    @property
    def one(self) -> Window:
        """The only window of a panel of one."""
        (window,) = self.windows.values()
        return window

    @cached_property
    def times(self) -> IntArray:
        """``(m,)`` int64 ms: the instants at which any instrument decides, increasing, each once."""
        return np.unique(np.concatenate([w.bars.known_at for w in self.windows.values()]))

    @property
    def learnt(self) -> tuple[int, int]:
        """First and last instant (ms) that may be learnt from."""
        return int(self.times[0]) if self.since is None else self.since, int(self.times[-1])

    @cached_property
    def known_at(self) -> IntArray:
        """``(m,)`` int64 ms, beside `times`: when every label decided at that instant is known."""
        latest = self.times.copy()
        for window in self.windows.values():
            if window.labels is not None:
                at = np.searchsorted(self.times, window.bars.known_at)
                np.maximum.at(latest, at, window.labels.known_at)
        return latest

    def train_view(self, rows: IntArray) -> "Panel":
        """What a trainer gets: history up to the last of these positions of `times`, labels only on these positions.

        Everything after that instant is cut away; rows in between that must not be learnt from keep their candles and
        features, for sequences, but have no label. `since` is the first of the positions.
        """
        chosen = np.zeros(len(self.times), np.bool_)
        chosen[rows] = True
        last = self.times[rows[-1]]
        parts = {s: _learning(w, self._mask(w, chosen), last) for s, w in self.windows.items()}
        return Panel({s: w for s, w in parts.items() if len(w)}, int(self.times[rows[0]]))

    def predict_view(self, rows: IntArray, *, lookback: int) -> "Panel":
        """What a model gets: the first to the last of these positions, `lookback` rows of history before, no labels."""
        first, last = self.times[rows[0]], self.times[rows[-1]]
        parts = {}
        for symbol, window in self.windows.items():
            start, stop = span(window, first, last)
            if stop > start:
                parts[symbol] = window[max(0, start - lookback) : stop].without_labels()
        return Panel(parts)

    def _mask(self, window: Window, chosen: BoolArray) -> BoolArray:
        picked: BoolArray = chosen[np.searchsorted(self.times, window.bars.known_at)]
        return picked


def span(window: Window, first: int, last: int) -> tuple[int, int]:
    """Rows ``[start, stop)`` of a window decided from instant `first` to instant `last`, both included (ms)."""
    available = window.bars.known_at
    return int(np.searchsorted(available, first)), int(np.searchsorted(available, last, side="right"))


def _learning(window: Window, mask: BoolArray, last: int) -> Window:
    _, stop = span(window, 0, last)
    cut = window.without_labels()[:stop]
    if window.labels is None:
        return cut
    # Labels of the chosen rows are known before the test decides, even where they end after the last chosen row.
    chosen = window.labels.only(mask)
    stored = replace(chosen, y=chosen.y[:stop], known_at=chosen.known_at[:stop], end=chosen.end[:stop])
    return replace(cut, labels=stored.settle(cut.bars.known_at))
