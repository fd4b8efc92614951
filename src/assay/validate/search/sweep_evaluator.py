"""Evaluate a rule's candidates by the sweep, in batches; each batch is one row of the ledger."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.kernel.decisions import Costs
from assay.kernel.errors import AssayError, TrainError
from assay.kernel.panel import Panel
from assay.learn import BatchEvaluator, RuleModel, RuleTrainer, Strategy
from assay.simulate import BacktestResult, simulate
from assay.validate._walk_forward import mask_filtered_bars
from assay.validate.search.objective import Objective, candidate_metrics
from assay.validate.search.result import Trials, column
from assay.validate.search.sampler import Row, Session
from assay.validate.search.space import Point, Space
from assay.validate.search.walk_forward_evaluator import TrialRecorder, name_parameters

MOST, LEAST = 32, 4
_BYTES_A_TRIAL = 24
_FIRST_LOOK, _WIDER = 1_024, 16
_MOMENTS = ("sharpe", "skew", "kurtosis")


def affordable(trials: int, bars: int, *, improved: bool) -> int:
    """How many series of returns a block may keep: 24 bytes a trial, 32 at most.

    improved: the block has the best so far of its search; then it keeps 4 at least. A search improves a dozen times.
    """
    within = min(MOST, _BYTES_A_TRIAL * trials // (8 * bars)) if bars else 0
    return max(within, LEAST) if improved else within


def distinct(trials: Trials, most: int) -> list[int]:
    """Places of the best valid trials, best first, at most so many.

    Trials of equal score, number of trades and moments have traded alike; the one asked first stands for them. Cost:
    O(n), and a sort of those that lead.
    """
    places = np.flatnonzero(trials.valid)
    look = max(_FIRST_LOOK, most)
    while most > 0 and places.size:
        leading, scores = places, trials.score[places]
        if places.size > look:
            leading = places[scores >= np.partition(scores, -look)[-look]]
        result = _distinct(trials, leading)
        if len(result) >= most or leading.size == places.size:
            return result[:most]
        look *= _WIDER
    return []


def pack_returns(places: list[int], returns: Callable[[Mapping[str, object]], FloatArray], trials: Trials) -> bytes:
    """Parquet with a column of per-bar returns (float64) a place, named by the place; empty without any.

    returns: of one point, through the single backtest.
    """
    if not places:
        return b""
    import polars as pl

    out = io.BytesIO()
    table = pl.DataFrame({str(place): returns(trials.point(place)) for place in places})
    table.write_parquet(out, compression="zstd", compression_level=1)
    return out.getvalue()


def _distinct(trials: Trials, places: np.ndarray[Any, np.dtype[np.int64]]) -> list[int]:
    ranked = places[np.lexsort((places, -trials.trades[places], -trials.score[places]))]
    message = [trials.score, trials.trades.astype(np.float64), *(trials.metrics[name] for name in _MOMENTS)]
    alike = np.column_stack([values[ranked] for values in message])
    first = {row.tobytes(): place for row, place in zip(alike[::-1], ranked[::-1].tolist(), strict=True)}
    stored = set(first.values())
    return [place for place in ranked.tolist() if place in stored]


Heard = Callable[[int, float], None]
TABLE = ("sharpe", "sharpe_annual", "skew", "kurtosis", "net_profit", "max_drawdown", "win_rate", "total_trades")


@dataclass(frozen=True, slots=True, eq=False)
class RuleSweep:
    """What rules offer a search beside being fitted: all candidates of a batch in one call.

    A rule learns nothing, so its inner test bars are all bars of the train window, traded as one account.

    base:   all parameters, as `Strategy.resolve` gives them; candidates change some of them.
    regime: the only one in which a position may begin; empty is any.
    threads: None is one a core; changes no number.
    """

    rule: Strategy
    base: Mapping[str, Any]
    regime: str = ""
    threads: int | None = None

    def on(self, train: Panel, space: Space, costs: Costs) -> "SweepEvaluator":
        """The ground that candidates of the space are judged on. The panel has one instrument.

        Raises what `Strategy.demand` raises for the set of the space that looks back least.
        """
        bars = train.one.bars
        start = 0 if train.since is None else int(np.searchsorted(bars.known_at, train.since))
        ends = {name: each.ends for name, each in space.dimensions.items()}
        bench = BatchEvaluator(self.rule, bars, start, self.base, ends, costs, self.regime, self.threads)
        self.rule.demand(bars, min(bench.corners(), key=bench.lookback))
        bench.warm()
        return SweepEvaluator(self, bench, space)


@dataclass(frozen=True, slots=True, eq=False)
class SweepEvaluator:
    """A rule on one train window."""

    sweep: RuleSweep
    bench: BatchEvaluator
    space: Space

    def points(self, points: Sequence[Point], objective: Objective) -> Trials:
        """Candidates one by one, with every metric that the sums of a sweep give."""
        result = self.bench.points(points)
        parameters = {name: column([point[name] for point in points]) for name in self.space.dimensions}
        return self._scored(parameters, result, objective)

    def grid(self, objective: Objective, heard: Heard) -> Trials:
        """The whole grid of the space under its constraints, with the metrics of `TABLE`."""
        grids = {name: tuple(each.grid()) for name, each in self.space.dimensions.items()}
        keep = self.space.grid_mask()
        names = dict.fromkeys((*TABLE, objective.metric))
        result = self.bench.product(grids, keep, names, lambda n, part: heard(n, self._best(part, objective)))
        parameters = _columns(grids)
        if not keep.all():
            parameters = {name: values[keep] for name, values in parameters.items()}
            result = {name: values[keep] for name, values in result.items()}
        return self._scored(parameters, result, objective)

    def record(self, point: Mapping[str, object]) -> BacktestResult:
        """One candidate through the single backtest, on the same bars."""
        bars, start = self.bench.bars, self.bench.start
        model = RuleModel(self.sweep.rule, {**self.sweep.base, **point}, bars.instrument.timeframe, self.sweep.regime)
        return simulate(bars, mask_filtered_bars(model.decisions(bars), bars), self.bench.costs, start=start)

    def measure(self, record: BacktestResult) -> dict[str, float]:
        """Every metric of a record that a search may report."""
        return candidate_metrics(record, bars_per_year=self.bench.bars.bars_per_year)

    def _best(self, result: Mapping[str, np.ndarray[Any, Any]], objective: Objective) -> float:
        flat = {name: values.ravel() for name, values in result.items()}
        scores, _ = objective.scores(flat, self.bench.judged, flat["total_trades"].astype(np.int64))
        return float(np.fmax.reduce(scores, initial=-np.inf)) if np.isfinite(scores).any() else float("nan")

    def _scored(self, parameters: Mapping[str, Any], result: Mapping[str, Any], objective: Objective) -> Trials:
        trades = result["total_trades"].astype(np.int64)
        score, reason = objective.scores(result, self.bench.judged, trades)
        return Trials(parameters, score, reason, trades, result, np.full(len(score), -1, np.int64))


def _columns(grids: Mapping[str, Sequence[object]]) -> dict[str, NDArray[Any]]:
    """Values of every point of the whole grid, a column a parameter."""
    shape = [len(values) for values in grids.values()]
    columns = {}
    for axis, (name, values) in enumerate(grids.items()):
        along = column(values).reshape([-1 if k == axis else 1 for k in range(len(shape))])
        columns[name] = np.broadcast_to(along, shape).ravel()
    return columns


@dataclass(frozen=True, slots=True, eq=False)
class Swept:
    """Judges what a session asks, a batch at a time; with `whole` the grid of the space at once."""

    ground: SweepEvaluator
    counting: TrialRecorder
    whole: bool

    @property
    def seconds(self) -> float:
        """Spent in the sweep."""
        return self.ground.bench.seconds

    def evaluate(self, session: Session) -> Trials:
        """Every candidate, each batch counted before it is told."""
        try:
            return self._grid() if self.whole else self._batches(session)
        except AssayError as error:
            point = error.facts.get("parameters")
            if not isinstance(point, Mapping) or self.counting.ears.is_requested(error):
                raise
            raise name_parameters(error, dict(point)) from error
        finally:
            self.counting.ears.over = True

    def full(self, row: Row) -> Row:
        """The best with all metrics of its record.

        Raises TrainError ``TRAIN_STRATEGY`` where the rule does not give the signals again that it was scored by.
        """
        metrics = self.ground.measure(self.ground.record(row.parameters))
        now, before = ([each[name] for name in ("sharpe", "total_trades")] for each in (metrics, row.metrics))
        if not np.array_equal(now, before, equal_nan=True):  # a best that never traded has no Sharpe ratio, twice
            name = self.ground.sweep.rule.name
            raise TrainError(f"strategy {name} gave two answers to the same bars", code="TRAIN_STRATEGY")
        return replace(row, metrics=metrics)

    def _grid(self) -> Trials:
        done, best = 0, math.nan

        def heard(count: int, score: float) -> None:
            nonlocal done, best
            done, best = done + count, float(np.fmax(best, score))
            self.counting.tell(done, best)

        return self._counted(self.ground.grid(self.counting.objective, heard), math.nan)

    def _batches(self, session: Session) -> Trials:
        parts: list[Trials] = []
        done, best = 0, math.nan
        while request := session.ask():
            available = [each.row for each in request if each.row is not None]
            if len(available) == len(request):
                parts.append(Trials.of(available))
            else:  # a batch is a block of the ledger: one that was half told is counted as the whole that it was
                result = self._counted(
                    self.ground.points([each.point for each in request], self.counting.objective), best
                )
                for k, each in enumerate(request):
                    if each.row is None:
                        session.tell(replace(result.row(k), number=done + k))
                parts.append(result)
            done += len(request)
            best = float(np.fmax(best, np.fmax.reduce(parts[-1].score)))
            self.counting.tell(done, best)
        return Trials.concatenate(parts)

    def _counted(self, result: Trials, before: float) -> Trials:
        """before: the best score of the search until now."""
        best = result.best
        record = self.ground.record(result.point(best or 0))
        improved = best is not None and not result.score[best] <= before
        most = affordable(len(result), len(record), improved=improved)
        stored = pack_returns(distinct(result, most), lambda point: self.ground.record(point).returns, result)
        return self.counting.many(result, RuleTrainer.name, record, self.ground.measure(record), stored)
