"""Output of a rule: setups before thresholds are applied, entries after, and the exits of each."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, TrainError, printable
from assay.learn.strategies.indicators import crossings_of, side_of, turns_of
from assay.learn.strategies.parameters import Threshold
from assay.simulate import as_contiguous

SideArray = NDArray[np.int8]
Level = FloatArray | float | None
LEVEL_NAMES = ("stop_base", "stop_unit", "take_base", "confidence")


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Signals, with what levels are made of. All distances are in quote currency, measured from the close of the row.

    side:       ``(n,)`` int8: +1 long, -1 short, 0 none.
    stop_base, stop_unit: ``(n,)`` float64; stop = base + ``atr_multiplier_sl`` × unit. None in both: no stop.
    take_base:  ``(n,)`` float64; NaN or None leaves the take to the exits.
    confidence: ``(n,)`` float64, 0..1.

    What stands in rows without a signal means nothing.
    """

    side: SideArray
    stop_base: FloatArray | None = None
    stop_unit: FloatArray | None = None
    take_base: FloatArray | None = None
    confidence: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.side)

    def without(self, rows: BoolArray | slice) -> "Entries":
        """The same without signals in these rows."""
        side = self.side.copy()
        side[rows] = 0
        return replace(self, side=side)


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """The bars that may be entered on one side, whatever the thresholds.

    hold:    ``(n,)`` bool, the part of the condition that no threshold touches.
    columns: ``(n,)`` float64 for each threshold of the rule: the bar passes where the column passes; NaN never does.
    stop_base, stop_unit, take_base, confidence: see `Entries`; a number stands for a constant column.
    """

    hold: BoolArray
    columns: Mapping[str, FloatArray] = field(default_factory=dict)
    stop_base: Level = None
    stop_unit: Level = None
    take_base: Level = None
    confidence: Level = 1.0

    def passes(self, thresholds: Mapping[str, Threshold], values: Mapping[str, float | None]) -> BoolArray:
        """``(n,)``: `hold` and every threshold that is not off (None)."""
        passed = self.hold
        for name, threshold in thresholds.items():
            value = values[name]
            if value is not None:
                passed = passed & threshold.passes(self.columns[name], value)
        return passed


@dataclass(frozen=True, slots=True, eq=False)
class Setups:
    """What a rule computes once for a set of structural parameters; thresholds, then exits, are applied to it.

    long, short: the two sides; None for a rule that never takes it.
    edge:        only the first bar of a run of equal conditions is a signal.

    Order: thresholds choose the bars of each side; a bar that speaks for both is silent; then the edge rule. So a
    short list of bars with ``hold`` set on either side is enough to answer for any thresholds.
    """

    long: Side | None
    short: Side | None = None
    edge: bool = False

    @property
    def sides(self) -> dict[int, Side]:
        """The sides that are there, by their sign."""
        return {sign: side for sign, side in ((1, self.long), (-1, self.short)) if side is not None}

    def without_shorts(self) -> "Setups":
        """The long side alone: where shorts are not allowed, their condition silences nothing."""
        if self.long is None:
            raise TrainError("a rule that only sells short cannot do without shorts", code="TRAIN_STRATEGY")
        return replace(self, short=None)

    def condition(self, thresholds: Mapping[str, Threshold], values: Mapping[str, float | None]) -> SideArray:
        """``(n,)`` int8, the raw condition C: thresholds applied, bars that speak for both sides 0."""
        total: SideArray | None = None
        for sign, side in self.sides.items():
            signed = side.passes(thresholds, values).view(np.int8) * np.int8(sign)
            total = signed if total is None else total + signed
        if total is None:
            raise TrainError("a rule gave neither a long nor a short side", code="TRAIN_STRATEGY")
        return total

    def entries(self, thresholds: Mapping[str, Threshold], values: Mapping[str, float | None]) -> Entries:
        """The signals at these thresholds. Cost: O(n) a threshold, no indicator is touched."""
        side = self.condition(thresholds, values)
        if self.edge:
            side = edges(side)
        parts = {name: self._column(name, side) for name in LEVEL_NAMES}
        return Entries(side, **parts)

    def _column(self, name: str, side: SideArray) -> FloatArray | None:
        levels = {sign: getattr(each, name) for sign, each in self.sides.items()}
        if all(level is None for level in levels.values()):
            return None
        if len(levels) == 1 and isinstance(only := next(iter(levels.values())), np.ndarray):
            return only
        out = np.full(len(side), np.nan)
        for sign, level in levels.items():
            if level is not None:
                rows = side == sign
                out[rows] = level[rows] if isinstance(level, np.ndarray) else level
        return out

    @classmethod
    def of(cls, entries: Entries) -> "Setups":
        """Signals that know no threshold, as setups: what a rule may return that keeps all to itself."""
        parts = {n: getattr(entries, n) for n in LEVEL_NAMES}
        return cls(Side(entries.side == 1, {}, **parts), Side(entries.side == -1, {}, **parts))

    @staticmethod
    def crossing(upper: FloatArray, lower: FloatArray, **levels: Level) -> "Crossing":
        """Long where `upper` rises above `lower`, both ``(n,)`` float64, short where it falls below.

        A row and the one before decide: above now, not above then, and both known; one row more than the columns read.
        levels: ``stop_base``, ``stop_unit``, ``take_base``, ``confidence`` of either side, see `Entries`. For rules
        without thresholds; a sweep reads it faster than two arrays of marks. Raises TrainError ``TRAIN_STRATEGY`` for
        columns of different lengths.
        """
        for name in levels:
            if name not in LEVEL_NAMES:
                raise TrainError(
                    f"Setups.crossing has no level {printable(name)}: {', '.join(LEVEL_NAMES)}", code="TRAIN_STRATEGY"
                )
        return Crossing(upper, lower, levels)


