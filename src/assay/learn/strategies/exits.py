"""Turn signals into decisions: stop, take, hold and size. Reads nothing of a bar but its close."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError
from assay.learn.strategies.setups import Entries, State


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


def decisions(entries: Entries, close: FloatArray, exits: Mapping[str, Any], *, lookback: int) -> Decisions:
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
