"""Compute tables of features; the context that a feature function reads from, and lookup by name."""

import hashlib
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar

import numpy as np

import assay
from assay.features import kernels
from assay.features.patterns import pattern_feature, refuse_twins
from assay.features.registry import EXTRAS, FEATURE_SETS, FORBIDDEN, LAG, Feature, families, feature_registry
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError, LeakError, did_you_mean, printable
from assay.kernel.timeframe import Timeframe

UserColumns = Mapping[str, Feature]
NO_USER_COLUMNS: UserColumns = MappingProxyType({})
_SHORT = {"rsi": "rsi_14", "return": "return_1", "spread": "avg_spread"}  # names that lags go by


def find_feature(name: str, own: UserColumns = NO_USER_COLUMNS) -> Feature:
    """The column of that name: of `own`, in the book, of a family, a pattern column, a lag, or a relative form.

    own: columns of the user's file by name; they are found before those of the book.

    Raises LeakError ``LEAK_COLUMN`` for ``future_*``, ``target_*`` and pattern columns that are for y only; ConfigError
    ``CONFIG_FEATURE`` with the nearest names.
    """
    if FORBIDDEN.match(name):
        raise LeakError(
            f"column {printable(name)} speaks of what a model has to find out and may not be a feature",
            code="LEAK_COLUMN",
            hint="Take it out of the feature list; a pattern column's lags (w20_s2.0_high_breakout_lag_20) may stay.",
            column=name[:64],
        )
    result = seek(name, own)
    if result is None:
        near = did_you_mean(name, [*own, *feature_registry()])
        raise ConfigError(
            f"feature {printable(name)} is unknown; {near}".rstrip("; "), code="CONFIG_FEATURE", hint=near
        )
    return result


def is_own_column(name: str, own: UserColumns) -> bool:
    """Whether a column is one of `own`, or a lag or the relative form of one."""
    if name in own:
        return True
    lag = LAG.fullmatch(name)
    base = lag[1] if lag is not None else name.removesuffix("_rel")
    return base != name and is_own_column(base, own)


def seek(name: str, own: UserColumns = NO_USER_COLUMNS) -> Feature | None:
    """The column of that name as `find_feature` gives it, or None."""
    if name in own:
        return own[name]
    if name in (available := feature_registry()):
        return available[name]
    for member in (*(f.match(name) for f in families()), pattern_feature(name)):
        if member is not None:
            return member
    lag = LAG.fullmatch(name)
    if lag is not None:
        longer = lag[1] if lag[1] in own else _SHORT.get(lag[1], lag[1])
        base = None if FORBIDDEN.match(lag[1]) else seek(longer, own)
        return None if base is None else _lagged(name, base, int(lag[2]))
    if name.endswith("_rel"):
        base = seek(name.removesuffix("_rel"), own)
        return None if base is None or base.unit != "quote" else relative(base)
    return None


def _lagged(name: str, base: Feature, k: int) -> Feature:
    return replace(base, name=name, delay=base.delay + k, compute=lambda s: kernels.later(s.column(base.name), k))


def relative(base: Feature) -> Feature:
    """The scale-free form of a ``quote`` column: X/close - 1 for a price level, X/close for a difference."""
    form = kernels.relative if base.level else kernels.ratio
    return replace(
        base,
        name=f"{base.name}_rel",
        unit="ratio",
        compute=lambda study: form(study.fresh(base), study.bars.close),  # read once: not worth keeping
    )


HIGHER = {"1m": "5m", "5m": "15m", "15m": "1h", "30m": "1h", "1h": "4h", "4h": "1d", "1d": "1w"}
CLOCKS = {"own": 0, "higher": 1, "next": 2}
"""Timeframes above the bars' own, by the name of the clock."""
T = TypeVar("T")


class FeatureContext:
    """The bars that columns are computed of, with a memory for what several columns share. Safe for threads.

    bars:  the instrument's own bars, ``n`` rows.
    lower: bars of a lower timeframe of the same instrument, or None.
    own:   columns of the user's file by name, which `column` finds before all others.
    """

    def __init__(self, bars: Bars, lower: Bars | None = None, own: UserColumns = NO_USER_COLUMNS) -> None:
        self.bars = bars
        self.lower = lower
        self.own = own
        self._lock = Lock()
        self._locks: dict[str, Lock] = {}
        self._values: dict[str, Any] = {}

    def once(self, key: str, compute: Callable[[], T]) -> T:
        """The value of `compute`, computed by the first who asks for `key` and kept for all others."""
        with self._lock:
            lock = self._locks.setdefault(key, Lock())
        with lock:
            if key not in self._values:
                self._values[key] = compute()
        value: T = self._values[key]
        return value

    def column(self, name: str) -> FloatArray:
        """Another column, ``(n,)``, NaN before its lookback; kept."""
        return self.once(f"column {name}", lambda: self._blanked(find_feature(name, self.own)))

    def reader(self) -> "FeatureContext":
        """The same study for a function of the user's: what it computes is shared, what it is given are copies."""
        return _Reader(self)

    def fresh(self, feature: Feature) -> FloatArray:
        """A column as its function gives it, ``(n,)``: not blanked, and not kept unless somebody else asked for it."""
        key = f"column {feature.name}"
        return self._values[key] if key in self._values else np.asarray(feature.compute(self), np.float64)

    def rows(self, feature: Feature) -> int:
        """A feature's lookback in rows of these bars."""
        return feature.lookback * self.per(feature.clock) + feature.delay

    def per(self, clock: str) -> int:
        """Own bars in a bar of that clock; 1 where the timeframe map ends."""
        bar: Timeframe | None = self.bars.instrument.bar
        for _ in range(CLOCKS[clock]):
            bar = above(bar) if bar is not None else None
        return 1 if bar is None else bar.ms // self.bars.instrument.bar.ms

    def _blanked(self, feature: Feature) -> FloatArray:
        values = np.array(feature.compute(self), np.float64)
        values[: self.rows(feature)] = np.nan
        return values


