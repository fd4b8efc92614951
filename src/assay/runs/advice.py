"""What we would do with a record, in one sentence."""

from collections.abc import Mapping
from math import isfinite

from assay.validate.thresholds import Thresholds
from assay.validate.verdict import Verdict

_TWICE = 2.0


def multiplied(cost_factor: float) -> str:
    """``doubled costs`` for 2, else ``3 times the costs``."""
    return "doubled costs" if cost_factor == _TWICE else f"{cost_factor:g} times the costs"


def advice(
    verdict: Verdict,
    metrics: Mapping[str, float],
    *,
    bars_per_year: float,
    cost_factor: float = Thresholds().cost_factor,
) -> str:
    """The next step and why. Never claims an edge that the checks did not show."""
    failed = [r for r in verdict.reasons if r.state == "FAIL"]
    if verdict.word == "GOLD":
        return "Trade it small: every check passed."
    if failed:
        return f"Leave it: {failed[0].text}."
    open_checks = [r for r in verdict.reasons if r.state == "UNKNOWN"]
    statistical = {r.check: r.state for r in verdict.reasons}
    if statistical["edge"] == statistical["cost"] == statistical["sample"] == "PASS":
        missing = ", ".join(r.check for r in open_checks)
        costs = multiplied(cost_factor)
        return f"Paper-trade it: the edge survives {costs} and the trials that were made; still open: {missing}."
    if verdict.bars_needed is None or not isfinite(metrics.get("sharpe", float("nan"))):
        return "Leave it: it earned nothing after costs, and more bars at this rate would not change that."
    years = verdict.bars_needed / bars_per_year
    return f"Wait or improve it: at this rate {verdict.bars_needed:,} more bars ({years:.1f} years) would decide."
