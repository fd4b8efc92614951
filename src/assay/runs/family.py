"""Other trials of a market, from the trial ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.errors import ArtifactError
from assay.runs.context import Context
from assay.simulate import BacktestResult
from assay.track import Blobs, LedgerRow, Look, parse_instant
from assay.validate import effective_number_of_trials

MOST_SHARPES = 5_000_000  # of the newest rows: more tell no more about their spread
MOST_RETURNS = 250  # series beside the judged one


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The trials of a market's chain when a record of it is judged.

    spread:  variance of their per-bar Sharpe ratios, ddof 1; 0 for one trial, NaN below two known ones or where a block
             is gone.   counted: so many have a Sharpe ratio.
    returns: ``(n, k)`` of trials that were counted alone, were scored on the very bars of the record and whose returns
             were kept; the record itself is the first.
    """

    spread: float
    counted: int
    returns: FloatArray


def family(
    record: BacktestResult, number: int, market_key: str, context: Context, *, until: int | None = None
) -> Family:
    """The chain's trials up to the row `until`, all if None: a reproduction sees no later one.

    number: of the record's own row.   Cost: one column of each block of the market, and the newest returns.
    """
    every = context.record.ledger.trials(market_key, blobs=Blobs(context.artifacts))
    rows = [each for each in every if until is None or each.row["seq"] <= until]
    sharpes = _sharpes(rows)
    spread = 0.0 if sum(map(len, rows)) == 1 else nan
    if sharpes is not None and len(sharpes) > 1:
        spread = float(sharpes.var(ddof=1))
    others = _aligned_returns(record, [each for each in rows if each.row["seq"] != number])
    available = 0 if sharpes is None else len(sharpes)
    return Family(spread, available, np.column_stack([record.returns, *others]))


@dataclass(frozen=True, slots=True)
class Independent:
    """kept: looks whose active returns are known on enough common bars.   effective: independent ones among them."""

    returns_stored: int = 0
    effective: float = 0.0


def independent_looks(mine: Look | None, others: Sequence[Look], times: IntArray, context: Context) -> Independent:
    """The effective number of the looks whose active returns are kept on at least ``min_bars`` of the judged bars.

    mine: the judged record.   others: records of other identities, the newest 250 of which are compared.   times:
    ``(n,)`` judged bar opens. Active returns are what is left without the mean exposure: biased rules on a market with
    drift look alike by their plain returns. All other looks count as one each.
    """
    blobs = Blobs(context.artifacts)
    own = None if mine is None else _on(mine, times, blobs)
    if own is None:
        return Independent()
    columns = [own]
    for each in list(reversed(others))[:MOST_RETURNS]:
        stored = _on(each, times, blobs)
        if stored is not None and int(np.isfinite(stored).sum()) >= max(2, context.limits.min_bars):
            columns.append(stored)
    result = effective_number_of_trials(correlation=_correlation(columns, max(2, context.limits.min_bars)))
    return Independent(len(columns), float(result) if isfinite(result) else float(len(columns)))


def _on(look: Look, times: IntArray, blobs: Blobs) -> FloatArray | None:
    """``(n,)`` active returns on these bars, NaN where it has none; None where none are kept."""
    try:
        stored = look.active(blobs)
    except ArtifactError:  # what is gone is counted, and not compared
        return None
    if stored is None:
        return None
    _, at, there = np.intersect1d(times, stored[0], assume_unique=True, return_indices=True)
    result: FloatArray = np.full(len(times), np.nan)
    result[at] = stored[1][there]
    return result


def _correlation(columns: Sequence[FloatArray], least: int) -> FloatArray:
    """``(k, k)`` on the bars that each pair has in common; 0 for fewer than `least` of them and for constants."""
    values = np.column_stack(columns)
    available = np.isfinite(values)
    filled, mask = np.where(available, values, 0.0), available.astype(np.float64)
    count = mask.T @ mask
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (filled.T @ mask) / count  # of column i on the bars of column j
        covariance = (filled.T @ filled) / count - mean * mean.T
        variance = ((filled**2).T @ mask) / count - mean**2
        result = covariance / np.sqrt(variance * variance.T)
    usable = (count >= least) & np.isfinite(result) & (variance > 0) & (variance.T > 0)
    result = np.where(usable, np.clip(result, -1.0, 1.0), 0.0)
    np.fill_diagonal(result, 1.0)
    return result


def _sharpes(rows: list[LedgerRow]) -> FloatArray | None:
    """``(k,)`` finite ones; None where a block cannot be read."""
    total, parts = 0, [np.empty(0)]
    for each in reversed(rows):
        total += len(each)
        if total > MOST_SHARPES and len(parts) > 1:
            break
        try:
            parts.append(each.columns(("sharpe",))["sharpe"].astype(np.float64))
        except ArtifactError:
            return None
    result = np.concatenate(parts)
    return result[np.isfinite(result)]


def _aligned_returns(record: BacktestResult, rows: list[LedgerRow]) -> list[FloatArray]:
    """Returns of single trials on the record's own bars, the newest first; none of a row that stands for many."""
    ends = parse_instant(int(record.timestamp[0])), parse_instant(int(record.timestamp[-1]))
    result: list[FloatArray] = []
    for each in reversed(rows):
        row = each.row
        if row["block_sha256"] is not None or (row["window_start"], row["window_end"]) != ends:
            continue
        if len(result) == MOST_RETURNS:
            break
        try:
            returns = each.returns().get(0)
        except ArtifactError:  # what is gone is counted, and not compared
            continue
        if returns is not None and len(returns) == len(record) and np.isfinite(returns).all():
            result.append(returns)
    return result
