"""Overfitting of a search: how its best fares on rows on which it was not the best."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.panel import Panel
from assay.kernel.seeding import generator
from assay.validate.diagnostics import holding_returns, span_sums
from assay.validate.search.result import SearchResult
from assay.validate.search.search import Search
from assay.validate.search.sweep_evaluator import SweepEvaluator
from assay.validate.statistics.overfitting import Overfitting, overfitting_of

MOST = 100  # configurations compared: each is traded once more, alone
_BLOCKS = 16


@dataclass(frozen=True, slots=True, eq=False)
class SearchOverfit:
    """How configurations fared on the window that they were searched on.

    spans: ``(m, k)`` their returns over `assay.validate.diagnostics.span_sums` of it.   holding: ``(m,)`` buying and
    holding.
    """

    overfitting: Overfitting
    spans: FloatArray
    holding: FloatArray


def compare_configurations(search: Search, result: SearchResult, train: Panel, *, seed: int) -> Overfitting | None:
    """Of the configurations that a sweep tried on a window, by their returns on it; of many a hundred, drawn by `seed`.

    train: the panel that was searched. Every configuration has the same chance to be drawn, valid or not: the best ones
    alone would hide how the others fared. None for a search without a sweep and where there are fewer than two.
    """
    results = search_overfit(search, result, train, seed=seed)
    return None if results is None else results.overfitting


def search_overfit(search: Search, result: SearchResult, train: Panel, *, seed: int) -> SearchOverfit | None:
    """`compare_configurations`, with the returns that it rests on."""
    count = len(result.trials)
    if search.sweep is None or count < 2:
        return None
    places = np.arange(count)
    if count > MOST:
        places = np.sort(generator(seed, "compared configurations").choice(count, MOST, replace=False))
    ground = search.sweep.on(train, search.space, search.costs)
    blocks = min(_BLOCKS, ground.bench.judged // 4 * 2)
    if blocks < 2:
        return None
    stored: list[FloatArray] = []
    overfitting = overfitting_of(_traded(ground, result, places, stored), blocks)
    return SearchOverfit(
        overfitting, np.column_stack(stored), span_sums(holding_returns(ground.bench.bars, ground.bench.start))
    )


def _traded(
    ground: SweepEvaluator, result: SearchResult, places: IntArray, stored: list[FloatArray]
) -> Iterator[FloatArray]:
    """Returns of each, one at a time; of all of them only the spans are held together."""
    for place in places.tolist():
        returns = ground.record(result.trials.point(place)).returns
        stored.append(span_sums(returns))
        yield returns
