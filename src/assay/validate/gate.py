"""The gate: GOLD, UNPROVEN or PYRITE with a reason for every check, and its document.

`evaluate_gate` is pure. What it cannot know is UNKNOWN and keeps a record from GOLD; only a failed check makes it
PYRITE.
"""

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from math import ceil, isfinite, isinf, isnan, nan, sqrt
from typing import Literal

import numpy as np

from assay.kernel.arrays import FloatArray, IntArray
from assay.kernel.contracts import State
from assay.kernel.errors import amount
from assay.validate.active import Nature, nature_of
from assay.validate.audit.pipeline import AuditReport
from assay.validate.gate_input import GateInput, check_input
from assay.validate.statistics import (
    Moments,
    Overfitting,
    bars_for_error,
    best_of_many_p_value,
    expected_max_sharpe,
    harmonic,
    moments,
    sharpe_p_value,
)
from assay.validate.thresholds import Thresholds, looser_thresholds

__all__ = [
    "CHECKS", "GATE_VERSION", "GateInput", "Reason", "State", "Thresholds", "Verdict", "VerdictName",
    "independent_trials",
    "evaluate_gate", "audit_reason", "verdict_of_states",
]  # fmt: skip

GATE_VERSION = 3  # 1: eight checks, a deflated probability against a confidence. 2: all of the skew in the p-value
CHECKS = (
    "audit", "ledger", "sample", "profit", "edge", "overfitting", "cost", "fills", "data", "regimes", "seeds",
)  # fmt: skip

_MOSTLY = 0.5  # of what a record earns: less of it left beyond holding is mostly holding
_NAMED = 5  # problems of the data that a text names

VerdictName = Literal["GOLD", "UNPROVEN", "PYRITE"]


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
    """The word, the highest lifecycle stage it allows, every check, and the bars that would decide an UNPROVEN one.

    nature: what the model is in plain words, see `assay.validate.active`.
    """

    verdict: VerdictName
    stage: str
    reasons: tuple[Reason, ...]
    bars_needed: int | None
    nature: Nature = "unknown"

    def reason(self, check: str) -> Reason:
        """The reason of one check by its name."""
        return next(r for r in self.reasons if r.check == check)


_STAGE: dict[VerdictName, str] = {"GOLD": "VALIDATION", "UNPROVEN": "DISCOVERY", "PYRITE": "PAPER"}


def evaluate_gate(evidence: GateInput, thresholds: Thresholds | None = None) -> Verdict:
    """Judge a record. GOLD: all checks PASS. PYRITE: any FAIL. UNPROVEN: else.

    Raises ConfigError ``CONFIG_PARAMETER`` for evidence that contradicts itself: see
    `assay.validate.gate_input.check_input`.
    """
    limits = thresholds or Thresholds()
    evidence = check_input(evidence)
    active = None if evidence.active_returns is None else moments(evidence.active_returns)
    enough = _enough_to_fail(evidence, limits)
    checks: tuple[Callable[[], Reason], ...] = (
        lambda: audit_reason(evidence.audit),
        lambda: _ledger(evidence),
        lambda: _sample(evidence, limits),
        lambda: _profit(evidence, enough=enough),
        lambda: _edge(evidence, active, limits, enough=enough),
        lambda: _overfitting(evidence, limits, enough=enough),
        lambda: _cost(evidence, limits, enough=enough),
        lambda: _fills(evidence, limits, enough=enough),
        lambda: _data(evidence),
        lambda: _regimes(evidence, limits),
        lambda: _seeds(evidence, limits, enough=enough),
    )
    reasons = tuple(_told_if_loose(check(), limits) for check in checks)
    verdict, stage = verdict_of_states(r.state for r in reasons)
    return Verdict(verdict, stage, reasons, _bars_needed(evidence, active, limits, reasons), _nature(evidence, reasons))


def _nature(evidence: GateInput, reasons: tuple[Reason, ...]) -> Nature:
    if evidence.active_returns is None or not evidence.returns.size:
        return "unknown"
    dear = evidence.break_even is not None and evidence.break_even.side > 0
    holding = bool(evidence.active_returns.mean() < _MOSTLY * evidence.returns.mean())
    return nature_of({r.check: r.state for r in reasons}, mostly_holding=holding, earns_before_costs=dear)


