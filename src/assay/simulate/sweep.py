"""All combinations of a rule's parameters on one market, in one call.

Three kinds of parameters: a *structural* one changes an indicator, and each set of them is one `Candidates` (or
`States`), computed once; a *threshold* only compares with a column and filters the candidates; an *exit* is replayed
from the signals. Bars between an exit and the next entry are never visited, and no curve is kept: each combination
leaves a row of sums, from which its metrics follow.

The numbers are those of `assay.simulate.engine.run` on the same decisions, bit for bit, for any number of threads.
"""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, shown
from assay.kernel.names import did_you_mean
from assay.simulate import tally
from assay.simulate.engine import run
from assay.simulate.inputs import check, fixed, funding_paid
from assay.simulate.layout import EXIT_REASONS
from assay.simulate.sweep_filter import interleaved
from assay.simulate.sweep_inputs import Candidates, Exits, Side, States
from assay.simulate.sweep_replay import replay
from assay.simulate.sweep_single import Setup, carries, decisions, levels_of, signals, tally_of

__all__ = ["Candidates", "Exits", "Side", "States", "Sweep", "decisions", "sweep", "tally_of"]

_MOST_SHARE = 0.99  # as in `assay.simulate.fills`
_BLOCKS = 8  # pieces of work a thread and structural set: fine enough to balance, coarse enough to cost nothing
_COLUMNS_OF = 4096  # combinations whose sums are turned into metrics together, while they are in the cache
Lazy = Setup | Callable[[], Setup]


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """The sums of every combination.

    values:  ``(S, T, E, KEPT)`` float64 by structural set, threshold set and set of exits; the columns are those of
             `assay.simulate.tally`, money in the unit of `initial`.
    bars:    judged bars of each combination.   initial: equity before the first.
    """

    values: FloatArray
    bars: int
    initial: float

    def metrics(self, *, bars_per_year: float, names: Collection[str] | None = None) -> dict[str, FloatArray]:
        """``(S, T, E)`` a name: what `assay.simulate.metrics.metrics` gives, bit for bit; undefined is NaN.

        names: of those wanted; None is all. Raises ConfigError ``CONFIG_PARAMETER`` for one that is not there.

        Left out are those that need a curve or the clock: ulcer index, omega, drawdown duration, rolling Sharpe, value
        at risk, Monte Carlo, clustering, buy and hold. Cost: about 1 µs a combination; memory 8 bytes a combination and
        name.
        """
        flat = self.values.reshape(-1, tally.KEPT)
        named: dict[str, FloatArray] = {}
        for at in range(0, len(flat), _COLUMNS_OF):
            block = np.ascontiguousarray(flat[at : at + _COLUMNS_OF].T).T
            measures = self._measures(block, bars_per_year)
            for name in measures if names is None else names:
                if name not in measures:
                    raise ConfigError(
                        f"sweep: {shown(name)} is no metric that the sums of a sweep give",
                        code="CONFIG_PARAMETER",
                        hint=did_you_mean(name, measures),
                    )
                if name not in named:
                    named[name] = np.empty(len(flat))
                named[name][at : at + _COLUMNS_OF] = measures[name]
        return {name: values.reshape(self.values.shape[:3]) for name, values in named.items()}

    def _measures(self, sums: FloatArray, bars_per_year: float) -> dict[str, FloatArray]:
        flat = sums[:, tally.SQUARES] == 0.0  # the first bar's return is 0, so equal returns are all 0
        return (
            tally.bar_measures(sums, self.bars, bars_per_year, flat)
            | tally.trade_measures(sums)
            | {
                "exposure": sums[:, tally.EXPOSED] / self.bars,
                "turnover": sums[:, tally.TURNED_OVER],
                "fees": sums[:, tally.FEES_PAID] / self.initial,
                "slippage": sums[:, tally.SLIPPED] / self.initial,
                "funding": sums[:, tally.FUNDING_PAID] / self.initial,
                "borrow": sums[:, tally.BORROW_PAID] / self.initial,
                "zero_volume_fills": sums[:, tally.SILENT_FILLS],
                "n_obs": np.full(len(sums), float(self.bars)),
            }
        )

    def exits(self) -> dict[str, FloatArray]:
        """``(S, T, E)`` trades that ended for each of `EXIT_REASONS`."""
        return {name: self.values[..., tally.EXITS + k] for k, name in enumerate(EXIT_REASONS)}


