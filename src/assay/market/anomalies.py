"""Anomalies of a series: outliers, jumps, splits, spikes, odd prices, changes of the volume's unit."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from assay.kernel.arrays import BoolArray, FloatArray, IntArray
from assay.kernel.bars import PRICES, Bars
from assay.kernel.timeframe import iso
from assay.market.raw_rows import Rows

_SPLITS = np.array([1.5, *range(2, 21), 25, 30, 40, 50, 100, 1000, 10000], dtype=float)
_WINDOW = 24
_UNIT_FACTOR = 50.0
_LIKELY, _POSSIBLE = 0.04, 0.08


@dataclass(frozen=True, slots=True)
class Event:
    """Something at one bar: its time (ISO) and what was seen."""

    time: str
    seen: dict[str, float | str]


def scale(close: FloatArray) -> float:
    """Usual size of a log return: 1.4826 times the median modulus of those that are not zero (0 if there is none)."""
    moves = np.abs(_returns(close))
    moves = moves[moves > 0]
    return 1.4826 * float(np.median(moves)) if len(moves) else 0.0


def _returns(close: FloatArray) -> FloatArray:
    returns: FloatArray = np.diff(np.log(close))
    return returns


def jumps(bars: Bars) -> list[Event]:
    """Bars whose close is more than 5 % and 20 usual moves (`scale`) away from the close before, or more than thrice.

    Positive prices.
    """
    returns = _returns(bars.close)
    large = np.abs(returns) > min(max(0.05, 20 * scale(bars.close)), np.log(3.0))
    return [
        Event(_time(bars, at + 1), {"log_return": float(returns[at]), "change": float(np.expm1(returns[at]))})
        for at in np.flatnonzero(large).tolist()
    ]


def splits(bars: Bars) -> list[Event]:
    """Opens near 1:n or n:1 of the close before, where the close stays at the new level.

    ``likely``: within 4 % of the whole ratio, and turnover (close times volume) below 4 times the median of the 20
    bars before: a split changes neither the money traded nor the day's excitement. ``doubtful``: up to 8 % off, or
    with the turnover of a crash. Without volume only the ratio speaks.
    """
    gap = np.log(bars.open[1:] / bars.close[:-1])
    stays = np.log(bars.close[1:] / bars.close[:-1])
    result = []
    for at in np.flatnonzero((np.abs(gap) > np.log(1.4)) & (np.abs(stays - gap) < 0.25)).tolist():
        ratio = float(np.exp(abs(gap[at])))
        whole = float(_SPLITS[np.argmin(np.abs(np.log(_SPLITS / ratio)))])
        off = abs(float(np.log(whole / ratio)))
        if off > _POSSIBLE:
            continue
        turnover = _turnover(bars, at + 1)
        likely = off <= _LIKELY and not turnover >= 4
        ways = f"{whole:g}:1" if gap[at] < 0 else f"1:{whole:g}"
        seen: dict[str, float | str] = {"split": ways, "verdict": "likely" if likely else "doubtful", "ratio": ratio}
        result.append(Event(_time(bars, at + 1), {**seen, "off": off, "turnover": turnover}))
    return result


def _turnover(bars: Bars, at: int) -> float:
    """Money traded in a bar over the median of the 20 before; NaN without volume."""
    if bars.volume is None:
        return float("nan")
    before = slice(max(0, at - 20), at)
    usual = float(np.median(bars.volume[before] * bars.close[before]))
    return float(bars.volume[at] * bars.close[at]) / usual if usual > 0 else float("nan")


def spikes(bars: Bars) -> list[Event]:
    """Closes that leave the level by more than 15 % and 15 usual moves, and are back at the next close."""
    returns = _returns(bars.close)
    limit = max(0.15, 15 * scale(bars.close))
    out, back = returns[:-1], returns[1:]
    away = (np.abs(out) > limit) & (np.abs(back) > limit) & (np.abs(out + back) < 0.3 * np.abs(back))
    return [
        Event(_time(bars, at + 1), {k: float(bars.close[at + i]) for i, k in enumerate(("before", "close", "after"))})
        for at in np.flatnonzero(away).tolist()
    ]


def odd_prices(bars: Bars) -> list[Event]:
    """Opens, highs and lows more than half (and 20 usual moves) away from three closes: the one before, own, next."""
    close = bars.close
    stack = np.stack([np.r_[close[0], close[:-1]], close, np.r_[close[1:], close[-1]]])
    top, bottom = stack.max(axis=0), stack.min(axis=0)
    limit = max(np.log(1.5), 20 * scale(close))
    odd = {name: _beyond(getattr(bars, name), top, bottom, limit) for name in ("open", "high", "low")}
    places = np.flatnonzero(np.logical_or.reduce(list(odd.values())))
    return [
        Event(
            _time(bars, at),
            {**{name: float(getattr(bars, name)[at]) for name in odd if odd[name][at]}, "close": float(close[at])},
        )
        for at in places.tolist()
    ]


def _beyond(price: FloatArray, top: FloatArray, bottom: FloatArray, limit: float) -> BoolArray:
    mask: BoolArray = (np.log(price / top) > limit) | (np.log(bottom / price) > limit)
    return mask


def volume_units(bars: Bars) -> list[Event]:
    """Where the median volume of 24 bars and of the next 24 (bars without volume left out) differ 50-fold.

    `factor` is after over before; `like_price` says that it is the price within a factor of five: base against quote
    units. A change between units less than 50-fold apart (a coin under 50) cannot be told from trading. One event a
    change, at the first bar in the new unit. O(n log 24).
    """
    if bars.volume is None:
        return []
    traded = np.flatnonzero(bars.volume > 0)
    if len(traded) < 2 * _WINDOW:
        return []
    size = np.log(bars.volume[traded])
    medians = pl.Series(size).rolling_median(_WINDOW).to_numpy()
    step = medians[2 * _WINDOW - 1 :] - medians[_WINDOW - 1 : -_WINDOW]  # of the boundary before traded bar i + WINDOW
    result = []
    for first, last in _stretches(np.abs(step) > np.log(_UNIT_FACTOR)):
        peak = first + int(np.argmax(np.abs(step[first : last + 1]))) + _WINDOW
        at = int(traded[_boundary(size, peak, float(step[peak - _WINDOW]))])
        factor = float(np.exp(step[peak - _WINDOW]))
        like = abs(abs(np.log(factor)) - abs(np.log(bars.close[at]))) < np.log(5)
        result.append(Event(_time(bars, at), {"factor": factor, "like_price": "yes" if like else "no"}))
    return result


def _stretches(mask: BoolArray) -> list[tuple[int, int]]:
    """First and last place of each stretch of True; stretches less than a window apart are one."""
    places = np.flatnonzero(mask)
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > _WINDOW)
    return list(zip(places[np.r_[0, cuts + 1]].tolist(), places[np.r_[cuts, len(places) - 1]].tolist(), strict=True))


def _boundary(size: FloatArray, peak: int, step: float) -> int:
    """The first place in the new unit: most places before it lie below the middle, most after it above."""
    near: IntArray = np.arange(max(0, peak - _WINDOW), min(len(size), peak + _WINDOW))
    before, after = size[peak - _WINDOW : peak], size[peak : peak + _WINDOW]
    middle = (float(np.median(before)) + float(np.median(after))) / 2
    new = (size[near] > middle) if step > 0 else (size[near] < middle)
    score = np.cumsum(np.where(new, -1, 1))
    return int(near[int(np.argmax(score))]) + 1


def _time(bars: Bars, at: int) -> str:
    return iso(int(bars.timestamp[at]))


FACTOR = 50.0
EDGE_FACTOR = 1000.0
STAYS = 3  # bars after which a new level is one
_SIDE = 5
_LOW = PRICES.index("low")


def find_outliers(rows: Rows) -> BoolArray:
    """``(n,)`` rows of which a price is 50 times its neighbours' close, or a fiftieth, and which return to the level.

    The neighbours' level is the median close of the 11 rows around (sorted, each time once). A stretch of up to five
    such rows counts when normal rows stand on both sides of it; at either end of the data, where no return can be
    seen, only from 1000 times on. A shift that lasts (split, crash) moves the median with it and is left alone; so is
    the bar of the shift itself, which opens at the old level and closes at the new one.
    A low alone that falls out is left to the report (`breaks.odd_prices`): markets print such lows (Coinbase BTC-USD,
    2017-04-15, 0.06), and a wrong unit moves other prices too.
    Fewer than three rows, or prices that are not positive, tell nothing.
    """
    n = len(rows)
    stack = np.stack([rows.values[name] for name in PRICES])
    if n < 3 or (stack <= 0).any():
        return np.zeros(n, np.bool_)
    signed = np.log(stack / level(rows.values["close"]))
    signed[_LOW] = np.maximum(signed[_LOW], 0.0)
    off = np.abs(signed).max(axis=0)
    flagged = (off > np.log(FACTOR)) & ~_moves_over(stack, rows.values["close"])
    inside = flagged.copy()
    normal = np.flatnonzero(~flagged)
    if not len(normal):
        return np.zeros(n, np.bool_)
    inside[: normal[0]] = off[: normal[0]] > np.log(EDGE_FACTOR)
    inside[normal[-1] + 1 :] = off[normal[-1] + 1 :] > np.log(EDGE_FACTOR)
    return inside


def _moves_over(stack: FloatArray, close: FloatArray) -> BoolArray:
    """``(n,)`` bars from one level to another: no price is far beyond the level of the rows before and of those after.

    Levels are median closes of 11 rows, the own one included. Where fewer are left, they show a level only if there are
    `STAYS` of them beside the own one, and all lie at it: else a row of another unit could pass for a new level.
    """
    size, at = 2 * _SIDE + 1, np.arange(len(close))
    before = pl.Series(close).rolling_median(size, min_samples=1).to_numpy()
    after = pl.Series(close[::-1]).rolling_median(size, min_samples=1).to_numpy()[::-1]
    mixed_before = np.r_[False, _mixed(close)[:-1]] | (at < STAYS)
    mixed_after = _mixed(close[::-1])[::-1] | (at >= len(close) - STAYS)
    after = np.where((at > len(close) - size) & mixed_after, before, after)
    before = np.where((at < size - 1) & mixed_before, after, before)
    bottom, top = np.minimum(before, after) / FACTOR, np.maximum(before, after) * FACTOR
    over: BoolArray = np.asarray(((stack >= bottom) & (stack <= top)).all(axis=0))
    return over


def _mixed(close: FloatArray) -> BoolArray:
    """``(n,)``: whether the rows up to each one lie at several levels."""
    highest: FloatArray = np.maximum.accumulate(close)
    lowest: FloatArray = np.minimum.accumulate(close)
    return np.asarray(highest > FACTOR * lowest, np.bool_)


def level(close: FloatArray) -> FloatArray:
    """``(n,)`` median close of the 11 rows around each row; the windows at the ends are whole ones, moved inside."""
    size = min(2 * _SIDE + 1, len(close))
    if size % 2 == 0:
        size -= 1
    medians = pl.Series(close).rolling_median(size).to_numpy()
    at = np.clip(np.arange(len(close)) + size // 2, size - 1, len(close) - 1)
    around: FloatArray = medians[at]
    return around


def report_outliers(rows: Rows, at: int) -> str:
    """The price, its neighbours' level and the power of ten between them."""
    around = float(level(rows.values["close"])[at])
    name = max(PRICES, key=lambda p: (abs(np.log(rows.values[p][at] / around)), p == "close"))
    value = float(rows.values[name][at])
    ratio = value / around
    ten = 10 ** round(abs(np.log10(ratio)))
    times = f"about {ten} times" if ratio > 1 else f"about 1/{ten} of"
    return f"{name} {value:.12g} is {times} the level of its neighbours ({around:.12g}): another unit?"