def verdict_of_states(states: Iterable[State]) -> tuple[VerdictName, str]:
    """Word and stage of the states of all checks."""
    result = set(states)
    verdict: VerdictName = "PYRITE" if "FAIL" in result else "GOLD" if result == {"PASS"} else "UNPROVEN"
    return verdict, _STAGE[verdict]


def _told_if_loose(reason: Reason, limits: Thresholds) -> Reason:
    """The reason, with each limit named that is looser than the default."""
    loose = looser_thresholds(asdict(limits), Thresholds(), reason.check)
    return replace(reason, text=f"{reason.text} ({'; '.join(loose)})") if loose else reason


def audit_reason(report: AuditReport | None) -> Reason:
    """The check ``audit`` alone: what a report says, or that there is none."""
    if report is None:
        return Reason("audit", "UNKNOWN", "the causality audit was not run")
    if report.violations:
        more = f", and {len(report.violations) - 1} more" if len(report.violations) > 1 else ""
        return Reason("audit", "FAIL", report.violations[0].text + more, len(report.violations), 0)
    count = sum(report.checks.values())
    if not report.complete or not count:
        notes = "; ".join(report.notes) or "nothing was compared"
        return Reason("audit", "UNKNOWN", f"the causality audit is not complete: {notes}", count)
    replayed = f"; {report.coverage.text}" if report.coverage is not None else ""
    compared = f"{amount(count, 'comparison')} with later bars cut off or changed"
    return Reason(
        "audit", "PASS", f"no decision depends on a later bar: {compared} gave no difference{replayed}", count
    )


def _ledger(evidence: GateInput) -> Reason:
    reads = evidence.holdout_reads
    if evidence.ledger_complete:
        read = f"; the holdout was read {amount(reads, 'time')}" if reads else ""
        return Reason("ledger", "PASS", f"every trial is counted: {evidence.n_trials:,}{read}", evidence.n_trials)
    return Reason("ledger", "UNKNOWN", "some scored configurations have no row, so trials cannot be counted")


def _sample(evidence: GateInput, limits: Thresholds) -> Reason:
    n, trades, alone = evidence.returns.size, evidence.n_trades, evidence.trades_that_count
    counted = amount(trades, "trade") + ("" if alone == trades else f", {alone:,} of them independent")
    text = f"{amount(n, 'bar')} (needs {limits.min_bars:,}) and {counted} (needs {limits.min_trades:,})"
    enough = n >= limits.min_bars and alone >= limits.min_trades
    return Reason("sample", "PASS" if enough else "UNKNOWN", text, alone, limits.min_trades)


def _enough_to_fail(evidence: GateInput, limits: Thresholds) -> bool:
    """Whether a check may FAIL: asking for more than by default keeps a record from GOLD, and never from PYRITE."""
    usual = Thresholds()
    bars, trades = min(limits.min_bars, usual.min_bars), min(limits.min_trades, usual.min_trades)
    return evidence.returns.size >= bars and evidence.trades_that_count >= trades


def _profit(evidence: GateInput, *, enough: bool) -> Reason:
    returns = evidence.returns
    mean = float(returns.mean()) if returns.size else nan
    if not isfinite(mean):
        return Reason("profit", "UNKNOWN", f"the mean return is undefined: {_unmeasured(returns)}")
    text = f"after costs it earns {mean:+.4%} a bar, {mean * evidence.bars_per_year:+.1%} a year without compounding"
    if mean > 0:
        return Reason("profit", "PASS", text, mean, 0.0)
    return Reason("profit", "FAIL" if enough else "UNKNOWN", text, mean, 0.0)


def _p_value(m: Moments, n_trials: float) -> float:
    """That the best of so many skill-less looks has a Sharpe ratio as high as this one; NaN where undefined."""
    return float(best_of_many_p_value(sharpe_p_value(m.sharpe, m.n, m.skew, m.kurtosis), n_trials))


