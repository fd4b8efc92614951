"""Causality check of any function of bars: later bars are replaced by noise."""

from collections.abc import Callable, Iterator

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.panel import Labels
from assay.market import scramble_future as scramble_future

Rows = Callable[[Bars], FloatArray]
Label = Callable[[Bars], Labels]


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
        available = np.isfinite(whole.y) & (whole.known_at <= instant)
        open_ones = np.isfinite(whole.y) & (whole.known_at > instant) & (bars.known_at <= instant)
        for factor in (1.0, 10.0):
            other = label(scramble_future(bars, cut + 1, seed=cut, factor=factor))
            wrong = available & ((other.y != whole.y) | (other.known_at != whole.known_at))
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
        yield f"scrambled times {factor:g}", scramble_future(bars, cut + 1, seed=cut, factor=factor)
