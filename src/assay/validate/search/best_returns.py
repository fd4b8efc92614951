"""Returns stored for the best trials of a block, no two of them the same."""

import io
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.validate.search.trials import Trials

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


def pack_returns(places: list[int], returns: Callable[[Mapping[str, Any]], FloatArray], trials: Trials) -> bytes:
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
