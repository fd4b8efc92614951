"""A frame of stored pattern columns, split by a ``target_config``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from assay.features import Pattern as Column
from assay.features import format_number, parse_name, refuse_twins
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ConfigError, DataError
from assay.targets.pattern import Pattern
from assay.targets.registry import parse_target


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A frame of pattern columns, split into what is learnt from and what is to be learnt.

    x:       names of the columns that may stand in X, in their order: all but base columns of any window and s.
    y:       ``target_{event}`` -> ``(n,)``, NaN where there is none.
    known_at: ``(n,)`` int64 ms; the row's own close where there is no y.
    dropped: by symbol, rows without y: ``tail``, ``warm_up``, ``nan``.
    """

    x: tuple[str, ...]
    y: Mapping[str, FloatArray]
    known_at: IntArray
    dropped: Mapping[str, Mapping[str, int]]


def select(
    columns: Mapping[str, FloatArray], symbols: Sequence[str], known_at: IntArray, target_config: Mapping[str, object]
) -> Selection:
    """Apply a ``target_config`` to stored columns of several symbols, rows sorted by (symbol, timestamp).

    columns:  name -> ``(n,)``. symbols: ``n`` names, equal ones together. known_at: ``(n,)`` int64 ms, bars' closes.
    No value crosses the border between symbols; the last ``target_lag`` rows of each have no y.
    Raises ConfigError ``CONFIG_TARGET_UNKNOWN`` (no such window and std_dev; lists the pairs there are),
    ``CONFIG_FEATURE_DUPLICATE``, ``CONFIG_PARAMETER``; LeakError ``LEAK_TARGET_LAG``; DataError ``DATA_ORDER``.
    """
    target = parse_target("pattern", target_config)
    if not isinstance(target, Pattern):
        raise TypeError("parse gives a Pattern for pattern")
    refuse_twins(columns)
    chosen = _chosen(columns, target)
    blocks = _blocks(symbols, known_at, target.target_lag)
    y = {f"target_{event}": np.full(len(known_at), np.nan) for event in chosen}
    available = known_at.copy()
    dropped: dict[str, dict[str, int]] = {}
    for symbol, start, stop in blocks:
        cut = stop - target.target_lag
        for event, name in chosen.items():
            y[f"target_{event}"][start:cut] = columns[name][start + target.target_lag : stop]
        available[start:cut] = known_at[start + target.target_lag : stop]
        dropped[symbol] = _dropped(np.array([v[start:stop] for v in y.values()]), target.target_lag)
    none = np.any([np.isnan(v) for v in y.values()], axis=0)
    available[none] = known_at[none]
    x = tuple(name for name in columns if (p := parse_name(name)) is None or p.lag)
    return Selection(x, y, available, dropped)


def _chosen(columns: Mapping[str, FloatArray], target: Pattern) -> dict[str, str]:
    """The base column of each event asked for."""
    flags = {
        p: n for n in columns if (p := parse_name(n)) is not None and not p.lag and not p.since and p.threshold == 1
    }
    pairs = sorted({(p.window, p.std_dev) for p in flags})
    result = {}
    for part in target.each():
        name = flags.get(Column(target.window, target.deviation, part.target_type or ""))
        if name is None:
            there = ", ".join(f"w{w} s{format_number(s)}" for w, s in pairs) or "none"
            raise ConfigError(
                f"no column says {part.target_type} of window {target.window} "
                f"and std_dev {format_number(target.deviation)}; "
                f"there are {there}",
                code="CONFIG_TARGET_UNKNOWN",
            )
        result[part.target_type or ""] = name
    return result


def _blocks(symbols: Sequence[str], known_at: IntArray, lag: int) -> list[tuple[str, int, int]]:
    names = np.asarray(symbols)
    starts = [0, *(np.flatnonzero(names[1:] != names[:-1]) + 1).tolist()] if len(names) else []
    blocks = [(str(names[a]), a, b) for a, b in zip(starts, [*starts[1:], len(names)], strict=True)]
    if len({symbol for symbol, _, _ in blocks}) < len(blocks) or [b[0] for b in blocks] != sorted(b[0] for b in blocks):
        raise DataError("rows must be sorted by (symbol, timestamp): a symbol is out of order", code="DATA_ORDER")
    for symbol, start, stop in blocks:
        steps = np.diff(known_at[start:stop])
        if np.any(steps <= 0):
            row = start + int(np.argmax(steps <= 0)) + 1
            raise DataError(f"{symbol}: times must strictly increase, row {row} does not", code="DATA_ORDER", row=row)
        if lag >= stop - start:
            raise ConfigError(
                f"target_lag is {lag}, but {symbol} has only {stop - start} rows",
                code="CONFIG_PARAMETER",
                field="target_lag",
            )
    return blocks


def _dropped(y: FloatArray, lag: int) -> dict[str, int]:
    n = y.shape[1]
    none = np.isnan(y).any(axis=0)
    begun = int(np.argmin(none)) if not none.all() else n
    tail = min(lag, n)
    warm_up = min(begun, n - tail)
    return {"tail": tail, "warm_up": warm_up, "nan": int(none.sum()) - tail - warm_up}