class _Reader(FeatureContext):
    """A study whose columns may be written into without changing anyone else's."""

    def __init__(self, study: FeatureContext) -> None:
        self.__dict__.update(study.__dict__)

    def column(self, name: str) -> FloatArray:
        return super().column(name).copy()


def above(bar: Timeframe) -> Timeframe | None:
    """The next timeframe of the map 1m, 5m, 15m, 1h, 4h, 1d, 1w (30m goes to 1h); None where it ends."""
    name = HIGHER.get(bar.name)
    return None if name is None else Timeframe(name)


_LOG = logging.getLogger(__name__)
NEEDS = ("volume", "column", "joined", "lower", "ltf_volume", "higher", "next")
"""What a column may need; ``column:NAME`` and ``joined:NAME`` say of what name."""
_BLOCK = 8  # columns that are written into the matrix together: one cache line of a row


@dataclass(frozen=True, eq=False)
class Table:
    """Feature columns of one instrument; row t knows bars <= t.

    values:   ``(n, k)`` float64, C-contiguous; NaN before each column's lookback and where its formula says so.
    names:    the k columns, in order.
    lookback: rows of history before the first row that has all of them: the largest of `lookbacks`.
    features: what each column is, in order.
    absent:   columns of the set that these bars cannot have, each with the reason.
    """

    values: FloatArray
    names: tuple[str, ...]
    lookback: int
    lookbacks: tuple[int, ...]
    features: tuple[Feature, ...]
    absent: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    def column(self, name: str) -> FloatArray:
        """``(n,)``, a view. Raises ConfigError ``CONFIG_FEATURE`` for a column that is not in the table."""
        if name not in self.names:
            why = self.absent.get(name, did_you_mean(name, self.names))
            raise ConfigError(
                f"column {printable(name)} is not in the table; {why}".rstrip("; "), code="CONFIG_FEATURE"
            )
        return self.values[:, self.names.index(name)]

    @cached_property
    def missing(self) -> IntArray:
        """``(n,)`` int64: values in each row that are not finite (``missing_feature_count``)."""
        return kernels.count_missing(self.values)

    @cached_property
    def quality(self) -> FloatArray:
        """``(n,)``: share of finite values in each row (``quality_score``); NaN for a table without columns."""
        k = len(self.names)
        return 1.0 - self.missing / k if k else np.full(len(self), np.nan)


def set_columns(set: str | Sequence[str], own: UserColumns = NO_USER_COLUMNS) -> tuple[str, ...]:
    """The columns that a set has wherever there are candles (`table` adds what further data allows).

    own: columns of the user's file by name, which a list of names may hold.

    Raises ConfigError ``CONFIG_FEATURE`` for an unknown set or feature, ``CONFIG_FEATURE_DUPLICATE`` for one named
    twice, LeakError ``LEAK_COLUMN`` for a column that speaks of the future.
    """
    if isinstance(set, str):
        if set not in FEATURE_SETS:
            near = did_you_mean(set, FEATURE_SETS) or f"there are {', '.join(FEATURE_SETS)}"
            raise ConfigError(f"feature set {printable(set)} is unknown; {near}", code="CONFIG_FEATURE", hint=near)
        return FEATURE_SETS[set]
    names = tuple(set)
    for i, name in enumerate(names):
        find_feature(name, own)
        if name in names[:i]:
            raise ConfigError(f"feature {printable(name)} is named twice", code="CONFIG_FEATURE_DUPLICATE")
    refuse_twins(names)
    return names


