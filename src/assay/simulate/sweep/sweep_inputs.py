"""Inputs of a sweep: candidates of a structural set, thresholds, exits, and the signals that pass them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError, printable
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.replay_scalar import EXIT_WIDTH, Rows, Signals

_LOOK = 32
Levels = tuple[FloatArray, FloatArray, FloatArray]  # stop_base, stop_unit, take_base; empty where there is none
Sides = NDArray[np.int8]


@njit(cache=True, error_model="numpy", nogil=True)
def passes(holds: BoolArray, columns: FloatArray, at_least: BoolArray, thresholds: FloatArray) -> BoolArray:
    """``(m,)``: what holds and passes every threshold that is not NaN. columns: ``(K, m)``; NaN never passes."""
    passed = holds.copy()
    for k in range(len(thresholds)):
        value = thresholds[k]
        if np.isnan(value):
            continue
        if at_least[k]:
            for c in range(len(passed)):
                passed[c] &= columns[k, c] >= value
        else:
            for c in range(len(passed)):
                passed[c] &= columns[k, c] <= value
    return passed


def rows_of(one: BoolArray, other: BoolArray) -> NDArray[np.int32]:
    """Rows at which either of two ``(n,)`` marks is set, increasing. Marks are rare: eight rows a step without one."""
    whole = len(one) // 8 * 8
    words = [as_contiguous(marks[:whole], np.bool_).view(np.uint64) for marks in (one, other)]
    return _rows_of(words[0], words[1], as_contiguous(one, np.bool_), as_contiguous(other, np.bool_))


@njit(cache=True, error_model="numpy", nogil=True)
def _rows_of(
    words: NDArray[np.uint64], more: NDArray[np.uint64], one: BoolArray, other: BoolArray
) -> NDArray[np.int32]:
    count = 0
    for t in range(len(one)):
        count += one[t] | other[t]
    rows = np.empty(count + 1, np.int32)
    at = 0
    for verdict in range(len(words)):
        if words[verdict] | more[verdict]:
            for t in range(8 * verdict, 8 * verdict + 8):
                rows[at] = t  # not a branch: it would be guessed wrong at every mark
                at += one[t] | other[t]
    for t in range(8 * len(words), len(one)):
        rows[at] = t
        at += one[t] | other[t]
    return rows[:count].copy()


@njit(cache=True, error_model="numpy", nogil=True)
def conditions_of(
    rows: NDArray[np.int32],
    long: BoolArray,
    short: BoolArray,
    allowed: BoolArray,
    edge: bool,
    first: int,
    n: int,
) -> NDArray[np.int8]:
    """``(m,)`` side of the signal of each candidate, 0 for none, of those that passed.

    Both sides at once are silent; then the edge rule. allowed: where a signal counts, asked after the edge rule; empty
    is everywhere. first: row of the first signal that counts; the last is ``n - 2``.
    """
    result = np.zeros(len(rows), np.int8)
    before, before_row = 0, -2
    for c in range(len(rows)):
        condition = int(long[c]) - int(short[c])
        old = before if before_row == rows[c] - 1 else 0
        before, before_row = condition, rows[c]
        if condition == 0 or (edge and condition == old) or rows[c] < first or rows[c] > n - 2:
            continue
        if len(allowed) == 0 or allowed[c]:
            result[c] = condition
    return result


@njit(cache=True, error_model="numpy", nogil=True)
def signals_of(rows: Rows, conditions: Sides, long: Levels, short: Levels) -> Signals:
    """The candidates with a condition, as a list of signals. long, short: levels of each side, ``(m,)`` or empty."""
    count = 0
    result, sides = np.empty(len(rows), np.int32), np.empty(len(rows), np.int8)
    for c in range(len(rows)):
        result[count], sides[count] = rows[c], conditions[c]
        count += conditions[c] != 0
    sides = sides[:count]
    return (
        result[:count],
        turns_of(sides),
        sides,
        _chosen(conditions, count, long[0], short[0], 0.0),
        _chosen(conditions, count, long[1], short[1], 0.0),
        _chosen(conditions, count, long[2], short[2], np.nan),
    )


@njit(cache=True, error_model="numpy", nogil=True)
def _chosen(conditions: Sides, count: int, long: FloatArray, short: FloatArray, absent: float) -> FloatArray:
    """``(count,)`` the level of its own side at each candidate with a condition; empty where neither side has it."""
    if len(long) == 0 and len(short) == 0:
        return np.empty(0)
    out, at = np.empty(count), 0
    for c in range(len(conditions)):
        if conditions[c] != 0:
            own = long if conditions[c] > 0 else short
            out[at] = own[c] if len(own) > 0 else absent
            at += 1
    return out


@njit(cache=True, error_model="numpy", nogil=True)
def turns_of(sides: Sides) -> Rows:
    """``(k,)`` place of the next signal of another side, k where there is none."""
    k = len(sides)
    turns = np.full(k, k, np.int32)
    for i in range(k - 2, -1, -1):
        turns[i] = turns[i + 1] if sides[i + 1] == sides[i] else i + 1
    return turns


@njit(cache=True, error_model="numpy", nogil=True)
def changes(side: FloatArray, first: int) -> tuple[NDArray[np.int32], FloatArray]:
    """Rows and sides where a state, NaN left out, is not what it was; flat before row `first`."""
    rows, sides = np.empty(len(side), np.int32), np.empty(len(side))
    count, holding = 0, 0.0
    for start in range(first, len(side), _LOOK):
        part = side[start : start + _LOOK]
        odd = 0
        for k in range(len(part)):  # most looks end here, four rows at a time
            odd += part[k] != holding
        if odd == 0:
            continue
        for k in range(len(part)):
            if part[k] != holding and not np.isnan(part[k]):
                holding = part[k]
                rows[count], sides[count] = start + k, holding
                count += 1
    return rows[:count].copy(), sides[:count].copy()


_LEVELS = ("stop_base", "stop_unit", "take_base")
Rule = Callable[[FloatArray], BoolArray]


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a rule over m bars.

    holds:     ``(m,)`` bool, the part of the condition that no threshold touches.
    columns:   ``(K, m)`` float64, what each threshold compares with; NaN never passes.
    stop_base, stop_unit: ``(m,)`` quote currency; stop = base + stop_multiple × unit. None in both: no stop; None in
               one: 0.
    take_base: ``(m,)`` quote currency; NaN, or None for all, leaves the take to the exits.
    """

    holds: BoolArray
    columns: FloatArray
    stop_base: FloatArray | None = None
    stop_unit: FloatArray | None = None
    take_base: FloatArray | None = None

    @property
    def levels(self) -> Levels:
        """stop_base, stop_unit, take_base; empty where there is none."""
        base, unit, take = (as_contiguous(np.empty(0) if (v := getattr(self, n)) is None else v) for n in _LEVELS)
        return base, unit, take

    def check(self, m: int, k: int) -> None:
        """Raise unless all arrays have m bars and there are k columns."""
        for name in ("holds", *_LEVELS):
            values = getattr(self, name)
            if values is not None and values.shape != (m,):
                raise _wrong(f"{name} has shape {values.shape}, there are {m} rows")
        if self.columns.shape != (k, m):
            raise _wrong(f"columns have shape {self.columns.shape}, ({k}, {m}) is needed: thresholds, rows")

    def at(self, rows: NDArray[np.int32]) -> "Side":
        """The same at some of its bars only."""
        levels = {n: None if (v := getattr(self, n)) is None else v[rows] for n in _LEVELS}
        return Side(self.holds[rows], np.ascontiguousarray(self.columns[:, rows]), **levels)


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """All bars of one structural set that some threshold set may choose, with what is compared and measured there.

    rows:     ``(m,)`` int32, increasing. A row left out fulfils neither side's condition at any threshold set.
    long, short: sides over these m rows, at least one.
    at_least: ``(K,)`` bool, whether a column passes from the threshold on upwards (>=) or downwards (<=).
    edge:     only the first of a run of bars with equal condition is a signal; a row before `lookback` may be listed
              for this.
    lookback: signals at earlier rows do not count.
    allowed:  ``(m,)`` bool, rows whose signals count; the others keep their part in the edge rule. None: all.
    Raises ConfigError ``CONFIG_PARAMETER`` for shapes that do not fit and rows that do not increase.
    """

    rows: NDArray[np.int32]
    long: Side | None
    short: Side | None
    at_least: BoolArray
    edge: bool = False
    lookback: int = 0
    allowed: BoolArray | None = None

    def __post_init__(self) -> None:
        if self.rows.dtype != np.int32 or self.rows.ndim != 1 or (np.diff(self.rows) <= 0).any():
            raise _wrong(f"rows must be increasing int32, they are {self.rows.dtype} {self.rows.shape}")
        if len(self.rows) and self.rows[0] < 0:
            raise _wrong(f"the first row is {self.rows[0]}, must be >= 0")
        if self.lookback < 0:
            raise _wrong(f"lookback is {self.lookback}, must be >= 0")
        if not self.sides:
            raise _wrong("they have neither a long nor a short side")
        if self.allowed is not None and self.allowed.shape != self.rows.shape:
            raise _wrong(f"allowed has shape {self.allowed.shape}, there are {len(self.rows)} rows")
        for side in self.sides:
            side.check(len(self.rows), len(self.at_least))

    @property
    def sides(self) -> list[Side]:
        """The sides that are there."""
        return [side for side in (self.long, self.short) if side is not None]

    @classmethod
    def shortlist(
        cls,
        long: Side | None,
        short: Side | None,
        *,
        thresholds: FloatArray,
        at_least: BoolArray,
        edge: bool = False,
        lookback: int = 0,
        allowed: BoolArray | None = None,
    ) -> "Candidates":
        """Candidates from sides over all n bars: the rows that pass the loosest of `thresholds` ``(T, K)``. O(n K).

        allowed: ``(n,)`` bool.
        """
        sides = [(s.holds, s.columns) for s in (long, short) if s is not None]
        rows = candidate_rows(sides, thresholds, at_least)
        long, short = (None if s is None else s.at(rows) for s in (long, short))
        return cls(rows, long, short, at_least, edge, lookback, None if allowed is None else allowed[rows])


