"""One sentence of advice on a verdict."""

from collections.abc import Mapping
from math import isnan

from assay.kernel.plural import amount
from assay.validate import NATURE_SENTENCES, Reason, Thresholds, Verdict

_TWICE = 2.0
_WAITING = 10  # times the judged bars from which on nobody should wait
_DAYS = 365.25


def cost_words(cost_factor: float) -> str:
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
    failed = [r for r in verdict.reasons if r.state == "FAIL"]
    if failed:
        return _of_failed(verdict, failed[0])
    return f"{NATURE_SENTENCES[verdict.nature]} {_next_step(verdict, metrics, bars_per_year, cost_factor)}"


def _of_failed(verdict: Verdict, failed: Reason) -> str:
    """An edge, or too little evidence, is not what decides a record of which a check failed."""
    what = {
        "edge": "This earns more than holding and luck explain, but a check failed.",
        "unknown": "A check failed, whatever more bars would show.",
    }
    return f"{what.get(verdict.nature, NATURE_SENTENCES[verdict.nature])} Leave it: {failed.text}."


def _next_step(verdict: Verdict, metrics: Mapping[str, float], bars_per_year: float, cost_factor: float) -> str:
    if verdict.verdict == "GOLD":
        return "Trade it small: every check passed."
    state = {r.check: r.state for r in verdict.reasons}
    if state["edge"] == state["sample"] == "PASS":
        return _almost(verdict, state, cost_factor)
    needed = verdict.bars_needed
    if needed is None:
        return _without_number(verdict, state)
    judged = metrics.get("n_obs", float("nan"))
    if needed > _WAITING * judged:
        return (
            f"Waiting will not decide it: at this rate it needs {amount(needed, 'more bar')}, more than {_WAITING} "
            "times what was judged. Fewer trials on these bars or lower costs are the cheaper ways."
        )
    return (
        f"Wait or improve it: at this rate {amount(needed, 'more bar')} ({_time(needed / bars_per_year)}) would decide."
    )


def _time(years: float) -> str:
    return amount(round(years, 1), "year") if years >= 1 else amount(max(1, round(years * _DAYS)), "day")


def _without_number(verdict: Verdict, state: Mapping[str, str]) -> str:
    """No number of bars can be computed: what follows from the checks that are open instead."""
    edge, sample = verdict.reason("edge"), verdict.reason("sample")
    if sample.value == 0:
        return "It made no trade: loosen its rule, or trade another market. More bars of the same would not help."
    if isnan(edge.value):
        return f"Do not trade it yet: {edge.text}."
    more = f" A longer record, or a rule that trades more often, would tell: {sample.text}."
    few = more if state["sample"] != "PASS" else ""
    return f"Do not trade it: so far it earns no more than holding its average position.{few}"


def _almost(verdict: Verdict, state: Mapping[str, str], cost_factor: float) -> str:
    missing = ", ".join(check for check, each in state.items() if each == "UNKNOWN")
    if state["cost"] == "PASS":
        costs = cost_words(cost_factor)
        return f"Paper-trade it: the edge survives {costs} and the trials that were made; still open: {missing}."
    return f"Trade it cheaper: {verdict.reason('cost').text}."
