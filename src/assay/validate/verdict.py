"""The judge's last word: GOLD, UNPROVEN or PYRITE, with a reason for every check.

`judge` is pure. What it cannot know is UNKNOWN and keeps a record from GOLD; only a failed check makes it PYRITE.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from math import ceil, isfinite, nan, sqrt
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray
from assay.validate.audit.report import AuditReport
from assay.validate.evidence import Evidence, Thresholds, checked
from assay.validate.statistics import Moments, bars_for_confidence, expected_max_sharpe, moments
from assay.validate.statistics import probabilistic_sharpe_ratio as psr
from assay.validate.thresholds import looser

__all__ = ["Evidence", "Reason", "State", "Thresholds", "Verdict", "Word", "judge", "of_audit", "worded"]

State = Literal["PASS", "FAIL", "UNKNOWN"]
Word = Literal["GOLD", "UNPROVEN", "PYRITE"]


@dataclass(frozen=True, slots=True)
class Reason:
    """One check: what it found (`value`) against what it asks (`threshold`); NaN where there is no number."""

    check: str
    state: State
    text: str
    value: float = nan
    threshold: float = nan


@dataclass(frozen=True, slots=True)
class Verdict:
    """The word, the highest lifecycle stage it allows, every check, and the bars that would decide an UNPROVEN one."""

    word: Word
    stage: str
    reasons: tuple[Reason, ...]
    bars_needed: int | None

    def reason(self, check: str) -> Reason:
        """The reason of one check by its name."""
        return next(r for r in self.reasons if r.check == check)


_STAGE: dict[Word, str] = {"GOLD": "VALIDATION", "UNPROVEN": "DISCOVERY", "PYRITE": "PAPER"}


def judge(evidence: Evidence, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a record. GOLD: all checks PASS. PYRITE: any FAIL. UNPROVEN: else.

    Raises ConfigError ``CONFIG_PARAMETER`` for evidence that contradicts itself: see `assay.validate.evidence.checked`.
    """
    limits = thresholds or Thresholds()
    evidence = checked(evidence)
    m = moments(evidence.returns)
    sample = _sample(evidence, limits)
    enough = _told_enough(evidence, limits)
    checks: tuple[Callable[[], Reason], ...] = (
        lambda: of_audit(evidence.audit),
        lambda: _ledger(evidence),
        lambda: sample,
        lambda: _edge(evidence, m, limits, enough=enough),
        lambda: _overfitting(evidence, limits, enough=enough),
        lambda: _cost(evidence, limits, enough=enough),
        lambda: _regimes(evidence, limits),
        lambda: _seeds(evidence, limits, enough=enough),
    )
    reasons = tuple(_told_if_loose(check(), limits) for check in checks)
    word, stage = worded(r.state for r in reasons)
    return Verdict(word, stage, reasons, _bars_needed(evidence, m, limits, reasons))


def worded(states: Iterable[State]) -> tuple[Word, str]:
    """Word and stage of the states of all checks."""
    found = set(states)
    word: Word = "PYRITE" if "FAIL" in found else "GOLD" if found == {"PASS"} else "UNPROVEN"
    return word, _STAGE[word]


def _told_if_loose(reason: Reason, limits: Thresholds) -> Reason:
    """The reason, with each limit named that is looser than the default."""
    loose = looser(asdict(limits), Thresholds(), reason.check)
    return replace(reason, text=f"{reason.text} ({'; '.join(loose)})") if loose else reason


def of_audit(report: AuditReport | None) -> Reason:
    """The check ``audit`` alone: what a report says, or that there is none."""
    if report is None:
        return Reason("audit", "UNKNOWN", "the causality audit was not run")
    if report.violations:
        more = f", and {len(report.violations) - 1} more" if len(report.violations) > 1 else ""
        return Reason("audit", "FAIL", report.violations[0].text + more, len(report.violations), 0)
    count = sum(report.checks.values())
    if not report.complete or not count:
        return Reason("audit", "UNKNOWN", f"not all was asked: {'; '.join(report.notes) or 'no question'}", count)
    return Reason("audit", "PASS", f"no decision depends on a later bar: {count:,} questions", count)


def _ledger(evidence: Evidence) -> Reason:
    reads = evidence.holdout_reads
    if evidence.ledger_complete:
        read = f"; the holdout was read {reads} time{'s' if reads > 1 else ''}" if reads else ""
        return Reason("ledger", "PASS", f"every trial is counted: {evidence.n_trials:,}{read}", evidence.n_trials)
    return Reason("ledger", "UNKNOWN", "some scored configurations have no row, so trials cannot be counted")


def _sample(evidence: Evidence, limits: Thresholds) -> Reason:
    n, trades = evidence.returns.size, evidence.n_trades
    text = f"{n:,} bars (needs {limits.min_bars}) and {trades:,} trades (needs {limits.min_trades})"
    enough = n >= limits.min_bars and trades >= limits.min_trades
    return Reason("sample", "PASS" if enough else "UNKNOWN", text, trades, limits.min_trades)


def _told_enough(evidence: Evidence, limits: Thresholds) -> bool:
    """Whether a check may FAIL: asking for more than by default keeps a record from GOLD, and never from PYRITE."""
    usual = Thresholds()
    bars, trades = min(limits.min_bars, usual.min_bars), min(limits.min_trades, usual.min_trades)
    return evidence.returns.size >= bars and evidence.n_trades >= trades


