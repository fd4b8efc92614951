"""Rules: one file each, a pure function of bars with a declared space."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay.learn.strategies.declare import Strategy as Strategy
    from assay.learn.strategies.declare import strategy as strategy
    from assay.learn.strategies.files import load_strategy_file as load_strategy_file
    from assay.learn.strategies.parameters import AT_LEAST as AT_LEAST
    from assay.learn.strategies.parameters import AT_MOST as AT_MOST
    from assay.learn.strategies.parameters import Exit as Exit
    from assay.learn.strategies.parameters import Range as Range
    from assay.learn.strategies.parameters import Structural as Structural
    from assay.learn.strategies.parameters import Threshold as Threshold
    from assay.learn.strategies.registry import strategies as strategies
    from assay.learn.strategies.registry import strategy_named as strategy_named
    from assay.learn.strategies.setups import Entries as Entries
    from assay.learn.strategies.setups import Setups as Setups
    from assay.learn.strategies.setups import Side as Side
    from assay.learn.strategies.setups import State as State

_NAMES = {
    "declare": ("Strategy", "strategy"),
    "files": ("load_strategy_file",),
    "parameters": ("AT_LEAST", "AT_MOST", "Exit", "Range", "Structural", "Threshold"),
    "registry": ("strategies", "strategy_named"),
    "setups": ("Entries", "Setups", "Side", "State"),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