def _edge(evidence: GateInput, m: Moments | None, limits: Thresholds, *, enough: bool) -> Reason:
    if m is None or evidence.active_returns is None:
        text = (
            "its exposures were not kept, so holding cannot be taken out of it: judge the run again from its snapshot "
            "(assay runs reproduce)"
        )
        return Reason("edge", "UNKNOWN", text, nan, limits.error)
    if not isfinite(m.sharpe):
        text = f"the Sharpe ratio beyond holding is undefined: {_unmeasured(evidence.active_returns)}"
        return Reason("edge", "FAIL" if enough else "UNKNOWN", text, nan, limits.error)
    p = _p_value(m, evidence.effective_trials)
    text = (
        f"beyond holding its mean position: Sharpe {m.sharpe:.4f} a bar "
        f"({m.sharpe * sqrt(evidence.bars_per_year):.2f} a year); p {_small(p)} that {_luck(evidence, limits)}"
    )
    state: State = "PASS" if p <= limits.error and m.sharpe > 0 else "UNKNOWN"
    if enough and m.sharpe <= 0:
        state = "FAIL"
    return Reason("edge", state, text, p, limits.error)


def _small(p: float) -> str:
    return "undefined" if not isfinite(p) else f"{p:.4f}" if p >= 1e-4 else f"{p:.1e}"


def _luck(evidence: GateInput, limits: Thresholds) -> str:
    """What luck had to do; and how often the gate errs, for who judges once and for who judges after every look."""
    count = evidence.effective_trials
    if amount(count, "trial") == "1 trial":
        return f"one trial without skill shows this by luck (at most {limits.error:g})"
    repeated = min(1.0, limits.error * float(harmonic(count)))
    return (
        f"the best of {independent_trials(count)} without skill shows this by luck (at most {limits.error:g}; who "
        f"judges after every trial and stops at the first GOLD errs up to {repeated:.1%} of the time)"
    )


def _unmeasured(returns: FloatArray) -> str:
    """Why returns have no Sharpe ratio."""
    if not np.isfinite(returns).all():
        row = int(np.argmin(np.isfinite(returns)))
        return f"row {row} of the returns is {returns[row]}"
    return "the returns do not vary" if len(returns) > 1 else f"the record has {amount(len(returns), 'return')}"


def independent_trials(count: float) -> str:
    """A number of trials in words; one that is no whole number counts trials that are alike as fewer."""
    text = amount(count, "trial")
    return text if count == int(count) or text == "1 trial" else text.replace(" ", " independent ")


def _cost(evidence: GateInput, limits: Thresholds, *, enough: bool) -> Reason:
    shown = evidence.returns if evidence.shown_returns is None else evidence.shown_returns
    stressed = evidence.stressed_returns
    if not len(evidence.returns) == len(stressed) == len(shown):
        text = f"the record has {amount(len(evidence.returns), 'bar')}, that at higher costs {len(stressed):,}"
        return Reason("cost", "UNKNOWN", text)
    sharpe, least = moments(stressed).sharpe, moments(shown).sharpe
    message = f"{sharpe:.4f} a bar" if isfinite(sharpe) else f"undefined: {_unmeasured(stressed)}"
    text = f"{_at_costs(evidence, limits)} the Sharpe ratio is {message}{_breaks_even(evidence)}"
    state: State = "PASS" if sharpe > 0 else "UNKNOWN"
    if enough and not least > 0:
        state, text = "FAIL", f"{text}; at the costs that its candles show it is not above 0"
    return Reason("cost", state, text, sharpe, 0.0)


def _at_costs(evidence: GateInput, limits: Thresholds) -> str:
    if not evidence.cost_sides:
        return f"with {limits.cost_factor:g} times the costs"
    count = len(evidence.cost_sides)
    assumed, shown, stressed = (
        sum(getattr(each, name) for each in evidence.cost_sides) / count * 1e4
        for name in ("assumed", "shown", "stressed")
    )
    named = f"{assumed:.1f} assumed" if assumed > 0 else "none assumed"
    seen = f", {shown:.1f} at least by its candles" if shown > assumed else ""
    return f"at {stressed:.1f} basis points a side ({named}{seen})"


def _breaks_even(evidence: GateInput) -> str:
    result = evidence.break_even
    if result is None or isnan(result.side):
        return ""
    if result.side == 0:
        return "; it earns nothing even without costs"
    if isinf(result.side):
        return "; no multiple of the costs takes all it earns"
    side = f"{result.side * 1e4:.1f} basis points a side"
    return f"; it breaks even at {side}" + (
        "" if isnan(result.multiple) else f", {result.multiple:.2f} times the assumed"
    )


