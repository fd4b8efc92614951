"""The work of a sweep, cut into pieces for a pool of threads; each piece writes its own rows of the result."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.errors import ConfigError
from assay.simulate.accumulators import RESULT_COLUMNS
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.reference import Setup, carries, levels_of, signals
from assay.simulate.sweep.replay_scalar import Market, replay_alone
from assay.simulate.sweep.replay_shared import FEWEST, MOST, Places, by_length, most_sets, replay_together
from assay.simulate.sweep.replay_simd import LISTS, replay, together
from assay.simulate.sweep.simd import LANES
from assay.simulate.sweep.sweep_inputs import Candidates, Levels

_BLOCKS = 8  # pieces of work a thread and structural set: fine enough to balance, coarse enough to cost nothing
_PICKS = 256  # most picks in a piece of work
_FEWEST = 3  # accounts, from which on they go abreast
Lazy = Setup | Callable[[], Setup]
_ComputedSetup = tuple[Setup, tuple[Levels, Levels], Places | None]
_Pick = tuple[
    _ComputedSetup, FloatArray, FloatArray, FloatArray
]  # a setup, its thresholds, its exits, where the sums go
_Work = Callable[[], None]


def replay_product(
    market: Market, setups: Sequence[Lazy], thresholds: FloatArray, exits: FloatArray, out: FloatArray, threads: int
) -> None:
    """Every setup × threshold set × set of exits into `out` ``(S, T, E, KEPT)``."""
    sorts = by_length(exits)
    shared = len(thresholds) >= FEWEST and len(exits) >= LANES
    extras = 1 if len(thresholds) > 1 else _setups_per_chunk(len(setups), threads)
    waiting: list[_ComputedSetup] = []

    def pieces(s: int, setup: _ComputedSetup) -> Iterator[_Work]:
        places = setup[2]
        if places is not None:
            block = most_sets(places)
            width = LANES * max(1, -(-len(exits) // (_BLOCKS * LANES * threads)))
            for at in range(0, len(thresholds), block):
                sets = slice(at, at + block)
                for first in range(0, len(exits), width):
                    into = sorts[first : first + width]
                    yield partial(_replay_together, market, setup, places, thresholds[sets], exits, into, out[s, sets])
            return
        waiting.append(setup)
        if len(waiting) < extras and s + 1 < len(setups):
            return
        some, first = waiting.copy(), s + 1 - len(waiting)
        waiting.clear()
        if len(some) > 1:
            yield partial(_replay, market, [(each, thresholds[0]) for each in some], exits, out[first : s + 1, 0])
            return
        for t, e in _pieces(len(thresholds), len(exits), threads):
            yield partial(_replay, market, [(setup, values) for values in thresholds[t]], exits[e], out[s, t, e])

    _work(market, setups, range(len(setups)), thresholds, pieces, threads, shared)


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
    size = min(max(LISTS, len(which) // (_BLOCKS * threads)), _PICKS)
    waiting: list[_Pick] = []

    def pieces(s: int, setup: _ComputedSetup) -> Iterator[_Work]:
        waiting.extend((setup, thresholds[p], exits[p], out[p]) for p in groups[s].tolist())
        while len(waiting) >= size or (waiting and s == named[-1]):
            yield partial(_replay_picks, market, waiting[:size])
            del waiting[:size]

    _work(market, setups, groups, thresholds, pieces, threads, False)


def _work(
    market: Market,
    setups: Sequence[Lazy],
    chosen: Iterable[int],
    thresholds: FloatArray,
    pieces: Callable[[int, _ComputedSetup], Iterator[_Work]],
    threads: int,
    shared: bool,
) -> None:
    """Give a pool its work, a few setups ahead of what is being replayed, and wait for it."""
    ahead, order = 2 * threads, list(chosen)
    available: dict[int, Future[_ComputedSetup]] = {}
    work: deque[Future[None]] = deque()
    pool = ThreadPoolExecutor(threads)
    try:
        for at, s in enumerate(order):
            for later in order[at : at + ahead]:
                if later not in available:
                    available[later] = pool.submit(_with_levels, setups[later], market, thresholds, shared)
            setup = available.pop(s).result()
            while len(work) > ahead * _BLOCKS * threads:
                work.popleft().result()
            for piece in pieces(s, setup):
                work.append(pool.submit(piece))
        for done in work:
            done.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _setups_per_chunk(setups: int, threads: int) -> int:
    """Setups in a piece of work where there is one set of thresholds: as many pieces for each thread, four or more."""
    rounds = max(4, -(-setups // (LISTS * threads)))
    return max(1, -(-setups // (rounds * threads)))


def _replay_picks(market: Market, picks: Sequence[_Pick]) -> None:
    """Setups at a threshold set and a set of exits of their own."""
    for at in range(0, len(picks), LISTS):
        some = picks[at : at + LISTS]
        each, exits = np.arange(len(some)), np.array([one[2] for one in some])
        done = _accounts(
            market, [(setup, values) for setup, values, _, _ in some], exits, np.column_stack([each, each])
        )
        for sums, (_, _, _, out) in zip(done, some, strict=True):
            out[:] = sums


def _replay(
    market: Market, request: Sequence[tuple[_ComputedSetup, FloatArray]], exits: FloatArray, out: FloatArray
) -> None:
    """Setups at one set of thresholds ``(K,)`` each, with all of some exits, into `out` ``(asked, E, KEPT)``."""
    pairs = np.indices((LISTS, len(exits))).reshape(2, -1).T
    for at in range(0, len(request), LISTS):
        some = request[at : at + LISTS]
        done = _accounts(market, some, exits, pairs[: len(some) * len(exits)])
        out[at : at + len(some)] = done.reshape(len(some), len(exits), -1)


def _accounts(
    market: Market, request: Sequence[tuple[_ComputedSetup, FloatArray]], exits: FloatArray, pairs: IntArray
) -> FloatArray:
    """``(pairs, KEPT)`` sums of each pair of a list of signals and a set of exits."""
    flags = np.array([carries(setup) for (setup, _, _), _ in request], np.int64)
    n = len(market.bars)
    lists = [signals(s, levels, values, market.start, n) for (s, levels, _), values in request]
    done, sound = np.empty((len(pairs), RESULT_COLUMNS)), np.zeros(len(pairs), np.bool_)
    if len(pairs) >= _FEWEST:
        replay(
            market.prices, market.silent, together(lists), flags, as_contiguous(exits),
            as_contiguous(pairs, np.int64), market.costs,
            market.equity, done, sound,
        )  # fmt: skip
    for k in np.flatnonzero(~sound):
        j, e = pairs[k]
        replay_alone(
            market.prices,
            market.silent,
            lists[j],
            flags[j],
            as_contiguous(exits[e]),
            market.costs,
            market.equity,
            done[k],
        )
    return done


def _replay_together(
    market: Market,
    setup: _ComputedSetup,
    places: Places,
    thresholds: FloatArray,
    exits: FloatArray,
    into: IntArray,
    out: FloatArray,
) -> None:
    """A block of threshold sets with some of the exits; one by one where that cannot be done together."""
    sound = replay_together(places, market, thresholds, exits, into, out)
    for j in np.flatnonzero(~sound.all(axis=1)):
        left = into[~sound[j]]
        alone = np.empty((1, len(left), out.shape[2]))
        _replay(market, [(setup, thresholds[j])], exits[left], alone)
        out[j, left] = alone[0]


def _pieces(sets: int, exits: int, threads: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of threshold sets; of exits only where there are too few of the former to go round."""
    size = -(-sets // (_BLOCKS * threads))
    width = exits if sets >= threads else -(-exits // (_BLOCKS * threads))
    for t in range(0, sets, size):
        for e in range(0, exits, width):
            yield slice(t, t + size), slice(e, e + width)


def _with_levels(lazy: Lazy, market: Market, thresholds: FloatArray, shared: bool) -> _ComputedSetup:
    setup = compute_setup(lazy, market.bars, thresholds)
    levels, places = levels_of(setup), None
    if shared and isinstance(setup, Candidates) and len(setup.rows) <= MOST:
        places = Places.of(setup, levels, market.start, len(market.bars))
    return setup, levels, places


def compute_setup(lazy: Lazy, bars: Bars, thresholds: FloatArray) -> Setup:
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
