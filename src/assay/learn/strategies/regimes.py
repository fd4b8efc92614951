"""Entries in one regime only: a label that decides, not one that decorates."""

from dataclasses import replace

import numpy as np

from assay.features import REGIME_LOOKBACK, REGIME_NAMES, regime_codes
from assay.kernel.arrays import BoolArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Decisions
from assay.kernel.errors import ConfigError, did_you_mean, printable

__all__ = ["REGIME_LOOKBACK", "check_regime", "confine", "within"]


def check_regime(regime: str) -> str:
    """The name of a regime; empty is none. Raises ConfigError ``CONFIG_REGIME`` with the nearest name."""
    if regime and regime not in REGIME_NAMES:
        near = did_you_mean(regime, REGIME_NAMES)
        raise ConfigError(
            f"regime {printable(regime)} is unknown; {near or 'there are ' + ', '.join(REGIME_NAMES)}",
            code="CONFIG_REGIME",
            hint=near,
            field="regime",
        )
    return regime


def within(bars: Bars, regime: str) -> BoolArray:
    """``(n,)``: bars that carry the label at their close; False before row 513, where none is known."""
    result: BoolArray = regime_codes(bars) == REGIME_NAMES.index(regime)
    return result


def confine(decisions: Decisions, allowed: BoolArray, *, state: bool, lookback: int) -> Decisions:
    """The decisions with entries on allowed bars only; rows before `lookback` are flat.

    An order elsewhere becomes "keep", so that exits are untouched. A state rule has no entries to tell from exits: it
    is flat elsewhere.
    """
    stored = allowed.copy()
    stored[:lookback] = False
    if state:
        return replace(decisions, target=np.where(stored, decisions.target, 0.0))
    target = np.where(stored, decisions.target, np.nan)
    target[:lookback] = 0.0
    stop, take = (np.where(stored, level, np.nan) for level in (decisions.stop, decisions.take))
    return Decisions(target, stop, take, np.where(stored, decisions.hold, 0).astype(np.int32))
