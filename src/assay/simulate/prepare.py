"""Prepare and check the inputs of the simulation loops, and lay out their state arrays."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.bars import Bars
from assay.kernel.decisions import Costs, Decisions
from assay.kernel.errors import ConfigError, DataError, amount, printable

_NONE: FloatArray = np.empty(0)


def buy_and_hold(bars: Bars, start: int) -> float:
    """Return from the open of row ``start + 1`` to the last close, without costs; 0 where no row could be traded."""
    if len(bars) - start < 2:
        return 0.0
    return float(bars.close[-1] / bars.open[start + 1] - 1.0)


def funding_paid(bars: Bars, start: int) -> FloatArray:
    """``(n - start,)`` sum of the rates paid within each judged bar; empty where the market pays none.

    A payment at T belongs to the first bar that ends at or after T, hence to ``(open, close]`` on an unbroken grid. Of
    a payment's revisions the last one counts.
    """
    series = bars.joined.get("funding_rate")
    if series is None:
        return _NONE
    _, newest = np.unique(series.value_time[::-1], return_index=True)
    paid_at, rate = series.value_time[::-1][newest], series.value[::-1][newest]
    within = (paid_at > bars.timestamp[start]) & (paid_at <= bars.known_at[-1])
    paid_at, rate = paid_at[within], rate[within]
    if not np.isfinite(rate).all():
        row = int(np.argmin(np.isfinite(rate)))
        raise DataError(
            f"{bars.instrument}: the funding rate paid at {paid_at[row]} ms is {rate[row]}, must be finite",
            code="DATA_NAN",
            value_time=int(paid_at[row]),
        )
    charged = np.zeros(len(bars) - start)
    np.add.at(charged, np.searchsorted(bars.known_at[start:], paid_at), rate)
    return charged


def check(bars: Bars, decisions: Decisions, start: int, equity: float) -> None:
    """Raise what `run` promises to raise about its input."""
    if len(decisions) != len(bars):
        raise ConfigError(
            f"{bars.instrument}: {len(decisions)} decisions for {len(bars)} bars; one row a bar is needed",
            code="CONFIG_PARAMETER",
        )
    check_bars(bars, start, equity)


def check_bars(bars: Bars, start: int, equity: float) -> None:
    """The same where no decisions are given."""
    if start < 0 or not (np.isfinite(equity) and equity > 0):
        raise ConfigError(
            f"simulate: start is {start}, equity {equity}; start must be >= 0 and equity finite and > 0",
            code="CONFIG_PARAMETER",
        )
    if len(bars) <= start:
        raise DataError(
            f"{bars.instrument}: {amount(len(bars), 'bar')} and start {start} leave no row to judge",
            code="DATA_TOO_FEW",
            hint="Give more bars, or an earlier start.",
            have=len(bars),
            need=start + 1,
        )
    if bars.low.min() <= 0 or bars.open.min() <= 0:
        row = int(np.argmax((bars.low <= 0) | (bars.open <= 0)))
        raise DataError(
            f"{bars.instrument}: open {bars.open[row]} and low {bars.low[row]} in row {row}; "
            "only positive prices can be simulated",
            code="DATA_PRICE",
            row=row,
        )


def as_contiguous(values: NDArray[Any], kind: type[np.generic] = np.float64) -> NDArray[Any]:
    """A read-only, contiguous view (a copy only where the values are neither), so that the loop is compiled once.

    Arrays from a data frame are often read-only and columns of a matrix strided: each is a type of its own to Numba.
    """
    view = np.ascontiguousarray(values, kind).view()
    view.flags.writeable = False
    return view


def check_names(bars: Mapping[str, Bars], decisions: Mapping[str, Decisions]) -> None:
    """Raise unless bars and decisions have the same symbols."""
    odd = sorted(set(bars) ^ set(decisions))
    if odd:
        raise ConfigError(
            f"simulate: bars and decisions must have the same symbols, {printable(odd[0])} is only in one of them",
            code="CONFIG_PARAMETER",
            symbols=odd,
        )


def bar_ms(several: Sequence[Bars]) -> int:
    """The one bar length of several instruments, ms; raises ``CONFIG_TIMEFRAME`` if they differ."""
    names = sorted({b.instrument.timeframe for b in several})
    if len(names) > 1:
        raise ConfigError(
            f"simulate: one account needs one timeframe, these instruments have {', '.join(names)}",
            code="CONFIG_TIMEFRAME",
        )
    return several[0].instrument.bar.ms


def unite_opens(opens: Sequence[IntArray]) -> tuple[IntArray, IntArray]:
    """Union of the opens, and where in the flat columns each instrument's bar stands (-1: it has none)."""
    times = np.unique(np.concatenate(list(opens)))
    index = np.full((len(times), len(opens)), -1, np.int64)
    offset = 0
    for j, mine in enumerate(opens):
        index[np.searchsorted(times, mine), j] = np.arange(offset, offset + len(mine))
        offset += len(mine)
    return times, index


