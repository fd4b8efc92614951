"""Build the sweep's input from a strategy: candidates, thresholds, exits."""

from collections.abc import Callable, Sequence
from contextvars import copy_context

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import USABLE, Bars
from assay.learn.strategies import setups
from assay.learn.strategies.declaration import ALLOW_SHORT, Strategy, Values
from assay.learn.strategies.parameters import AT_LEAST
from assay.simulate import Candidates, Exits, Side, States, candidate_rows

_LEVELS = ("stop_base", "stop_unit", "take_base")


def lazy_candidates(
    rule: Strategy,
    bars: Bars,
    values: Values,
    thresholds: FloatArray,
    *,
    start: int = 0,
    regime: BoolArray | None = None,
) -> Callable[[], Candidates | States]:
    """`candidates`, to be called later and in any thread; within `indicators.shared` it shares their indicators."""
    context = copy_context()
    return lambda: context.copy().run(candidates, rule, bars, values, thresholds, start=start, regime=regime)


def candidates(
    rule: Strategy,
    bars: Bars,
    values: Values,
    thresholds: FloatArray,
    *,
    start: int = 0,
    regime: BoolArray | None = None,
) -> Candidates | States:
    """One structural set: the bars that the loosest of `thresholds` ``(T, K)`` lets pass, or a state rule's changes.

    values: as `Strategy.resolve` gives them; of these only the structural ones and ``allow_short`` count.
    start:  the row from which the sweep judges.   regime: ``(n,)`` bars on which a position may begin; None is all.

    Bars whose column ``usable`` is not 1 give no signal.
    """
    result = rule.setups(bars, values)
    lookback = rule.lookback(values, bars.instrument.timeframe)
    short = bool(values.get(ALLOW_SHORT, True))
    usable = bars.columns[USABLE] == 1 if USABLE in bars.columns else None
    if isinstance(result, setups.Above) and regime is None and usable is None:
        return _turns(result, max(start, lookback), short)
    if isinstance(result, setups.State):
        side = result.side if short else np.maximum(result.side, 0.0)
        side = side if regime is None else np.where(regime, side, 0.0)
        side = side if usable is None else np.where(usable, side, np.nan)
        return States.of(side, start=start, lookback=lookback)
    names = list(rule.thresholds)
    at_least = np.array([each.holds == AT_LEAST for each in rule.thresholds.values()], np.bool_)
    if isinstance(result, setups.Crossing):
        rows, turns = result.rows()
        rows, turns = (rows, turns) if short else (rows[turns > 0.0], turns[turns > 0.0])
        levels = {name: _at(result.levels.get(name), rows) for name in _LEVELS}
        signs = (1, -1) if short else (1,)
        sides = {sign: Side(turns == sign, np.empty((0, len(rows))), **levels) for sign in signs}
    else:
        chosen = result if short else result.without_shorts()
        rows = candidate_rows(
            [(s.hold, [s.columns[n] for n in names]) for s in chosen.sides.values()], thresholds, at_least
        )
        sides = {sign: _side(side, names, rows) for sign, side in chosen.sides.items()}
    marks = [each[rows] for each in (usable, regime) if each is not None]
    allowed = np.logical_and.reduce(marks) if marks else None
    return Candidates(rows, sides.get(1), sides.get(-1), at_least, result.edge, lookback, allowed)


def _turns(result: setups.Above, first: int, short: bool) -> States:
    """Where its side changes from row `first` on; without shorts the lower side is flat."""
    rows, side = result.turns(first)
    if not short:
        side = np.maximum(side, 0.0)
        begun = int(len(side) > 0 and side[0] == 0.0)  # flat it was before
        rows, side = rows[begun:], side[begun:]
    return States(rows, side)


def threshold_matrix(rule: Strategy, sets: Sequence[Values]) -> FloatArray:
    """``(T, K)``: the thresholds of each parameter set, in the order of `Strategy.thresholds`; off (None) is NaN."""
    out = np.full((len(sets), len(rule.thresholds)), np.nan)
    for t, values in enumerate(sets):
        out[t] = [np.nan if values[name] is None else values[name] for name in rule.thresholds]
    return out


def build_exits(sets: Sequence[Values]) -> Exits:
    """The exits of each parameter set."""
    by_risk = np.array([values.get("sizing") == "risk" for values in sets])
    share = np.where(by_risk, _numbers(sets, "max_share", 1.0), _numbers(sets, "share", 1.0))
    return Exits.of(
        stop_multiple=_numbers(sets, "atr_multiplier_sl", 0.0),
        take_multiple=_numbers(sets, "atr_multiplier_tp", np.nan),
        reward_ratio=_numbers(sets, "risk_reward_ratio", np.nan),
        hold=_numbers(sets, "max_holding_periods", 0.0),
        share=share,
        risk=np.where(by_risk, _numbers(sets, "risk_per_trade", np.nan), np.nan),
    )


def _numbers(sets: Sequence[Values], name: str, absent: float) -> FloatArray:
    result = [values.get(name) for values in sets]
    return np.array([absent if value is None else value for value in result], np.float64)


def _side(side: setups.Side, names: list[str], rows: NDArray[np.int32]) -> Side:
    """A side at some of its rows."""
    levels = {name: _at(getattr(side, name), rows) for name in _LEVELS}
    columns = np.array([side.columns[name][rows] for name in names], np.float64).reshape(len(names), len(rows))
    return Side(side.hold[rows], columns, **levels)


def _at(level: setups.Level, rows: NDArray[np.int32]) -> FloatArray | None:
    if level is None:
        return None
    return np.full(len(rows), float(level)) if isinstance(level, int | float) else level.take(rows)