@dataclass(frozen=True, slots=True, eq=False)
class States:
    """One structural set of a rule that always holds an opinion, by the rows where it changes; no level, no hold.

    rows: ``(m,)`` int32, increasing.   side: ``(m,)`` +1, -1 or 0, each unlike the one before, the first not 0.
    Of a set that is judged from row `start` on, the first row is the first at or after `start` with an opinion.
    """

    rows: NDArray[np.int32]
    side: FloatArray

    @classmethod
    def of(cls, side: FloatArray, *, start: int = 0, lookback: int = 0) -> "States":
        """From the opinion at each of n bars, ``(n,)`` in {-1, 0, +1}, NaN keeps. O(n)."""
        return cls(*changes(as_contiguous(side), max(start, lookback)))


@dataclass(frozen=True, slots=True, eq=False)
class Exits:
    """E sets of exits, ``(E,)`` a field.

    stop = stop_base + stop_multiple × stop_unit. take = take_base where finite, else take_multiple × stop_unit where
    that is not NaN, else reward_ratio × stop; NaN in both: no take. hold: bars, 0 is no limit. Size: `share` of equity
    where `risk` is NaN, else ``min(share, risk * close / stop)``. For `States` all of it is `share`.
    Raises ConfigError ``CONFIG_PARAMETER`` naming field, set and value: multiples must be >= 0 and finite, hold a whole
    number >= 0, share and risk in (0, 1].
    """

    stop_multiple: FloatArray
    take_multiple: FloatArray
    reward_ratio: FloatArray
    hold: FloatArray
    share: FloatArray
    risk: FloatArray

    def __post_init__(self) -> None:
        none = np.isnan
        _demand(self, "stop_multiple", lambda v: (v >= 0) & np.isfinite(v), "finite and >= 0")
        _demand(self, "take_multiple", lambda v: none(v) | (v > 0) & np.isfinite(v), "finite and > 0, or NaN")
        _demand(self, "reward_ratio", lambda v: none(v) | (v > 0) & np.isfinite(v), "finite and > 0, or NaN")
        _demand(self, "hold", lambda v: (v >= 0) & (v == np.floor(v)) & (v < 2**31), "a whole number >= 0")
        _demand(self, "share", lambda v: (v > 0) & (v <= 1), "in (0, 1]")
        _demand(self, "risk", lambda v: none(v) | (v > 0) & (v <= 1), "in (0, 1], or NaN")

    def __len__(self) -> int:
        return len(self.share)

    @classmethod
    def of(cls, **values: FloatArray | float) -> "Exits":
        """From columns or numbers; what is left out: no multiple, no take, no hold, all equity, no risk rule."""
        value = {"stop_multiple": 0.0, "take_multiple": np.nan, "reward_ratio": np.nan, "hold": 0.0, "share": 1.0}
        columns = np.broadcast_arrays(*({**value, "risk": np.nan, **values}[f.name] for f in fields(cls)))
        return cls(*(np.atleast_1d(np.asarray(column, np.float64)) for column in columns))

    @property
    def matrix(self) -> FloatArray:
        """``(E, EXIT_WIDTH)``, as the replay reads them."""
        out = np.column_stack([getattr(self, f.name) for f in fields(self)])
        return out.reshape(-1, EXIT_WIDTH)


