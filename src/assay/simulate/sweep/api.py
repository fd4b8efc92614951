"""Sweep all combinations of a rule's parameters on one market.

Three kinds of parameters: a *structural* one changes an indicator, and each set of them is one `Candidates` (or
`States`), computed once; a *threshold* only compares with a column and filters the candidates; an *exit* is replayed
from the signals. Bars between an exit and the next entry are never visited, and no curve is kept: each combination
leaves a row of sums, from which its metrics follow.

The numbers are those of `assay.simulate.engine.simulate` on the same decisions, bit for bit, for any number of threads.
"""

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs
from assay.kernel.errors import ConfigError, did_you_mean, printable
from assay.simulate import accumulators
from assay.simulate.engine import simulate
from assay.simulate.prepare import EXIT_REASONS, check_bars, funding_paid
from assay.simulate.sweep.reference import decisions, tally_of
from assay.simulate.sweep.replay_scalar import Market
from assay.simulate.sweep.scheduler import Lazy, compute_setup, replay_picks, replay_product
from assay.simulate.sweep.sweep_inputs import Exits

_COLUMNS_OF = 4096  # combinations whose sums are turned into metrics together, while they are in the cache


@dataclass(frozen=True, slots=True, eq=False)
class SweepResult:
    """The sums of every combination.

    values:  ``(S, T, E, KEPT)`` float64 by structural set, threshold set and set of exits, of `sweep_picks` ones
             ``(P, KEPT)``; the columns are those of `assay.simulate.accumulators`, money in the unit of `initial`.
    bars:    judged bars of each combination.   initial: equity before the first.
    """

    values: FloatArray
    bars: int
    initial: float

    def metrics(self, *, bars_per_year: float, names: Collection[str] | None = None) -> dict[str, FloatArray]:
        """``(S, T, E)`` or ``(P,)`` a name: what `assay.simulate.metrics.performance_metrics` gives, bit for bit;
        undefined is NaN.

        names: of those wanted; None is all. Raises ConfigError ``CONFIG_PARAMETER`` for one that is not there.

        Left out are those that need a curve or the clock: ulcer index, omega, drawdown duration, rolling Sharpe, value
        at risk, Monte Carlo, clustering, buy and hold. Cost: about 1 µs a combination; memory 8 bytes a combination and
        name.
        """
        flat = self.values.reshape(-1, accumulators.RESULT_COLUMNS)
        named: dict[str, FloatArray] = {}
        for at in range(0, len(flat), _COLUMNS_OF):
            block = np.ascontiguousarray(flat[at : at + _COLUMNS_OF].T).T
            measures = self._measures(block, bars_per_year)
            for name in measures if names is None else names:
                if name not in measures:
                    raise ConfigError(
                        f"sweep: {printable(name)} is no metric that the sums of a sweep give",
                        code="CONFIG_PARAMETER",
                        hint=did_you_mean(name, measures),
                    )
                if name not in named:
                    named[name] = np.empty(len(flat))
                named[name][at : at + _COLUMNS_OF] = measures[name]
        return {name: values.reshape(self.values.shape[:-1]) for name, values in named.items()}

    def _measures(self, sums: FloatArray, bars_per_year: float) -> dict[str, FloatArray]:
        flat = sums[:, accumulators.SQUARES] == 0.0  # the first bar's return is 0, so equal returns are all 0
        return (
            accumulators.bar_measures(sums, self.bars, bars_per_year, flat)
            | accumulators.trade_measures(sums)
            | {
                "exposure": sums[:, accumulators.EXPOSED] / self.bars,
                "turnover": sums[:, accumulators.TURNED_OVER],
                "fees": sums[:, accumulators.FEES_PAID] / self.initial,
                "slippage": sums[:, accumulators.SLIPPED] / self.initial,
                "funding": sums[:, accumulators.FUNDING_PAID] / self.initial,
                "borrow": sums[:, accumulators.BORROW_PAID] / self.initial,
                "zero_volume_fills": sums[:, accumulators.SILENT_FILLS],
                "n_obs": np.full(len(sums), float(self.bars)),
            }
        )

    def exits(self) -> dict[str, FloatArray]:
        """``(S, T, E)`` or ``(P,)`` trades that ended for each of `EXIT_REASONS`."""
        return {name: self.values[..., accumulators.EXITS + k] for k, name in enumerate(EXIT_REASONS)}