def prices(several: Sequence[Bars], firsts: Sequence[int]) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Open, high, low, close from each first judged row on, instrument after instrument."""
    pairs = list(zip(several, firsts, strict=True))
    return (
        np.concatenate([b.open[f:] for b, f in pairs]),
        np.concatenate([b.high[f:] for b, f in pairs]),
        np.concatenate([b.low[f:] for b, f in pairs]),
        np.concatenate([b.close[f:] for b, f in pairs]),
    )


def volume_column(bars: Bars, first: int) -> FloatArray:
    """Volume from the first judged row on, NaN where the market has none."""
    return np.full(len(bars) - first, np.nan) if bars.volume is None else bars.volume[first:]


def funding_columns(bars: Bars, first: int, costs: Costs) -> FloatArray:
    """Sum of the funding rates paid within each judged bar, 0 where none is charged."""
    paid = funding_paid(bars, first) if costs.funding else np.empty(0)
    return paid if len(paid) else np.zeros(len(bars) - first)


_Number = TypeVar("_Number", np.float64, np.int32)


def _late(columns: Sequence[NDArray[_Number]], firsts: Sequence[int], none: float) -> NDArray[_Number]:
    """Beside each judged bar the value of the row before; `none` beside an instrument's first."""
    parts = []
    for column, first in zip(columns, firsts, strict=True):
        part = np.empty_like(column[first:])
        part[0] = none
        part[1:] = column[first:-1]
        parts.append(part)
    return np.concatenate(parts)


def decision_columns(
    decisions: Sequence[Decisions], firsts: Sequence[int]
) -> tuple[FloatArray, FloatArray, FloatArray, NDArray[np.int32]]:
    """Target, stop, take, hold of the row before each judged bar."""
    return (
        _late([d.target for d in decisions], firsts, np.nan),
        _late([d.stop for d in decisions], firsts, np.nan),
        _late([d.take for d in decisions], firsts, np.nan),
        _late([d.hold for d in decisions], firsts, 0),
    )


# account: one vector per account, shared by all its instruments
CASH, FEES, SLIPPAGE, FUNDING, BORROW, TURNOVER, ZERO_VOLUME_FILLS, CLOSED, SHORTFALL = range(9)
ACCOUNT_SIZE = 9
# position: one vector per instrument
QUANTITY, STOP, TAKE, EXPIRY, ACTED, ENTRY_ROW = range(6)  # quantity is signed; stop and take are prices
OPENED, ENTRY_NOTIONAL, EXIT_NOTIONAL = range(6, 9)  # sums over the fills of the open trade
OWN_FEES, OWN_SLIPPAGE, OWN_FUNDING, OWN_BORROW = range(9, 13)
AFTER_OPEN = 13  # signed quantity after the orders of the newest open, also if the bar has closed it since
POSITION_SIZE = 14
# ledger: one row per closed trade
L_ENTRY, L_EXIT, L_SIDE, L_QUANTITY, L_ENTRY_NOTIONAL, L_EXIT_NOTIONAL = range(6)
L_FEES, L_SLIPPAGE, L_FUNDING, L_BORROW, L_REASON, L_SYMBOL = range(6, 12)
LEDGER_WIDTH = 12
TRADES_PER_STEP = 2  # most trades that one step can close: one at the open, its successor inside the bar
# costs
FEE, PRICE_SHARE, BORROW_SHARE, IMPACT, EXPONENT = range(5)

TP, SL, MAX_HOLD, SIGNAL, END_OF_DATA = range(5)
EXIT_REASONS = ("TP", "SL", "MAX_HOLD", "SIGNAL", "END_OF_DATA")

_YEAR_MS = 365 * 86_400_000


def cost_vector(costs: Costs, bar_ms: int) -> FloatArray:
    """``(5,)`` costs as `step` reads them, the borrow rate turned into a share of notional per bar (365-day year)."""
    borrow = costs.borrow_rate * bar_ms / _YEAR_MS
    return np.array([costs.fee, costs.price_share, borrow, costs.impact_coefficient, costs.impact_exponent])


def new_account(equity: float) -> FloatArray:
    """``(ACCOUNT_SIZE,)`` an account that holds `equity` in cash."""
    account = np.zeros(ACCOUNT_SIZE)
    account[CASH] = equity
    return account


def new_positions(count: int) -> FloatArray:
    """``(count, POSITION_SIZE)`` flat positions."""
    positions = np.zeros((count, POSITION_SIZE))
    positions[:, STOP:EXPIRY] = np.nan
    positions[:, EXPIRY] = np.inf
    return positions
