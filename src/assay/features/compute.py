"""Many columns at once."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

import assay
from assay.features import kernels
from assay.features.context import FeatureContext, above
from assay.features.lookup import NO_USER_COLUMNS, UserColumns, find_feature, relative
from assay.features.patterns import refuse_twins
from assay.features.registry import Feature
from assay.features.sets import EXTRAS, FEATURE_SETS
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError, DataError, printable
from assay.kernel.suggestions import did_you_mean

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
