"""Layout of the arrays of accounts, positions, trades and costs."""

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.costs import Costs

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
