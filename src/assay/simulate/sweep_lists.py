"""Lists of signals replayed beside each other: all of them on one stretch of bars, then all on the next."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from assay.kernel.arrays import FloatArray
from assay.simulate.sweep_replay import (
    ACCOUNT_WIDTH,
    BEFORE,
    CASH,
    LEFT,
    MARKED,
    NEXT,
    advance,
    end_bar,
    first_from,
)
from assay.simulate.tally import TALLY_SIZE, begin, finish

_STRETCH = 16_384  # bars; their prices, half a MiB, stay in the second cache


@njit(cache=True, error_model="numpy", nogil=True)
def replay(
    prices: FloatArray,
    silent: NDArray[np.bool_],
    rows: NDArray[np.int32],
    turns: NDArray[np.int32],
    signals: FloatArray,
    starts: NDArray[np.int64],
    carries: NDArray[np.int64],
    exits: FloatArray,
    costs: tuple[float, float],
    equity: float,
    out: FloatArray,
) -> None:
    """All exits on each list of signals; every account writes its row of `out` ``(lists, exits, KEPT)``.

    prices:  ``(n, 4)`` open, high, low, close, interleaved.   silent: ``(n,)`` zero-volume bars, or empty: none.
    starts:  ``(lists + 1,)`` where each list begins, and the end of the last.
    rows:    ``(k,)`` bars of the signals, increasing in a list, each <= n - 2.   signals: ``(k, SIGNAL_WIDTH)``.
    turns:   ``(k,)`` place in the list of the next signal of another side, the list's length where there is none.
    carries: ``(lists,)`` sums of `STATE` (weights; a side may be 0), `STOPPED`, `TAKEN` (a level must be there, else it
             is dropped).
    costs:   fee and price share a side.
    """
    ways = len(exits)
    tallies, accounts = np.empty((len(carries) * ways, TALLY_SIZE)), np.empty((len(carries) * ways, ACCOUNT_WIDTH))
    _begin(tallies, accounts, equity)
    ends = np.zeros(len(carries), np.int64)
    for first in range(0, len(prices), _STRETCH):
        for j in range(len(carries)):
            a, b = starts[j], starts[j + 1]
            ends[j] = first_from(rows[a:b], ends[j], first + _STRETCH)
            for e in range(ways):
                at, rule = j * ways + e, (exits[e, 0], exits[e, 1], exits[e, 2], exits[e, 3], exits[e, 4], exits[e, 5])
                advance(
                    prices, silent, rows[a:b], turns[a:b], signals[a:b], carries[j], rule, costs, ends[j],
                    accounts[at], tallies[at],
                )  # fmt: skip
    _end(tallies, accounts)
    for at in range(len(tallies)):
        out[at // ways, at % ways] = tallies[at, : out.shape[2]]


@njit(cache=True, error_model="numpy", nogil=True)
def _begin(tallies: FloatArray, accounts: FloatArray, equity: float) -> None:
    for at in range(len(tallies)):
        begin(tallies[at])
        accounts[at, NEXT], accounts[at, LEFT], accounts[at, MARKED] = 0.0, -1.0, 0.0
        accounts[at, CASH] = accounts[at, BEFORE] = equity


@njit(cache=True, error_model="numpy", nogil=True)
def _end(tallies: FloatArray, accounts: FloatArray) -> None:
    """Count the bar at whose open an account left its last position, and the drawdown that lasts."""
    for at in range(len(tallies)):
        if accounts[at, LEFT] >= 0.0:
            end_bar(tallies[at], accounts[at, CASH], accounts[at, BEFORE])
        finish(tallies[at])
