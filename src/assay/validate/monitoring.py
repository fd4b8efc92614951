"""Monitoring of a serving model: drift of its inputs and results; keep, retrain or retire.

A finding that FAILs calls for something; of several calls the gravest counts. What cannot be known is UNKNOWN and
calls for nothing: it is said, with the number that would do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from assay.features import psi
from assay.kernel.arrays import FloatArray, IntArray, numbers
from assay.kernel.contracts import State
from assay.kernel.errors import ConfigError, amount
from assay.validate.argument_checks import check_share, whole
from assay.validate.gate import independent_trials
from assay.validate.lifecycle import MOST_DEGRADED, ROLLING_KEPT
from assay.validate.statistics import expected_max_sharpe
from assay.validate.statistics.bootstrap import block_length

_BINS = 10
_FLOOR = 1e-4
_TOGETHER = 2_000_000  # resampled bars held at once


@dataclass(frozen=True, slots=True, eq=False)
class InputDrift:
    """What live inputs look like beside those of training.

    psi:     column by column, of live against train (`assay.features.importance.psi`): < 0.1 stable, > 0.25 drift.
    p_value: share of windows, live included, in which some column moved at least as far as in the live one.
    alarm:   p_value <= the budget; None where train holds too few windows of live's length to tell.
    moved:   columns that moved further live than any column did in any window of train, the furthest first.
    windows: of train.   rows_needed: of train, for an alarm to be possible at this budget and length.
    """

    psi: dict[str, float]
    p_value: float
    alarm: bool | None
    moved: tuple[str, ...]
    windows: int
    rows_needed: int


def input_drift(train: ArrayLike, live: ArrayLike, names: Sequence[str], *, false_alarms: float = 0.05) -> InputDrift:
    """Did any of d columns move further than columns move by themselves?

    train, live: ``(n, d)`` and ``(m, d)``, m <= n, oldest row first; what is not finite is a value of its own.
    false_alarms: probability of an alarm where nothing has changed, over all columns together.

    A fixed limit on the index raises alarms at any rate that autocorrelation and length please. Here the live window
    takes its rank among windows of train of the same length, each held against all other rows: where windows could
    be exchanged, a rank of p has probability p (Vovk, Gammerman & Shafer 2005, *Algorithmic Learning in a Random
    World*, ch. 2). A column's moves are measured in their own median, a window by its furthest column, so d columns
    share one budget. Raises ConfigError for other shapes and names. Cost: O(d (n + m) log(n + m)).
    """
    old, new = _tables(train, live, names)
    budget, length = check_share("false_alarms", false_alarms), len(new)
    windows = len(old) // length
    recent = old[len(old) - windows * length :]
    moves = np.column_stack([_moves(column, length) for column in np.concatenate([recent, new]).T])
    middle = np.median(moves, axis=0)
    scaled = moves / np.where(middle > 0, middle, 1.0)
    furthest = scaled.max(axis=1)
    p = float((furthest >= furthest[-1]).mean())
    order = np.argsort(-scaled[-1], kind="stable")
    beyond = scaled[-1] > furthest[:-1].max()
    return InputDrift(
        psi={name: psi(old[:, j], new[:, j]) for j, name in enumerate(names)},
        p_value=p,
        alarm=None if 1 / (windows + 1) > budget else p <= budget,
        moved=tuple(names[j] for j in order if beyond[j]),
        windows=windows,
        rows_needed=(ceil(1 / budget) - 1) * length,
    )


@dataclass(frozen=True, slots=True)
class BandedRecord:
    """A realised record beside the band of its out-of-sample one.

    total: compounded return of the realised bars.   low, high: band of such totals, NaN where there is none.
    p_value: probability of doing no better, where nothing has changed.
    state: ``below`` or ``above`` the band, ``within``, or ``unknown`` where a record is empty or holds a NaN.
    """

    total: float
    low: float
    high: float
    p_value: float
    state: Literal["below", "within", "above", "unknown"]


def record_bands(
    out_of_sample: ArrayLike,
    realised: ArrayLike,
    *,
    level: float = 0.95,
    reps: int = 2000,
    block_size: int | None = None,
    seed: int,
) -> BandedRecord:
    """Does a model earn since its training what its out-of-sample record made one expect?

    out_of_sample, realised: ``(n,)`` and ``(m,)`` net returns a bar.   level: of the band, both sides together; half
    of the rest is about the probability of a false ``below`` (measured: 0.028 of 400 for 1,000 past bars, 0.040 of
    600 for 200, 0.025 asked).   block_size: as for `bootstrap_interval`.

    The band holds the luck of both records: from the out-of-sample one, a stationary bootstrap draws one of n and one
    of m bars, and the difference of their mean log returns is what chance alone does (Politis & Romano 1994). The
    record of the best of many is too good, and so is its band: hold the deflated one beside it. A bar at or below
    -100 % ends a record; an out-of-sample one that ended has no band. Raises ConfigError for fewer than 8
    out-of-sample bars without a block size. Cost: O(reps (n + m)).
    """
    past, now = numbers("out_of_sample", out_of_sample), numbers("realised", realised)
    if past.ndim != 1 or now.ndim != 1 or len(past) < 2:
        raise ConfigError(f"shapes {past.shape} and {now.shape}; (n,), n >= 2, and (m,)", code="CONFIG_PARAMETER")
    tail = (1 - check_share("level", level)) / 2
    whole("reps", reps, 1)
    whole("seed", seed, 0)
    nan = float("nan")
    if not len(now) or not np.isfinite(now).all() or not np.isfinite(past).all() or past.min() <= -1:
        return BandedRecord(nan, nan, nan, nan, "unknown")
    grown = np.log1p(past)
    size = block_length(past) if block_size is None else whole("block_size", block_size, 1, len(past))
    luck = _luck(grown, len(now), size, reps, seed)
    total = -1.0 if now.min() <= -1 else float(np.expm1(np.log1p(now).sum()))
    low, high = (float(np.expm1(len(now) * (grown.mean() + x))) for x in np.quantile(luck, [tail, 1 - tail]))
    over = -np.inf if total == -1.0 else np.log1p(total) / len(now) - grown.mean()
    p = float((1 + (luck <= over).sum()) / (1 + reps))
    state: Literal["below", "within", "above"] = "below" if total < low else "above" if total > high else "within"
    return BandedRecord(total, low, high, p, state)


def _tables(train: ArrayLike, live: ArrayLike, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    old, new = numbers("train", train), numbers("live", live)
    if old.ndim != 2 or new.ndim != 2 or not old.shape[1] == new.shape[1] == len(names) or not names:
        raise ConfigError(
            f"train has shape {old.shape}, live {new.shape}, and there are {len(names)} names; (n, d), (m, d) and d",
            code="CONFIG_PARAMETER",
        )
    if not 1 <= len(new) <= len(old):
        raise ConfigError(
            f"live has {len(new)} rows, train {len(old)}: at least one, and no more than train", code="CONFIG_PARAMETER"
        )
    return old, new


def _moves(column: FloatArray, length: int) -> FloatArray:
    """Index of each window of so many rows against all others, over quantile bins of all rows."""
    finite = np.isfinite(column)
    edges = np.unique(np.quantile(column[finite], np.arange(1, _BINS) / _BINS)) if finite.any() else np.empty(0)
    bins = np.where(finite, np.searchsorted(edges, np.where(finite, column, 0.0), side="left"), len(edges) + 1)
    windows, count = len(column) // length, len(edges) + 2
    flat: IntArray = np.arange(len(column)) // length * count + bins
    own = np.bincount(flat, minlength=windows * count).reshape(windows, count)
    other = own.sum(axis=0) - own
    p, q = np.maximum(own / length, _FLOOR), np.maximum(other / (len(column) - length), _FLOOR)
    moved: FloatArray = ((q - p) * np.log(q / p)).sum(axis=1)
    return moved


def _luck(grown: FloatArray, length: int, block: int, reps: int, seed: int) -> FloatArray:
    """``(reps,)`` differences of the mean of a drawn record of `length` bars and that of one as long as the past."""
    rng, size = np.random.default_rng(seed), max(1, _TOGETHER // (len(grown) + length))
    parts = []
    for first in range(0, reps, size):
        rows = min(size, reps - first)
        live, past = (_drawn(grown, m, block, rows, rng) for m in (length, len(grown)))
        parts.append(live - past)
    return np.concatenate(parts)


def _drawn(x: FloatArray, length: int, block: int, rows: int, rng: np.random.Generator) -> FloatArray:
    """Means of resampled records: blocks of geometric length from anywhere, the end joined to the beginning."""
    fresh = rng.random((rows, length)) < 1 / block
    fresh[:, 0] = True
    at = np.arange(length)
    begun = np.maximum.accumulate(np.where(fresh, at, 0), axis=1)
    start = np.take_along_axis(rng.integers(0, len(x), (rows, length)), begun, axis=1)
    drawn: FloatArray = x[(start + at - begun) % len(x)].mean(axis=1)
    return drawn


Recommendation = Literal["keep", "retrain", "retire"]
LEAST_BARS = 50
"""New bars below which neither record nor inputs are judged."""
LEVEL = 0.95
_GRAVITY: tuple[Recommendation, ...] = ("keep", "retrain", "retire")
_MOVED = 5  # columns that a text names


@dataclass(frozen=True, slots=True)
class Finding:
    """One look at a model. calls_for: what is to be done if it FAILs."""

    check: str
    state: State
    text: str
    calls_for: Recommendation = "keep"


@dataclass(frozen=True, slots=True)
class Realised:
    """A record since training. band: beside the out-of-sample one.

    deflated: beside that less what luck would show; asked where the record is below `band`, else None.
    """

    band: BandedRecord
    deflated: BandedRecord | None


def recommendation_of(findings: Iterable[Finding]) -> Recommendation:
    """The gravest call of the findings that FAIL; ``keep`` without one."""
    return max((f.calls_for for f in findings if f.state == "FAIL"), key=_GRAVITY.index, default="keep")


def performance_finding(
    out_of_sample: FloatArray, realised: FloatArray, *, n_trials: float, seed: int
) -> tuple[Finding, Realised | None]:
    """Does it earn what its out-of-sample record made one expect? Both are ``(n,)`` net returns a bar.

    The best of N tried is too good by luck, so a record FAILs only below the deflated band: that of the out-of-sample
    returns less ``E[max_N] / sqrt(n - 1)`` of their deviation a bar, which is what N trials without an edge would show
    (`expected_max_sharpe`); N may be a number of independent ones. One that FAILs and loses is to be retired; one that
    FAILs and gains, retrained. Below the plain band alone it PASSes and says so. Fewer than `LEAST_BARS` new bars are
    UNKNOWN.
    """
    new, n = len(realised), len(out_of_sample)
    if new < LEAST_BARS:
        return Finding("record", "UNKNOWN", _few(new)), None
    if n < LEAST_BARS:
        return Finding(
            "record", "UNKNOWN", f"its out-of-sample record has {amount(n, 'bar')}, {LEAST_BARS} are needed"
        ), None
    band = record_bands(out_of_sample, realised, level=LEVEL, seed=seed)
    message = f"{_signed(band.total)} in {amount(new, 'new bar')}"
    if band.state == "unknown":
        return Finding("record", "UNKNOWN", f"{message}; the out-of-sample record gives no band"), Realised(band, None)
    meant = f"{message}; {LEVEL:.0%} of such stretches would give {_signed(band.low)} to {_signed(band.high)}"
    if band.state != "below":
        return Finding("record", "PASS", meant), Realised(band, None)
    luck = expected_max_sharpe(max(1, n_trials), 1 / (n - 1)) * float(out_of_sample.std(ddof=1))
    deflated = record_bands(out_of_sample - luck, realised, level=LEVEL, seed=seed)
    result = Realised(band, deflated)
    if deflated.state != "below":
        return Finding("record", "PASS", f"{meant}, but the luck of {independent_trials(n_trials)} explains it"), result
    most = f", and {_signed(deflated.low)} at least if {independent_trials(n_trials)} were luck" if n_trials > 1 else ""
    return Finding("record", "FAIL", f"{meant}{most}", "retire" if band.total < 0 else "retrain"), result


def input_drift_finding(
    train: FloatArray, live: FloatArray, names: Sequence[str], *, false_alarms: float
) -> tuple[Finding, InputDrift | None]:
    """Do the inputs look like those of training? ``(n, d)`` and ``(m, d)``, oldest row first.

    Looks at the newest rows, at most as many as leave training the windows that the budget of false alarms needs
    (`input_drift`): 1 / budget - 1. An alarm calls for retraining.
    """
    windows = max(1, ceil(1 / check_share("false_alarms", false_alarms)) - 1)
    rows = min(len(live), len(train) // windows)
    if len(live) < LEAST_BARS:
        return Finding("inputs", "UNKNOWN", _few(len(live))), None
    if rows < LEAST_BARS:
        need = f"{LEAST_BARS * windows:,} are needed to keep false alarms at {false_alarms:g}"
        text = f"training had {amount(len(train), 'row')}; {need}"
        return Finding("inputs", "UNKNOWN", text), None
    drift = input_drift(train, live[len(live) - rows :], names, false_alarms=false_alarms)
    message = f"of {drift.windows + 1} windows of {rows:,} bars {drift.p_value:.2f} moved as far as the newest"
    if not drift.alarm:
        return Finding("inputs", "PASS", f"{message} (alarm at {false_alarms:g})"), drift
    moved = drift.moved or tuple(sorted(drift.psi, key=lambda name: -drift.psi[name]))[:1]
    document = ", ".join(f"{name} (PSI {drift.psi[name]:.2f})" for name in moved[:_MOVED])
    more = f" and {len(moved) - _MOVED} more" if len(moved) > _MOVED else ""
    return Finding("inputs", "FAIL", f"{message}: {document}{more}", "retrain"), drift


def age_finding(new_bars: int, longest: int | None) -> Finding:
    """Has it outlived its record? longest: bars that a model of its walk served before the next took over.

    Nobody measured what an older one earns: beyond that a model has expired, and is to be retrained.
    """
    if longest is None:
        since = f"{amount(new_bars, 'bar')} since training"
        return Finding("age", "UNKNOWN", f"{since}; its record is gone, so no expiry is known")
    message = f"{amount(new_bars, 'bar')} since training; in its record no model served more than {longest:,}"
    return (
        Finding("age", "FAIL", f"{message}: expired", "retrain")
        if new_bars > longest
        else Finding("age", "PASS", message)
    )


def monitor_performance(rolling: float, lifetime: float) -> tuple[float | None, str | None]:
    """``performance_degradation`` (rolling / lifetime - 1) and the stage that the documented limits would put it in.

    Annual Sharpe ratios, of the last 30 days and out of sample. PAPER below half of a lifetime above 0, DECAY below
    four fifths, else None. These limits know no luck: 30 days of most sound records break them, so they inform and
    recommend nothing.
    """
    if not (isfinite(rolling) and isfinite(lifetime)) or lifetime <= 0:
        return None, None
    degradation = rolling / lifetime - 1
    stage = "PAPER" if rolling < ROLLING_KEPT * lifetime else "DECAY" if degradation < MOST_DEGRADED else None
    return degradation, stage


def _few(new: int) -> str:
    return f"{amount(new, 'new bar')}; {LEAST_BARS} are needed, {LEAST_BARS - new} more"


def _signed(change: float) -> str:
    return f"{change:+.1%}"
