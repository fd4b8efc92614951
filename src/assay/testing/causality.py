"""Does anything said at or before an instant depend on bars after it? Asked by making noise of these bars."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.labels import Labels
from assay.kernel.seeds import generator

Rows = Callable[[Bars], FloatArray]
Label = Callable[[Bars], Labels]


def scrambled(bars: Bars, first: int, *, seed: int = 0, factor: float = 1.0) -> Bars:
    """Plausible candles in place of the rows from `first` on: their log returns shuffled, times `factor`.

    The open of row `first` stays: it is known when the bar before closes. Volume is shuffled, other columns too.
    """
    n = len(bars) - first
    if n <= 0:
        return bars
    draw = generator(seed, f"testing.scramble/{first}")
    moves = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))[first:]
    # Drawn with a sign of their own, so that even a row of equal moves changes.
    moves = draw.permutation(moves) * draw.choice([-1.0, 1.0], n) * factor + draw.normal(0, 1e-3, n)
    close = bars.open[first] * np.exp(np.cumsum(moves))
    opened = np.r_[bars.open[first], close[:-1]]
    wick = 1 + np.abs(draw.normal(0, 2e-3, n))
    new = {
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) * wick,
        "low": np.minimum(opened, close) / wick,
    }
    mixed = {name: np.r_[getattr(bars, name)[:first], values] for name, values in new.items()}
    columns = {name: np.r_[column[:first], draw.permutation(column[first:])] for name, column in bars.columns.items()}
    volume = None if bars.volume is None else np.r_[bars.volume[:first], draw.permutation(bars.volume[first:]) * 1.5]
    return replace(bars, volume=volume, columns=columns, **mixed)


def check_rows_know_no_later_bar(rows: Rows, bars: Bars) -> None:
    """``(n,)`` or ``(n, k)`` values: cutting off or scrambling the bars after row c changes no row up to c."""
    whole = rows(bars)
    for cut in _cuts(len(bars)):
        for what, other in _futures(bars, cut):
            same = np.array_equal(whole[: cut + 1], rows(other)[: cut + 1], equal_nan=True)
            assert same, f"a value at or before row {cut} changed when the bars after it were {what}"


def check_known_at_is_true(label: Label, bars: Bars) -> None:
    """Scrambling all bars after an instant changes no label known by then, and does change some label known later.

    The first says that `Labels.known_at` does not understate how far a target looks, the second that it does not
    overstate it for every row.
    """
    whole = label(bars)
    touched = False
    for cut in _cuts(len(bars)):
        instant = bars.known_at[cut]
        known = np.isfinite(whole.y) & (whole.known_at <= instant)
        open_ones = np.isfinite(whole.y) & (whole.known_at > instant) & (bars.known_at <= instant)
        for factor in (1.0, 10.0):
            other = label(scrambled(bars, cut + 1, seed=cut, factor=factor))
            wrong = known & ((other.y != whole.y) | (other.known_at != whole.known_at))
            assert not wrong.any(), (
                f"label {int(np.argmax(wrong))} says it is known at {whole.known_at[np.argmax(wrong)]}, "
                f"but bars after {instant} change it"
            )
            touched = touched or bool((other.y[open_ones] != whole.y[open_ones]).any())
    assert touched, "no label changed with a bar before its known_at: the horizon is overstated"


def _cuts(n: int) -> list[int]:
    """Pairs of neighbours: a leak may sit in every second row, or in one of four."""
    first = range(n // 3, n - 4, max(1, n // 12))
    return sorted({cut + i for cut in first for i in (0, 1)} | {n - 2})


def _futures(bars: Bars, cut: int) -> Iterator[tuple[str, Bars]]:
    yield "cut off", bars[: cut + 1]
    for factor in (1.0, 10.0):
        yield f"scrambled times {factor:g}", scrambled(bars, cut + 1, seed=cut, factor=factor)
