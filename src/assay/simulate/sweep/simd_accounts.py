"""Eight accounts abreast: begun, carried through listed trades and their bars, collected.

An account that owes anything, or loses all it has, is not carried to the end: `collect` says so, and it is left to
`replay.replay_alone`. The sums agree to the last bit, whichever way they come.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate import accumulators
from assay.simulate.accumulators import UNCOUNTED, finish
from assay.simulate.state_arrays import MAX_HOLD, SIGNAL
from assay.simulate.sweep.simd import LANES
from assay.simulate.sweep.simd_equity import BAR_SUMS, BEFORE, DONE, STEP, TRADE, WORST_BAR, add_bars, equities_of
from assay.simulate.sweep.simd_trades import (
    BARS,
    BEST,
    COLUMNS,
    COUNTS,
    GAINED,
    GROSS,
    HAS,
    LEAST,
    LEFT_FOR,
    LOST,
    LOST_SHARES,
    LOST_SUM,
    MARKED,
    MEAN,
    PAID,
    SILENTLY,
    SLIP,
    SPREAD,
    STEPS,
    STREAK_MOST,
    SUMS,
    TURNED,
    WON,
    WON_SHARES,
    WORST,
    settle,
)

# counts ``(WIDTH, COUNTS)``, sums ``(SUMS, WIDTH)`` and bar sums ``(BAR_SUMS, WIDTH)`` flat
Accounts = tuple[NDArray[np.int64], FloatArray, FloatArray]
# trades ``(STEPS, COLUMNS, WIDTH)`` and their rows ``(STEPS, 3, WIDTH)`` flat; equities, where each account stands in
# its trades, how many equities it has
Scratch = tuple[FloatArray, NDArray[np.int32], FloatArray, NDArray[np.int64], NDArray[np.int64]]


@njit(cache=True, error_model="numpy")
def allocate() -> tuple[Accounts, Scratch]:
    """Room for eight accounts."""
    accounts = np.empty((LANES, COUNTS), np.int64), np.empty(SUMS * LANES), np.empty(BAR_SUMS * LANES)
    trades = np.empty(STEPS * COLUMNS * LANES), np.empty(STEPS * 3 * LANES, np.int32)
    return accounts, (*trades, np.empty(LANES * STEP), np.empty((LANES, 2), np.int64), np.empty(LANES, np.int64))


@njit(**UNCOUNTED)
def begin(accounts: Accounts, equity: float) -> None:
    """Eight accounts before their first trade."""
    counts, sums, bars = accounts
    counts[:] = 0
    sums[:] = 0.0
    bars[:] = 0.0
    bars[BEFORE * LANES :] = equity
    for e in range(LANES):
        sums[HAS * LANES + e] = sums[MARKED * LANES + e] = equity
        sums[LEAST * LANES + e] = sums[WORST * LANES + e] = np.inf
        sums[BEST * LANES + e] = -np.inf
        bars[5 * LANES + e] = bars[6 * LANES + e] = bars[7 * LANES + e] = 1.0


@njit(**UNCOUNTED)
def carry(accounts: Accounts, scratch: Scratch, steps: int, closes: FloatArray, costs: tuple[float, float]) -> None:
    """Carry them through so many listed trades and the bars of these.

    closes: with at least `2 * WIDTH` more at the end than there are bars.
    """
    _, sums, bars = accounts
    work, holding, equities, stands, lengths = scratch
    settle(work, steps, costs[0], costs[1], sums)
    stands[:, TRADE] = 0
    stands[:, DONE] = 0
    most = 1
    while most > 0:
        most = 0
        for e in range(LANES):
            lengths[e] = equities_of(work, holding, steps, closes, e, stands, equities)
            most = max(most, lengths[e])
        most = -(-most // LANES) * LANES
        for e in range(LANES):
            # an account with fewer stands still: a return of 0 changes no sum
            base, count = e * STEP, lengths[e]
            still = equities[base + count - 1] if count > 0 else bars[BEFORE * LANES + e]
            for k in range(count, most):
                equities[base + k] = still
        add_bars(equities, most, bars)


@njit(**UNCOUNTED)
def collect(accounts: Accounts, e: int, full: FloatArray) -> bool:
    """One account's tally; false where it ever had nothing, so that the tally does not hold."""
    all_counts, sums, bars = accounts
    counts = all_counts[e]
    full[:] = 0.0
    for q in range(6):
        full[q] = bars[q * LANES + e]
    full[accumulators.PEAK], full[accumulators.TROUGH] = bars[6 * LANES + e], bars[7 * LANES + e]
    full[accumulators.DEEPEST], full[accumulators.DEPTHS] = bars[8 * LANES + e], bars[9 * LANES + e]
    full[accumulators.EPISODES] = bars[10 * LANES + e]
    full[accumulators.BARS_HELD], full[accumulators.SILENT_FILLS] = counts[BARS], counts[SILENTLY]
    full[accumulators.EXPOSED] = counts[BARS]
    for reason in range(5):
        left = counts[LEFT_FOR + reason]
        full[accumulators.EXITS + reason] = left
        full[accumulators.TRADES] += left
        if reason not in (MAX_HOLD, SIGNAL):  # the others leave within the bar
            full[accumulators.EXPOSED] += left
    full[accumulators.GROSS_WINS], full[accumulators.WINS], full[accumulators.LOSSES] = (
        sums[GROSS * LANES + e],
        sums[WON * LANES + e],
        sums[LOST * LANES + e],
    )
    full[accumulators.WON], full[accumulators.LOST] = sums[GAINED * LANES + e], sums[LOST_SUM * LANES + e]
    full[accumulators.WON_SHARE], full[accumulators.LOST_SHARE] = (
        sums[WON_SHARES * LANES + e],
        sums[LOST_SHARES * LANES + e],
    )
    full[accumulators.MEAN_GAIN], full[accumulators.GAIN_SPREAD] = sums[MEAN * LANES + e], sums[SPREAD * LANES + e]
    full[accumulators.HIGHEST], full[accumulators.LOWEST] = sums[BEST * LANES + e], sums[WORST * LANES + e]
    full[accumulators.LONGEST_STREAK] = sums[STREAK_MOST * LANES + e]
    full[accumulators.FEES_PAID], full[accumulators.SLIPPED] = sums[PAID * LANES + e], sums[SLIP * LANES + e]
    full[accumulators.TURNED_OVER] = sums[TURNED * LANES + e]
    finish(full)
    measured = sums[WON_SHARES * LANES + e] - sums[LOST_SHARES * LANES + e] < np.inf  # else an entry was worth nothing
    return bars[WORST_BAR * LANES + e] > -1.0 and sums[LEAST * LANES + e] > 0.0 and measured
