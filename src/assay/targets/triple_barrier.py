"""Triple barrier and meta labels: which barrier does a trade meet first?"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numba import njit

from assay.features import deviation, log_change
from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import ConfigError, printable
from assay.kernel.panel import Labels
from assay.targets.forward_returns import check_number
from assay.targets.horizon import ahead, bars_ahead, check_horizon, labels

_compiled = njit(cache=True, nogil=True, error_model="numpy")
Vertical = Literal["zero", "sign"]


@_compiled
def first_touch(
    open: FloatArray,
    high: FloatArray,
    low: FloatArray,
    close: FloatArray,
    upper: FloatArray,
    lower: FloatArray,
    first: IntArray,
    last: IntArray,
) -> tuple[FloatArray, IntArray, FloatArray]:
    """Which barrier each row meets in bars first..last: side (+1, -1, 0 vertical), the bar, and the price there.

    A bar that opens beyond a barrier is priced at its open; one that holds both meets the lower. Rows whose barriers
    are NaN, or whose bars first..last are not all there, have side NaN and their own row: a label that exists only
    because a barrier was met early would favour early touches. Cost: O(n h).
    """
    n = len(close)
    side = np.full(n, np.nan)
    end = np.arange(n)
    price = np.full(n, np.nan)
    for i in range(n):
        if last[i] >= n or np.isnan(upper[i]) or np.isnan(lower[i]):
            continue
        for t in range(first[i], last[i] + 1):
            if low[t] <= lower[i] or open[t] <= lower[i]:
                side[i], end[i], price[i] = -1.0, t, min(open[t], lower[i])
                break
            if high[t] >= upper[i] or open[t] >= upper[i]:
                side[i], end[i], price[i] = 1.0, t, max(open[t], upper[i])
                break
            if t == last[i]:
                side[i], end[i], price[i] = 0.0, t, close[t]
    return side, end, price


def volatility(close: FloatArray, w: int) -> FloatArray:
    """``(n,)``: std (ddof 1) of the last w log returns; NaN before row w and where they are all equal."""
    out = deviation(log_change(close, 1), w, 1)
    return np.where(out > 1e-15, out, np.nan)


@dataclass(frozen=True, slots=True, kw_only=True)
class TripleBarrier:
    """y = +1 if the upper barrier is met first, -1 if the lower, 0 if neither within h bars.

    Source: López de Prado 2018, *Advances in Financial Machine Learning*, ch. 3.

    Barriers lie around open i+1 at `up` and `down` times sig x sqrt(h), sig = std of the last `vol_window` log returns
    at i; rows where sig is 0 or NaN have no label. Known at the close of the touching bar, or of bar i+h.
    vertical: ``zero``, or ``sign``: the sign of the return where neither is met.
    Raises as `check_horizon`; ConfigError ``CONFIG_PARAMETER``. Cost: O(n h).
    """

    horizon: int | str
    up: float = 2.0
    down: float = 2.0
    vol_window: int = 50
    vertical: Vertical = "zero"

    def __post_init__(self) -> None:
        check_horizon(self.horizon)
        check_number("up", self.up)
        check_number("down", self.down)
        if not isinstance(self.vol_window, int) or isinstance(self.vol_window, bool) or self.vol_window < 2:
            raise ConfigError(
                f"vol_window is {printable(self.vol_window)}, must be an integer >= 2",
                code="CONFIG_PARAMETER",
                field="vol_window",
            )
        if self.vertical not in ("zero", "sign"):
            raise ConfigError(
                f"vertical is {printable(self.vertical)}, must be zero or sign",
                code="CONFIG_PARAMETER",
                field="vertical",
            )

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument; costs play no part."""
        h = bars_ahead(self.horizon, bars.instrument.bar)
        width = self.width(bars, h)
        entry = ahead(bars.open, 1)
        rows = np.arange(len(bars))
        side, end, price = first_touch(
            bars.open,
            bars.high,
            bars.low,
            bars.close,
            entry * (1 + self.up * width),
            entry * (1 - self.down * width),
            rows + 1,
            rows + h,
        )
        if self.vertical == "sign":
            side = np.where(side == 0.0, np.sign(price - entry), side)
        return labels(
            bars,
            side,
            end,
            bars.known_at[end],
            str(self),
            h,
            classes=(-1.0, 0.0, 1.0),
            warm_up=self.vol_window,
        )

    def width(self, bars: Bars, h: int) -> FloatArray:
        """``(n,)``: sig x sqrt(h), a fraction of price; NaN where sig is 0 or not known."""
        return volatility(bars.close, self.vol_window) * np.sqrt(h)

    def __str__(self) -> str:
        return (
            f"triple_barrier(horizon={self.horizon}, up={self.up}, down={self.down}, vol_window={self.vol_window}, "
            f"vertical={self.vertical})"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaLabel:
    """y = 1 if the trade that a primary rule signals earns after costs, else 0; other rows have no label.

    signals: what the rule decided on the same bars, one row a bar. A row is a signal where its target is finite and not
             0, on its side. Its stop and take are distances from the entry price; where it has none, the barriers of
             `TripleBarrier` stand in. Its hold, if it has one, is the horizon.
    horizon, up, down, vol_window: as for `TripleBarrier`.
    Entered at open i+1 and left at the barrier, at the open of a bar beyond it, or at the close of the last bar; known
    at that bar's close. Raises as `TripleBarrier`; ConfigError ``CONFIG_PARAMETER`` if rows and bars differ in number.
    """

    horizon: int | str
    signals: Decisions = field(repr=False)
    up: float = 2.0
    down: float = 2.0
    vol_window: int = 50

    def __post_init__(self) -> None:
        TripleBarrier(horizon=self.horizon, up=self.up, down=self.down, vol_window=self.vol_window)
        if not isinstance(self.signals, Decisions):
            raise ConfigError("signals must be the decisions of a rule", code="CONFIG_PARAMETER", field="signals")

    def label(self, bars: Bars, costs: Costs) -> Labels:
        """Labels of one instrument under these costs."""
        if len(self.signals) != len(bars):
            raise ConfigError(
                f"signals has {len(self.signals)} rows for {len(bars)} bars", code="CONFIG_PARAMETER", field="signals"
            )
        h = bars_ahead(self.horizon, bars.instrument.bar)
        side = np.sign(np.nan_to_num(self.signals.target))
        entry = ahead(bars.open, 1)
        upper, lower = self._barriers(bars, h, side, entry)
        rows = np.arange(len(bars))
        last = rows + np.where(self.signals.hold > 0, self.signals.hold, h)
        _, end, price = first_touch(bars.open, bars.high, bars.low, bars.close, upper, lower, rows + 1, last)
        y = np.where(np.isnan(price), np.nan, net_return(side, entry, price, costs) > 0)
        horizon = int(np.max(last - rows, initial=h))
        incomplete = (side != 0) & (last >= len(bars)) & ~np.isnan(upper)
        return labels(
            bars,
            y,
            end,
            bars.known_at[end],
            str(self),
            horizon,
            classes=(0.0, 1.0),
            warm_up=self.vol_window,
            incomplete=incomplete,
        )

    def _barriers(self, bars: Bars, h: int, side: FloatArray, entry: FloatArray) -> tuple[FloatArray, FloatArray]:
        width = entry * volatility(bars.close, self.vol_window) * np.sqrt(h)
        take, stop = self.signals.take, self.signals.stop
        gain = np.where(np.isnan(take), self.up * width, take)
        loss = np.where(np.isnan(stop), self.down * width, stop)
        upper = np.where(side > 0, entry + gain, entry + loss)
        lower = np.where(side > 0, entry - loss, entry - gain)
        upper[side == 0], lower[side == 0] = np.nan, np.nan
        return upper, lower

    def __str__(self) -> str:
        return f"meta_label(horizon={self.horizon}, up={self.up}, down={self.down}, vol_window={self.vol_window})"


def net_return(side: FloatArray, entry: FloatArray, leave: FloatArray, costs: Costs) -> FloatArray:
    """``(n,)``: what one unit bought (side +1) or sold (-1) at `entry` brings after fee and slippage on both sides."""
    s, f = costs.price_share, costs.fee
    long = leave * (1 - s) * (1 - f) - entry * (1 + s) * (1 + f)
    short = entry * (1 - s) * (1 - f) - leave * (1 + s) * (1 + f)
    return np.where(side > 0, long, short)
