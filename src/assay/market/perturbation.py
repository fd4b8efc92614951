"""Replace bars after a cut by a random continuation, for look-ahead probes."""

from dataclasses import replace

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.seeding import generator


def scramble_future(bars: Bars, first: int, *, seed: int = 0, factor: float = 1.0) -> Bars:
    """Plausible candles in place of the rows from `first` on: their log returns shuffled, times `factor`.

    The open of row `first` stays: it is known when the bar before closes. Volume is shuffled, other columns too.
    """
    n = len(bars) - first
    if n <= 0:
        return bars
    draw = generator(seed, f"testing.scramble/{first}")
    moves = np.diff(np.log(bars.close), prepend=np.log(bars.open[0]))[first:]
    # Drawn with a sign of their own, so that even a row of equal moves changes.
    moves = draw.permutation(moves) * draw.choice([-1.0, 1.0], n) * factor + draw.normal(0, 1e-3, n)
    close = bars.open[first] * np.exp(np.cumsum(moves))
    opened = np.r_[bars.open[first], close[:-1]]
    wick = 1 + np.abs(draw.normal(0, 2e-3, n))
    new = {
        "open": opened,
        "close": close,
        "high": np.maximum(opened, close) * wick,
        "low": np.minimum(opened, close) / wick,
    }
    mixed = {name: np.r_[getattr(bars, name)[:first], values] for name, values in new.items()}
    columns = {name: np.r_[column[:first], draw.permutation(column[first:])] for name, column in bars.columns.items()}
    volume = None if bars.volume is None else np.r_[bars.volume[:first], draw.permutation(bars.volume[first:]) * 1.5]
    return replace(bars, volume=volume, columns=columns, **mixed)
