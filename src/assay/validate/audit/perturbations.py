"""Other futures for the same past, and how far two answers to the past lie apart."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.market import scramble_future
from assay.simulate import BacktestResult

CUT_OFF, SHUFFLED, WILD, STILL = "cut off", "shuffled", "shuffled, ten times as wild", "held at one price"
SCRAMBLES = (SHUFFLED, WILD, STILL)
_ALWAYS = 1e-300  # a scale that is 0 makes every change too large
ROUNDING = 1e-9  # of a column's scale: differences below are those of floating-point sums in another order
ROUNDING_REMARK = (
    f"; every difference is at rounding level, at most {ROUNDING:g} of the scale: the values depend on the length of "
    "the array, as those of an FFT, a convolution or a sum over the whole array do. They can not be computed again "
    "bit for bit as the bars come in, and digits this small can carry the future. Use a fixed window or direct sums, "
    f"or round to {ROUNDING:g} of the scale"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Where two answers part first. change: by how much; NaN where one of the two is missing.

    rounding: whether no row differs by more than `ROUNDING` of the column's scale.
    """

    name: str
    row: int
    change: float
    rounding: bool = False

    @property
    def remark(self) -> str:
        """Why a difference at rounding level is one, and what mends it; empty for any other."""
        return ROUNDING_REMARK if self.rounding else ""


def perturb(bars: Sequence[Bars], instant: int, how: str, *, seed: int) -> list[Bars]:
    """The same candles up to `instant` (ms), and after it others, or none. An instrument that begins later is kept
    whole where candles are cut off: it has no past to compare.
    """
    return [_changed(each, int(np.searchsorted(each.known_at, instant, side="right")), how, seed) for each in bars]


def _changed(bars: Bars, first: int, how: str, seed: int) -> Bars:
    if how == CUT_OFF:
        return bars[:first] if first else bars
    if how == STILL:
        return _still(bars, first)
    return scramble_future(bars, first, seed=seed, factor=10.0 if how == WILD else 1.0)


def _still(bars: Bars, first: int) -> Bars:
    """One price from row `first` on, the open that is known already."""
    if first >= len(bars):
        return bars
    price = bars.open[first]
    named = {name: getattr(bars, name).copy() for name in ("open", "high", "low", "close")}
    for column in named.values():
        column[first:] = price
    return replace(bars, **named)


def first_change(
    names: Sequence[str], was: FloatArray, now: FloatArray, *, tolerance: float, scale: FloatArray | None = None
) -> list[Difference]:
    """Columns of two ``(n, k)`` tables that differ, each with its first row. NaN equals NaN.

    scale: ``(k,)`` what `tolerance` is a share of; None is exact but for `tolerance` itself.
    """
    if not was.size:
        return []
    same = (was == now) | (np.isnan(was) & np.isnan(now))
    gap = np.abs(np.subtract(was, now, where=~same, out=np.zeros(was.shape)))
    limit = tolerance if scale is None else np.maximum(tolerance * scale, _ALWAYS)
    wrong = ~(gap <= limit)
    rows = np.argmax(wrong, axis=0)
    late = [int(k) for k in np.flatnonzero(wrong.any(axis=0))]
    tiny = at_rounding(was, now) if late else np.zeros(0, np.bool_)
    return [Difference(names[k], int(rows[k]), float(gap[rows[k], k]), bool(tiny[k])) for k in late]


def at_rounding(was: FloatArray, now: FloatArray) -> BoolArray:
    """``(k,)``: whether no row of two ``(n, k)`` tables differs by more than `ROUNDING` of the scale of `was`.

    A number that is missing on one side only, or infinite, is no rounding.
    """
    same = (was == now) | (np.isnan(was) & np.isnan(now))
    gap = np.abs(np.subtract(was, now, where=~same, out=np.zeros(was.shape)))
    return np.asarray((gap <= ROUNDING * scale_of(was)).all(axis=0))


def scale_of(values: FloatArray) -> FloatArray:
    """``(k,)`` largest finite modulus of each column; 0 for one without values."""
    result = np.abs(np.where(np.isfinite(values), values, 0.0)).max(axis=0, initial=0.0)
    return np.asarray(result, np.float64)


def first_changed_decision(was: Decisions, now: Decisions, *, tolerance: float) -> Difference | None:
    """The first field and row in which two decisions of equal length differ by more than this share, or None."""
    names = [f.name for f in fields(Decisions)]
    one, other = (np.column_stack([getattr(d, n).astype(np.float64) for n in names]) for d in (was, now))
    result = first_change(names, one, other, tolerance=tolerance, scale=scale_of(one))
    if not result:
        return None
    return replace(min(result, key=lambda d: d.row), rounding=all(each.rounding for each in result))


def first_changed_result(was: BacktestResult, now: BacktestResult, last: int) -> Difference | None:
    """The first number up to bar `last` in which two records of the same decisions differ, or None."""
    curve = ("equity", "position")
    stacks = (np.column_stack([getattr(r, n)[: last + 1] for n in curve]) for r in (was, now))
    result = first_change(curve, *stacks, tolerance=0.0)
    if result:
        return min(result, key=lambda d: d.row)
    trades = [r.trades.only(r.trades.exit_row <= last) for r in (was, now)]
    names = [f.name for f in fields(trades[0]) if f.name != "symbols"]
    if len(trades[0]) != len(trades[1]):
        return Difference("trades closed", last, float(abs(len(trades[0]) - len(trades[1]))))
    tables = (np.column_stack([getattr(t, n).astype(np.float64) for n in names]) for t in trades)
    result = first_change(names, *tables, tolerance=0.0)
    if not result:
        return None
    first = min(result, key=lambda d: d.row)
    return replace(first, name=f"trade {first.name}", row=int(trades[0].exit_row[first.row]))