def _edge(evidence: Evidence, m: Moments, limits: Thresholds, *, enough: bool) -> Reason:
    if not isfinite(m.sharpe):
        text = f"the Sharpe ratio is undefined: {_unmeasured(evidence.returns)}"
        return Reason("edge", "FAIL" if enough else "UNKNOWN", text)
    luck = expected_max_sharpe(evidence.effective_trials, 1 / (m.n - 1))
    confidence = psr(m.sharpe, m.n, m.skew, m.kurtosis, luck)
    text = (
        f"Sharpe {m.sharpe:.4f} a bar ({m.sharpe * sqrt(evidence.bars_per_year):.2f} a year), "
        f"{_trials(evidence.effective_trials)} would show {luck:.4f} by luck; deflated probability {confidence:.3f}"
    )
    state: State = "PASS" if confidence >= limits.confidence and m.sharpe > luck else "UNKNOWN"
    if enough and m.sharpe <= luck:
        state = "FAIL"
    return Reason("edge", state, text, confidence, limits.confidence)


def _unmeasured(returns: FloatArray) -> str:
    """Why returns have no Sharpe ratio."""
    if not np.isfinite(returns).all():
        row = int(np.argmin(np.isfinite(returns)))
        return f"row {row} of the returns is {returns[row]}"
    return "returns do not vary" if len(returns) > 1 else f"there are {len(returns)} returns"


def _trials(count: float) -> str:
    if count == 1:
        return "1 trial"
    return f"{count:,.0f} trials" if count == int(count) else f"{count:,.1f} independent trials"


def _cost(evidence: Evidence, limits: Thresholds, *, enough: bool) -> Reason:
    rows, stressed = len(evidence.returns), len(evidence.stressed_returns)
    if rows != stressed:
        text = f"the record has {rows:,} bars, that with {limits.cost_factor:g} times the costs {stressed:,}"
        return Reason("cost", "UNKNOWN", text)
    sharpe = moments(evidence.stressed_returns).sharpe
    told = f"{sharpe:.4f} a bar" if isfinite(sharpe) else f"undefined: {_unmeasured(evidence.stressed_returns)}"
    text = f"with {limits.cost_factor:g} times the costs the Sharpe ratio is {told}"
    if sharpe > 0:
        return Reason("cost", "PASS", text, sharpe, 0.0)
    return Reason("cost", "FAIL" if enough else "UNKNOWN", text, sharpe, 0.0)


def _overfitting(evidence: Evidence, limits: Thresholds, *, enough: bool) -> Reason:
    """PBO informs, the share of losses decides: where all configurations are good, the best is like its brothers."""
    found = evidence.overfitting
    if found is None and evidence.n_searched == 1:
        return Reason("overfitting", "PASS", "it was not chosen among others")
    if found is None:
        text = f"the {evidence.n_searched:,} configurations that it was chosen among were not compared out-of-sample"
        return Reason("overfitting", "UNKNOWN", text)
    text = (
        f"the best in-sample lost money out-of-sample in {found.loss_share:.0%} of {len(found.logits):,} splits "
        f"(at most {limits.max_loss_share:.0%}); probability of overfitting {found.pbo:.2f}"
    )
    state: State = "PASS" if found.loss_share <= limits.max_loss_share else "UNKNOWN"
    if enough and found.pbo > limits.pyrite_share and found.loss_share > limits.pyrite_share:
        state = "FAIL"
    return Reason("overfitting", state, text, found.loss_share, limits.max_loss_share)


def _seeds(evidence: Evidence, limits: Thresholds, *, enough: bool) -> Reason:
    sharpes = evidence.seed_sharpes
    if sharpes is None:
        return Reason("seeds", "PASS", "the seed hardly moves this kind of training")
    known = sharpes[np.isfinite(sharpes)]
    if not len(known):
        return Reason("seeds", "UNKNOWN", f"none of {len(sharpes)} seeds has a Sharpe ratio", 0, limits.min_seed_share)
    share = float((known > 0).sum() / len(sharpes))
    text = f"{(known > 0).sum()} of {len(sharpes)} seeds earn (needs {limits.min_seed_share:.0%} of {limits.min_seeds})"
    state: State = "PASS" if len(sharpes) >= limits.min_seeds and share >= limits.min_seed_share else "UNKNOWN"
    if enough and np.median(known) <= 0:
        state = "FAIL"
    return Reason("seeds", state, text, share, limits.min_seed_share)


def _regimes(evidence: Evidence, limits: Thresholds) -> Reason:
    if evidence.regimes is None:
        return Reason("regimes", "UNKNOWN", "no regime labels")
    means = [
        float(evidence.returns[evidence.regimes == label].mean())
        for label in np.unique(evidence.regimes[evidence.regimes >= 0])
        if (evidence.regimes == label).sum() >= limits.min_regime_bars
    ]
    if len(means) < 2:
        text = f"{len(means)} regimes have {limits.min_regime_bars} bars, two are needed"
        return Reason("regimes", "UNKNOWN", text, len(means), 2)
    share = sum(mean > 0 for mean in means) / len(means)
    text = f"earns in {sum(mean > 0 for mean in means)} of {len(means)} regimes"
    return Reason(
        "regimes", "PASS" if share >= limits.min_regime_share else "UNKNOWN", text, share, limits.min_regime_share
    )


def _bars_needed(evidence: Evidence, m: Moments, limits: Thresholds, reasons: tuple[Reason, ...]) -> int | None:
    """More bars at this rate until `edge` and `sample` pass; None where no number of bars would do."""
    state = {r.check: r.state for r in reasons}
    if state["edge"] == state["sample"] == "PASS":
        return 0
    n = evidence.returns.size
    whole = bars_for_confidence(m.sharpe, m.skew, m.kurtosis, evidence.effective_trials, limits.confidence)
    if not isfinite(whole) or not evidence.n_trades:
        return None
    for_trades = ceil(max(0, limits.min_trades - evidence.n_trades) * n / evidence.n_trades)
    return max(ceil(whole) - n, for_trades, limits.min_bars - n, 0)