def candidate_rows(
    sides: Sequence[tuple[BoolArray, Sequence[FloatArray] | FloatArray]], thresholds: FloatArray, at_least: BoolArray
) -> NDArray[np.int32]:
    """Rows of n bars at which one of the sides, each what holds and K columns ``(n,)``, passes the loosest thresholds.

    Raises ConfigError ``CONFIG_PARAMETER`` without a side.
    """
    if not sides:
        raise _wrong("they have neither a long nor a short side")
    passed = []
    for holds, columns in sides:
        marks = holds
        for column, values, up in zip(columns, thresholds.T, at_least, strict=True):
            bound = np.array([_loosest(values, bool(up))])
            marks = passes(as_contiguous(marks, np.bool_), as_contiguous(column)[np.newaxis], np.array([up]), bound)
        passed.append(marks)
    return rows_of(passed[0], passed[-1])


def _loosest(column: FloatArray, up: bool) -> float:
    """The value that lets most pass; NaN, no condition, if any set has none."""
    return float(column.min() if up else column.max())


def _demand(exits: Exits, name: str, rule: Rule, words: str) -> None:
    values = getattr(exits, name)
    if values.shape != exits.share.shape or values.ndim != 1:
        raise ConfigError(
            f"exits: {name} has shape {values.shape}, share {exits.share.shape}; one number a set is needed",
            code="CONFIG_PARAMETER",
        )
    good = rule(values)
    if not good.all():
        at = int(np.argmin(good))
        raise ConfigError(
            f"exits: {name} of set {at} is {printable(float(values[at]))}, must be {words}",
            code="CONFIG_PARAMETER",
            set=at,
        )


def _wrong(message: str) -> ConfigError:
    return ConfigError(f"candidates: {message}", code="CONFIG_PARAMETER")
