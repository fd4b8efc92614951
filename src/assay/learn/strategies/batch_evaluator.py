"""One rule on one stretch of candles, for any number of candidates: what a search asks of the sweep."""

import itertools
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import AssayError
from assay.learn.strategies import regimes
from assay.learn.strategies.candidates import build_exits, lazy_candidates, threshold_matrix
from assay.learn.strategies.declaration import ALLOW_SHORT, Strategy, Values
from assay.learn.strategies.indicators import share_indicators
from assay.learn.strategies.parameters import Exit, Structural
from assay.simulate import Candidates, Lazy, Side, States, SweepResult, compute_setup, sweep_picks, sweep_product

_TOGETHER = 200_000  # combinations whose sums are held at once: 58 MB
_CORNERS = 4_096
_FEW = 64
_warmed: set[str] = set()  # rules whose code this process has loaded
_CACHE_SIZE = 256  # structural sets whose candidates are kept for later batches
Grids = Mapping[str, Sequence[Any]]
Measured = dict[str, FloatArray]
Setup = Candidates | States
Heard = Callable[[int, Measured], None]


@dataclass(eq=False)
class BatchEvaluator:
    """Measures candidates of a rule on the bars from row `start` on, each on an account of its own.

    bars:    with as much history before `start` as there is; no more than the rule reads is computed on.
    base:    all parameters, as `Strategy.resolve` gives them; a candidate changes some.
    ends:    of each searched parameter the values that bound it: both ends of a range, every choice.
    regime:  the only one in which a position may begin; empty is any.
    seconds: spent in the sweep so far, indicators included, the loading of compiled code apart (see `warm`).

    What comes out is what `assay.simulate.simulate` gives for the rule's decisions, bit for bit, for any number of
    threads.
    """

    rule: Strategy
    bars: Bars
    start: int
    base: Values
    ends: Grids
    costs: Costs
    regime: str = ""
    threads: int | None = None
    seconds: float = 0.0
    _reach: int = field(default=0, init=False)
    _from: int = field(default=0, init=False)
    _window: Bars = field(init=False)
    _allowed: BoolArray | None = field(default=None, init=False)
    _cache: dict[tuple[Any, ...], Setup] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._cut(max(self.lookback(values) for values in self.corners()))

    @property
    def judged(self) -> int:
        """Bars from `start` on."""
        return len(self.bars) - self.start

    def warm(self) -> None:
        """Load the compiled code of rule and sweep, once a process, on a few bars: some tenths of a second."""
        if self.rule.name in _warmed:
            return
        _warmed.add(self.rule.name)
        need = self.lookback(self.base) + _FEW
        if len(self.bars) >= need:
            few = BatchEvaluator(
                self.rule, self.bars[:need], need - _FEW, self.base, {}, self.costs, self.regime, self.threads
            )
            with suppress(AssayError):  # the search itself meets it again, and says at which parameters
                few.points([{}])

    def points(self, points: Sequence[Values], names: Collection[str] | None = None) -> Measured:
        """``(P,)`` a metric of each candidate; see `SweepResult.metrics` for the names."""
        began = time.perf_counter()
        sets = [{**self.base, **point} for point in points]
        keys = [self._key(values) for values in sets]
        places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        distinct = {key: values for key, values in zip(keys, sets, strict=True)}
        self._widen(distinct.values())
        with share_indicators():
            setups = [self._setup(distinct[key]) for key in places]
            result = sweep_picks(
                self._window, setups, np.array([places[key] for key in keys]), threshold_matrix(self.rule, sets),
                build_exits(sets), self.costs, start=self._from, threads=self.threads,
            )  # fmt: skip
        measured = self._measured(result, names)
        self.seconds += time.perf_counter() - began
        return measured

    def product(self, grids: Grids, keep: BoolArray, names: Collection[str], heard: Heard) -> Measured:
        """``(P,)`` a metric of each combination of the grids in declared order, last name fastest.

        keep:  ``(P,)`` combinations that are wanted; a structural set of which none is, is not computed, and its
               numbers are NaN.   heard: is told how many combinations were measured, and their metrics, from time to
               time; it may raise to cancel.
        """
        began = time.perf_counter()
        parts = [self._kinds(grids, kind) for kind in ("structural", "threshold", "exit")]
        order = [name for part in parts for name in part]
        structural, thresholds, exits = ([*_sets(self.base, part)] for part in parts)
        wanted = _reordered(keep, list(grids), order, grids).reshape(len(structural), -1)
        some = np.flatnonzero(wanted.any(axis=1))
        self._widen(structural[s] for s in some)
        out = {name: np.full((len(structural), len(thresholds), len(exits)), np.nan) for name in names}
        matrix, ways = threshold_matrix(self.rule, thresholds), build_exits(exits)
        for chosen, rows, setups in self._chunks(some, structural, matrix, len(ways)):
            result = sweep_product(
                self._window, setups, matrix[rows], ways, self.costs, start=self._from, threads=self.threads
            )
            measured = self._measured(result, names)
            for name, values in measured.items():
                out[name][chosen, rows] = values
            self.seconds += time.perf_counter() - began
            heard(result.values[..., 0].size, measured)
            began = time.perf_counter()
        done = {name: _reordered(values.ravel(), order, list(grids), grids) for name, values in out.items()}
        self.seconds += time.perf_counter() - began
        return done

    def _chunks(
        self, some: IntArray, structural: Sequence[Values], matrix: FloatArray, exits: int
    ) -> Iterator[tuple[IntArray, slice, list[Lazy]]]:
        """Structural sets, threshold sets and setups of at most `_TOGETHER` combinations, or of one set's piece."""
        step, rows = max(1, _TOGETHER // (len(matrix) * exits)), max(1, _TOGETHER // exits)
        for at in range(0, len(some), step):
            chosen = some[at : at + step]
            with share_indicators():
                setups: list[Lazy] = [self._lazy(structural[s], matrix) for s in chosen]
                if rows < len(matrix):
                    setups = [compute_setup(each, self._window, matrix) for each in setups]
                for first in range(0, len(matrix), rows):
                    yield chosen, slice(first, first + rows), setups

    def _measured(self, result: SweepResult, names: Collection[str] | None) -> Measured:
        return result.metrics(bars_per_year=self.bars.bars_per_year, names=names)

    def corners(self) -> list[dict[str, object]]:
        """Parameter sets at the ends of the space: where the lookback is longest and shortest, unless a rule is odd."""
        ends = self._kinds(self.ends, "structural")
        if prod(len(values) for values in ends.values()) > _CORNERS:
            ends = {name: (values[0], values[-1]) for name, values in ends.items()}
        return [*_sets(self.base, ends)]

    def _kinds(self, grids: Grids, kind: str) -> Grids:
        def of(name: str) -> str:
            if isinstance(self.rule.parameters[name], Structural) or name == ALLOW_SHORT:
                return "structural"
            return "exit" if isinstance(self.rule.parameters[name], Exit) else "threshold"

        return {name: values for name, values in grids.items() if of(name) == kind}

    def lookback(self, values: Values) -> int:
        """Rows of history that a decision at these values reads."""
        rows = self.rule.lookback(values, self.bars.instrument.timeframe)
        return max(rows, regimes.REGIME_LOOKBACK) if self.regime else rows

    def _widen(self, sets: Iterable[Values]) -> None:
        """See to it that there is history for all of these sets."""
        needed = max((self.lookback(values) for values in sets), default=0)
        if needed > self._reach:
            self._cut(needed)

    def _cut(self, reach: int) -> None:
        first = max(0, self.start - reach)
        self._reach, self._window, self._from = reach, self.bars[first:], self.start - first
        self._allowed = regimes.within(self._window, self.regime) if self.regime else None
        self._cache.clear()

    def _key(self, values: Values) -> tuple[object, ...]:
        names = (*self.rule.of_kind(Structural), ALLOW_SHORT)
        return tuple(values.get(name) for name in names)

    def _setup(self, values: Values) -> Callable[[], Setup] | Setup:
        """Candidates that serve every threshold of the space: kept, for a later batch may ask for them again."""
        key = self._key(values)
        if key in self._cache:
            return self._cache[key]
        lazy = self._lazy(values, self._loosest)

        def once() -> Setup:
            if len(self._cache) >= _CACHE_SIZE:
                self._cache.clear()
            self._cache[key] = result = lazy()
            return result

        return once

    @cached_property
    def _loosest(self) -> FloatArray:
        """``(2, K)``: every threshold at one end of its range, and at the other."""
        ends = {n: self.ends.get(n, (self.base[n],)) for n in self.rule.thresholds}
        return threshold_matrix(self.rule, [{n: _end(v, side) for n, v in ends.items()} for side in (min, max)])

    def _lazy(self, values: Values, thresholds: FloatArray) -> Callable[[], Setup]:
        if len(self._window) <= self.lookback(values):
            return self._silent
        lazy = lazy_candidates(self.rule, self._window, values, thresholds, start=self._from, regime=self._allowed)

        def blamed() -> Setup:
            try:
                return lazy()
            except AssayError as error:
                error.facts.setdefault("parameters", {n: values[n] for n in self.ends})
                raise

        return blamed

    def _silent(self) -> Setup:
        """No signal at all: there are fewer bars than the set looks back."""
        none = np.zeros(0, np.int32)
        if self.rule.state:
            return States(none, np.zeros(0))
        k = len(self.rule.thresholds)
        nobody = Side(np.zeros(0, np.bool_), np.zeros((k, 0)))
        return Candidates(none, nobody, None, np.ones(k, np.bool_))


def _end(values: Sequence[object], side: Callable[[Sequence[object]], Any]) -> object:
    """The least or greatest of a threshold's values; off where it may be off."""
    return None if None in values else side(values)


def _sets(base: Values, grids: Grids) -> Iterator[dict[str, object]]:
    for values in itertools.product(*grids.values()):
        yield {**base, **dict(zip(grids, values, strict=True))}


def _reordered(flat: NDArray[Any], names: Sequence[str], wanted: Sequence[str], grids: Grids) -> NDArray[Any]:
    """Numbers of a product in the order of `names`, last fastest, in the order of `wanted`."""
    shape = [len(grids[name]) for name in names]
    return np.ascontiguousarray(flat.reshape(shape).transpose([names.index(name) for name in wanted])).ravel()