def sweep_product(
    bars: Bars,
    setups: Sequence[Lazy],
    thresholds: FloatArray,
    exits: Exits,
    costs: Costs,
    *,
    start: int = 0,
    equity: float = 1.0,
    threads: int | None = None,
) -> SweepResult:
    """Every structural set × threshold set × set of exits, each on an account of its own.

    setups:     S structural sets; a function is called for its set in one of the threads, so that indicators are
                computed beside each other and not all held at once.
    thresholds: ``(T, K)``; NaN leaves that condition out. ``(1, 0)`` for rules without thresholds.
    start, equity, costs: as for `simulate`.   threads: None is one a core.

    Funding payments, borrow on shorts and impact depend on more than the trade's own bars: with any of them each
    combination goes through `simulate` instead, equally exact and some hundred times slower.

    Raises what `simulate` raises, and ConfigError ``CONFIG_PARAMETER`` for shapes that do not fit. Cost: O(bars in
    position + signals) a combination, about 1 ns a bar held and 50 ns a trade where three accounts or more go abreast;
    from eight threshold sets and eight sets of exits on about 30 ns a trade of 14 bars, all in. Memory: 288 bytes a
    combination.
    """
    check_bars(bars, start, equity)
    matrix = _checked(thresholds, len(setups), len(exits), threads)
    values = np.empty((len(setups), len(matrix), len(exits), accumulators.RESULT_COLUMNS))
    if _plain(bars, costs, start):
        market = Market.of(bars, costs, start, equity)
        replay_product(market, setups, matrix, exits.matrix, values, threads or _cores())
    else:
        for s, lazy in enumerate(setups):
            setup = compute_setup(lazy, bars, matrix)
            for t, e in np.ndindex(values.shape[1:3]):
                decided = decisions(bars, setup, matrix[t], exits, e, start=start)
                values[s, t, e] = tally_of(simulate(bars, decided, costs, start=start, equity=equity))
    return SweepResult(values, len(bars) - start, equity)


def sweep_picks(
    bars: Bars,
    setups: Sequence[Lazy],
    which: IntArray,
    thresholds: FloatArray,
    exits: Exits,
    costs: Costs,
    *,
    start: int = 0,
    equity: float = 1.0,
    threads: int | None = None,
) -> SweepResult:
    """Single combinations instead of their product: pick p is setup ``which[p]`` at ``thresholds[p]`` and exits p.

    which: ``(P,)`` places in `setups`.   thresholds: ``(P, K)``.   exits: P sets. All else is as for `sweep_product`;
    a pick costs some 30 µs beside its replay.
    """
    check_bars(bars, start, equity)
    matrix = _checked(thresholds, len(setups), len(exits), threads)
    if not len(which) == len(matrix) == len(exits):
        raise ConfigError(
            f"picks: {len(which)} setups, {len(matrix)} threshold sets and {len(exits)} exits; one of each a pick",
            code="CONFIG_PARAMETER",
        )
    values = np.empty((len(which), accumulators.RESULT_COLUMNS))
    if _plain(bars, costs, start):
        market = Market.of(bars, costs, start, equity)
        replay_picks(market, setups, which, matrix, exits.matrix, values, threads or _cores())
    else:
        ready = {s: compute_setup(setups[s], bars, matrix) for s in np.unique(which).tolist()}
        for p, s in enumerate(which.tolist()):
            decided = decisions(bars, ready[s], matrix[p], exits, p, start=start)
            values[p] = tally_of(simulate(bars, decided, costs, start=start, equity=equity))
    return SweepResult(values, len(bars) - start, equity)


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
