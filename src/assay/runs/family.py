"""What was tried on a market besides the record that is judged, as the trial ledger holds it."""

from dataclasses import dataclass
from math import isfinite, nan

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.kernel.errors import ArtifactError
from assay.runs.context import Context
from assay.simulate.record import Record
from assay.track.blobs.store import Blobs
from assay.track.instants import instant
from assay.track.tried import Tried
from assay.validate.statistics import effective_number_of_trials

MOST_SHARPES = 5_000_000  # of the newest rows: more tell no more about their spread
MOST_RETURNS = 250  # series beside the judged one


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """The trials of a market when a record of it is judged.

    trials:  configurations that are counted, the judged one included.
    spread:  variance of their per-bar Sharpe ratios, ddof 1; 0 for one trial, NaN below two known ones or where a block
             is gone.   known: so many have a Sharpe ratio.
    returns: ``(n, k)`` of trials that were counted alone, were scored on the very bars of the record and whose returns
             were kept; the record itself is the first.
    """

    trials: int
    spread: float
    known: int
    returns: FloatArray

    @property
    def effective(self) -> float:
        """Trials that are independent by their returns; all that are counted where the returns of any are missing.

        Missing are those of a sweep, whose best alone keep theirs, of trials on other bars, and of failed ones.
        """
        if self.returns.shape[1] != self.trials:
            return float(self.trials)
        found = float(effective_number_of_trials(self.returns))
        return found if isfinite(found) else float(self.trials)


def family(record: Record, number: int, market_key: str, context: Context, *, n_trials: int) -> Family:
    """The market's trials up to the `n_trials` that were counted when it was judged: a reproduction sees no later one.

    number: of the record's own row.   Cost: one column of each block of the market, and the newest returns.
    """
    rows = _until(n_trials, [*context.record.ledger.trials(market_key, blobs=Blobs(context.artifacts))])
    sharpes = _sharpes(rows)
    spread = 0.0 if n_trials == 1 else nan
    if sharpes is not None and len(sharpes) > 1:
        spread = float(sharpes.var(ddof=1))
    others = _beside(record, [each for each in rows if each.row["seq"] != number])
    known = 0 if sharpes is None else len(sharpes)
    return Family(n_trials, spread, known, np.column_stack([record.returns, *others]))


def _until(n_trials: int, rows: list[Tried]) -> list[Tried]:
    total, found = 0, []
    for each in rows:
        total += len(each)
        if total > n_trials:
            break
        found.append(each)
    return found


def _sharpes(rows: list[Tried]) -> FloatArray | None:
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
    found = np.concatenate(parts)
    return found[np.isfinite(found)]


def _beside(record: Record, rows: list[Tried]) -> list[FloatArray]:
    """Returns of single trials on the record's own bars, the newest first; none of a row that stands for many."""
    ends = instant(int(record.timestamp[0])), instant(int(record.timestamp[-1]))
    found: list[FloatArray] = []
    for each in reversed(rows):
        row = each.row
        if row["block_sha256"] is not None or (row["window_start"], row["window_end"]) != ends:
            continue
        if len(found) == MOST_RETURNS:
            break
        try:
            returns = each.returns().get(0)
        except ArtifactError:  # what is gone is counted, and not compared
            continue
        if returns is not None and len(returns) == len(record) and np.isfinite(returns).all():
            found.append(returns)
    return found
