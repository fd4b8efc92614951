"""Targets selected from swing-event pattern columns, and what may then stand in X."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy as np

from assay.features.patterns import EVENTS, base_values, parse_name, refuse_twins, written
from assay.features.patterns import Pattern as Column
from assay.features.study import Study
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError, DataError, LeakError, shown
from assay.kernel.labels import Labels
from assay.kernel.names import did_you_mean
from assay.targets.horizon import ahead, labels, reach


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """y[i] = base_w{window}_s{std_dev}_{target_type}[i + target_lag], known at the close of bar i + target_lag.

    window:      bars of the band, >= 2.   std_dev: its width, > 0, compared as a number (2 equals 2.0).
    target_lag:  bars ahead, >= 1; no default.
    target_type: one event; None is all four, which `label` refuses (``CONFIG_TARGET_WIDTH``) and `each` splits.
    Raises LeakError ``LEAK_TARGET_LAG``; ConfigError ``CONFIG_PARAMETER``, ``CONFIG_TARGET_UNKNOWN``.
    """

    window: int
    std_dev: float | str
    target_lag: int
    target_type: str | None = None

    def __post_init__(self) -> None:
        _check_lag(self.target_lag)
        if not isinstance(self.window, int) or isinstance(self.window, bool) or self.window < 2:
            raise _wrong("window", self.window, "an integer >= 2")
        _ = self.deviation
        if self.target_type is not None and self.target_type not in EVENTS:
            near = did_you_mean(str(self.target_type), EVENTS)
            raise ConfigError(
                f"target_type is {shown(self.target_type)}, must be one of {', '.join(EVENTS)}",
                code="CONFIG_TARGET_UNKNOWN",
                hint=near,
                field="target_type",
            )

    @property
    def deviation(self) -> Decimal:
        """std_dev as a number."""
        try:
            value = Decimal(str(self.std_dev)) if not isinstance(self.std_dev, bool) else Decimal("NaN")
        except InvalidOperation:
            raise _wrong("std_dev", self.std_dev, "a number > 0") from None
        if not value.is_finite() or value <= 0:
            raise _wrong("std_dev", self.std_dev, "a finite number > 0")
        return value

    def each(self) -> tuple["Pattern", ...]:
        """One target for each event that is asked for."""
        events = EVENTS if self.target_type is None else (self.target_type,)
        return tuple(
            Pattern(window=self.window, std_dev=self.std_dev, target_lag=self.target_lag, target_type=event)
            for event in events
        )

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        if self.target_type is None:
            raise ConfigError(
                "a target_config without target_type names four targets, and a trainer takes one",
                code="CONFIG_TARGET_WIDTH",
                hint=f"Add target_type: one of {', '.join(EVENTS)}.",
            )
        column = Column(self.window, self.deviation, self.target_type)
        values = base_values(Study(bars), column)
        end = reach(bars, self.target_lag)
        return labels(
            bars,
            ahead(values, self.target_lag),
            end,
            bars.known_at[end],
            str(self),
            self.target_lag,
            classes=(0.0, 1.0),
            side=1 if self.target_type in ("high_breakout", "low_reversion") else -1,
            warm_up=column.lookback,
        )

    def __str__(self) -> str:
        event = f", target_type={self.target_type}" if self.target_type else ""
        return f"pattern(window={self.window}, std_dev={written(self.deviation)}, target_lag={self.target_lag}{event})"


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
    from assay.targets.choice import parse

    target = parse("pattern", target_config)
    if not isinstance(target, Pattern):
        raise TypeError("parse gives a Pattern for pattern")
    refuse_twins(columns)
    chosen = _chosen(columns, target)
    blocks = _blocks(symbols, known_at, target.target_lag)
    y = {f"target_{event}": np.full(len(known_at), np.nan) for event in chosen}
    known = known_at.copy()
    dropped: dict[str, dict[str, int]] = {}
    for symbol, start, stop in blocks:
        cut = stop - target.target_lag
        for event, name in chosen.items():
            y[f"target_{event}"][start:cut] = columns[name][start + target.target_lag : stop]
        known[start:cut] = known_at[start + target.target_lag : stop]
        dropped[symbol] = _dropped(np.array([v[start:stop] for v in y.values()]), target.target_lag)
    none = np.any([np.isnan(v) for v in y.values()], axis=0)
    known[none] = known_at[none]
    x = tuple(name for name in columns if (p := parse_name(name)) is None or p.lag)
    return Selection(x, y, known, dropped)


def _chosen(columns: Mapping[str, FloatArray], target: Pattern) -> dict[str, str]:
    """The base column of each event asked for."""
    flags = {
        p: n for n in columns if (p := parse_name(n)) is not None and not p.lag and not p.since and p.threshold == 1
    }
    pairs = sorted({(p.window, p.std_dev) for p in flags})
    found = {}
    for part in target.each():
        name = flags.get(Column(target.window, target.deviation, part.target_type or ""))
        if name is None:
            there = ", ".join(f"w{w} s{written(s)}" for w, s in pairs) or "none"
            raise ConfigError(
                f"no column says {part.target_type} of window {target.window} and std_dev {written(target.deviation)}; "
                f"there are {there}",
                code="CONFIG_TARGET_UNKNOWN",
            )
        found[part.target_type or ""] = name
    return found


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


def _check_lag(lag: object) -> None:
    if not isinstance(lag, int) or isinstance(lag, bool):
        raise _wrong("target_lag", lag, "an integer >= 1")
    if lag < 1:
        raise LeakError(
            f"target_lag is {lag}, must be an integer >= 1: at 0 the answer is known when it is asked for",
            code="LEAK_TARGET_LAG",
            field="target_lag",
        )


def _wrong(field: str, value: object, right: str) -> ConfigError:
    return ConfigError(f"{field} is {shown(value)}, must be {right}", code="CONFIG_PARAMETER", field=field)