def _fills(evidence: GateInput, limits: Thresholds, *, enough: bool) -> Reason:
    result, most = evidence.fills, limits.max_doubtful_fills
    if result is None or not isfinite(result.doubtful):
        text = "nothing was traded" if result is not None else "it is not known in which bars it was filled"
        return Reason("fills", "UNKNOWN", text, nan, most)
    parts = {
        "on bars without volume": result.silent,
        "on bars of one price": result.flat,
        "for what exceeds 10 % of the value traded in its bar": result.large,
    }
    seen = ", ".join(f"{share:.1%} {where}" for where, share in parts.items() if share > 0)
    text = f"{result.doubtful:.1%} of the traded notional would hardly have been filled (at most {most:.0%})"
    text += f": {seen}" if seen else ""
    if isfinite(result.capacity):
        text += (
            f"; capacity: with an account above {result.capacity:,.0f} of quote currency, more than 5 % of the fills "
            "would each exceed 1 % of the value traded in their bar"
        )
    state: State = "PASS" if result.doubtful <= most else "UNKNOWN"
    if enough and result.doubtful > limits.pyrite_doubtful_fills:
        state = "FAIL"
    return Reason("fills", state, text, result.doubtful, most)


def _data(evidence: GateInput) -> Reason:
    result = evidence.data_problems
    if result is None:
        return Reason("data", "UNKNOWN", "the judged candles were not examined")
    if not result:
        return Reason("data", "PASS", "no split, and no change of the volume's unit, among the judged bars", 0, 0)
    more = f"; and {len(result) - _NAMED} more" if len(result) > _NAMED else ""
    return Reason("data", "UNKNOWN", "; ".join(result[:_NAMED]) + more, len(result), 0)


def _overfitting(evidence: GateInput, limits: Thresholds, *, enough: bool) -> Reason:
    """PBO informs, the share of losses decides: where all configurations are good, the best is like its brothers."""
    result = evidence.overfitting
    if result is None and evidence.n_searched == 1:
        text = "nothing was searched: it is the only configuration of its run, not the best of several"
        return Reason("overfitting", "PASS", text)
    if result is None:
        text = (
            f"it is the best of {amount(evidence.n_searched, 'configuration')} in-sample, and how these fare "
            "out-of-sample was not compared"
        )
        return Reason("overfitting", "UNKNOWN", text)
    text = (
        f"the best in-sample lost money out-of-sample in {result.loss_share:.0%} of "
        f"{amount(len(result.logits), 'split')} (at most {limits.max_loss_share:.0%}); "
        f"probability of overfitting {result.pbo:.2f}"
    )
    state: State = "PASS" if result.loss_share <= limits.max_loss_share else "UNKNOWN"
    if enough and result.pbo > limits.pyrite_share and result.loss_share > limits.pyrite_share:
        state = "FAIL"
    return Reason("overfitting", state, text, result.loss_share, limits.max_loss_share)


def _seeds(evidence: GateInput, limits: Thresholds, *, enough: bool) -> Reason:
    sharpes = evidence.seed_sharpes
    if sharpes is None:
        return Reason("seeds", "PASS", "the seed hardly moves this kind of training")
    available = sharpes[np.isfinite(sharpes)]
    if not len(available):
        text = f"none of {amount(len(sharpes), 'seed')} has a Sharpe ratio"
        return Reason("seeds", "UNKNOWN", text, 0, limits.min_seed_share)
    share = float((available > 0).sum() / len(sharpes))
    text = (
        f"{(available > 0).sum()} of {amount(len(sharpes), 'seed')} earn "
        f"(needs {limits.min_seed_share:.0%} of {limits.min_seeds})"
    )
    state: State = "PASS" if len(sharpes) >= limits.min_seeds and share >= limits.min_seed_share else "UNKNOWN"
    if enough and np.median(available) <= 0:
        state = "FAIL"
    return Reason("seeds", state, text, share, limits.min_seed_share)


