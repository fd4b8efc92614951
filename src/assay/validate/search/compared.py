"""How the best of a search fares on rows that it was not the best on: the search's own overfitting."""

import numpy as np

from assay.kernel.panel import Panel
from assay.kernel.seeds import generator
from assay.validate.search.result import SearchResult
from assay.validate.search.search import Search
from assay.validate.statistics.overfitting import Overfitting, overfitting_of

MOST = 100  # configurations compared: each is traded once more, alone
_BLOCKS = 16


def compared(search: Search, result: SearchResult, train: Panel, *, seed: int) -> Overfitting | None:
    """Of the configurations that a sweep tried on a window, by their returns on it; of many a hundred, drawn by `seed`.

    train: the panel that was searched. Every configuration has the same chance to be drawn, valid or not: the best ones
    alone would hide how the others fared. None for a search without a sweep and where there are fewer than two.
    """
    count = len(result.trials)
    if search.sweep is None or count < 2:
        return None
    places = np.arange(count)
    if count > MOST:
        places = np.sort(generator(seed, "compared configurations").choice(count, MOST, replace=False))
    ground = search.sweep.on(train, search.space, search.costs)
    rows = ground.bench.judged
    blocks = min(_BLOCKS, rows // 4 * 2)
    if blocks < 2:
        return None
    return overfitting_of((ground.record(result.trials.point(int(p))).returns for p in places), blocks)
