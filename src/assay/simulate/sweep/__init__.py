"""Sweep: all combinations of a rule's parameters in one call."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.simulate.sweep.api import SweepResult as SweepResult
    from assay.simulate.sweep.api import sweep_picks as sweep_picks
    from assay.simulate.sweep.api import sweep_product as sweep_product
    from assay.simulate.sweep.reference import decisions as decisions
    from assay.simulate.sweep.reference import tally_of as tally_of
    from assay.simulate.sweep.sweep_inputs import Candidates as Candidates
    from assay.simulate.sweep.sweep_inputs import Exits as Exits
    from assay.simulate.sweep.sweep_inputs import Side as Side
    from assay.simulate.sweep.sweep_inputs import States as States

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "api": ("SweepResult", "sweep_picks", "sweep_product"),
        "reference": ("decisions", "tally_of"),
        "sweep_inputs": ("Candidates", "Exits", "Side", "States"),
    },
)  # fmt: skip