class Crossing(Setups):
    """What `Setups.crossing` gives: two columns, whose crossings are looked for when they are asked for."""

    __slots__ = ("levels", "lower", "upper")
    upper: FloatArray
    lower: FloatArray
    levels: Mapping[str, Level]
    edge = False

    def __init__(self, upper: FloatArray, lower: FloatArray, levels: Mapping[str, Level]) -> None:
        if upper.shape != lower.shape:
            raise TrainError(f"Setups.crossing: shapes {upper.shape} and {lower.shape}", code="TRAIN_STRATEGY")
        for name, value in (("upper", upper), ("lower", lower), ("levels", levels)):
            object.__setattr__(self, name, value)

    @property
    def long(self) -> Side:
        """The rises, computed at each call."""
        return self._side(1.0)

    @property
    def short(self) -> Side:
        """The falls, computed at each call."""
        return self._side(-1.0)

    def without_shorts(self) -> Setups:
        """The rises alone."""
        return Setups(self.long)

    def rows(self) -> tuple[NDArray[np.int32], FloatArray]:
        """Rows at which the columns cross, and the side."""
        return crossings_of(as_contiguous(self.upper), as_contiguous(self.lower))

    def _side(self, sign: float) -> Side:
        rows, sides = self.rows()
        marks = np.zeros(len(self.upper), np.bool_)
        marks[rows[sides == sign]] = True
        return Side(marks, {}, **self.levels)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """A rule that always has an opinion: ``(n,)`` float64 in {-1, 0, +1}, NaN keeps what is held. No levels."""

    side: FloatArray

    @classmethod
    def above(cls, upper: FloatArray, lower: FloatArray, *, equal: float = 0.0) -> "State":
        """Long where `upper` lies above `lower`, both ``(n,)`` float64, short where below; a sweep reads it faster.

        equal: share of ``|lower|`` up to which they are equal, >= 0: then, and where one is NaN, what is held stays.
        Raises TrainError ``TRAIN_STRATEGY`` for columns of different lengths.
        """
        return Above(upper, lower, equal)


class Above(State):
    """What `State.above` gives: two columns, whose side is computed when it is asked for."""

    __slots__ = ("equal", "lower", "upper")
    upper: FloatArray
    lower: FloatArray
    equal: float

    def __init__(self, upper: FloatArray, lower: FloatArray, equal: float) -> None:
        if upper.shape != lower.shape:
            raise TrainError(f"State.above: shapes {upper.shape} and {lower.shape}", code="TRAIN_STRATEGY")
        for name, value in (("upper", upper), ("lower", lower), ("equal", equal)):
            object.__setattr__(self, name, value)

    @property
    def side(self) -> FloatArray:
        """``(n,)``, computed at each call."""
        return side_of(self.upper, self.lower, self.equal)

    def turns(self, first: int) -> tuple[NDArray[np.int32], FloatArray]:
        """Rows from `first` on at which the side changes, and the side."""
        return turns_of(as_contiguous(self.upper), as_contiguous(self.lower), self.equal, first)


def edges(side: SideArray) -> SideArray:
    """``(n,)``: the condition where it is not the one of the row before, else 0."""
    out = side.copy()
    out[1:][side[1:] == side[:-1]] = 0
    return out


def demand_shapes(result: "Setups | State", n: int, thresholds: Mapping[str, Threshold], name: str) -> None:
    """Raise TrainError ``TRAIN_STRATEGY`` where a rule gave arrays of another length, or not a column it declared."""
    if isinstance(result, State):
        for each in (result.upper, result.lower) if isinstance(result, Above) else (result.side,):
            _demand(name, "State.side", each, n)
        return
    if not isinstance(result, Setups):
        raise TrainError(
            f"strategy {name} gave {printable(result)}, must be Setups, State or Entries", code="TRAIN_STRATEGY"
        )
    if isinstance(result, Crossing):
        _demand_columns(name, "a crossing", (), thresholds)
        _demand_all(name, "crossing", {"upper": result.upper, "lower": result.lower, **result.levels}, n)
        return
    for sign, side in result.sides.items():
        where = "long" if sign > 0 else "short"
        _demand(name, f"{where}.hold", side.hold, n, np.bool_)
        _demand_columns(name, where, side.columns, thresholds)
        levels = {n_: getattr(side, n_) for n_ in LEVEL_NAMES}
        _demand_all(name, where, {**side.columns, **levels}, n)


