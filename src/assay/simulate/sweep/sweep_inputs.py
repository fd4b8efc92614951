"""Inputs of a sweep: candidates of a structural set, thresholds, exits."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.errors import ConfigError, printable
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.filter import Levels, changes, passes, rows_of
from assay.simulate.sweep.replay_scalar import EXIT_WIDTH

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