def _regimes(evidence: GateInput, limits: Thresholds) -> Reason:
    if evidence.regimes is None:
        return Reason("regimes", "UNKNOWN", "no regime labels")
    means = [
        float(evidence.returns[evidence.regimes == label].mean())
        for label in np.unique(evidence.regimes[evidence.regimes >= 0])
        if (evidence.regimes == label).sum() >= limits.min_regime_bars
    ]
    if len(means) < 2:
        text = f"{amount(len(means), 'regime')} of {limits.min_regime_bars:,} bars or more, two are needed"
        return Reason("regimes", "UNKNOWN", text, len(means), 2)
    share = sum(mean > 0 for mean in means) / len(means)
    text = f"earns in {sum(mean > 0 for mean in means)} of {len(means)} regimes"
    return Reason(
        "regimes", "PASS" if share >= limits.min_regime_share else "UNKNOWN", text, share, limits.min_regime_share
    )


def _bars_needed(evidence: GateInput, m: Moments | None, limits: Thresholds, reasons: tuple[Reason, ...]) -> int | None:
    """More bars at this rate until `edge` and `sample` pass; None where no number of bars would do."""
    state = {r.check: r.state for r in reasons}
    if state["edge"] == state["sample"] == "PASS":
        return 0
    n, trades = evidence.returns.size, evidence.trades_that_count
    if m is None or not trades:
        return None
    whole = bars_for_error(m.sharpe, m.skew, m.kurtosis, evidence.effective_trials, limits.error)
    if not isfinite(whole):
        return None
    for_trades = ceil(max(0, limits.min_trades - trades) * n / trades)
    return max(ceil(whole) - n, for_trades, limits.min_bars - n, 0)


def gate_input_document(evidence: GateInput) -> dict[str, object]:
    """Plain and, but for NaN, JSON-able: counts, moments, and the sums behind each check. See `GateInput` for names.

    moments, active_moments: of the returns, and of those beyond holding; None where the latter are not known.
    luck: Sharpe ratio a bar that the trials would show by luck, 1/(n - 1) between them.   regimes: ``{label: {bars,
    mean}}``.   Of the audit only what decided: it is stored whole beside this. The ``(n,)`` returns, active returns and
    stressed returns are those of the run's account table.
    """
    evidence = check_input(evidence)
    m = moments(evidence.returns)
    audit, active = evidence.audit, evidence.active_returns
    return {
        "bars": int(evidence.returns.size),
        "bars_per_year": evidence.bars_per_year,
        "n_trades": evidence.n_trades,
        "n_independent_trades": evidence.trades_that_count,
        "n_trials": evidence.n_trials,
        "effective_trials": evidence.effective_trials,
        "trials_variance": evidence.trials_variance,
        "ledger_complete": evidence.ledger_complete,
        "n_searched": evidence.n_searched,
        "holdout_reads": evidence.holdout_reads,
        "moments": m._asdict(),
        "active_moments": None if active is None else moments(active)._asdict(),
        "luck": expected_max_sharpe(evidence.effective_trials, 1 / (m.n - 1)) if m.n > 1 else nan,
        "stressed_sharpe": moments(evidence.stressed_returns).sharpe,
        "shown_sharpe": nan if evidence.shown_returns is None else moments(evidence.shown_returns).sharpe,
        "cost_sides": [asdict(side) for side in evidence.cost_sides],
        "break_even": None if evidence.break_even is None else asdict(evidence.break_even),
        "fills": None if evidence.fills is None else asdict(evidence.fills),
        "data_problems": None if evidence.data_problems is None else list(evidence.data_problems),
        "overfitting": _overfitting_document(evidence.overfitting),
        "regimes": None if evidence.regimes is None else _regimes_document(evidence.returns, evidence.regimes),
        "seed_sharpes": None if evidence.seed_sharpes is None else evidence.seed_sharpes.tolist(),
        "audit": None if audit is None else {"complete": audit.complete, "violations": len(audit.violations)},
    }


def _overfitting_document(result: Overfitting | None) -> dict[str, object] | None:
    if result is None:
        return None
    numbers = {name: getattr(result, name) for name in ("pbo", "loss_share", "slope", "intercept", "n_dropped")}
    return numbers | {"splits": len(result.logits)}


def _regimes_document(returns: FloatArray, regimes: IntArray) -> dict[str, dict[str, float]]:
    result = {}
    for label in np.unique(regimes[regimes >= 0]).tolist():
        holding = returns[regimes == label]
        result[str(label)] = {"bars": len(holding), "mean": float(holding.mean())}
    return result