def set_digest(set: str | Sequence[str], *, levels: bool = False, own: UserColumns = NO_USER_COLUMNS) -> str:
    """SHA-256 (hex) of what a set computes: its columns, their lookbacks and units, and Assay's version.

    own: columns of the user's file that a list may name; what they compute is said by the digest of that file.
    """
    entries = [find_feature(name, own) for name in (*set_columns(set, own), *_extras(set))]
    words = [[e.name, e.group, e.lookback, e.clock, e.unit, e.windowed, e.level] for e in entries]
    document = json.dumps([assay.__version__, levels, words], separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()


def table(
    bars: Bars,
    set: str | Sequence[str] = "core72",
    *,
    levels: bool = False,
    lower: Bars | None = None,
    own: UserColumns = NO_USER_COLUMNS,
    threads: int = 2,
) -> Table:
    """Compute the columns of a set.

    levels:  keep price levels as they are; else each ``quote`` column X becomes ``X_rel``: X/close - 1, and X/close for
             differences such as MACD.
    lower:   bars of a lower timeframe, for the ``ltf_`` columns.
    own:     columns of the user's file by name: behind a set with a name all of them, of a list those that it names.
    threads: columns are computed side by side; the result does not depend on it.

    Columns whose data is not there (volume, a higher timeframe, spread …) are left out and named in `absent`, with a
    warning for those that were asked for by name or belong to the set on candles alone.
    Errors: those of `set_columns`; DataError ``DATA_SCHEMA`` if `lower` is of another instrument or not of a lower
    timeframe. Cost: O(n k); memory: the matrix, and about 20 columns beside it.
    """
    study = FeatureContext(bars, _checked_lower(bars, lower), own)
    wanted = [find_feature(name, own) for name in set_columns(set, own)]
    extra = [find_feature(name) for name in _extras(set)]
    behind = list(own.values()) if isinstance(set, str) else []
    every = [*wanted, *extra, *behind]
    absent = {f.name: why for f in every if (why := _lack(f, study))}
    missed = [f.name for f in (*wanted, *behind) if f.name in absent]
    if missed:
        _LOG.warning("%s: %d features absent: %s", bars.instrument, len(missed), ", ".join(missed))
    there = [f for f in every if f.name not in absent]
    features = [f if levels or f.unit != "quote" else relative(f) for f in there]
    _refuse_twins(features)
    lookbacks = tuple(study.rows(f) for f in features)
    matrix = _filled(study, features, lookbacks, threads)
    names = tuple(f.name for f in features)
    return Table(matrix, names, max(lookbacks, default=0), lookbacks, tuple(features), absent)


def _extras(set: str | Sequence[str]) -> tuple[str, ...]:
    return EXTRAS[set] if isinstance(set, str) else ()


def _refuse_twins(features: list[Feature]) -> None:
    names = [f.name for f in features]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"feature {name} would stand in the table twice", code="CONFIG_FEATURE_DUPLICATE")


def _checked_lower(bars: Bars, lower: Bars | None) -> Bars | None:
    if lower is None:
        return None
    own, other = bars.instrument, lower.instrument
    if (other.exchange, other.symbol) != (own.exchange, own.symbol) or other.bar.ms >= own.bar.ms:
        raise DataError(f"lower bars are {other}; {own} needs its own market at a lower timeframe", code="DATA_SCHEMA")
    return lower


def _lack(feature: Feature, study: FeatureContext) -> str:
    """Why these bars cannot have the column; empty if they can."""
    reasons = (_lack_of(need, study) for need in feature.needs)
    return next((why for why in reasons if why), "")


def _lack_of(need: str, study: FeatureContext) -> str:
    kind, _, name = need.partition(":")
    bars = study.bars
    higher = above(bars.instrument.bar)
    answers = {
        "volume": (bars.volume is not None, "the market has no volume"),
        "column": (name in bars.columns, f"the bars have no column {name}"),
        "joined": (name in bars.joined, f"no series {name} is joined"),
        "lower": (study.lower is not None, "no bars of a lower timeframe are given"),
        "ltf_volume": (study.lower is not None and study.lower.volume is not None, "the lower bars have no volume"),
        "higher": (higher is not None, f"no timeframe stands above {bars.instrument.timeframe}"),
        "next": (
            higher is not None and above(higher) is not None,
            f"no two timeframes stand above {bars.instrument.timeframe}",
        ),
    }
    there, why = answers[kind]
    return "" if there else why


def _filled(study: FeatureContext, features: list[Feature], lookbacks: tuple[int, ...], threads: int) -> FloatArray:
    n, k = len(study.bars), len(features)
    matrix = np.empty((n, k))
    if n == 0:
        return matrix

    def fill(first: int) -> None:
        part = features[first : first + _BLOCK]
        block = np.empty((len(part), n))
        for row, feature in enumerate(part):
            values = study.fresh(feature)
            if values.shape != (n,):
                raise ConfigError(
                    f"feature {feature.name} gives shape {values.shape} for {n} bars", code="CONFIG_FEATURE"
                )
            block[row] = values
        kernels.place(
            matrix, np.arange(first, first + len(part)), block, np.array(lookbacks[first : first + len(part)])
        )

    starts = range(0, k, _BLOCK)
    if threads <= 1:
        for first in starts:
            fill(first)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, starts))
    return matrix