def _demand_columns(name: str, where: str, columns: Collection[str], thresholds: Collection[str]) -> None:
    if set(columns) != set(thresholds):
        raise TrainError(
            f"strategy {name}: {where} gives columns {sorted(columns)}, its thresholds are {sorted(thresholds)}; one "
            "column each is needed",
            code="TRAIN_STRATEGY",
        )


def _demand_all(name: str, where: str, columns: Mapping[str, object], n: int) -> None:
    for what, values in columns.items():
        if values is not None and not isinstance(values, int | float):
            _demand(name, f"{where}.{what}", values, n)


def _demand(name: str, what: str, values: object, n: int, kind: type = np.float64) -> None:
    if not isinstance(values, np.ndarray) or values.shape != (n,) or values.dtype != kind:
        message = f"{values.dtype} {values.shape}" if isinstance(values, np.ndarray) else printable(values)
        raise TrainError(
            f"strategy {name}: {what} is {message}, must be an array of {kind.__name__} and shape ({n},)",
            code="TRAIN_STRATEGY",
        )


def levels(entries: Entries, exits: Mapping[str, Any]) -> tuple[FloatArray, FloatArray]:
    """Stop and take, ``(n,)`` distances in quote currency; NaN where there is none.

    stop = stop_base + atr_multiplier_sl × stop_unit, an absent multiplier counts 0.
    take = take_base where it is finite, else atr_multiplier_tp × stop_unit, else risk_reward_ratio × stop.
    """
    stop = take = np.full(len(entries), np.nan)
    zero = np.zeros(len(entries))
    base, unit = (zero if each is None else each for each in (entries.stop_base, entries.stop_unit))
    if _stops(entries):
        multiple = exits.get("atr_multiplier_sl") or 0.0
        stop = base + (multiple * unit if multiple else zero)
    if exits.get("atr_multiplier_tp") is not None:
        take = exits["atr_multiplier_tp"] * unit
    elif exits.get("risk_reward_ratio") is not None:
        take = exits["risk_reward_ratio"] * stop
    if entries.take_base is not None:
        take = np.where(np.isfinite(entries.take_base), entries.take_base, take)
    return stop, take


def sizes(close: FloatArray, stop: FloatArray, exits: Mapping[str, Any]) -> FloatArray:
    """``(n,)`` share of equity: ``share``, or what loses ``risk_per_trade`` at the stop, at most ``max_share``."""
    if exits["sizing"] == "fixed":
        return np.full(len(close), exits["share"])
    return np.minimum(exits["max_share"], exits["risk_per_trade"] * close / stop)


def exit_decisions(entries: Entries, close: FloatArray, exits: Mapping[str, Any], *, lookback: int) -> Decisions:
    """Orders on the rows of the signals, "keep" on all others; rows before `lookback` are flat.

    A signal whose stop or take should be there and is not finite and > 0 is dropped. O(n). Raises ConfigError
    ``CONFIG_PARAMETER`` for sizing by risk without a stop to measure it by.
    """
    if exits["sizing"] == "risk" and not _stops(entries):
        raise ConfigError(
            "sizing is 'risk', which needs a stop; this rule has none: use sizing 'fixed'",
            code="CONFIG_PARAMETER",
            field="sizing",
        )
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        stop, take = levels(entries, exits)
        size = sizes(close, stop, exits)
        signal = (entries.side != 0) & (size > 0)
        if _stops(entries):
            signal &= np.isfinite(stop) & (stop > 0)
        if _takes(entries, exits):
            signal &= np.isfinite(take) & (take > 0)
    signal[:lookback] = False
    target = np.where(signal, entries.side * size, np.nan)
    target[:lookback] = 0.0
    hold = np.where(signal, exits.get("max_holding_periods") or 0, 0).astype(np.int32)
    return Decisions(target, np.where(signal, stop, np.nan), np.where(signal, take, np.nan), hold)


def weights(state: State, exits: Mapping[str, Any], *, lookback: int, short: bool) -> Decisions:
    """Weights of a state rule: ``share`` on the side it names, 0 for a short one where `short` is False."""
    target = state.side * exits["share"]
    if not short:
        target = np.where(target < 0, 0.0, target)
    target[:lookback] = 0.0
    return Decisions.weights(target)


def flat_decisions(n: int) -> Decisions:
    """Nothing held on any of n rows."""
    return Decisions.weights(np.zeros(n))


def _stops(entries: Entries) -> bool:
    return entries.stop_base is not None or entries.stop_unit is not None


def _takes(entries: Entries, exits: Mapping[str, Any]) -> bool:
    named = (exits.get("atr_multiplier_tp"), exits.get("risk_reward_ratio"))
    return entries.take_base is not None or any(value is not None for value in named)
