"""The work of a sweep, cut into pieces for a pool of threads; each piece writes its own rows of the result."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.errors import ConfigError
from assay.simulate.inputs import fixed
from assay.simulate.sweep_filter import interleaved
from assay.simulate.sweep_inputs import Candidates
from assay.simulate.sweep_replay import replay
from assay.simulate.sweep_single import Setup, carries, levels_of, signals

_MOST_SHARE = 0.99  # as in `assay.simulate.fills`
_BLOCKS = 8  # pieces of work a thread and structural set: fine enough to balance, coarse enough to cost nothing
_PICKS = 256  # picks in a piece of work
Lazy = Setup | Callable[[], Setup]
_Known = tuple[Setup, FloatArray]
_Piece = tuple[FloatArray, FloatArray, FloatArray]  # threshold sets, the exits of each, where the sums go


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Bars as the replay reads them."""

    bars: Bars
    prices: FloatArray
    silent: NDArray[np.bool_]
    closes: FloatArray
    costs: tuple[float, float]
    start: int
    equity: float

    @classmethod
    def of(cls, bars: Bars, costs: Costs, start: int, equity: float) -> "Market":
        """Prices interleaved, costs as the replay takes them."""
        silent = np.zeros(0, np.bool_) if bars.volume is None else bars.volume == 0.0
        prices = interleaved(*(fixed(p) for p in (bars.open, bars.high, bars.low, bars.close)))
        return cls(
            bars,
            fixed(prices),
            fixed(silent if silent.any() else silent[:0], np.bool_),
            fixed(bars.close),
            (costs.fee, min(costs.price_share, _MOST_SHARE)),
            start,
            equity,
        )


def replay_product(
    market: Market, setups: Sequence[Lazy], thresholds: FloatArray, exits: FloatArray, out: FloatArray, threads: int
) -> None:
    """Every setup × threshold set × set of exits into `out` ``(S, T, E, KEPT)``."""

    def pieces(s: int) -> Iterator[list[_Piece]]:
        for t, e in _pieces(len(thresholds), len(exits), threads):
            yield [(thresholds[t], exits[e], out[s, t, e])]

    _work(market, setups, range(len(setups)), thresholds, pieces, threads)


def replay_picks(
    market: Market,
    setups: Sequence[Lazy],
    which: IntArray,
    thresholds: FloatArray,
    exits: FloatArray,
    out: FloatArray,
    threads: int,
) -> None:
    """Pick p is setup ``which[p]`` at ``thresholds[p]`` and ``exits[p]``, into ``out[p]``."""
    order = np.argsort(which, kind="stable")
    named, firsts = np.unique(which[order], return_index=True)
    groups = dict(zip(named.tolist(), np.split(order, firsts[1:]), strict=True))

    def pieces(s: int) -> Iterator[list[_Piece]]:
        ones = [(thresholds[p : p + 1], exits[p : p + 1], out[p : p + 1, np.newaxis]) for p in groups[s].tolist()]
        for at in range(0, len(ones), _PICKS):
            yield ones[at : at + _PICKS]

    _work(market, setups, groups, thresholds, pieces, threads)


def _work(
    market: Market,
    setups: Sequence[Lazy],
    chosen: Iterable[int],
    thresholds: FloatArray,
    pieces: Callable[[int], Iterator[list[_Piece]]],
    threads: int,
) -> None:
    """Give a pool its work, a few setups ahead of what is being replayed, and wait for it."""
    ahead, order = 2 * threads, list(chosen)
    known: dict[int, Future[_Known]] = {}
    work: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for at, s in enumerate(order):
            for later in order[at : at + ahead]:
                if later not in known:
                    known[later] = pool.submit(_with_levels, setups[later], market.bars, thresholds)
            setup = known.pop(s).result()
            while len(work) > ahead * _BLOCKS * threads:
                work.popleft().result()
            for some in pieces(s):
                work.append(pool.submit(_replay, market, setup, some))
        for piece in work:
            piece.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _replay(market: Market, setup: _Known, pieces: Sequence[_Piece]) -> None:
    """Blocks of threshold sets, each with its block of exits."""
    chosen, levels = setup
    flags = carries(chosen)
    for thresholds, exits, out in pieces:
        for j, values in enumerate(thresholds):
            rows, turns, found = signals(chosen, levels, values, market.start, market.closes)
            replay(
                market.prices,
                market.silent,
                fixed(rows, np.int32),
                fixed(turns, np.int32),
                fixed(found),
                flags,
                fixed(exits),
                market.costs,
                market.equity,
                out[j],
            )


def _pieces(sets: int, exits: int, threads: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of threshold sets; of exits only where there are too few of the former to go round."""
    size = -(-sets // (_BLOCKS * threads))
    width = exits if sets >= threads else -(-exits // (_BLOCKS * threads))
    for t in range(0, sets, size):
        for e in range(0, exits, width):
            yield slice(t, t + size), slice(e, e + width)


def _with_levels(lazy: Lazy, bars: Bars, thresholds: FloatArray) -> _Known:
    setup = known(lazy, bars, thresholds)
    return setup, levels_of(setup)


def known(lazy: Lazy, bars: Bars, thresholds: FloatArray) -> Setup:
    """The setup, computed now if it was left for later. Raises ConfigError ``CONFIG_PARAMETER`` if it does not fit."""
    setup = lazy() if callable(lazy) else lazy
    if len(setup.rows) and setup.rows[-1] >= len(bars):
        raise ConfigError(
            f"sweep: row {setup.rows[-1]} is a candidate, there are {len(bars)} bars", code="CONFIG_PARAMETER"
        )
    wanted = len(setup.at_least) if isinstance(setup, Candidates) else 0
    if wanted != thresholds.shape[1]:
        raise ConfigError(
            f"sweep: the candidates compare {wanted} columns, each threshold set has {thresholds.shape[1]} values",
            code="CONFIG_PARAMETER",
        )
    return setup
