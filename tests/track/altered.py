"""Copies of candles as somebody would alter them who wants a count of trials to begin again."""

from collections.abc import Callable

import numpy as np

from assay.kernel.bars import Bars
from assay.kernel.instrument import Instrument

HOUR, DAY = 3_600_000, 86_400_000


def altered(bars: Bars, *, closes: np.ndarray | None = None, times: np.ndarray | None = None, tf: str = "") -> Bars:
    closes = bars.close if closes is None else closes
    times = bars.timestamp if times is None else times
    return Bars(Instrument("own", "Y", tf or bars.instrument.timeframe), times, closes, closes, closes, closes, None)


def flat_after_each(bars: Bars, wiggle: float = 0.0) -> Bars:
    step = bars.instrument.bar.ms
    closes = np.repeat(bars.close, 2)
    closes[1::2] *= 1.0 + wiggle * np.random.default_rng(5).normal(0, 1, len(bars))
    return altered(bars, closes=closes, times=bars.timestamp[0] + np.arange(2 * len(bars)) * step)


def bent(bars: Bars, by: int = 2 * HOUR) -> Bars:
    return altered(bars, closes=bars.close**1.02, times=bars.timestamp + by)


def drifting(bars: Bars) -> Bars:
    drift = np.exp(0.3 * np.sin(np.arange(len(bars)) / len(bars) * 6.0))
    return altered(bars, closes=bars.close * drift, times=bars.timestamp + 2 * HOUR)


def lifted(bars: Bars, by: int = 0) -> Bars:
    return altered(bars, closes=bars.close + 100.0, times=bars.timestamp + by)


def thinned(bars: Bars, *, stamps: bool, by: int = 0, every: int = 7) -> Bars:
    rows = np.flatnonzero(np.arange(len(bars)) % every != every // 2)
    times = bars.timestamp[rows] if stamps else bars.timestamp[: len(rows)]
    return altered(bars, closes=bars.close[rows], times=times + by)


def noisy(bars: Bars, share: float) -> Bars:
    """Each close moved by chance, by so much of the deviation of a return."""
    size = share * np.diff(np.log(np.abs(bars.close))).std()
    closes = bars.close * np.exp(np.random.default_rng(7).normal(0, size, len(bars)))
    return altered(bars, closes=closes, times=bars.timestamp + YEARS)


def later(bars: Bars, by: int) -> Bars:
    return altered(bars, times=bars.timestamp + by)


def one_below_zero(bars: Bars) -> Bars:
    closes = bars.close.copy()
    closes[len(bars) // 3], closes[len(bars) // 2] = -1.0, 0.0
    return altered(bars, closes=closes)


def resampled(bars: Bars, tf: str, by: int = 0) -> Bars:
    step = Instrument("own", "Y", tf).bar.ms
    number = bars.timestamp // step
    ends = np.flatnonzero(np.append(np.diff(number) != 0, True))
    return altered(bars, closes=bars.close[ends], times=number[ends] * step + by, tf=tf)


YEARS = 10_227 * DAY
COPIES: dict[str, Callable[[Bars], Bars]] = {
    "flat bar after each": flat_after_each,
    "nearly flat bar after each": lambda b: flat_after_each(b, 1e-6),
    "power": bent,
    "power, years later": lambda b: bent(b, YEARS),
    "slow drift": drifting,
    "constant added": lifted,
    "constant added, 2 hours later": lambda b: lifted(b, 2 * HOUR),
    "every 7th bar dropped": lambda b: thinned(b, stamps=True),
    "every 7th bar dropped, 2 hours later": lambda b: thinned(b, stamps=True, by=2 * HOUR),
    "every 7th bar dropped, stamps closed up": lambda b: thinned(b, stamps=False),
    "every 7th bar dropped, closed up, bent": lambda b: bent(thinned(b, stamps=False), YEARS),
    **{
        f"every {nth} bar dropped, closed up, years later": lambda b, every=every: thinned(
            b, stamps=False, by=YEARS, every=every
        )
        for every, nth in ((2, "2nd"), (3, "3rd"), (5, "5th"))
    },
    "moved by 5 % of a move, years later": lambda b: noisy(b, 0.05),
    "2 hours later": lambda b: later(b, 2 * HOUR),
    "years later": lambda b: later(b, YEARS),
    "bars below zero": one_below_zero,
    "bars below zero, years later": lambda b: later(one_below_zero(b), YEARS),
    "quoted the other way, 2 hours later": lambda b: altered(b, closes=1 / b.close, times=b.timestamp + 2 * HOUR),
    "flat, constant added, years later": lambda b: lifted(flat_after_each(b), YEARS),
}
