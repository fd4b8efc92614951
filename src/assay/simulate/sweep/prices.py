"""Bars as a sweep reads them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assay.kernel.bars import Bars
from assay.kernel.costs import Costs
from assay.simulate.prepare import as_contiguous
from assay.simulate.sweep.replay_scalar import Prices

_MOST_SHARE = 0.99  # as in `assay.simulate.fills`
PAD = 16  # places after the last close, for whoever reads some together


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Prices and costs. prices: open, high, low, and close with `PAD` more."""

    bars: Bars
    silent: NDArray[np.bool_]
    prices: Prices
    costs: tuple[float, float]
    start: int
    equity: float

    @classmethod
    def of(cls, bars: Bars, costs: Costs, start: int, equity: float) -> "Market":
        """Prices with the padding, costs as the replay takes them."""
        silent = np.zeros(0, np.bool_) if bars.volume is None else bars.volume == 0.0
        padded = np.append(as_contiguous(bars.close), np.ones(PAD))
        return cls(
            bars,
            as_contiguous(silent if silent.any() else silent[:0], np.bool_),
            (as_contiguous(bars.open), as_contiguous(bars.high), as_contiguous(bars.low), as_contiguous(padded)),
            (costs.fee, min(costs.price_share, _MOST_SHARE)),
            start,
            equity,
        )
