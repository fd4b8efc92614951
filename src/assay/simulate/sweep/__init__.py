"""All combinations of a rule's parameters in one call: from candidates to the sums of every account."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.simulate.sweep.combinations import SweepResult as SweepResult
    from assay.simulate.sweep.combinations import sweep_picks as sweep_picks
    from assay.simulate.sweep.combinations import sweep_product as sweep_product
    from assay.simulate.sweep.inputs import Candidates as Candidates
    from assay.simulate.sweep.inputs import Exits as Exits
    from assay.simulate.sweep.inputs import Side as Side
    from assay.simulate.sweep.inputs import States as States
    from assay.simulate.sweep.single import decisions as decisions
    from assay.simulate.sweep.single import tally_of as tally_of

_NAMES = {
    "combinations": ("SweepResult", "sweep_picks", "sweep_product"),
    "inputs": ("Candidates", "Exits", "Side", "States"),
    "single": ("decisions", "tally_of"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
