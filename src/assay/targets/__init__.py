"""What comes after t: functions of bars with a declared horizon. Never imported by features."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.targets.barriers import MetaLabel as MetaLabel
    from assay.targets.barriers import TripleBarrier as TripleBarrier
    from assay.targets.choice import Target as Target
    from assay.targets.choice import label_bars as label_bars
    from assay.targets.choice import parse_target as parse_target
    from assay.targets.forward import Direction as Direction
    from assay.targets.forward import ForwardReturn as ForwardReturn
    from assay.targets.forward import Profitable as Profitable
    from assay.targets.pattern import Pattern as Pattern
    from assay.targets.selecting import select as select
    from assay.targets.trend import TrendScan as TrendScan
    from assay.targets.weights import class_shares as class_shares
    from assay.targets.weights import uniqueness as uniqueness

_HOMES = {
    "Direction": "forward",
    "ForwardReturn": "forward",
    "MetaLabel": "barriers",
    "Pattern": "pattern",
    "Profitable": "forward",
    "Target": "choice",
    "TrendScan": "trend",
    "TripleBarrier": "barriers",
    "class_shares": "weights",
    "label_bars": "choice",
    "parse_target": "choice",
    "select": "selecting",
    "uniqueness": "weights",
}
__all__ = [
    "Direction",
    "ForwardReturn",
    "MetaLabel",
    "Pattern",
    "Profitable",
    "Target",
    "TrendScan",
    "TripleBarrier",
    "class_shares",
    "label_bars",
    "parse_target",
    "select",
    "uniqueness",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
