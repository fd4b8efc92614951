"""Recommendation for a serving model: keep, retrain or retire.

A finding that FAILs calls for something; of several calls the gravest counts. What cannot be known is UNKNOWN and
calls for nothing: it is said, with the number that would do.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, isfinite
from typing import Literal

from assay.kernel.arrays import FloatArray
from assay.kernel.plural import amount
from assay.validate.argument_checks import check_share
from assay.validate.drift import BandedRecord, InputDrift, input_drift, record_bands
from assay.validate.gate import independent_trials
from assay.validate.lifecycle import MOST_DEGRADED, ROLLING_KEPT
from assay.validate.statistics import expected_max_sharpe

State = Literal["PASS", "FAIL", "UNKNOWN"]
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
