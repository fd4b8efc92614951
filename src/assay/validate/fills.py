"""Plausibility of fills: volume, movement, and share of a bar."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan

import numpy as np

from assay.kernel.arrays import BoolArray, FloatArray
from assay.kernel.bars import Bars
from assay.market import VolumeUnit

MOST_OF_BAR = 0.10  # of a bar's traded value that one account may be
CAPACITY_OF_BAR, CAPACITY_FILLS = 0.01, 0.05


@dataclass(frozen=True, slots=True)
class Fills:
    """Where the notional of a record was filled, as shares of all that it traded; NaN where nothing was traded.

    silent:   on bars whose volume is 0.   flat: on bars of one price whose volume is unknown.
    large:    beyond `MOST_OF_BAR` of the bar's traded value; NaN where the volume's unit does not tell a value.
    doubtful: any of these.
    capacity: account in quote currency at which `CAPACITY_FILLS` of the fills exceed `CAPACITY_OF_BAR` of their bar's
              traded value; NaN as `large`.
    """

    silent: float
    flat: float
    large: float
    doubtful: float
    capacity: float


@dataclass(frozen=True, slots=True, eq=False)
class BarFills:
    """One instrument's fills bar by bar.

    traded: ``(n,)`` notional of the fills over the account's equity.   volume: ``(n,)``, NaN unknown.
    flat:   ``(n,)`` whether the bar has one price.   value: ``(n,)`` traded in the whole bar, quote currency; NaN
    unknown.
    """

    traded: FloatArray
    volume: FloatArray
    flat: BoolArray
    value: FloatArray


def bar_fills(traded: FloatArray, bars: Bars, unit: VolumeUnit) -> BarFills:
    """What was traded beside the bars in which it was. Both ``(n,)``."""
    volume = np.full(len(bars), np.nan) if bars.volume is None else bars.volume
    flat = (bars.open == bars.high) & (bars.high == bars.low) & (bars.low == bars.close)
    price = {"base": bars.close, "quote": np.ones(len(bars))}.get(unit)
    return BarFills(traded, volume, flat, np.full(len(bars), np.nan) if price is None else volume * price)


def summarize_fills(parts: Sequence[BarFills], *, capital: float) -> Fills:
    """The fills of all instruments of a record. capital: quote currency that trades, without compounding."""
    traded, volume, flat, value = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("traded", "volume", "flat", "value")
    )
    total = float(traded.sum())
    if not total > 0:
        return Fills(nan, nan, nan, nan, nan)
    silent, still = volume == 0, np.isnan(volume) & flat
    money = traded * capital
    with np.errstate(invalid="ignore"):
        over = np.where(np.isfinite(value), np.maximum(0.0, money - MOST_OF_BAR * value), 0.0) / capital
    valued = bool(np.isfinite(value[traded > 0]).any())
    dead = np.where(silent | still, traded, 0.0)
    return Fills(
        silent=float(traded[silent].sum()) / total,
        flat=float(traded[still].sum()) / total,
        large=float(over.sum()) / total if valued else nan,
        doubtful=float(np.maximum(dead, over).sum()) / total,
        capacity=_capacity(traded, value) if valued else nan,
    )


def _capacity(traded: FloatArray, value: FloatArray) -> float:
    """Each fill allows an account of `CAPACITY_OF_BAR` of its bar's value over its share of the account."""
    used = (traded > 0) & np.isfinite(value)
    return float(np.quantile(CAPACITY_OF_BAR * value[used] / traded[used], CAPACITY_FILLS))
