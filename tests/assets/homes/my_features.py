"""Two columns of one's own."""

import numpy as np

from assay.features import feature


@feature(lookback=1, unit="fraction")
def my_gap(study):
    """Open against the close before it."""
    out = np.full(len(study.bars), np.nan)
    out[1:] = study.bars.open[1:] / study.bars.close[:-1] - 1
    return out


@feature(lookback=0, unit="quote")
def my_middle(study):
    """A price between high and low."""
    return (study.bars.high + study.bars.low) / 2