def sweep(
    bars: Bars,
    setups: Sequence[Lazy],
    thresholds: FloatArray,
    exits: Exits,
    costs: Costs,
    *,
    start: int = 0,
    equity: float = 1.0,
    threads: int | None = None,
) -> Sweep:
    """Every structural set × threshold set × set of exits, each on an account of its own.

    setups:     S structural sets; a function is called for its set in one of the threads, so that indicators are
                computed beside each other and not all held at once.
    thresholds: ``(T, K)``; NaN leaves that condition out. ``(1, 0)`` for rules without thresholds.
    start, equity, costs: as for `run`.   threads: None is one a core.

    Funding payments, borrow on shorts and impact depend on more than the trade's own bars: with any of them each
    combination goes through `run` instead, equally exact and some hundred times slower.

    Raises what `run` raises, and ConfigError ``CONFIG_PARAMETER`` for shapes that do not fit. Cost: O(bars in position
    + signals) a combination, about 2 ns a bar held and 50 ns a trade; memory 288 bytes a combination.
    """
    check(bars, Decisions.weights(np.full(len(bars), np.nan)), start, equity)
    matrix = _checked(thresholds, len(setups), len(exits), threads)
    values = np.empty((len(setups), len(matrix), len(exits), tally.KEPT))
    if _plain(bars, costs, start):
        market = _Market.of(bars, costs, start, equity)
        _replay_all(market, setups, matrix, exits, values, threads or _cores())
    else:
        for s, lazy in enumerate(setups):
            setup = _known(lazy, bars, matrix)
            for t, e in np.ndindex(values.shape[1:3]):
                decided = decisions(bars, setup, matrix[t], exits, e, start=start)
                values[s, t, e] = tally_of(run(bars, decided, costs, start=start, equity=equity))
    return Sweep(values, len(bars) - start, equity)


@dataclass(frozen=True, slots=True, eq=False)
class _Market:
    """Bars as the replay reads them."""

    bars: Bars
    prices: FloatArray
    silent: NDArray[np.bool_]
    closes: FloatArray
    costs: tuple[float, float]
    start: int
    equity: float

    @classmethod
    def of(cls, bars: Bars, costs: Costs, start: int, equity: float) -> "_Market":
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


def _replay_all(
    market: _Market, setups: Sequence[Lazy], thresholds: FloatArray, exits: Exits, values: FloatArray, threads: int
) -> None:
    pool = ThreadPoolExecutor(threads)
    try:
        _hand_out(pool, market, setups, thresholds, exits.matrix, values, threads)
    finally:
        pool.shutdown(cancel_futures=True)


def _hand_out(
    pool: ThreadPoolExecutor,
    market: _Market,
    setups: Sequence[Lazy],
    thresholds: FloatArray,
    exits: FloatArray,
    values: FloatArray,
    threads: int,
) -> None:
    """Give the pool its work, a few structural sets ahead of what is being replayed, and wait for it."""
    ahead = 2 * threads
    known: dict[int, Future[tuple[Setup, FloatArray]]] = {}
    work: deque[Future[None]] = deque()
    for s in range(len(setups)):
        for later in range(s, min(s + ahead, len(setups))):
            if later not in known:
                known[later] = pool.submit(_with_levels, setups[later], market.bars, thresholds)
        setup, levels = known.pop(s).result()
        while len(work) > ahead * _BLOCKS * threads:
            work.popleft().result()
        for t, e in _pieces(len(thresholds), len(exits), threads):
            work.append(pool.submit(_piece, market, setup, levels, thresholds[t], exits[e], values[s, t, e]))
    for piece in work:
        piece.result()


def _piece(
    market: _Market, setup: Setup, levels: FloatArray, thresholds: FloatArray, exits: FloatArray, out: FloatArray
) -> None:
    """A block of threshold sets with a block of exits."""
    flags = carries(setup)
    for j, chosen in enumerate(thresholds):
        rows, turns, found = signals(setup, levels, chosen, market.start, market.closes)
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


def _with_levels(lazy: Lazy, bars: Bars, thresholds: FloatArray) -> tuple[Setup, FloatArray]:
    setup = _known(lazy, bars, thresholds)
    return setup, levels_of(setup)


def _known(lazy: Lazy, bars: Bars, thresholds: FloatArray) -> Setup:
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


def _checked(thresholds: FloatArray, setups: int, exits: int, threads: int | None) -> FloatArray:
    matrix = np.asarray(thresholds, np.float64)
    if matrix.ndim != 2:
        raise ConfigError(f"sweep: thresholds have shape {matrix.shape}, must be (T, K)", code="CONFIG_PARAMETER")
    if not (setups and len(matrix) and exits):
        raise ConfigError(
            f"sweep: {setups} structural sets × {len(matrix)} threshold sets × {exits} exit sets leave nothing to do; "
            "each must be at least 1",
            code="CONFIG_PARAMETER",
        )
    if threads is not None and threads < 1:
        raise ConfigError(f"sweep: threads is {threads}, must be >= 1", code="CONFIG_PARAMETER")
    return matrix


def _plain(bars: Bars, costs: Costs, start: int) -> bool:
    """Whether nothing is charged but fees and slippage."""
    pays = bool(costs.funding and funding_paid(bars, start).any())
    return not (pays or costs.borrow_rate or costs.impact_coefficient)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
