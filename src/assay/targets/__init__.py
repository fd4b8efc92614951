"""Targets: functions of the bars after t with a declared horizon. Never imported by features."""

from typing import TYPE_CHECKING

from assay.kernel.lazy import lazy_names

if TYPE_CHECKING:
    from assay.targets.forward_returns import Direction as Direction
    from assay.targets.forward_returns import ForwardReturn as ForwardReturn
    from assay.targets.forward_returns import Profitable as Profitable
    from assay.targets.pattern import Pattern as Pattern
    from assay.targets.pattern_selection import select as select
    from assay.targets.registry import Target as Target
    from assay.targets.registry import label_bars as label_bars
    from assay.targets.registry import parse_target as parse_target
    from assay.targets.sample_weights import class_shares as class_shares
    from assay.targets.sample_weights import uniqueness as uniqueness
    from assay.targets.trend_scanning import TrendScan as TrendScan
    from assay.targets.triple_barrier import MetaLabel as MetaLabel
    from assay.targets.triple_barrier import TripleBarrier as TripleBarrier

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "forward_returns": ("Direction", "ForwardReturn", "Profitable"),
        "pattern": ("Pattern",),
        "pattern_selection": ("select",),
        "registry": ("Target", "label_bars", "parse_target"),
        "sample_weights": ("class_shares", "uniqueness"),
        "trend_scanning": ("TrendScan",),
        "triple_barrier": ("MetaLabel", "TripleBarrier"),
    },
)  # fmt: skip
