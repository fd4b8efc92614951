"""The nature of a record in plain words: an edge, holding, costs, luck or fills. The verdict's first line."""

from collections.abc import Mapping
from typing import Literal

Nature = Literal["edge", "holding", "costs", "luck", "fills", "loss", "leak", "unknown"]

NATURE_SENTENCES: Mapping[Nature, str] = {
    "edge": "This is an edge: it earns more than holding its average position, and more than luck explains after all "
    "trials.",
    "holding": "This is holding: most of what it earns, its average position would have earned by itself.",
    "costs": "This is eaten by costs: what it earns is less than trading may cost.",
    "luck": "This may be luck: the best of as many trials without any skill would show as much too often.",
    "fills": "This is made of fills that nobody would have got: bars without volume, or too much of a bar.",
    "loss": "This loses money, before any cost as well.",
    "leak": "This did not decide by earlier candles alone: what it earns proves nothing.",
    "unknown": "Too little is known yet to tell what this is.",
}


def nature_of(states: Mapping[str, str], *, mostly_holding: bool, earns_before_costs: bool) -> Nature:
    """What a record is by the states of its checks, the worst explanation first.

    mostly_holding: whether less than half of what it earns is left beyond holding its mean position.
    earns_before_costs: whether the mean return without any cost is above 0, as far as that is known.
    """
    if states["audit"] == "FAIL":
        return "leak"
    if states["fills"] == "FAIL":
        return "fills"
    if states["sample"] != "PASS":
        return "unknown"
    if states["profit"] != "PASS":
        return "costs" if earns_before_costs else "loss"
    if states["cost"] == "FAIL":
        return "costs"
    return _by_edge(states, mostly_holding=mostly_holding)


def _by_edge(states: Mapping[str, str], *, mostly_holding: bool) -> Nature:
    if states["edge"] == "PASS":
        return "edge" if states["cost"] == "PASS" else "costs"
    return "holding" if states["edge"] == "FAIL" or mostly_holding else "luck"
