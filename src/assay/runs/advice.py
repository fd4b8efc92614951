"""What we would do with a record, in one sentence."""

from collections.abc import Mapping
from math import isfinite

from assay.validate.nature import SENTENCES
from assay.validate.thresholds import Thresholds
from assay.validate.verdict import Verdict

_TWICE = 2.0
_WAITING = 10  # times the judged bars from which on nobody should wait


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
    """What the model is, in plain words, and the next step. Never claims an edge that the checks did not show."""
    return f"{SENTENCES[verdict.nature]} {_next_step(verdict, metrics, bars_per_year, cost_factor)}"


def _next_step(verdict: Verdict, metrics: Mapping[str, float], bars_per_year: float, cost_factor: float) -> str:
    failed = [r for r in verdict.reasons if r.state == "FAIL"]
    if verdict.word == "GOLD":
        return "Trade it small: every check passed."
    if failed:
        return f"Leave it: {failed[0].text}."
    state = {r.check: r.state for r in verdict.reasons}
    if state["edge"] == state["sample"] == "PASS":
        return _almost(verdict, state, cost_factor)
    needed = verdict.bars_needed
    if needed is None or not isfinite(metrics.get("sharpe", float("nan"))):
        return "Leave it: more bars at this rate would not change that."
    judged = metrics.get("n_obs", float("nan"))
    if needed > _WAITING * judged:
        return (
            f"Waiting will not decide it: at this rate it needs {needed:,} more bars, more than {_WAITING} times what "
            "was judged. Fewer looks at these bars or lower costs are the cheaper ways."
        )
    years = needed / bars_per_year
    return f"Wait or improve it: at this rate {needed:,} more bars ({years:.1f} years) would decide."


def _almost(verdict: Verdict, state: Mapping[str, str], cost_factor: float) -> str:
    missing = ", ".join(check for check, each in state.items() if each == "UNKNOWN")
    if state["cost"] == "PASS":
        costs = multiplied(cost_factor)
        return f"Paper-trade it: the edge survives {costs} and the looks that were made; still open: {missing}."
    return f"Trade it cheaper: {verdict.reason('cost').text}."
